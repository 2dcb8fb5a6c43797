"""The two-dimensional convolution of Tensors; `minicnn.conv` computes it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from ...checks import boolean, image_shape
from ...conv import Geometry, choose
from ...conv.geometry import Padding
from ...errors import InputError, InputTypeError
from ...tensor import Tensor, as_tensor, record

_state = threading.local()


def conv2d(input: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None,
           stride: int | tuple[int, int] = 1, padding: Padding = 0, dilation: int | tuple[int, int] = 1,
           groups: int = 1, *, padding_mode: str = "zeros", algorithm: str = "auto", relu: bool = False) -> Tensor:
    """Two-dimensional cross-correlation, which deep learning calls convolution: the kernel is not flipped.

    out[n, k, y, x] = bias[k] + sum over c, i, j of weight[k, c, i, j] input[n, c, y sy + i dy - py, x sx + j dx - px]

    Parameters
    ----------
    input : Tensor, shape (N, C_in, H, W) or (C_in, H, W)
    weight : Tensor, shape (C_out, C_in // groups, kH, kW)
    bias : Tensor, shape (C_out,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), "same" or "valid"
    groups : int
    padding_mode : {"zeros", "circular", "reflect", "replicate"}
        The pixels beyond the edge are zeros, those of the opposite side, the mirrored image, or the edge: see `pad`.
    algorithm : str
        "auto" or a name in `minicnn.conv.algorithms()`.
    relu : bool
        Return relu(conv2d(...)), computed in one pass.

    Returns
    -------
    Tensor, shape (N, C_out, OH, OW), OH = floor((H + 2 py - dy (kH - 1) - 1) / sy) + 1
        In any memory order. Rows that are left over at the bottom are not read. A batch of zero images gives an empty
        result, and gradients of zeros.

    Raises
    ------
    InputError
        The shapes do not fit, an image has no channel or no pixel, the kernel is larger than the padded image, or the
        algorithm cannot compute this.
    InputTypeError
        Input and weight have different dtypes.

    Examples
    --------
    It is the same as `scipy.signal.correlate2d(image, kernel, mode="valid")`. For the convolution of mathematics, flip
    the weight: `weight[:, :, ::-1, ::-1]`.

    >>> image = Tensor([[[1.0, 2.0, 3.0]]])
    >>> conv2d(image, Tensor([[[[1.0, 10.0]]]]))
    Tensor([[[21., 32.]]])
    """
    input, weight = as_tensor(input), as_tensor(weight)
    x, w = input.data, weight.data
    single = x.ndim == 3
    x = x[None] if single else x
    if x.ndim == 4 and 0 in x.shape[1:]:
        image_shape("conv2d", input.shape)
    if x.dtype != w.dtype:
        raise InputTypeError(f"conv2d: the input is {x.dtype} but the weight {w.dtype}: convert one of them")
    try:
        shape = (1, *x.shape[1:]) if x.shape[:1] == (0,) else x.shape       # no image: checked as if there were one
        geometry = Geometry.of(shape, w.shape, stride, padding, dilation, groups, padding_mode, x.dtype)
        geometry = geometry.least_steps
    except InputError as error:
        raise InputError(f"conv2d: {error}") from None
    tensors: tuple[Tensor, ...] = (input, weight) if bias is None else (input, weight, as_tensor(bias))
    b = None if bias is None else tensors[2].data
    if b is not None and (b.shape != (w.shape[0],) or b.dtype != x.dtype):
        raise InputError(f"conv2d: the bias must have shape ({w.shape[0]},) and dtype {x.dtype}, "
                         f"not {b.shape} and {b.dtype}")
    chosen, out_shape = choose(algorithm, geometry), (len(x), *geometry.out_shape[1:])
    if getattr(_state, "shapes_only", False):
        return record(np.zeros(out_shape[single:], x.dtype), tensors, lambda grad: (None,) * len(tensors))
    if len(x) == 0:
        return record(np.zeros(out_shape, x.dtype), tensors, lambda grad: tuple(np.zeros_like(a) for a in (x, w, b))[
            :len(tensors)])
    out, saved = chosen.forward(x, w, b, geometry, boolean("conv2d: relu", relu))
    needs = input.requires_grad, weight.requires_grad, b is not None and tensors[2].requires_grad

    def vjp(grad):
        grad = grad[None] if single else grad
        grad_input, grad_weight, grad_bias = chosen.backward(grad, saved, needs)
        if single and grad_input is not None:
            grad_input = grad_input[0]
        return (grad_input, grad_weight, grad_bias)[:len(tensors)]
    return record(out[0] if single else out, tensors, vjp)


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Context manager: inside, `conv2d` checks its arguments and returns zeros of the right shape, without a kernel.

    `nn.summary` uses it: the summary of a network costs nothing, with any algorithm.

    >>> with shapes_only():
    ...     conv2d(Tensor(np.ones((1, 2, 2))), Tensor(np.ones((1, 1, 2, 2))))
    Tensor([[[0.]]], dtype=float64)
    """
    before = getattr(_state, "shapes_only", False)
    _state.shapes_only = True
    try:
        yield
    finally:
        _state.shapes_only = before
