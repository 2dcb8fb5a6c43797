"""Conv1d and transposed convolutions as layers: initialisation, output_size, repr, receptive field, messages."""

from fractions import Fraction

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.nn.module import Window
from minicnn.nn.summary import summarize
from tests.reference import assert_same_function

SIGNAL = nn.Conv1d(2, 4, 3, 2, 1, 2, 2, padding_mode="replicate", dtype=np.float64)
UP = nn.ConvTranspose1d(2, 4, (3,), 2, ((1, 0),), 1, 2, dilation=2, dtype=np.float64)


@pytest.mark.parametrize(("layer", "function"), [
    (SIGNAL, lambda x: F.conv1d(x, SIGNAL.weight, SIGNAL.bias, 2, 1, 2, 2, padding_mode="replicate")),
    (UP, lambda x: F.conv_transpose1d(x, UP.weight, UP.bias, 2, ((1, 0),), 1, 2, 2)),
], ids=["Conv1d", "ConvTranspose1d"])
def test_a_layer_is_the_function_of_its_name_with_its_arguments(layer, function, rng):
    assert_same_function(layer, function, rng.standard_normal((3, 2, 9)), rng)
    assert_same_function(layer, function, rng.standard_normal((2, 9)), rng)


def test_initialisation_is_that_of_pytorch(rng):
    up = nn.ConvTranspose2d(400, 8, 3, groups=2, rng=rng)
    bound = 1 / np.sqrt(8 / 2 * 9)
    assert up.weight.shape == (400, 4, 3, 3) and up.bias.shape == (8,)
    assert 0.98 * bound < abs(up.weight.data).max() <= bound and abs(up.bias.data).max() <= bound
    assert up.weight.data.std() == pytest.approx(bound / np.sqrt(3), rel=0.06)
    line = nn.Conv1d(4, 6, 5, bias=False, rng=rng)
    assert line.weight.shape == (6, 4, 5) and line.bias is None and abs(line.weight.data).max() <= 1 / np.sqrt(20)
    assert nn.ConvTranspose1d(4, 6, 5, dtype=np.float64).weight.dtype == np.float64


def test_output_size_chooses_among_the_sizes_that_a_stride_leaves_open(rng):
    x = rng.standard_normal((2, 3, 5, 4))
    up = nn.ConvTranspose2d(3, 2, 3, (3, 2), ((1, 0), (0, 2)), dtype=np.float64)
    for more in np.ndindex(3, 2):
        expected = F.conv_transpose2d(x, up.weight, up.bias, (3, 2), ((1, 0), (0, 2)), more).data
        for size in expected.shape[2:], list(expected.shape):
            np.testing.assert_array_equal(up(x, size).data, expected)
        np.testing.assert_array_equal(up(x[0], output_size=expected.shape[1:]).data, expected[0])
    line = nn.ConvTranspose1d(3, 2, 3, 2)
    assert line(np.zeros((1, 3, 4), np.float32), 10).shape == line(np.zeros((3, 4), np.float32), (2, 10)).shape[:0] + (
        1, 2, 10)
    for size in (13, 17):
        with pytest.raises(ValueError, match=rf"output_size \({size}, 7\) must be from \(14, 7\) to \(16, 8\) for an"):
            up(x, (size, 7))
    with pytest.raises(ValueError, match="ConvTranspose2d: output_size must have 2 numbers, or be the whole shape"):
        up(x, (14, 7, 2))
    with pytest.raises(ValueError, match="ConvTranspose2d: output_size must be an integer, not 7.0"):
        up(x, (14, 7.0))


@pytest.mark.parametrize(("module", "text"), [
    (nn.ConvTranspose2d(1, 2, 3, 2, 1, 1, bias=False),
     "ConvTranspose2d(1, 2, kernel_size=(3, 3), stride=(2, 2), padding=1, output_padding=(1, 1), bias=False)"),
    (nn.ConvTranspose1d(1, 2, 3), "ConvTranspose1d(1, 2, kernel_size=(3,))"),
    (nn.Conv1d(2, 4, 3, 2, groups=2), "Conv1d(2, 4, kernel_size=(3,), stride=(2,), groups=2)"),
])
def test_repr(module, text):
    assert repr(module) == text


def seen(layer, shape, dtype=np.float64):
    """The largest numbers of rows and columns of the input that one output pixel depends on."""
    layer.weight.data[...] = 1
    size, most = layer(np.zeros(shape, dtype)).shape, (0, 0)
    for y, x in np.ndindex(size[-2:]):
        t = Tensor(np.zeros(shape, dtype), requires_grad=True)
        layer(t)[0, 0, y, x].backward()
        rows, columns = np.nonzero(t.grad[0, 0])
        if len(rows):
            most = max(most[0], np.ptp(rows) + 1), max(most[1], np.ptp(columns) + 1)
    return most


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"stride": (3, 2), "dilation": (1, 2)}, {"stride": 4},
                                     {"stride": 2, "dilation": 3}, {"stride": (4, 6), "dilation": (6, 4)}])
def test_the_window_is_what_an_output_pixel_sees(options):
    layer = nn.ConvTranspose2d(1, 1, (3, 4), **options, dtype=np.float64)
    window, stride = layer.window((1, 1, 6, 6)), layer.stride
    assert window == Window(seen(layer, (1, 1, 6, 6)), (Fraction(1, stride[0]), Fraction(1, stride[1])))


def test_the_summary_of_an_encoder_and_decoder():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.ConvTranspose2d(4, 2, 2, 2),
                          nn.Conv2d(2, 1, 3, padding=1))
    layers = summarize(model, (1, 1, 8, 8))
    assert [layer.receptive_field for layer in layers] == [3, 4, 4, 6]
    assert [layer.multiply_adds for layer in layers] == [64 * 4 * 9, 0, 16 * 4 * 2 * 4, 64 * 2 * 9]
    assert layers[2].algorithm in algorithms() and layers[2].out_shape == (2, 8, 8)
    line = summarize(nn.Sequential(nn.Conv1d(2, 4, 3), nn.ConvTranspose1d(4, 2, 3, 2)), (1, 2, 9))
    assert [(one.receptive_field, one.multiply_adds) for one in line] == [((1, 3), 7 * 24), ((1, 4), 7 * 24)]


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.ConvTranspose2d(3, 4, 3, groups=2), "ConvTranspose2d: groups=2 must divide in_channels=3"),
    (lambda: nn.ConvTranspose2d(3, 3, 3, padding="same"), "ConvTranspose2d: padding must be an integer or a pair"),
    (lambda: nn.ConvTranspose2d(3, 3, 3, padding_mode="circular"), "ConvTranspose2d: padding_mode must be one of 'ze"),
    (lambda: nn.ConvTranspose2d(3, 3, 3, output_padding=-1), "ConvTranspose2d: output_padding must be an integer"),
    (lambda: nn.ConvTranspose1d(3, 3, (3, 3)), "ConvTranspose1d: kernel_size must be an integer of at least 1"),
    (lambda: nn.Conv1d(3, 3, 3, padding=(1, 1)), "Conv1d: padding must be an integer of at least 0"),
    (lambda: nn.Conv1d(3, 3, 3, padding="same", stride=2), "padding='same' needs stride 1"),
    (lambda: nn.Conv1d(3, 3, 3, padding_mode="mirror"), "Conv1d: padding_mode must be one of"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert type(caught.value).__module__ == "minicnn"
