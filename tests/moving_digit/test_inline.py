"""The page and the animation as results that a notebook shows."""

import base64
import html
import io
import re

import numpy as np
import pytest
from PIL import Image

from minicnn import FileError, InputError, InputTypeError
from minicnn.models import LeNet
from minicnn.moving_digit import animation, embedded, explorer
from minicnn.nn import ReLU
from tests.recorder import Recorder


def test_the_page_of_the_command_in_a_frame(tmp_path):
    told = Recorder()
    page = explorer((3,), progress=told)
    shown = html.unescape(re.search(r'srcdoc="([^"]*)"', page._repr_html_()).group(1))
    meta, arrays = embedded(shown)
    assert shown == page.text and meta["source"] == "the weights in the package" and told.updates
    assert [digit["label"] for digit in meta["digits"]] == [3] and arrays["logits"][0, 60].argmax() == 3
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.text
    assert repr(page) == f"Page({len(page.text) / 1e6:.2f} MB; a notebook shows it, save('page.html') writes it)"
    assert 'sandbox="allow-scripts allow-downloads"' in page._repr_html_()


def test_the_animation_in_a_picture(tmp_path):
    told = Recorder()
    found = animation([3, 1], canvas=30, route="square", progress=told)
    data = base64.b64decode(re.search(r'src="data:image/gif;base64,([^"]*)"', found._repr_html_()).group(1))
    assert data == found.data and Image.open(io.BytesIO(data)).n_frames == 16
    assert 'alt="a moving digit (3, 1), and its feature map of conv4, which moves along"' in found._repr_html_()
    parts = [done / total for done, total, _ in told.updates]
    assert parts == sorted(parts) and parts[-1] == 1
    found.save(tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes() == data and "Animation(0." in repr(found)


def test_the_page_in_another_language():
    page = explorer([3], language="de")
    assert '<html lang="de">' in page.text and embedded(page.text)[0]["source"] == "den Gewichten aus dem Paket"
    assert 'title="Eine Ziffer verschieben: was eine Faltung erhält"' in page._repr_html_()
    with pytest.raises(InputError, match="language 'it': the page speaks en, de, fr: name one of these"):
        explorer([3], language="it")


def test_own_weights_are_shown():
    model = LeNet(algorithm="direct", rng=np.random.default_rng(0))
    assert embedded(explorer([0], model).text)[0]["source"] == "the weights of the given model"


@pytest.mark.parametrize("function", [explorer, animation])
def test_bad_arguments(function, tmp_path):
    name = function.__name__
    for digits in ([], 3, "37", None):
        with pytest.raises(InputError, match=rf"{name}: digits must be a list of classes, as in \[3, 7\]"):
            function(digits)
    with pytest.raises(InputError, match="there is no digit 10: choose among 0 to 9"):
        function([3, 10])
    with pytest.raises(InputError, match=f"{name}: a digit must be .*at least 0, not -1"):
        function([-1])
    with pytest.raises(InputError, match=f"{name}: a digit must be an integer of at least 0, not 1.5"):
        function([1.5])
    with pytest.raises(InputTypeError, match=f"{name}: the model must be a minicnn.models.LeNet, not a ReLU"):
        function([3], ReLU())
    with pytest.raises(InputTypeError, match=f"{name}: progress must be True, False or a .*Progress, not 2"):
        function([3], progress=2)


def test_a_page_is_not_written_under_a_wrong_name(tmp_path):
    page = explorer([1])
    with pytest.raises(InputError, match="the name must end in .html"):
        page.save(tmp_path / "a.gif")
    with pytest.raises(FileError, match="its directory does not exist"):
        page.save(tmp_path / "no" / "a.html")
