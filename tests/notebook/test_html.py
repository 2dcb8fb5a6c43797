"""The HTML of results: right, escaped, complete, and without a trace in what is shown."""

import base64
import html
import io
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import Tensor, nn, notebook, viz
from minicnn import functional as F
from minicnn.equivariance import verify_convolution
from minicnn.models import MLP, LeNet
from minicnn.nn.summary import summarize
from minicnn.notebook.pixels import shades, signed, tiles, with_nan
from minicnn.training import History


def cells(text):
    """The texts of the cells, row by row. Every tag must be closed."""
    closed = re.sub(r"(<img [^>]*)>", r"\1/>", text).replace("&ensp;", " ")
    root = ElementTree.fromstring(f"<all>{closed}</all>")
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def pixels(text):
    """The pixels of the first <img>."""
    data = re.search(r"data:image/png;base64,([^\"]*)", text).group(1)
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def network(rng):
    return nn.Sequential(nn.Conv2d(1, 2, 5, rng=rng), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3, rng=rng))


# Modules.

def test_a_module_is_a_tree_until_its_input_is_known_then_the_table(rng):
    model = network(rng)
    tree = cells(model._repr_html_())
    assert tree[0] == ["", "parameters"] and tree[1] == ["Sequential()", "151"]
    assert tree[2] == ["  (0): Conv2d(1, 2, kernel_size=(5, 5))", "52"] and tree[3] == ["  (1): ReLU()", ""]
    assert len(tree) == 6
    model(np.zeros((70, 1, 8, 8), np.float32))
    text = model._repr_html_()
    assert "input of shape (64, 1, 8, 8), as in its first call, which had 70 images" in text
    layers = summarize(model, (64, 1, 8, 8))
    assert cells(text)[1:] == layers.rows() and layers._repr_html_() in text
    assert cells(text)[1] == ["0", "Conv2d", "2x4x4", "52", "800", "5 px", layers[0].algorithm]
    assert cells(text)[-1] == ["total", "", "", "151", "896", "", ""]


def test_the_input_of_a_network_that_was_made_for_images_is_known():
    text = LeNet()._repr_html_()
    assert "for an input of shape (1, 1, 28, 28), for which it was made" in text and cells(text)[-1][3] == "67,415"
    assert "(1, 3, 6, 5)" in MLP(4, in_channels=3, image_size=(6, 5))._repr_html_()


@pytest.mark.parametrize("shape", [(1, 8, 8), (32,), ()])
def test_other_inputs_give_the_tree(rng, shape):
    class Any(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2, rng=rng)

        def forward(self, x):
            return x
    model = Any()
    model(np.zeros(shape))
    assert cells(model._repr_html_())[1] == ["Any()", "6"]


def test_a_failing_or_odd_model_is_a_tree_and_the_next_call_counts(rng, capsys):
    model = network(rng)
    with pytest.raises(minicnn.MinicnnError):
        model(np.zeros((1, 4, 8, 8), np.float32))
    assert cells(model._repr_html_())[1] == ["Sequential()", "151"]
    model(np.zeros((1, 1, 8, 8), np.float32))
    assert "for an input of shape (1, 1, 8, 8)" in model._repr_html_()

    class Printing(nn.Module):
        def __init__(self):
            self.inner = network(rng)

        def forward(self, x, times=1):
            print("called")
            return self.inner(x) * times
    printing = Printing()
    printing(np.zeros((1, 1, 8, 8), np.float32), times=2)
    capsys.readouterr()
    assert len(cells(printing._repr_html_())) == 6 and capsys.readouterr().out == ""
    assert cells(nn.ReLU()._repr_html_()) == [["ReLU()", ""]]


def test_showing_a_module_changes_nothing(rng):
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5, rng=rng), network(rng)).train()
    model(np.ones((2, 1, 8, 8), np.float32))
    before, state, seen = model.state_dict(), rng.bit_generator.state, model._first_shapes
    model._repr_html_()
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
    assert rng.bit_generator.state == state and model[1].training and model._first_shapes is seen
    summarize(model, (3, 1, 8, 8))
    fresh = network(rng)
    summarize(fresh, (3, 1, 8, 8))
    assert model._first_shapes is seen and "_first_shapes" not in vars(fresh) and "_first_shapes" not in vars(fresh[0])


def test_the_name_of_a_layer_is_escaped(rng):
    class Named(nn.Module):
        def __init__(self):
            self.layers = {"<script>": nn.Linear(2, 2, rng=rng)}

        def forward(self, x):
            return self.layers["<script>"](x)
    model = Named()
    assert "<script>" not in model._repr_html_() and "(layers.&lt;script&gt;)" in model._repr_html_()
    model(np.zeros((1, 2)))
    assert "<script>" not in model._repr_html_() and "layers.&lt;script&gt;</td>" in model._repr_html_()


# The verifier's report.

def test_a_report_shows_verdict_laws_witness_and_kernel():
    text = verify_convolution(F.relu)._repr_html_()
    assert "<b>not linear; equivariant to all shifts (on the torus" in text
    table = {row[1]: row for row in cells(text)}
    assert table["L(f + g) = L(f) + L(g)"][0] == "FAIL" and table["op(f) = op(f), twice"][0] == "ok"
    assert text.count("font-weight:bold") == 4 * 3 and "witness: L(-1 f) = -1 L(f) is broken" in text
    blur = verify_convolution(lambda f: (np.roll(f, 1, axis=3) + 2 * f + np.roll(f, -1, axis=3)) / 4)
    text = blur._repr_html_()
    assert cells(text)[-1] == ["0.25", "0.5", "0.25"] and "the smallest defect that was looked for" in text
    assert "<img" not in text


def test_the_kernels_of_many_channels_are_a_picture(rng):
    layer = nn.Conv2d(2, 9, 3, bias=False, dtype=np.float64, rng=rng)
    report = verify_convolution(layer, 2, size=(7, 7), domain="window")
    text, shown = report._repr_html_(), pixels(report._repr_html_())
    assert shown.shape == (8 * 3 + 7, 2 * 3 + 1, 3)
    first = signed(report.impulse_response.kernel[:8])
    assert np.array_equal(shown[:3, 4:], first[0, 1]) and np.array_equal(shown[4:7, :3], first[1, 0])
    assert "the first 8 output and 2 input channels" in text


# The history.

RECORDS = [{"epoch": i + 1, "train_loss": 0.5, "train_error": 0.1, "images_per_s": 12345.6, "val_loss": 0.4,
            "val_error": [0.3, 0.1, 0.2][i % 3], "lr": 1e-3} for i in range(40)]


def test_a_history_is_a_list_that_shows_a_table_and_a_curve():
    history = History(RECORDS[:3])
    assert history == RECORDS[:3] and isinstance(history, list)
    text = history._repr_html_()
    assert cells(text)[0] == ["epoch", "training loss", "training error", "validation loss", "validation error",
                              "learning rate", "images/s"]
    assert cells(text)[2] == ["2", "0.5", "10.00%", "0.4", "10.00%", "0.001", "12,346"]
    bold = [row for row in text.split("\n") if "font-weight:bold" in row]
    assert len(bold) == 1 and "10.00%" in bold[0] and pixels(text).shape[:2] == (350, 600)
    long = History(RECORDS)._repr_html_()
    assert len(cells(long)) == 31 and "the last 30 of 40 epochs" in long


@pytest.mark.parametrize("records, row", [
    ([], None), (RECORDS[:1], "30.00%"),
    ([{**RECORDS[0], "val_error": None, "val_loss": float("nan")}, RECORDS[1]], "nan"),
    ([{"epoch": "<b>"}, {"error": True}], "&lt;b&gt;")])
def test_other_histories_are_shown_too(records, row):
    text = History(records)._repr_html_()
    assert (row or "<table>") in text and "<b>" not in text and "<img" not in text


# Tensors.

@pytest.mark.parametrize("shape", [(8, 9), (1, 2, 3), (3, 28, 28), (4, 1, 5, 5), (4, 3, 5, 5), (1000, 1, 4, 4),
                                   (1, 1, 3000, 700), (2, 3, 600, 900)])
def test_an_image_is_shown_as_a_picture(rng, shape):
    text, columns = Tensor(rng.random(shape))._repr_html_(), len(np.zeros(shape)) if shape[0] == 2 else 1
    assert f"Tensor of shape {shape}, float64:" in text
    height, width, *_ = pixels(text).shape
    assert max(height, width) <= 1100 and min(height, width) >= 2
    if max(shape[-2:]) > 500:
        assert "th pixel, each way" in text
        assert height / width == pytest.approx(shape[-2] / shape[-1] / columns, rel=0.05)
    assert html.unescape(re.search(r'alt="([^"]*)"', text).group(1)) in html.unescape(re.sub(r"<img [^>]*>", "", text))


@pytest.mark.parametrize("shape", [(), (3,), (7, 100), (2, 8, 8), (4, 5, 5), (4, 2, 5, 5), (1, 1, 3), (0, 1, 8, 8),
                                   (3, 0, 8), (1, 1, 1, 8, 8)])
def test_any_other_tensor_is_shown_by_its_repr(shape):
    assert Tensor(np.zeros(shape))._repr_html_() is None


def test_the_pixels_of_a_picture(rng):
    image = np.arange(64.0).reshape(8, 8)
    assert np.array_equal(pixels(Tensor(image)._repr_html_())[..., 1], np.rint(image * 255 / 63))
    assert "black is 0, white 63" in Tensor(image.T)._repr_html_()
    colour = rng.integers(0, 256, (3, 5, 4)).astype(np.float32)
    colour[0, 0, :2] = 0, 255
    assert np.array_equal(pixels(Tensor(colour)._repr_html_()), colour.transpose(1, 2, 0))
    batch = pixels(Tensor(np.stack([image, image[::-1]])[:, None])._repr_html_())
    assert batch.shape == (8, 17, 3) and np.array_equal(batch[:, 9:], batch[::-1, :8]) and (batch[:, 8] == 255).all()
    weight = nn.Conv2d(1, 70, 3).weight
    assert "Parameter of shape (70, 1, 3, 3)" in weight._repr_html_() and "the first 64 of 70" in weight._repr_html_()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_number_has_a_colour(dtype):
    info = np.finfo(dtype)
    values = np.array([[info.max, -info.max, info.tiny, 0, np.nan, np.inf, -np.inf, 1]] * 8, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = Tensor(values)._repr_html_()
        grey, *_ = shades(values)
        colours = signed(values)
    assert grey[0].tolist() == [255, 0, 128, 128, 0, 255, 0, 128]
    assert pixels(text)[0, 4].tolist() == [240, 228, 66] == colours[0, 4].tolist() and "yellow NaN" in text
    assert colours[0, 0].tolist() == colours[0, 5].tolist() == [213, 94, 0]
    small = np.array([0, info.smallest_subnormal], dtype)
    assert shades(small)[0][0] == 0 and signed(-small).tolist() == [[255] * 3, [0, 114, 178]]
    assert shades(np.full(3, 7))[0].tolist() == [0] * 3 and shades(np.full(3, np.nan))[1:] == (0, 0)
    assert with_nan(np.zeros((1, 3), np.uint8), np.zeros(1)).tolist() == [[0, 0, 0]]


def test_tiles_lie_in_rows():
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    sheet = tiles(images, 2, gap=2)
    assert sheet.shape == (6, 8, 3) and (sheet[:2, 5:] == 1).all() and (sheet[4:, :3] == 2).all()
    assert (sheet[4:, 3:] == 255).all() and (sheet[2:4] == 255).all()


# Figures and the rest.

def test_a_figure_shows_itself_and_save_returns_it(tmp_path):
    figure, ax = viz.new_figure(3, 2)
    ax.plot([1, 2])
    assert viz.save(figure, tmp_path / "a.svg") is figure
    assert Image.open(io.BytesIO(figure._repr_png_())).size == (300, 200)


def test_the_path_of_a_script(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["script.py"])
    assert viz.picture_path("a.png").name == "a.png"
    monkeypatch.setattr(sys, "argv", ["script.py", "b.svg"])
    assert viz.picture_path("a.png").name == "b.svg"
    monkeypatch.setattr(sys, "argv", ["script.py", "b.txt"])
    with pytest.raises(SystemExit, match="error: b.txt: the name must end in .png or .pdf or .svg"):
        viz.picture_path("a.png")
    monkeypatch.setattr("minicnn.viz.figure.shell", object)     # in a kernel the arguments are those of the kernel
    assert viz.picture_path("a.png").name == "a.png"


def test_text_is_escaped():
    assert cells(notebook.table(["<a>", "b"], [["  &<", '"']], left=[0])) == [["<a>", "b"], ["  &<", '"']]
    assert notebook.paragraph("<a>&") == '<div style="margin:2px 0">&lt;a&gt;&amp;</div>'
    page = "<script>alert(\"1 & 2\")</script>"
    text = notebook.frame(page, 5, '">')
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', text).group(1)) == page and text.count("<") == 2


def test_neither_jupyter_nor_matplotlib_is_imported():
    code = ("import sys; from minicnn import Tensor, nn, notebook; from minicnn.training import History; import numpy;"
            "Tensor(numpy.eye(9))._repr_html_(); nn.Linear(2, 2)._repr_html_(); notebook.shell();"
            "print({'IPython', 'matplotlib', 'ipykernel'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
