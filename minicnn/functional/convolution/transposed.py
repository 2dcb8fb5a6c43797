"""The transposed convolution: the adjoint of the convolution as a map of the input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arithmetic import padding as paddings
from ...arithmetic import sum_over
from ...checks import integer, pair, sides
from ...conv import Geometry, choose
from ...errors import InputError
from ...tensor import Tensor
from .convolve import Needs, Result, check_bias, computes_shapes_only, on_images, zeros


def conv_transpose2d(input: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None,
                     stride: int | tuple[int, int] = 1, padding: Any = 0,
                     output_padding: int | tuple[int, int] = 0, groups: int = 1,
                     dilation: int | tuple[int, int] = 1, *, algorithm: str = "auto") -> Tensor:
    """The adjoint of `conv2d`: <conv2d(x, w), y> = <x, conv_transpose2d(y, w)> for the same options and no bias.

    Each input pixel adds the kernel, times its value, to the output:

        out[n, k, p sy + i dy - py, q sx + j dx - px] += input[n, c, p, q] weight[c, k, i, j]     for all c, p, q, i, j

    for the channels c and k of the same group. It is the gradient of `conv2d` with respect to its input, and
    computed by the same algorithms; its gradient with respect to the input is a `conv2d`.

    Parameters
    ----------
    input : Tensor, shape (N, C_in, H, W) or (C_in, H, W)
    weight : Tensor, shape (C_in, C_out // groups, kH, kW)
        The weight of the convolution whose adjoint this is.
    bias : Tensor, shape (C_out,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int) or ((top, bottom), (left, right))
        Pixels that are cut off at each side of the output.
    output_padding : int or (int, int)
        Pixels more at the bottom and the right, fewer than the stride or the dilation. With a stride, several sizes of
        x give the same size of conv2d(x, w): this says which one it was.
    groups : int
    algorithm : str
        "auto" or a name in `minicnn.conv.algorithms()`.

    Returns
    -------
    Tensor, shape (N, C_out, OH, OW), OH = (H - 1) sy - 2 py + dy (kH - 1) + output_padding + 1

    Raises
    ------
    InputError
        The shapes do not fit, the output would have no pixel, output_padding is too large, or the algorithm cannot
        compute this.
    InputTypeError
        Input and weight have different dtypes.

    References
    ----------
    Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.

    Examples
    --------
    >>> conv_transpose2d(Tensor([[[1.0, 2.0]]]), Tensor([[[[1.0, 10.0]]]]), stride=2)
    Tensor([[[ 1., 10.,  2., 20.]]])
    """
    def convolution(x, w, b, needs):
        return transposed("conv_transpose2d", x, w, b, needs, stride, padding, output_padding, groups, dilation,
                          algorithm)
    return on_images("conv_transpose2d", 2, input, weight, bias, convolution)


def transposed(name: str, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, needs: Needs, stride: Any,
               padding: Any, output_padding: Any, groups: int, dilation: Any, algorithm: str) -> Result:
    """The transposed convolution of arrays, x (N, C, H, W) with w (C, K / G, kh, kw)."""
    shape = (1, *x.shape[1:]) if len(x) == 0 else x.shape           # no image: checked as if there were one
    geometry, widths = transposed_geometry(name, shape, w.shape, stride, padding, output_padding, groups, dilation,
                                           x.dtype)
    check_bias(name, b, geometry.in_channels, x.dtype)
    chosen = choose(algorithm, geometry)
    inner = (len(x), *geometry.in_shape[1:])                        # of the image before its widths are applied
    if len(x) == 0 or computes_shapes_only():
        return zeros(x, w, b, paddings.padded_shape(inner, widths))
    out = chosen.adjoint(x, w, geometry)
    if any(map(any, widths)):
        out = paddings.pad(out, widths)
    if b is not None:
        out += b[:, None, None]

    def vjp(grad):
        grad_input = grad_weight = grad_bias = None
        if needs[0] or needs[1]:
            image = paddings.unpad(grad, inner, widths) if any(map(any, widths)) else grad
            grad_input, saved = chosen.forward(image, w, None, geometry)
            if needs[1]:
                grad_weight = chosen.backward(x, saved, (False, True, False))[1]
        if needs[2]:
            grad_bias = sum_over(grad, (0, 2, 3))
        return grad_input if needs[0] else None, grad_weight, grad_bias
    return out, vjp


def transposed_geometry(name: str, shape: tuple[int, ...], weight: tuple[int, ...], stride: Any, padding: Any,
                        output_padding: Any, groups: Any, dilation: Any,
                        dtype: Any) -> tuple[Geometry, tuple[tuple[int, int], ...]]:
    """The convolution whose adjoint has an input of `shape` (N, C, H, W), and the widths by which its result is padded.

    Output padding takes away padding at the bottom and the right of the convolution. If there is too little of it,
    zeros are added to the result. If all that the convolution sees is padding, it gets none, and the result is cropped.
    """
    groups, steps = integer(f"{name}: groups", groups, 1), pair(f"{name}: stride", stride, 1)
    spread, more = pair(f"{name}: dilation", dilation, 1), pair(f"{name}: output_padding", output_padding, 0)
    if shape[1] != weight[0] or weight[0] % groups or min(weight) < 1:
        raise InputError(f"{name}: the input has {shape[1]} channels, so the weight must have shape ({shape[1]}, C_out "
                         f"// groups, kH, kW), and groups={groups} must divide {shape[1]}; the weight is {weight}")
    if any(o >= max(s, d) for o, s, d in zip(more, steps, spread, strict=True)):
        raise InputError(f"{name}: output_padding {more} must be less than the stride {steps} or the dilation {spread}")
    sizes, ends, widths = [], [], [(0, 0), (0, 0)]
    for n, k, s, d, (before, after), extra in zip(shape[2:], weight[2:], steps, spread,
                                                  sides(f"{name}: padding", padding), more, strict=True):
        full, end = (n - 1) * s + d * (k - 1) + 1, max(after - extra, 0)
        size = full - before - after + extra                        # of the result
        if size < 1:
            raise InputError(f"{name}: the output would have {size} rows or columns: use less padding")
        begin, end = (before, end) if full - before - end > 0 else (0, 0)
        sizes.append(full - begin - end)
        ends.append((begin, end))
        widths.append((begin - before, size - sizes[-1] - begin + before))
    if math.prod(sizes) * shape[0] * weight[1] * groups > paddings.MOST:
        raise InputError(f"{name}: the output would have {sizes[0]} x {sizes[1]} pixels, which is too many: use a "
                         "smaller stride, dilation or image")
    try:
        geometry = Geometry.of((shape[0], weight[1] * groups, *sizes), weight, steps, (ends[0], ends[1]), spread,
                               groups, "zeros", dtype)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return geometry.least_steps, tuple(widths)
