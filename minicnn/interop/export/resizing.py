"""Images and signals in another size."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import functional as F
from ...functional.resizing import output_sizes, weights
from .builder import Builder, Value
from .pooling import adaptive_avg_pool2d
from .registry import emits

MODES = {"linear": "linear", "bilinear": "linear", "bicubic": "cubic"}


@emits(F.interpolate)
def interpolate(b: Builder, input: Value, size: Any, scale_factor: Any, mode: str, align_corners: bool | None,
                recompute_scale_factor: bool | None, antialias: bool) -> Any:
    """Resize where its rule gives the same pixels; else the indices of the pixels, or a matrix for each axis."""
    shape = (1, *input.lengths("the size of an image must be known", 1))
    sizes, steps = output_sizes(shape, size, scale_factor, mode, align_corners, recompute_scale_factor)
    if mode == "area":
        return _area(b, input, sizes)
    lengths = shape[2:]
    if _resizable(lengths, sizes, steps, mode, align_corners):
        scales = np.array([1, 1, *[o / n for n, o in zip(lengths, sizes, strict=True)]], np.float32)
        return b.node("Resize", input, None, scales, **_options(mode, bool(align_corners)))
    out: Any = input
    for axis, (n, o, step) in enumerate(zip(lengths, sizes, steps, strict=True), 2):
        matrix = weights(n, o, step, mode, bool(align_corners))
        if mode.startswith("nearest"):
            out = b.node("Gather", out, matrix.indices.astype(np.int64), axis=axis)
        elif axis == input.ndim - 1:
            out = b.node("MatMul", out, matrix.toarray().T.astype(b.out.dtype))
        else:
            out = b.node("MatMul", matrix.toarray().astype(b.out.dtype), out)
    return out


def _area(b, input, sizes):
    if input.ndim == 4:
        return adaptive_avg_pool2d(b, input, tuple(sizes))
    rows = Value(b.node("Unsqueeze", input, [2]), (*input.shape[:2], 1, input.shape[2]), input.dtype)
    return b.node("Squeeze", adaptive_avg_pool2d(b, rows, (1, *sizes)), [2])


def _resizable(lengths, sizes, steps, mode, align_corners):
    """Whether Resize with the scales output / input, as float32, finds the same pixels for every implementation."""
    if mode == "nearest-exact" or len(lengths) != 2:
        return False
    if mode == "nearest":
        return all(o % n == 0 and np.array_equal(weights(n, o, step, mode, False).indices, np.arange(o) * n // o)
                   for n, o, step in zip(lengths, sizes, steps, strict=True))
    exact = all(float(np.float32(o / n)) == o / n and (o / n * n) == o for n, o in zip(lengths, sizes, strict=True))
    return exact and min(sizes) > 1 and (align_corners or all(
        step == n / o for n, o, step in zip(lengths, sizes, steps, strict=True)))


def _options(mode: str, align_corners: bool) -> dict[str, Any]:
    if mode == "nearest":
        return {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    options: dict[str, Any] = {"mode": MODES[mode], "coordinate_transformation_mode":
                               "align_corners" if align_corners else "half_pixel"}
    return options | ({"cubic_coeff_a": -0.75} if mode == "bicubic" else {})
