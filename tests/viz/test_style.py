"""What all pictures share: files, sizes, colours, colour bars, words for differences."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from minicnn import viz
from minicnn.errors import FileError, InputError
from minicnn.viz.figure import check_size
from minicnn.viz.style import CLUSTERS, EMPTY, add_colour_bar, difference_in_words, palette


@pytest.fixture
def ax():
    return viz.new_figure()[1]


@pytest.mark.parametrize(("ending", "begin"), [("png", b"\x89PNG"), ("PNG", b"\x89PNG"), ("pdf", b"%PDF"),
                                               ("svg", b"<?xml")])
def test_save(ending, begin, ax, tmp_path):
    viz.save(ax.figure, tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(begin)
    assert len(list(tmp_path.iterdir())) == 1


def test_an_old_picture_outlives_a_failure(ax, tmp_path):
    (tmp_path / "a.png").write_text("the old one")
    ax.set_title("$no such formula {$")
    with pytest.raises(ValueError, match="ParseException|Expected"):    # matplotlib's own error
        viz.save(ax.figure, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"] and (tmp_path / "a.png").read_text() == "the old one"


def test_places_that_cannot_be_written_are_named(ax, tmp_path):
    with pytest.raises(InputError, match="a.jpg: the name must end in .png or .pdf or .svg"):
        viz.save(ax.figure, tmp_path / "a.jpg")
    with pytest.raises(FileError, match="its directory does not exist; create it first"):
        viz.save(ax.figure, tmp_path / "nowhere" / "a.png")


def test_clusters_have_colours_of_their_own():
    for k in range(2, CLUSTERS + 1):
        colours = palette(k)(range(k))
        assert len(np.unique(colours, axis=0)) == k and to_hex(colours[0]) == EMPTY
        grey = colours[:, :3] @ [0.299, 0.587, 0.114]
        assert (np.diff(grey) < -0.02).all(), "each is darker than the one before, also on a grey print"
    with pytest.raises(InputError, match="at most 9 clusters have a colour of their own, not 10"):
        palette(10)


@pytest.mark.parametrize("shape", [(3, 9), (9, 3)])
def test_a_colour_bar_is_as_high_as_its_picture(shape):
    figure, ax = viz.new_figure(5, 4)
    bar = add_colour_bar(ax.imshow(np.zeros(shape)), ax, "amount")
    figure.draw_without_rendering()
    picture, drawn = ax.get_window_extent(), bar.ax.get_window_extent()
    assert (drawn.y0, drawn.y1) == pytest.approx((picture.y0, picture.y1)) and drawn.x0 > picture.x1
    assert bar.ax.get_ylabel() == "amount" and bar.ax.get_tightbbox().x1 <= figure.bbox.x1


@pytest.mark.parametrize(("relative", "sign", "words"), [
    (0.0, "=", "exactly equal"), (3e-7, "≈", "equal but for 3e-07"), (0.0123, "≠", "differ by up to 1.2 %"),
    (0.996, "≠", "differ by up to 100 %"), (np.nan, "?", "no pixel is known in both")])
def test_differences_in_words(relative, sign, words):
    assert difference_in_words(relative) == (sign, words)


def test_the_size_of_a_picture(ax, tmp_path):
    viz.save(ax.figure, tmp_path / "a.png", size=(3, 2), dpi=50)
    with Image.open(tmp_path / "a.png") as written:
        assert written.size == (150, 100)
    viz.save(ax.figure, tmp_path / "a.svg", size=np.array([4, 3]))
    assert 'width="288pt" height="216pt"' in (tmp_path / "a.svg").read_text()
    for size, dpi, message in (((3,), 100, "is its width and its height in inches, as in .8, 4.5., not .3,"),
                               ((0.05, 2), 100, "0.05 x 2 inches at 100 dpi are 5 x 200 pixels: at least 10 in each"),
                               ((200, 200), 100, "at most 100,000,000 in all are possible"),
                               ((np.nan, 2), 100, "a side of the picture in inches must be a number above 0, not nan"),
                               ((3, 2), 0, "dpi must be a number above 0, not 0")):
        with pytest.raises(InputError, match=message):
            viz.save(ax.figure, tmp_path / "b.png", size, dpi)
        with pytest.raises(InputError, match=message):
            check_size(size, dpi)
    assert not (tmp_path / "b.png").exists()
