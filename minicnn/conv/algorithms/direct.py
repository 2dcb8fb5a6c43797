"""The definition in machine code: a sum over the taps of the kernel, held in registers, for a whole row of pixels.

In the memory order (C, H, W, N) the pixels of an output row of all images lie one after the other, p = ox N + n. The
input pixels that one tap of the kernel meets lie one after the other too, once the columns are sorted by their
remainder modulo the stride (`correlation.image`). The lanes of a vector run over p, so any batch size fills them.

The gradient with respect to the input is the same kind of sum over the cotangent, for each phase of the input modulo
the stride. The gradient with respect to the weight is a sum over p. `kernels.correlation` and `kernels.weight_products`
have the kernels.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numba
import numpy as np

from ..algorithm import Algorithm, register
from ..geometry import Geometry
from ..kernels.correlation.depthwise import depthwise_cycles, fits
from ..kernels.correlation.depthwise_weight import depthwise_weight
from ..kernels.correlation.image import Axis, Image, image_of, image_places
from ..kernels.correlation.kernel import correlate
from ..kernels.correlation.merge import merge
from ..kernels.correlation.plan import Correlation, planned, tap_places
from ..kernels.relu_gradient import gate
from ..kernels.vector import VECTOR
from ..kernels.weight_plan import cost as predicted
from ..kernels.weight_plan import plan_of, sizes_of
from ..kernels.weight_products import weight_products
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..runtime.memory import empty
from ..runtime.target import target
from ..speeds import speeds

# The convolution and its adjoint as sums over taps.

@functools.lru_cache(maxsize=1024)
def forward_sum(g: Geometry) -> Correlation:
    """out[k, oy, ox] = the sum over c, i, j of weight[k, c, i, j] x[c, oy sy + i dy - top, ox sx + j dx - left]."""
    rows, columns = (Axis(size, out, step, tuple(i * dilation - before for i in range(taps)))
                     for size, out, step, dilation, (before, _), taps in zip(
                         (g.height, g.width), g.out_size, g.stride, g.dilation, g.padding, g.kernel, strict=True))
    depth, taps, row = g.in_channels // g.groups, math.prod(g.kernel), g.out_size[1] * g.batch
    channels = g.out_channels // g.groups
    return Correlation(8 * np.dtype(g.dtype).itemsize, g.groups, channels, depth, g.batch, rows, columns,
                       (channels * depth * taps, depth * taps, taps), tuple(range(taps)),
                       (g.out_size[0] * row, row, g.batch))


def weight_image(s: Correlation, copied: bool = False) -> Image:
    """Where the gradient of the weight finds the pixels: what a tap meets in an output row has no gaps."""
    return image_places(s.rows, s.columns, s.batch, copied or s.columns.step > 1)


class Phase(NamedTuple):
    """A sum for some pixels of the gradient."""

    place: int          # where its first number goes, in the gradient or in the parts of it
    sum: Correlation


class Gradient(NamedTuple):
    """The gradient with respect to the input, as sums for the pixels (y + m sy, x + n sx)."""

    phases: tuple[Phase, ...]
    size: int           # numbers of all parts; 0 if the sums go to their places in the gradient
    tables: np.ndarray  # as `merge` takes it
    whole: bool         # whether every pixel has a sum


@functools.lru_cache(maxsize=1024)
def gradient_sums(g: Geometry) -> Gradient:
    """dx[c, y, x] = the sum of weight[k, c, i, j] dy[k, oy, ox] over the taps with oy sy + i dy - top = y.

    Rows of one phase modulo sy have the same taps i, and so have columns. So each phase is a sum with step 1. Phases
    without taps are left out. With a column stride of 1 the pixels of a phase are rows of the gradient, and `depthwise`
    writes single pixels. Otherwise the phases become parts, which `merge` puts together.
    """
    depth, channels, taps = g.out_channels // g.groups, g.in_channels // g.groups, math.prod(g.kernel)
    weight, bits, size, found = (depth * channels * taps, taps, channels * taps), 8 * np.dtype(g.dtype).itemsize, 0, []
    tables = np.full((*g.stride, 3), -1, np.int64)
    for y, (rows, i) in _phases(g, 0):
        for x, (columns, j) in _phases(g, 1):
            row, whole = columns.out * g.batch, g.width * g.batch
            s = Correlation(bits, g.groups, channels, depth, g.batch, rows, columns, weight,
                            tuple(a * g.kernel[1] + b for a in i for b in j), (rows.out * row, row, g.batch))
            place = size
            if g.stride[1] == 1 or fits(s):
                place = y * whole + x * g.batch
                s = s._replace(out=(g.height * whole, g.stride[0] * whole, g.stride[1] * g.batch))
            else:
                tables[y, x], size = (place, *s.out[:2]), size + g.in_channels * rows.out * row
            found.append(Phase(place, s))
    whole = len(found) == min(g.stride[0], g.height) * min(g.stride[1], g.width)
    return Gradient(tuple(found), size, tables, whole)


def _phases(g, axis):
    """The phases of the input along an axis that meet taps: the Axis over the output, and the taps."""
    size, step, before = (g.height, g.width)[axis], g.stride[axis], g.padding[axis][0]
    for phase in range(min(step, size)):
        shifts = [(phase + before - i * g.dilation[axis], i) for i in range(g.kernel[axis])]
        met = [(shift // step, i) for shift, i in shifts if shift % step == 0]
        if met:
            yield phase, (Axis(g.out_size[axis], -(-(size - phase) // step), 1, tuple(t for t, _ in met)),
                          [i for _, i in met])


def input_gradient(grad: np.ndarray, weight: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient with respect to the input, (C, H, W, N), for the cotangent (K, OH, OW, N)."""
    found, zero = gradient_sums(g), np.zeros(g.in_channels, grad.dtype)
    out = empty((g.in_channels, g.height, g.width, g.batch), grad.dtype)
    parts = out
    if found.size:
        parts = empty((found.size + VECTOR[8 * grad.itemsize].lanes,), grad.dtype)
    elif not found.whole:
        out[...] = 0
    for place, s in found.phases:
        correlate(grad, weight, zero, s, parts, place)
    if found.size:
        merge(parts, found.tables, g.stride, out)
    return out


def weight_gradient(grad: np.ndarray, image: np.ndarray, s: Correlation) -> np.ndarray:
    """The gradient with respect to the weight, for the cotangent (K, OH, OW, N) and what `correlate` returned."""
    if fits(s):
        return depthwise_weight(grad, image, s)
    found = weight_image(s, image.ndim > 4)
    if image.ndim == 4:                                 # x itself
        image = image_of(image, s.rows, s.columns, found)
    return weight_products(grad, image, found.row, tap_places(s, found), s.groups)


@register
class Direct(Algorithm):
    """The sum over taps, in registers; the gradients are two more sums of the same kind.

    nan and inf spread as the definition says, with one exception. A nan or inf in the weight makes more pixels of
    grad_input nan, because the kernel also multiplies the weight by the zeros beside and between the columns of the
    cotangent.
    """

    name = "direct"
    reference = "Georganas et al. 2018, section II (the register blocks; the memory order is this package's own)"
    error_bound = 3.0

    def unsupported(self, geometry: Geometry) -> str | None:
        if numba.config.DISABLE_JIT:                    # type: ignore[attr-defined]
            return "numba's compiler is switched off (NUMBA_DISABLE_JIT)"
        return None

    def cost(self, geometry: Geometry) -> float:
        """The sums over taps as their plans predict them; copies of images; parts of the gradient to merge.

        The factors are measured.
        """
        g, s = geometry.padded_form if geometry.padding_mode != "zeros" else geometry, speeds()
        forward, gradient = forward_sum(g), gradient_sums(g)
        if fits(forward):
            cycles = 2 * depthwise_cycles(forward) + sum(depthwise_cycles(phase.sum) for phase in gradient.phases)
            return s.call + cycles * target().lanes(32) / s.products
        found, bits = weight_image(forward), forward.bits
        sizes = sizes_of(g.groups, forward.channels, forward.taps, g.out_size[0], g.out_size[1] * g.batch,
                         forward.depth * found.channel, found.row)
        half_cycles = (planned(forward).half_cycles + sum(planned(phase.sum).half_cycles for phase in gradient.phases)
                       + predicted(sizes, plan_of(sizes, bits), target().lanes(bits)))
        moved = 1.8 * s.copy(math.prod(g.in_shape) + math.prod(g.out_shape)) + 2.8 * s.copy(gradient.size)
        wide = bits // 32
        return (2 if gradient.size else 1) * s.call + 1.1 * half_cycles * target().lanes(32) / s.products + wide * moved

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        x, g = to_batch_last(x), geometry
        if g.padding_mode != "zeros" or any(map(any, g.padding)) and not np.isfinite(weight).all():
            x, g = pad(x, g), g.padded_form             # inf times a zero of the padding must be nan
        weight = np.ascontiguousarray(weight)
        bias = np.zeros(g.out_channels, x.dtype) if bias is None else bias
        out = empty((g.out_channels, *g.out_size, g.batch), x.dtype)
        image = correlate(x, weight, bias, forward_sum(g), out, 0, relu)
        return to_batch_first(out), (image, weight, out if relu else None, g, geometry)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        image, weight, out, g, geometry = saved
        grad = to_batch_last(grad)
        grad_input = grad_weight = grad_bias = None
        if out is not None:
            grad, grad_bias = gate(grad, out)
        if needs[0]:
            grad_input = input_gradient(grad, weight, g)
            grad_input = to_batch_first(grad_input if g == geometry else unpad(grad_input, geometry))
        if needs[1]:
            grad_weight = weight_gradient(grad, image, forward_sum(g)).reshape(g.weight_shape)
        if needs[2] and out is None:
            grad_bias = grad.sum((1, 2, 3))
        return grad_input, grad_weight, grad_bias if needs[2] else None

    def adjoint(self, grad: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
        g = geometry if geometry.padding_mode == "zeros" else geometry.padded_form
        image = input_gradient(to_batch_last(grad), np.ascontiguousarray(weight), g)
        return to_batch_first(image if g == geometry else unpad(image, geometry))
