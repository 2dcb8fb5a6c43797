"""The two-dimensional convolution of Tensors, and what it shares with its adjoint and with one dimension."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...checks import boolean
from ...conv import Geometry, choose
from ...conv.geometry import Padding
from ...errors import InputError, InputTypeError
from ...tensor import Tensor, as_tensor, record

Needs = tuple[bool, bool, bool]                 # which of the three gradients are wanted
Result = tuple[np.ndarray, Callable]            # of an operation on arrays with four axes: the output and the vjp

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
    def convolution(x, w, b, needs):
        return convolved("conv2d", x, w, b, needs, stride, padding, dilation, groups, padding_mode, algorithm, relu)
    return on_images("conv2d", 2, input, weight, bias, convolution)


def on_images(name: str, spatial: int, input: Any, weight: Any, bias: Any, operation: Callable[..., Result]) -> Tensor:
    """Record operation(x, w, b, needs) of arrays with four axes for Tensors that lack some of them.

    The input is (N, C, *spatial) or (C, *spatial). With one spatial axis, the images have one row.
    """
    tensors = tuple(as_tensor(one) for one in ((input, weight) if bias is None else (input, weight, bias)))
    shape, wanted = tensors[0].shape, {1: "(N, C, L) or (C, L)", 2: "(N, C, H, W) or (C, H, W)"}[spatial]
    if len(shape) not in (spatial + 1, spatial + 2):
        raise InputError(f"{name}: the input must have shape {wanted}, not {shape}")
    if 0 in shape[-1 - spatial:]:
        raise InputError(f"{name}: an image needs at least one channel and one pixel; the input has shape {shape}")
    if tensors[1].ndim != spatial + 2:
        raise InputError(f"{name}: the weight must have {spatial + 2} axes, two of channels and {spatial} of the "
                         f"kernel, not the shape {tensors[1].shape}")
    single, keep = len(shape) == spatial + 1, slice(None)
    up, down = (((one,) * single + (keep,) * (2 - single) + (one,) * (2 - spatial)) for one in (None, 0))
    weight_up, weight_down = ((keep, keep) + (one,) * (2 - spatial) for one in (None, 0))
    x, w, b = tensors[0].data[up], tensors[1].data[weight_up], None if bias is None else tensors[2].data
    if x.dtype != w.dtype:
        raise InputTypeError(f"{name}: the input is {x.dtype} but the weight {w.dtype}: convert one of them")
    needs = tensors[0].requires_grad, tensors[1].requires_grad, b is not None and tensors[2].requires_grad
    with np.errstate(all="ignore"):               # sums become infinite or NaN without a warning
        out, vjp = operation(x, w, b, needs)

    def gradients(grad):
        parts = vjp(grad)
        if parts[1] is None or not np.isnan(parts[1].min()) or (seen := (grad != 0).any((1, 2, 3))).all():
            return parts
        _, of_seen = operation(x[seen], w, b, needs)    # a hidden image gets 0 and counts 0: see `arithmetic.shown`
        parts, grad_input = of_seen(grad[seen]), np.zeros_like(x)
        if parts[0] is not None:
            grad_input[seen] = parts[0]
        return grad_input, *parts[1:]
    if spatial == 2 and not single:
        return record(out, tensors, lambda grad: gradients(grad)[:len(tensors)], name)

    def back(grad):
        grad_input, grad_weight, grad_bias = gradients(grad[up])
        return (None if grad_input is None else grad_input[down], None if grad_weight is None else
                grad_weight[weight_down], grad_bias)[:len(tensors)]
    return record(out[down], tensors, back, name)


def convolved(name: str, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, needs: Needs, stride: Any, padding: Any,
              dilation: Any, groups: int, padding_mode: str, algorithm: str, relu: bool = False) -> Result:
    """The convolution of arrays, x (N, C, H, W) with w (K, C / G, kh, kw)."""
    try:
        shape = (1, *x.shape[1:]) if len(x) == 0 else x.shape       # no image: checked as if there were one
        geometry = Geometry.of(shape, w.shape, stride, padding, dilation, groups, padding_mode, x.dtype).least_steps
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    check_bias(name, b, w.shape[0], x.dtype)
    chosen, relu = choose(algorithm, geometry), boolean(f"{name}: relu", relu)
    if len(x) == 0 or computes_shapes_only():
        return zeros(x, w, b, (len(x), *geometry.out_shape[1:]))
    out, saved = chosen.forward(x, w, b, geometry, relu)
    return out, lambda grad: chosen.backward(grad, saved, needs)


def check_bias(name: str, b: np.ndarray | None, channels: int, dtype: np.dtype) -> None:
    """Raise InputError unless there is no bias, or one of shape (channels,) and the dtype of the input."""
    if b is not None and (b.shape != (channels,) or b.dtype != dtype):
        raise InputError(f"{name}: the bias must have shape ({channels},) and dtype {dtype}, not {b.shape} and "
                         f"{b.dtype}")


def zeros(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, shape: tuple[int, ...]) -> Result:
    """Zeros as the output, and gradients of zeros: the result for no images."""
    return np.zeros(shape, x.dtype), lambda grad: tuple(None if a is None else np.zeros_like(a) for a in (x, w, b))


def computes_shapes_only() -> bool:
    """Whether a convolution is called inside of `shapes_only`."""
    return getattr(_state, "shapes_only", False)


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Context manager: inside, convolutions check their arguments and return zeros of the right shape. No kernel runs.

    `nn.summary` uses it: the summary of a network costs nothing, with any algorithm.

    >>> with shapes_only():
    ...     conv2d(Tensor(np.ones((1, 2, 2))), Tensor(np.ones((1, 1, 2, 2))))
    Tensor([[[0.]]], dtype=float64)
    """
    before = computes_shapes_only()
    _state.shapes_only = True
    try:
        yield
    finally:
        _state.shapes_only = before
