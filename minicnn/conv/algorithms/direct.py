"""The definition in machine code: a sum over the taps of the kernel, held in registers, for a whole row of pixels.

In the memory order (C, H, W, N) the pixels of an output row of all images lie one after the other, p = ox N + n. The
input pixels that one tap of the kernel meets lie one after the other too:

    out[k, oy, p] = bias[k] + sum over i, q of weight[k, i, q] x[row(oy, i) + tap(q) + p],      q = (c, j)

The lanes of a vector run over p, so any batch size fills them. `row` holds the vertical geometry; rows of the padding
are left out. `tap` holds the horizontal geometry. `split_columns` copies the input once: it adds the horizontal padding
and sorts the columns by their remainder modulo the stride. Without padding and with stride 1 it copies nothing.

The gradient with respect to the input is the same kind of sum, over the cotangent that `spread_columns` prepares. The
gradient with respect to the weight is a sum over p. `kernels.direct` and `kernels.weight_products` have the kernels.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numba
import numpy as np

from ..algorithm import Algorithm, register
from ..geometry import Geometry
from ..kernels.direct import block_size, correlate
from ..kernels.relu_gradient import gate
from ..kernels.vector import VECTOR
from ..kernels.weight_products import weight_products
from ..layout import pad, to_batch_first, to_batch_last, unpad
from ..runtime.threads import parallel_for

COPIED = 200_000                # numbers: a smaller copy is not worth a call on another thread


# The operands of the kernels.

def split_columns(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(C, H, W, N) -> (C, H, phases, W', N), padded horizontally; column t of a phase is column phase + t sx of x.

    Phases that no tap of the kernel meets are left out. Without padding and with stride 1 the result is a view.
    """
    g = geometry
    (left, right), stride = g.padding[1], g.stride[1]
    if left == right == 0 and stride == 1:
        return x[:, :, None]
    phases = sorted({j * g.dilation[1] % stride for j in range(g.kernel[1])})
    width = g.out_size[1] + (g.span[1] - 1) // stride
    out = np.zeros((*x.shape[:2], len(phases), width, g.batch), x.dtype)
    for n, phase in enumerate(phases):
        first = max(0, -((phase - left) // stride))     # the first t with a column of x: phase + t sx - left >= 0
        columns = x[:, :, phase + first * stride - left::stride][:, :, :max(width - first, 0)]
        copy(out[:, :, n, first:first + columns.shape[2]], columns)
    return out


def spread_columns(grad: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(K, OH, OW, N) -> (K, OH, 1, W + (kw - 1) dx, N): column ox moves to ox sx + (kw - 1) dx - left; zeros between.

    Thus tap j of input column ix meets the new column ix + (kw - 1 - j) dx. This is output column ox for which
    ix = ox sx + j dx - left.
    """
    g = geometry
    stride, lead = g.stride[1], g.span[1] - 1 - g.padding[1][0]
    width = g.width + g.span[1] - 1
    if lead == 0 and stride == 1 and width == g.out_size[1]:
        return grad[:, :, None]
    first = max(0, -(lead // stride))                   # the first ox that is not left of the image
    out = np.zeros((*grad.shape[:2], 1, width, g.batch), grad.dtype)
    place = out[:, :, 0, lead + first * stride::stride]
    columns = grad[:, :, first:first + place.shape[2]]
    copy(place[:, :, :columns.shape[2]], columns)
    return out


def copy(target: np.ndarray, values: np.ndarray) -> None:
    """target[...] = values, on all threads."""
    def work(start, stop):
        target[start:stop] = values[start:stop]
    parallel_for(len(target), work, -(-len(target) * COPIED // max(target.size, 1)))


@functools.lru_cache(maxsize=1024)
def tap_offsets(shape: tuple[int, ...], channels: int, places: tuple[tuple[int, int], ...]) -> np.ndarray:
    """The place in a row of an array (C, H, phases, W', N) where tap q = (c, j) begins; places[j] = (phase, column)."""
    channel, phase, column = (math.prod(shape[n:]) for n in (1, 3, 4))
    row = np.array([p * phase + t * column for p, t in places], np.int64)
    return (np.arange(channels)[:, None] * channel + row).reshape(-1)


def split_taps(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The offsets of the taps (c, j) in the array x that `split_columns` returned."""
    g = geometry
    columns = [divmod(j * g.dilation[1], g.stride[1]) for j in range(g.kernel[1])]
    phases = sorted({phase for _, phase in columns})
    return tap_offsets(x.shape, g.in_channels // g.groups, tuple((phases.index(phase), t) for t, phase in columns))


def spread_taps(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The offsets of the taps (k, j) in the array x that `spread_columns` returned."""
    g = geometry
    places = tuple((0, g.span[1] - 1 - j * g.dilation[1]) for j in range(g.kernel[1]))
    return tap_offsets(x.shape, g.out_channels // g.groups, places)


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
        g, channels = geometry, geometry.out_channels // geometry.groups
        block, lanes = block_size(channels), VECTOR[8 * np.dtype(g.dtype).itemsize].lanes
        vectors = g.out_size[0] * -(-g.out_size[1] * g.batch // lanes)
        taps = g.in_channels // g.groups * g.kernel[0] * g.kernel[1]
        products = g.groups * -(-channels // block) * (block + 1) * vectors * taps          # as in `block_size`
        copied = 0 if g.stride[1] == 1 and g.padding[1] == (0, 0) else math.prod(g.in_shape)
        weights = math.prod(g.weight_shape)
        packed = weights / (1e9 if weights < 100_000 else 3e8)          # in the cache, or not
        return 40e-6 + products / 3.7e9 + copied / 2e9 + packed + math.prod(g.out_shape) / 4e9

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        x, g = to_batch_last(x), geometry
        if g.padding_mode == "circular" or not np.isfinite(weight).all():
            x, g = pad(x, g), g.padded_form        # inf times a zero of the padding must be nan
        x, rows = split_columns(x, g), g.input_rows
        taps = split_taps(x, g)
        grouped = weight.reshape(g.groups, -1, *weight.shape[1:])       # (G, K / G, C / G, kh, kw)
        bias = np.zeros(g.out_channels, x.dtype) if bias is None else bias
        out = correlate(x, grouped, bias, rows, taps, g.out_size[1] * g.batch, relu)
        out = out.reshape(g.out_channels, *g.out_size, g.batch)
        return to_batch_first(out), (x, rows, taps, grouped, out if relu else None, g, geometry)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        x, rows, taps, grouped, out, g, geometry = saved
        grad = to_batch_last(grad)
        grad_input = grad_weight = grad_bias = None
        if out is not None:
            grad, grad_bias = gate(grad, out)
        if needs[0]:
            spread, zero = spread_columns(grad, g), np.zeros(g.in_channels, x.dtype)
            grad_input = correlate(spread, grouped.swapaxes(1, 2), zero, g.output_rows, spread_taps(spread, g),
                                   g.width * g.batch).reshape(g.in_channels, g.height, g.width, g.batch)
            if g != geometry:
                grad_input = unpad(grad_input, geometry)
            grad_input = to_batch_first(grad_input)
        if needs[1]:
            image = np.pad(x, ((0, 0), g.padding[0], (0, 0), (0, 0), (0, 0)))
            step = math.prod(image.shape[2:])                           # from one row of the image to the next
            q = split_taps(image, g).reshape(-1, 1, g.kernel[1])        # (C / G, 1, kw)
            q = q + np.arange(g.kernel[0])[:, None] * (g.dilation[0] * step)
            grad_weight = weight_products(grad, image, g.stride[0] * step, q.ravel(), g.groups).reshape(g.weight_shape)
        if needs[2] and out is None:
            grad_bias = grad.sum((1, 2, 3))
        return grad_input, grad_weight, grad_bias if needs[2] else None
