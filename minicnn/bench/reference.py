"""A layer's results in float64, for a sample of its elements, and the errors of float32 results.

The unit for the error of an element is eps (|w| * |x|): the sum of the absolute values of its products, times the
machine precision of float32. This unit suits layers of any size. An algorithm that mixes elements, such as a Fourier
transform, has no bound in this unit: its error is large at an element that is much smaller than the others. Therefore a
result counts as wrong only if its error exceeds 1e-3 of the largest element.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..conv.geometry import Geometry

SAMPLE_PRODUCTS = 30_000_000                      # the most products that a sample of elements needs
SAMPLE_CHANNELS = 4                               # input channels, and output channels, in a sample of weights


class SampleError(NamedTuple):
    """The error of the worst element of a sample, in three units.

    Attributes
    ----------
    element : float
        In units of eps (|w| * |x|) at the same element, as at the start of this file.
    largest : float
        In units of eps times the largest |w| * |x| of the sample. The `error_norm` of an algorithm, "element" or
        "largest", says which of the two errors is bounded.
    relative : float
        In units of the largest element of the sample.
    """

    element: float
    largest: float
    relative: float


def geometry_of(fields: dict) -> Geometry:
    """The Geometry of which `fields` is `dataclasses.asdict(geometry)`, written to JSON and read again.

    >>> from dataclasses import asdict
    >>> geometry = Geometry.of((1, 1, 5, 5), (1, 1, 3, 3))
    >>> geometry_of(asdict(geometry)) == geometry
    True
    """
    tuples = {name: tuple(fields[name]) for name in ("kernel", "stride", "dilation")}
    return Geometry(**{**fields, **tuples, "padding": tuple(map(tuple, fields["padding"]))})


def operands(geometry: Geometry, seed: int) -> list[np.ndarray]:
    """Input, weight and cotangent, independent N(0, 1) in float32, (N, C, H, W) in C order."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape, np.float32)
            for shape in (geometry.in_shape, geometry.weight_shape, geometry.out_shape)]


def errors(geometry: Geometry, x: np.ndarray, weight: np.ndarray, grad: np.ndarray, out: np.ndarray,
           grad_input: np.ndarray, grad_weight: np.ndarray) -> dict[str, SampleError]:
    """The errors of the sampled elements of a layer's results.

    Returns
    -------
    dict
        {"forward", "grad_input" or "grad_weight": SampleError}.

    Notes
    -----
    The sample of the output has all pixels of some output channels of some images. The sample of the input's gradient
    has all pixels of some input channels of some images. The sample of the weight's gradient has all taps of some pairs
    of channels, summed over all images. The first and the last image and channel always belong to a sample.
    """
    g = geometry
    found = {}
    images, ins, outs, part = _sample(g, "out")
    exact, bound = _exact_and_bound(part, x[np.ix_(images, ins)], weight[_block(g, outs, ins)], None)
    found["forward"] = _worst(out[np.ix_(images, outs)], exact, bound)
    images, ins, outs, part = _sample(g, "in")
    exact, bound = _exact_and_bound(part, None, weight[_block(g, outs, ins)], grad[np.ix_(images, outs)])
    found["grad_input"] = _worst(grad_input[np.ix_(images, ins)], exact, bound)
    images, ins, outs, part = _sample(g, "both")
    exact, bound = _exact_and_bound(part, x[:, ins], None, grad[:, outs])
    found["grad_weight"] = _worst(grad_weight[_block(g, outs, ins)], exact, bound)
    return found


def _worst(result, exact, bound):
    difference = abs(np.asarray(result, np.float64) - exact)
    eps, largest = np.finfo(np.float32).eps, bound.max()
    scale = eps * np.where(bound > 0, bound, largest)       # 0 at a pixel that no kernel reaches
    return SampleError(float((difference / scale).max()), float(difference.max() / (eps * largest)),
                       float(difference.max() / abs(exact).max()))


def _sample(geometry, side):
    """Images, input channels, output channels, and the Geometry of the convolution between them."""
    g = geometry
    in_group, out_group = g.in_channels // g.groups, g.out_channels // g.groups
    if g.groups > 1:                              # some groups, whole
        groups = _spaced(g.groups, 8)
        ins = (groups[:, None] * in_group + np.arange(in_group)).ravel()
        outs = (groups[:, None] * out_group + np.arange(out_group)).ravel()
        parts = len(groups)
    else:
        ins = _spaced(in_group, in_group if side == "out" else SAMPLE_CHANNELS)
        outs = _spaced(out_group, out_group if side == "in" else SAMPLE_CHANNELS)
        parts = 1
    part = replace(g, in_channels=len(ins), out_channels=len(outs), groups=parts)
    if side == "both":
        return np.arange(g.batch), ins, outs, part
    per_image = max(1, part.multiply_adds // g.batch)
    images = _spaced(g.batch, max(1, SAMPLE_PRODUCTS // per_image))
    return images, ins, outs, replace(part, batch=len(images))


def _spaced(count, wanted):
    """At most `wanted` numbers of range(count), evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int))


def _block(geometry, outs, ins):
    """The index of the weights between these channels. With groups, the channels are whole groups."""
    return np.ix_(outs, ins) if geometry.groups == 1 else (outs,)


def _exact_and_bound(geometry, x, weight, grad):
    """The result of a pass in float64, and its result for the absolute values of the operands."""
    arrays = [None if a is None else a.astype(np.float64) for a in (x, weight, grad)]
    return _pass(geometry, *arrays), _pass(geometry, *(None if a is None else abs(a) for a in arrays))


def _pass(geometry, x, weight, grad):
    """The input's gradient if x is None; the weight's gradient if weight is None; the output if grad is None.

    For each tap of the kernel there is a product of matrices for each image and group. NumPy computes all sums; no code
    of minicnn computes here.
    """
    g, pixels = geometry, geometry.out_size[0] * geometry.out_size[1]
    split = lambda array: array.reshape(len(array), g.groups, -1, pixels)         # (N, G, channels, pixels)
    padded = np.zeros((g.batch, g.in_channels, *g.padded)) if x is None else np.pad(x, ((0, 0), (0, 0), *g.padding))
    out, grad_weight = 0.0, np.zeros(g.weight_shape)
    for i, j in np.ndindex(*g.kernel):
        window = padded[(..., *(slice(tap * d, tap * d + s * o, s) for tap, d, s, o in zip(
            (i, j), g.dilation, g.stride, g.out_size, strict=True)))]
        if weight is None:
            products = split(grad) @ split(window).swapaxes(2, 3)                 # (N, G, K / G, C / G)
            grad_weight[..., i, j] = products.sum(0).reshape(grad_weight.shape[:2])
            continue
        tap = weight[..., i, j].reshape(g.groups, -1, weight.shape[1])            # (G, K / G, C / G)
        if x is None:
            window += (tap.swapaxes(1, 2) @ split(grad)).reshape(window.shape)
        else:
            out = out + tap @ split(window)
    if weight is None:
        return grad_weight
    (top, _), (left, _) = g.padding
    return padded[:, :, top:top + g.height, left:left + g.width] if x is None else out.reshape(len(x), -1, *g.out_size)
