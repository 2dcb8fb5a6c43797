"""Streams that cannot encode a character, or that the user's code closed."""

import io
import sys

import pytest

from minicnn.progress.streams import _Lasting, lasting


@pytest.mark.parametrize(("encoding", "text", "expected"), [
    ("ascii", "w\xe4\n", b"w\\xe4\n"), ("latin-1", "\xe4\u2192", b"\xe4\\u2192"), ("utf-8", "a\udcff", b"a\\udcff")])
def test_a_character_that_the_stream_does_not_have(encoding, text, expected):
    file = io.BytesIO()
    stream = _Lasting(io.TextIOWrapper(file, encoding=encoding), True)
    stream.writelines([text[:1], text[1:]])
    stream.flush()
    assert file.getvalue() == expected


def test_a_stream_that_was_closed_loses_its_text():
    with lasting():
        sys.stderr.stream = closed = io.StringIO()
        closed.close()
        print("lost", file=sys.stderr, flush=True)
