"""Resize, and Upsample of opsets before 10: along each axis a sparse matrix of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arithmetic.padding import MOST
from ...errors import InputError
from ...tensor import Tensor, record
from .node import Node, array_of, counted, integers_of
from .registry import operator

ROUND = {"round_prefer_floor": lambda x: np.ceil(x - 0.5), "round_prefer_ceil": lambda x: np.floor(x + 0.5),
         "floor": np.floor, "ceil": np.ceil}


@operator("Upsample")
def upsample(node: Node, x: Tensor, scales: Any = None) -> Tensor:
    """Resize of opset 9 and before, where output pixel o lies at o / scale."""
    factors = node.attribute("scales") if scales is None else array_of(scales).ravel().tolist()
    if not factors:
        raise InputError("the scales are missing")
    mode = node.attribute("mode", "nearest")
    return _resized(node, x, factors, None, None, "linear" if mode == "bilinear" else mode, "asymmetric", "floor")


@operator("Resize")
def resize(node: Node, x: Tensor, roi: Any = None, scales: Any = None, sizes: Any = None) -> Tensor:
    """Images in another size, with all of ONNX's rules for places and weights."""
    mode = node.attribute("mode", "nearest")
    if node.opset < 11:                                 # the inputs were (X, scales)
        return _resized(node, x, array_of(roi).ravel().tolist(), None, None, mode, "asymmetric", "floor")
    factors = None if scales is None or not array_of(scales).size else array_of(scales).ravel().tolist()
    wanted = None if sizes is None or not array_of(sizes).size else integers_of(sizes)
    if (factors is None) == (wanted is None):
        raise InputError("exactly one of the inputs scales and sizes must be given")
    region = None if roi is None or not array_of(roi).size else array_of(roi).ravel().tolist()
    return _resized(node, x, factors, wanted, region, mode,
                    node.attribute("coordinate_transformation_mode", "half_pixel"),
                    node.attribute("nearest_mode", "round_prefer_floor"))


def _resized(node, x, factors, sizes, region, mode, places, rounding):
    axes = counted(node.attribute("axes") or list(range(x.ndim)), x.ndim)
    if len(factors or sizes) != len(axes) or mode not in ("nearest", "linear", "cubic"):
        raise InputError(f"the scales or sizes {factors or sizes} and the mode {mode!r} do not fit the axes {axes}")
    parts = list(zip(region[:len(axes)], region[len(axes):], strict=False)) if region else [(0.0, 1.0)] * len(axes)
    if len(parts) != len(axes):
        raise InputError(f"the region must have two numbers for each of the axes {axes}, not {region}")
    kept = [i for i, axis in enumerate(axes) if x.shape[axis] or sizes and sizes[i]]        # an empty batch stays empty
    axes, parts = [axes[i] for i in kept], [parts[i] for i in kept]
    factors, sizes = ([one[i] for i in kept] if one else None for one in (factors, sizes))
    lengths = [x.shape[axis] for axis in axes]
    if 0 in lengths or factors and not all(math.isfinite(f) and f > 0 for f in factors):
        raise InputError(f"an array of shape {x.shape} cannot be resized by {factors or sizes}")
    outs, scales = _lengths(lengths, factors, sizes, node.attribute("keep_aspect_ratio_policy", "stretch"))
    if min(outs, default=1) < 1 or math.prod(outs) > MOST:
        raise InputError(f"the output would have the lengths {outs}")
    matrices, outside = {}, np.zeros((1,) * x.ndim, bool)
    for axis, n, out, scale, part in zip(axes, lengths, outs, scales, parts, strict=True):
        exact = out if abs(scale * n - out) < 1e-6 else scale * n       # before it is rounded down
        source = _sources(places, n, out, exact, scale, part)
        if places == "tf_crop_and_resize":
            beyond = (source < 0) | (source > n - 1)
            outside = outside | beyond.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        if n != out or not np.array_equal(source, np.arange(n)):
            matrices[axis] = _weights(node, n, source, scale, mode, rounding)
    result = _along(x, matrices)
    if outside.any():
        value = np.array(node.attribute("extrapolation_value", 0.0), x.dtype)
        return np.where(np.broadcast_to(outside, result.shape), value, result)
    return result


def _lengths(lengths, factors, sizes, policy):
    """The lengths of the output and the scales."""
    if factors is not None:
        if any(n * f > MOST for n, f in zip(lengths, factors, strict=True)):
            raise InputError(f"the scales {factors} make too many pixels")
        return [int(np.floor(np.float32(n) * np.float32(f))) for n, f in zip(lengths, factors, strict=True)], factors
    scales = [out / n for out, n in zip(sizes, lengths, strict=True)]
    if policy == "stretch":
        return sizes, scales
    one = min(scales) if policy == "not_larger" else max(scales)
    return [math.floor(one * n + 0.5) for n in lengths], [one] * len(scales)


def _sources(places, n, out, exact, scale, region):
    """The place of each output pixel in the input. The corners of `exact` = scale * n pixels may be aligned."""
    o = np.arange(out, dtype=np.float64)
    half = (o + 0.5) / scale - 0.5
    if places == "half_pixel":
        return half
    if places == "pytorch_half_pixel":
        return half if out > 1 else np.zeros(1)
    if places == "half_pixel_symmetric":
        return n / 2 * (1 - out / exact) + half
    if places == "asymmetric":
        return o / scale
    if places == "tf_half_pixel_for_nn":
        return (o + 0.5) / scale
    if places == "align_corners":
        return o * (n - 1) / (exact - 1) if out > 1 else np.zeros(1)
    if places == "tf_crop_and_resize":
        start, end = region
        return (n - 1) * (start + o * (end - start) / (exact - 1) if out > 1 else np.array([(start + end) / 2]))
    raise InputError(f"coordinate_transformation_mode {places!r} is unknown")


def _weights(node, n, source, scale, mode, rounding):
    """The sparse matrix (out, n). Pixels beyond the edge are those of the edge, or do not count (exclude_outside)."""
    from scipy import sparse
    rows = np.arange(len(source))
    if mode == "nearest":
        taps, values = ROUND[rounding](source)[:, None], np.ones((len(source), 1))
    else:
        shrink = min(scale, 1.0) if node.attribute("antialias", 0) else 1.0
        reach = math.ceil((1 if mode == "linear" else 2) / shrink)
        taps = np.floor(source)[:, None] + np.arange(1 - reach, reach + 1)
        values = _kernel(np.abs(taps - source[:, None]) * shrink, mode, node.attribute("cubic_coeff_a", -0.75))
        if node.attribute("exclude_outside", 0):
            values = np.where((taps < 0) | (taps >= n), 0, values)
        if shrink < 1 or node.attribute("exclude_outside", 0):
            values = values / values.sum(1, keepdims=True)
    places = np.broadcast_to(rows[:, None], taps.shape)
    used = values != 0
    columns = np.clip(taps, 0, n - 1).astype(np.int64)
    return sparse.coo_array((values[used], (places[used], columns[used])), (len(source), n)).tocsr()


def _kernel(d, mode, a):
    """The weight of a pixel at a distance: a triangle, or Keys's cubic with the parameter a."""
    if mode == "linear":
        return np.maximum(1 - d, 0)
    near, far = ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _along(x: Tensor, matrices: dict[int, Any]) -> Tensor:
    """The matrices times x along their axes, computed in float64; the gradient takes the transposed matrices."""
    def times(array: np.ndarray, transposed: bool) -> np.ndarray:
        out = array
        for axis, matrix in matrices.items():
            front = np.moveaxis(out, axis, 0)
            product = (matrix.T if transposed else matrix) @ front.reshape(len(front), math.prod(front.shape[1:]))
            out = np.moveaxis(product.reshape(-1, *front.shape[1:]) if product.size else
                              product.reshape(product.shape[0], *front.shape[1:]), 0, axis)
        with np.errstate(over="ignore"):
            return out.astype(array.dtype)
    return record(times(x.data, False), (x,), lambda grad: (times(grad, True),), "resize")
