"""Small pictures in a page: colours, outlines, and numbers that are no colour."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from minicnn import InputError
from minicnn.viz import colour_scale, heat_map
from minicnn.viz.heat_map import EDGES, coloured, outline


def pixels(text):
    data = re.search(r'base64,([^"]*)"', text).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_pixels_are_the_colours_of_the_values(rng, dtype):
    values = rng.standard_normal((5, 7)).astype(dtype)
    for signed in (True, False):
        np.testing.assert_array_equal(pixels(heat_map(values, "x", 2.0, signed=signed)),
                                      coloured(values.astype(np.float64), 2.0, signed))
    values.flags.writeable = False
    assert heat_map(values, "x") == heat_map(np.asfortranarray(values), "x")


def test_numbers_without_a_colour():
    found = pixels(heat_map(np.array([[np.nan, np.inf, -np.inf, 2.0, 1e308]]), "x"))
    assert found[0, :, 3].tolist() == [0, 255, 255, 0, 255]             # drawn as at most 1e150, as in all pictures
    assert not pixels(heat_map(np.zeros((2, 3)), "zeros"))[..., 3].any()
    with pytest.raises(InputError, match=r"heat_map: there is nothing to draw in an array of shape \(0, 3\)"):
        heat_map(np.zeros((0, 3)), "x")
    with pytest.raises(InputError, match=r"an array of shape \(H, W\) is needed, not \(2, 2, 2\)"):
        heat_map(np.zeros((2, 2, 2)), "x")


def test_an_outline_goes_around_the_marked_pixels(rng):
    for _ in range(20):
        marked = rng.random((6, 5)) < 0.5
        lines = re.findall(r"M(\d+) (\d+)([hv])(\d+)", outline(marked))
        drawn = set()
        for x, y, way, length in lines:
            for step in range(int(length)):
                drawn.add((way, int(x) + step * (way == "h"), int(y) + step * (way == "v")))
        around = np.pad(marked, 1)
        expected = {("h", x, y) for y in range(7) for x in range(5) if around[y, x + 1] != around[y + 1, x + 1]}
        expected |= {("v", x, y) for y in range(6) for x in range(6) if around[y + 1, x] != around[y + 1, x + 1]}
        assert drawn == expected
    assert outline(np.zeros((3, 3), bool)) == ""
    single = (np.indices((200, 200)) % 2 == 0).all(0)
    assert outline(single) == "" and 4 * single.sum() > EDGES and outline(single[:100])
    assert "<path" not in heat_map(np.eye(2), "x", marked=np.zeros((2, 2), bool))


def test_a_large_picture_keeps_its_brightest_and_its_marked_pixels():
    values, known = np.zeros((1030, 10)), np.ones((1030, 10), bool)
    values[1000, 4], known[:3] = -5, False
    text = heat_map(values, "x", marked=values != 0, known=known)
    found = pixels(text)
    assert found.shape == (344, 4, 4) and found[333, 1].tolist() == [0, 114, 178, 255]
    assert (found[0] == (127, 127, 127, 120)).all() and 'd="M1 333h1M1 334h1M1 333v1M2 333v1"' in text


def test_the_scale_has_the_colours_of_the_pictures():
    for signed, low in ((True, -1.0), (False, 0.0)):
        np.testing.assert_array_equal(pixels(colour_scale(3.0, signed))[0, [0, -1]],
                                      coloured(np.array([low, 1.0]), 1.0, signed))
    assert 'alt=""' in colour_scale(1.0)
