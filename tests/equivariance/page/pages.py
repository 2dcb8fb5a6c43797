"""Reads pages of `save_report` as a browser would: tags, texts and pictures."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = {"meta", "link", "img", "image", "path", "br"}


class Parsed(HTMLParser):
    """A page: `tags` are (name, attributes), `text` is what a reader reads. Every tag must be closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def pictures(text):
    """The pictures of a page: {alt text: colours, uint8 (H, W, 4)}."""
    found = re.findall(r'<svg class="map" role="img" aria-label="([^"]*)".*?base64,([^"]*)"', text)
    return {alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")) for alt, data in found}
