"""Upsample, PixelShuffle, Unfold, Fold and MaxUnpool2d as layers: the function, the receptive field, repr, messages."""

from fractions import Fraction

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.equivariance.layerwise import layer_reports
from minicnn.nn.calls import recorded_calls
from minicnn.nn.module import Window
from minicnn.nn.summary import summarize
from tests.reference import assert_same_function

PLACES = np.random.default_rng(0).permutation(8 * 8)[:16].reshape(1, 1, 4, 4)


@pytest.mark.parametrize(("layer", "function", "shape"), [
    (nn.Upsample((5, 9), mode="bilinear", align_corners=True),
     lambda x: F.interpolate(x, (5, 9), mode="bilinear", align_corners=True), (2, 4, 3, 4)),
    (nn.Upsample(None, 2.5, "nearest", None, True),
     lambda x: F.interpolate(x, scale_factor=2.5, recompute_scale_factor=True), (2, 4, 3, 4)),
    (nn.PixelShuffle(2), lambda x: F.pixel_shuffle(x, 2), (2, 4, 3, 4)),
    (nn.PixelUnshuffle(2), lambda x: F.pixel_unshuffle(x, 2), (2, 1, 4, 6)),
    (nn.Unfold(2, 1, ((1, 0), (0, 0)), (2, 1)), lambda x: F.unfold(x, 2, 1, ((1, 0), (0, 0)), (2, 1)), (2, 4, 3, 4)),
    (nn.Fold(4, 2, stride=2), lambda x: F.fold(x, 4, 2, stride=2), (2, 4, 4)),
    (nn.MaxUnpool2d(2), lambda x: F.max_unpool2d(x, PLACES, 2), (1, 1, 4, 4)),
], ids=lambda value: type(value).__name__)
def test_a_layer_is_the_function_of_its_name_with_its_arguments(layer, function, shape, rng):
    others = (PLACES,) if isinstance(layer, nn.MaxUnpool2d) else ()
    assert_same_function(layer, function, rng.standard_normal(shape), rng, *others)


def seen(layer, shape):
    """The most rows and columns of the input, from the first to the last, that one output pixel depends on."""
    most, size = (0, 0), layer(np.zeros(shape)).shape
    for y, x in np.ndindex(size[-2:]):
        t = Tensor(np.zeros(shape), requires_grad=True)
        layer(t)[0, :, y, x].sum().backward()
        rows, columns = np.nonzero(t.grad[0].any(0))
        most = max(most[0], np.ptp(rows) + 1), max(most[1], np.ptp(columns) + 1)
    return most


@pytest.mark.parametrize(("layer", "stride"), [
    (nn.Upsample(scale_factor=2), (Fraction(1, 2), Fraction(1, 2))),
    (nn.Upsample(scale_factor=(2, 3), mode="bilinear"), (Fraction(1, 2), Fraction(1, 3))),
    (nn.Upsample((11, 4), mode="bilinear", align_corners=True), (Fraction(1, 2), Fraction(7, 3))),
    (nn.Upsample(scale_factor=2, mode="bicubic"), (Fraction(1, 2), Fraction(1, 2))),
    (nn.Upsample((3, 8), mode="area"), (2, 1)), (nn.Upsample((3, 8), mode="bilinear"), (2, 1)),
    (nn.PixelUnshuffle(2), (2, 2)),
])
def test_the_window_is_what_an_output_pixel_sees(layer, stride):
    shape = (1, 1, 6, 8)
    assert layer.window(shape) == Window(seen(layer, shape), stride)
    shuffle = nn.PixelShuffle(2)
    assert shuffle.window((1, 4, 6, 8)) == Window(seen(shuffle, (1, 4, 6, 8)), (Fraction(1, 2), Fraction(1, 2)))


def test_windows_of_signals_and_of_patches():
    assert nn.Upsample(8, mode="linear").window((1, 1, 4)) == Window((1, 2), (1, Fraction(1, 2)))
    assert nn.Upsample(2, mode="area").window((1, 1, 4)) == Window((1, 2), (1, 2))
    assert nn.Unfold(3, 2, 1, (1, 2)).window((1, 1, 9, 9)) == Window((5, 5), (1, 2))
    assert nn.Fold(4, 2).window((1, 4, 9)) is None
    assert nn.MaxUnpool2d(2, (2, 3)).window((1, 1, 4, 4)) == Window((1, 1), (Fraction(1, 2), Fraction(1, 3)))


class Unpooling(nn.Module):
    def __init__(self):
        self.pool, self.unpool, self.conv = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2), nn.Conv2d(1, 1, 3)

    def forward(self, x):
        return self.conv(self.unpool(*self.pool(x)))


def test_receptive_fields_through_layers_that_enlarge():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear"),
                          nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2))
    assert [layer.receptive_field for layer in summarize(model, (1, 1, 8, 8))] == [3, 4, 6, 8, 8]
    assert [layer.out_shape for layer in summarize(Unpooling(), (1, 1, 6, 6))] == [(1, 3, 3), (1, 6, 6), (1, 4, 4)]
    assert [layer.receptive_field for layer in summarize(Unpooling(), (1, 1, 6, 6))] == [2, 2, 4]
    mixed = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(1, 1, 3))
    assert [layer.receptive_field for layer in summarize(mixed, (1, 1, 8, 8))] == [2, 6, 6, 8]


def test_reports_show_the_maxima_without_their_indices():
    reports = layer_reports(Unpooling(), size=(12, 12))
    assert [report.name for report in reports] == ["pool", "unpool", "conv"] and reports[0].report.lattice == (2, 2)
    pool, x = nn.AdaptiveMaxPool2d(2, return_indices=True), np.ones((1, 1, 4, 4))
    with recorded_calls(pool) as calls:
        out, _ = pool(x)
    assert calls[0].output is out


@pytest.mark.parametrize(("module", "text"), [
    (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2, mode='nearest')"),
    (nn.Upsample(7, mode="bilinear", align_corners=False), "Upsample(size=7, mode='bilinear', align_corners=False)"),
    (nn.PixelShuffle(3), "PixelShuffle(upscale_factor=3)"),
    (nn.PixelUnshuffle(3), "PixelUnshuffle(downscale_factor=3)"),
    (nn.Fold(4, 2), "Fold(output_size=4, kernel_size=2, dilation=1, padding=0, stride=1)"),
    (nn.MaxUnpool2d(2), "MaxUnpool2d(kernel_size=2, stride=2, padding=0)"),
])
def test_repr(module, text):
    assert repr(module) == text


@pytest.mark.parametrize(("make", "message"), [
    (nn.Upsample, "Upsample: give either size or scale_factor, not none of them"),
    (lambda: nn.Upsample(2, mode="cubic"), "Upsample: mode must be one of"),
    (lambda: nn.Upsample(scale_factor=-1), "Upsample: scale_factor must be a number above 0, not -1"),
    (lambda: nn.Upsample(2, align_corners=True), "Upsample: align_corners has no meaning for mode 'nearest'"),
    (lambda: nn.PixelShuffle(0), "PixelShuffle: upscale_factor must be an integer of at least 1"),
    (lambda: nn.PixelUnshuffle(2.0), "PixelUnshuffle: downscale_factor must be an integer"),
    (lambda: nn.Unfold(0), "Unfold: kernel_size must be"), (lambda: nn.Fold(0, 2), "Fold: output_size must be"),
    (lambda: nn.Fold(4, 2, padding=-1), "Fold: padding must be"),
    (lambda: nn.MaxUnpool2d(2, 0), "MaxUnpool2d: stride must be"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert type(caught.value).__module__ == "minicnn"
