"""For the tests of winograd: operands, expected results, and the tolerances."""

import math

import numpy as np

from minicnn import conv
from minicnn.conv import Geometry
from minicnn.conv.algorithms import winograd
from minicnn.conv.kernels.cook_toom import predicted_error
from tests import reference
from tests.conv import geometries

algorithm = conv.algorithms()["winograd"]
ALL = (True, True, True)


def expected(x, weight, bias, grad, g):
    """The output and all gradients by scipy, in float64."""
    (top, _), (left, _), r = *g.padding, g.kernel[0]
    out = reference.conv2d(x, weight, bias, padding=g.padding, mode=g.padding_mode)
    mode = {"zeros": "constant", "circular": "wrap"}[g.padding_mode]
    padded = np.pad(x, ((0, 0), (0, 0), *g.padding), mode=mode)
    grad_weight = reference.conv2d(padded.swapaxes(0, 1), grad.swapaxes(0, 1)).swapaxes(0, 1)
    flipped = weight.swapaxes(0, 1)[:, :, ::-1, ::-1]
    full = reference.conv2d(grad, flipped, padding=((r - 1, r - 1), (r - 1, r - 1)))
    grad_input = full[:, :, top:top + g.height, left:left + g.width]
    if g.padding_mode == "circular":
        grad_input = np.zeros(g.in_shape)
        rows, columns = (np.arange(size) for size in g.padded)
        np.add.at(grad_input, (..., (rows[:, None] - top) % g.height, (columns - left) % g.width), full)
    return out, grad_input, grad_weight, grad.astype(float).sum((0, 2, 3))


def make(input_shape, weight_shape, options, dtype="float32"):
    """Geometry, x, weight, bias, cotangent."""
    rng = np.random.default_rng(0)
    g = Geometry.of(input_shape, weight_shape, dtype=dtype, **options)
    return g, *(rng.standard_normal(shape).astype(dtype)
                for shape in (g.in_shape, g.weight_shape, (g.out_channels,), g.out_shape))


def run(*operands, relu=False):
    return geometries.run(algorithm, *operands, relu=relu)


def assert_close(results, g, x, weight, bias, grad):
    """The difference from scipy is at most three times the predicted error (twice, with fused multiply-adds).

    The predicted error is for sums in which all numbers are as large as the largest: a tile rounds to eps of the
    numbers in it, even if an output at the border of an image sees few of them. The gradient of the weight consists of
    r x r outputs for each tile of the cotangent, F(r, m). It sums numbers of both signs, one for each pixel.
    """
    m, r, eps = winograd.tiling_of(g).F.m, g.kernel[0], np.finfo(g.dtype).eps
    most_x, most_grad, pixels = abs(x).max(), abs(grad).max(), math.prod(g.out_shape) // g.out_channels
    channels = min(g.in_channels, g.out_channels)
    limits = (predicted_error(m, r, channels) * (most_x * abs(weight).sum((1, 2, 3)).max() + abs(bias).max()),
              predicted_error(m, r, channels) * most_grad * abs(weight).sum((0, 2, 3)).max(),
              predicted_error(r, m) * most_x * most_grad * math.sqrt(pixels), most_grad * pixels)
    for result, exact, limit in zip(results, expected(x, weight, bias, grad, g), limits, strict=True):
        assert result.shape == exact.shape and result.dtype == g.dtype
        assert abs(result - exact).max() <= 3 * limit * eps
