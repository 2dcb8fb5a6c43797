"""Images in another size: by interpolation, and by moving pixels between channels and places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arithmetic.padding import MOST
from ..checks import boolean, integer, number, one_of
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record
from .pooling import adaptive_avg_pool2d

MODES = {"nearest": (1, 2), "nearest-exact": (1, 2), "linear": (1,), "bilinear": (2,), "bicubic": (2,), "area": (1, 2)}
A = -0.75                       # Keys's parameter of the cubic kernel, as in PyTorch


def interpolate(input: Tensor | np.ndarray, size: int | Sequence[int] | None = None,
                scale_factor: float | Sequence[float] | None = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Tensor:
    """Images or signals in another size: along each axis, out[o] = sum over i of weight[o, i] input[i].

    Output pixel o lies at s = step (o + 1/2) - 1/2 of the input, or at step * o with `align_corners`.

    - nearest: the pixel floor(step * o). nearest-exact: the pixel floor(step (o + 1/2)), which is the nearest to s.
    - linear, bilinear: with i = floor(s) and t = s - i, the weights 1 - t and t of the pixels i and i + 1. An axis that
      keeps its length is copied.
    - bicubic: Keys's cubic convolution with a = -0.75, four weights for the pixels i - 1 to i + 2.
    - area: the mean of the pixels, `adaptive_avg_pool2d`.

    Pixels beyond the edge are those of the edge. The gradient is the transposed matrix of the weights.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W), or (N, C, L) for modes nearest, nearest-exact, linear and area
    size : int or tuple of int, optional
        Of the output. Give either this or `scale_factor`.
    scale_factor : float or tuple of float, optional
        The output has floor(H * scale_factor) rows.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "area"}
    align_corners : bool, optional
        For the linear and cubic modes: put the outermost pixels of input and output onto each other,
        step = (H - 1) / (OH - 1). Otherwise the outer edges of these pixels, step = 1 / scale_factor or H / OH.
    recompute_scale_factor : bool, optional
        Whether step = H / OH, also if a scale factor is given. The two differ if H * scale_factor is not whole.
    antialias : bool
        Must be False.

    Returns
    -------
    Tensor, shape (N, C, OH, OW) or (N, C, OL)

    Raises
    ------
    InputError
        The input or the mode does not fit; neither or both of size and scale_factor are given; the output would have no
        pixel, or too many; an option has no meaning for the mode.
    InputTypeError
        An option has another type.

    References
    ----------
    Keys 1981, "Cubic convolution interpolation for digital image processing", equation 4 with a = -0.75.

    Examples
    --------
    >>> x = Tensor([[[1.0, 3.0]]])
    >>> interpolate(x, 4, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]])
    >>> interpolate(x, scale_factor=2)
    Tensor([[[1., 1., 3., 3.]]])
    """
    input = as_tensor(input)
    if boolean("interpolate: antialias", antialias):
        raise InputError("interpolate: antialias=True is not possible: to make images smaller without aliasing, use "
                         "blur_pool2d or mode='area'")
    sizes, steps = output_sizes(input.shape, size, scale_factor, mode, align_corners, recompute_scale_factor)
    if mode == "area":
        means = adaptive_avg_pool2d(input if input.ndim == 4 else input[:, :, None], (1, *sizes)[-2:])
        return means if input.ndim == 4 else means[:, :, 0]
    matrices = [weights(n, o, step, mode, bool(align_corners))
                for n, o, step in zip(input.shape[2:], sizes, steps, strict=True)]
    if mode.startswith("nearest"):                      # a copy of pixels, to the last bit
        rows, columns = ([None, *[matrix.indices for matrix in matrices]])[-2:]
        out = input.data[..., columns] if rows is None else input.data[..., rows[:, None], columns]
    else:
        out = _along_axes(input.data, matrices)
    return record(out, (input,), lambda grad: (_along_axes(grad, [matrix.T.tocsr() for matrix in matrices]),))


def _along_axes(x, matrices):
    """The matrices times the last axes of x, computed in float64."""
    out = x
    for axis, matrix in enumerate(matrices, x.ndim - len(matrices)):
        front = np.moveaxis(out, axis, 0)
        product = matrix @ front.reshape(len(front), math.prod(front.shape[1:]))
        out = np.moveaxis(product.reshape(product.shape[0], *front.shape[1:]), 0, axis)
    with np.errstate(over="ignore"):
        return out.astype(x.dtype)


def weights(n: int, out: int, step: float, mode: str, align_corners: bool) -> Any:
    """The sparse matrix (out, n) of the interpolation along one axis. Weights of 0 are left out.

    >>> weights(2, 4, 0.5, "linear", False).toarray()
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    from scipy import sparse  # imported here because it takes as long as all of minicnn
    places = np.arange(out)
    if mode.startswith("nearest"):
        taps, values = _nearest(n, out, step, mode)[:, None], np.ones((out, 1))
    else:
        source = step * places if align_corners else step * (places + 0.5) - 0.5
        if mode != "bicubic":
            source = places.astype(float) if n == out else np.maximum(source, 0)
        first = np.minimum(np.floor(source), n - 1)
        t = np.clip(source - first, 0, 1)[:, None]
        if mode == "bicubic":
            taps, values = first[:, None] + [-1, 0, 1, 2], cubic(np.abs(t - [-1, 0, 1, 2]))
        else:
            taps, values = first[:, None] + [0, 1], np.concatenate([1 - t, t], 1)
    rows, columns = np.broadcast_to(places[:, None], taps.shape), np.clip(taps, 0, n - 1).astype(np.int64)
    used = values != 0
    return sparse.coo_array((values[used], (rows[used], columns[used])), (out, n)).tocsr()


def _nearest(n, out, step, mode):
    """The pixel for each output pixel. The step and the place are rounded to float32 before floor.

    So does PyTorch in images of up to 128 pixels; in larger ones it rounds otherwise where the place is nearly whole.
    """
    places, step = np.arange(out), np.float32(step)
    if mode == "nearest-exact":
        return np.floor(((places + 0.5) * float(step)).astype(np.float32)).astype(np.int64)
    if out in (n, 2 * n):                               # whatever the step is
        return places * n // out
    return np.floor(places.astype(np.float32) * step).astype(np.int64)


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys's kernel at distances of at least 0: 1 at 0, 0 at 1, 2 and beyond 2.

    >>> cubic(np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    array([ 1.     ,  0.59375,  0.     , -0.09375,  0.     ])
    """
    d = distance
    near = ((A + 2) * d - (A + 3)) * d * d + 1
    far = ((A * d - 5 * A) * d + 8 * A) * d - 4 * A
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def check_options(name: str, size: Any, scale_factor: Any, mode: str, align_corners: bool | None,
                  recompute_scale_factor: bool | None) -> None:
    """Check the options of `interpolate` as far as they do not depend on the input.

    >>> check_options("Upsample", 4, 2, "nearest", None, None)
    Traceback (most recent call last):
        ...
    minicnn.InputError: Upsample: give either size or scale_factor, not both of them
    """
    one_of(f"{name}: mode", mode, tuple(MODES))
    if align_corners is not None:
        boolean(f"{name}: align_corners", align_corners)
        if mode in ("nearest", "nearest-exact", "area"):
            raise InputError(f"{name}: align_corners has no meaning for mode {mode!r}: leave it out")
    if (size is None) == (scale_factor is None):
        raise InputError(f"{name}: give either size or scale_factor, not {'none' if size is None else 'both'} of them")
    if recompute_scale_factor is not None and boolean(f"{name}: recompute_scale_factor", recompute_scale_factor) and (
            size is not None):
        raise InputError(f"{name}: recompute_scale_factor needs a scale_factor, not a size")
    for value in size if isinstance(size, (tuple, list)) else [] if size is None else [size]:
        integer(f"{name}: size", value, 1)
    for value in scale_factor if isinstance(scale_factor, (tuple, list)) else [scale_factor]:
        if value is not None or size is None:
            number(f"{name}: scale_factor", value, above=0)


def output_sizes(shape: tuple[int, ...], size: Any, scale_factor: Any, mode: str, align_corners: bool | None,
                 recompute_scale_factor: bool | None) -> tuple[list[int], list[float]]:
    """The size of the output along each spatial axis, and the step in the input from one output pixel to the next.

    It checks the arguments of `interpolate`.

    >>> output_sizes((1, 1, 4, 6), None, 1.5, "bilinear", None, None)
    ([6, 9], [0.6666666666666666, 0.6666666666666666])
    """
    check_options("interpolate", size, scale_factor, mode, align_corners, recompute_scale_factor)
    axes = len(shape) - 2
    if axes not in MODES[mode]:
        wanted = " or ".join({1: "(N, C, L)", 2: "(N, C, H, W)"}[n] for n in MODES[mode])
        raise InputError(f"interpolate: the input must have shape {wanted} for mode {mode!r}, not {shape}")
    if 0 in shape[1:]:
        raise InputError(f"interpolate: an image needs at least one channel and one pixel; the input has shape {shape}")
    factors: list[Any] = [None] * axes
    if size is not None:
        sizes = _each("size", size, axes)
    else:
        factors = _each("scale_factor", scale_factor, axes)
        if any(n * factor > MOST for n, factor in zip(shape[2:], factors, strict=True)):
            raise InputError(f"interpolate: scale_factor={scale_factor!r} makes too many pixels")
        sizes = [math.floor(n * factor) for n, factor in zip(shape[2:], factors, strict=True)]
    if min(sizes) < 1 or math.prod(sizes) * math.prod(shape[:2]) > MOST:
        raise InputError(f"interpolate: the output would have {' x '.join(map(str, sizes))} pixels, which is too "
                         f"{'few' if min(sizes) < 1 else 'many'}: use another size or scale_factor")
    if align_corners:
        return sizes, [(n - 1) / (o - 1) if o > 1 else 0.0 for n, o in zip(shape[2:], sizes, strict=True)]
    return sizes, [n / o if factor is None or recompute_scale_factor else 1 / factor
                   for n, o, factor in zip(shape[2:], sizes, factors, strict=True)]


def _each(name, value, axes):
    """One value for each axis, from one value or a sequence of them."""
    if not isinstance(value, (tuple, list)):
        return [value] * axes
    if len(value) != axes:
        raise InputError(f"interpolate: {name} must be one number or {axes}, one for each axis, not {value!r}")
    return list(value)


def pixel_shuffle(input: Tensor | np.ndarray, upscale_factor: int) -> Tensor:
    """Channels become pixels: out[c, y r + a, x r + b] = input[(c r + a) r + b, y, x], with r = upscale_factor.

    The shape (..., C r^2, H, W) becomes (..., C, H r, W r). Other shapes and r below 1 raise InputError.

    References
    ----------
    Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network", equation 4.

    Examples
    --------
    >>> pixel_shuffle(Tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    Tensor([[[1., 2.],
             [3., 4.]]])
    """
    input, r = as_tensor(input), integer("pixel_shuffle: upscale_factor", upscale_factor, 1)
    if input.ndim < 3 or input.shape[-3] % (r * r):
        raise InputError(f"pixel_shuffle: the input must have shape (..., C * {r * r}, H, W), not {input.shape}")
    shape = input.shape
    return record(_shuffled(input.data, r), (input,), lambda grad: (_unshuffled(grad, r).reshape(shape),))


def pixel_unshuffle(input: Tensor | np.ndarray, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`: (..., C, H r, W r) becomes (..., C r^2, H, W), with r = downscale_factor.

    Sizes that r does not divide raise InputError.

    >>> pixel_unshuffle(Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).shape
    (4, 1, 1)
    """
    input, r = as_tensor(input), integer("pixel_unshuffle: downscale_factor", downscale_factor, 1)
    if input.ndim < 3 or input.shape[-1] % r or input.shape[-2] % r:
        raise InputError(f"pixel_unshuffle: {r} must divide the height and the width of the input (..., C, H, W), "
                         f"whose shape is {input.shape}")
    shape = input.shape
    return record(_unshuffled(input.data, r), (input,), lambda grad: (_shuffled(grad, r).reshape(shape),))


def _shuffled(x, r):
    *lead, channels, height, width = x.shape
    parts = x.reshape(*lead, channels // (r * r), r, r, height, width)                  # (..., C, a, b, y, x)
    n = len(lead)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)                                 # (..., C, y, a, x, b)
    return parts.transpose(order).reshape(*lead, channels // (r * r), height * r, width * r).copy()


def _unshuffled(x, r):
    *lead, channels, height, width = x.shape
    parts = x.reshape(*lead, channels, height // r, r, width // r, r)                   # (..., C, y, a, x, b)
    n = len(lead)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)                                 # (..., C, a, b, y, x)
    return parts.transpose(order).reshape(*lead, channels * r * r, height // r, width // r).copy()
