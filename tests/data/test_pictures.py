"""read_picture: what is converted, how it is resized, what is refused, with the file named."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minicnn.data import DataError, Rules, read_picture
from minicnn.data.sources.pictures import Pictures, facts
from tests.data.pictures import pixels_of, save

COLOUR = Rules((8, 8), 3, (0,) * 3, (1,) * 3)
GREY = Rules(8)


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "ppm", "gif", "webp", "jpg"])
def test_formats(tmp_path, ending):
    path = save(tmp_path / f"a.{ending}", **({"lossless": True} if ending == "webp" else {}))
    np.testing.assert_array_equal(read_picture(path, COLOUR), pixels_of(path))
    assert read_picture(path, COLOUR).dtype == np.uint8


@pytest.mark.parametrize(("mode", "colour"), [("RGB", True), ("L", False), ("1", False), ("P", True)])
def test_modes_that_are_converted(tmp_path, mode, colour):
    path = save(tmp_path / "a.png", mode=mode)
    np.testing.assert_array_equal(read_picture(path, COLOUR), pixels_of(path))
    np.testing.assert_array_equal(read_picture(path, GREY), np.asarray(Image.fromarray(pixels_of(path)).convert("L")))
    assert facts(path) == ((8, 8), colour)


def test_a_palette_of_greys_is_grey(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P").save(tmp_path / "a.png")
    assert facts(tmp_path / "a.png") == ((8, 8), False)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", GREY), np.arange(64).reshape(8, 8))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    pixels = np.zeros((8, 8, 4 if mode == "RGBA" else 2), np.uint8)
    pixels[:, 4:, -1] = 255                                            # black on the right, transparent on the left
    Image.fromarray(pixels, mode).save(tmp_path / "a.png") if mode == "LA" else \
        Image.fromarray(pixels).save(tmp_path / "a.png")
    assert facts(tmp_path / "a.png").colour == (mode == "RGBA")
    for rules in (COLOUR, GREY):
        found = read_picture(tmp_path / "a.png", rules)
        assert (found[:, :4] == 255).all() and (found[:, 4:] == 0).all()


def test_a_transparent_colour_of_a_palette(tmp_path):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([9, 9, 9, 200, 0, 0])
    picture.save(tmp_path / "a.png", transparency=1)
    assert (read_picture(tmp_path / "a.png", COLOUR) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(tmp_path, orientation):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:4, :8] = 255                                               # upright: white in the upper left corner
    upright = Image.fromarray(pixels)
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]       # the inverse of the turn, of Pillow
    exif = Image.Exif()
    exif[0x0112] = orientation
    (upright if back is None else upright.transpose(Image.Transpose(back))).save(tmp_path / "a.png", exif=exif)
    assert facts(tmp_path / "a.png") == ((8, 16), True)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", Rules((8, 16), 3, (0,) * 3, (1,) * 3)), pixels)


@pytest.mark.parametrize(("size", "rows", "columns"), [
    ((8, 12), slice(None), slice(2, 10)), ((14, 8), slice(3, 11), slice(None)), ((8, 8), slice(None), slice(None))])
def test_the_middle_is_cut_out_exactly(tmp_path, size, rows, columns):
    path = save(tmp_path / "a.png", size)
    np.testing.assert_array_equal(read_picture(path, COLOUR), pixels_of(path)[rows, columns])


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (29, 28), (65, 59), (1, 200), (97, 13), (16, 16)])
@pytest.mark.parametrize("target", [(8, 8), (5, 9), (28, 28)])
def test_every_size_is_brought_to_the_size(tmp_path, size, target):
    Image.new("RGB", size[::-1], (10, 20, 30)).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png", Rules(target, 3, (0,) * 3, (1,) * 3))
    assert found.shape == (*target, 3) and (found == [10, 20, 30]).all()


def test_a_smaller_picture_is_a_mean_of_its_pixels(tmp_path):
    pixels = np.indices((64, 64)).sum(0) % 2 * 255                     # a chessboard, of which no pixel is dropped
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
    assert np.abs(read_picture(tmp_path / "a.png", GREY).astype(int) - 127).max() <= 2


def broken(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def sixteen(path):
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(path)


def deep_colour(path):
    """A PNG file of 16 bits a channel. Pillow would drop the lower 8 bits."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes(8 * 3 * 2)) * 8
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 8, 8, 16, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize(("name", "make", "message"), [
    ("a.png", deep_colour, "pixels of 16 bits: save it with 8 bits a channel"),
    ("a.png", sixteen, r"pixels of 16 (or 32 )?bits: save it with 8 bits a channel"),
    ("a.tiff", sixteen, "pixels of 16 bits"),
    ("a.tiff", lambda path: Image.new("F", (8, 8)).save(path), "pixels of floating point"),
    ("a.tiff", lambda path: Image.new("I", (8, 8)).save(path), "pixels of 16 or 32 bits"),
    ("a.tiff", lambda path: Image.new("LAB", (8, 8)).save(path), "pixels of the mode LAB: save it with 8 bits"),
    ("a.jpg", lambda path: Image.new("CMYK", (8, 8)).save(path), r"printing inks \(CMYK\): save it .* as grey or as"),
    ("a.gif", lambda path: Image.new("L", (8, 8)).save(path, save_all=True, append_images=[Image.new("L", (8, 8), 9)]),
     r"an animated picture or one of several pages \(2\)"),
    ("a.tiff", lambda path: Image.new("L", (8, 8)).save(path, save_all=True, append_images=[Image.new("L", (9, 9))]),
     r"one of several pages \(2\)"),
    ("a.png", lambda path: path.write_bytes(b""), "no picture that Pillow can read, or it is broken"),
    ("a.png", lambda path: path.write_text("not a picture"), "no picture that Pillow can read"),
    ("a.png", lambda path: path.mkdir(), "it is a directory"),
    ("a.png", lambda path: None, "No such file"),
    ("a.bmp", lambda path: (Image.new("1", (8, 8)).save(path),
                            path.write_bytes(path.read_bytes()[:18] + (10 ** 5).to_bytes(4, "little") * 2
                                             + path.read_bytes()[26:])), "more than 89,478,485 pixels: make it")])
def test_what_is_refused(tmp_path, name, make, message):
    path = tmp_path / name
    make(path)
    with pytest.raises(DataError, match=message) as caught:
        facts(path)
    assert str(path) in str(caught.value)
    with pytest.raises(DataError, match=message):
        read_picture(path)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tiff"])
def test_animations_and_pages_are_refused(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"an animated picture or one of several pages \(3\): save one of them"):
        read_picture(path)


def test_the_first_picture_of_a_camera_is_taken(tmp_path):
    first, preview = (Image.new("RGB", size, colour) for size, colour in (((8, 8), "red"), ((4, 4), "blue")))
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[preview])
    assert facts(tmp_path / "a.mpo") == ((8, 8), True)
    assert (read_picture(tmp_path / "a.mpo", COLOUR)[..., 0] > 200).all()


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, ending, part):
    path = save(tmp_path / f"a.{ending}", (40, 40))
    path.write_bytes(path.read_bytes()[:int(part * path.stat().st_size)])
    with pytest.raises(DataError, match=r"a\.\w+: (the picture is broken \(|this is no picture).* replace or remove"):
        read_picture(path)


def test_pictures_are_read_once_and_the_rest_again(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"{number}.png", seed=number) for number in range(4)]
    asked = []
    monkeypatch.setattr("minicnn.data.sources.pictures.read_picture",
                        lambda path, rules: (asked.append(path.stem), read_picture(path, rules))[1])
    pictures = Pictures(paths, COLOUR, memory=2 * 8 * 8 * 3 + 5)
    expected = np.stack([read_picture(path, COLOUR) for path in paths])
    for _ in range(2):
        np.testing.assert_array_equal(pictures[np.array([3, 0, 1, 2])], expected[[3, 0, 1, 2]])
    assert asked == ["3", "0", "1", "2", "3", "2"]
