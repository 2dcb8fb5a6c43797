"""Operations on Tensors: each one function, its forward and its vjp side by side.

Names, argument order and defaults are PyTorch's. Images have shape (N, C, H, W); conv2d and the pools also take a
single image (C, H, W). What a vjp captures are arrays, never Tensors.
"""

from __future__ import annotations

import numpy as np

from ..conv import Geometry, choose
from ..errors import InputError, InputTypeError
from ..tensor import Tensor, as_tensor, record
from .blurpool import blur_pool2d
from .pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "batch_norm", "blur_pool2d", "conv2d", "cross_entropy",
    "dropout", "flatten", "leaky_relu", "linear", "log_softmax", "max_pool2d", "mse_loss", "relu", "sigmoid", "tanh",
]

tanh = Tensor.tanh
sigmoid = Tensor.sigmoid


def relu(x):
    """max(x, 0), element by element; the derivative at 0 is 0. NaN stays NaN.

    >>> relu(Tensor([-1.0, 0.0, 2.0]))
    Tensor([0., 0., 2.])
    """
    x = as_tensor(x)
    out = np.maximum(x.data, 0)
    return record(out, (x,), lambda grad: (grad * (out > 0),))


def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, negative_slope * x elsewhere.

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.5)
    Tensor([-0.5,  2. ])
    """
    x = as_tensor(x)
    slope = np.where(x.data > 0, 1, negative_slope).astype(x.dtype)
    return record(x.data * slope, (x,), lambda grad: (grad * slope,))


def linear(input, weight, bias=None):
    """input (..., in_features) @ weight^T + bias, with weight (out_features, in_features) and bias (out_features,).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0]))
    Tensor([[16.]])
    """
    input, weight = as_tensor(input), as_tensor(weight)
    x, w = input.data, weight.data
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise InputError(f"linear: the input has shape {x.shape}, the weight (out_features, in_features) = {w.shape}: "
                         "the last length of the input must be in_features")
    out = x @ w.T
    tensors = (input, weight)
    if bias is not None:
        bias = as_tensor(bias)
        out, tensors = out + bias.data, (input, weight, bias)

    def vjp(grad):
        rows = grad.reshape(-1, w.shape[0])                             # (all leading axes, out_features)
        return grad @ w, rows.T @ x.reshape(-1, w.shape[1]), rows.sum(0)
    return record(out, tensors, lambda grad: vjp(grad)[:len(tensors)])


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros",
           algorithm="auto", relu=False):
    """Two-dimensional cross-correlation, which deep learning calls convolution: the kernel is not flipped.

    out[n, k, y, x] = bias[k] + sum over c, i, j of weight[k, c, i, j] input[n, c, y sy + i dy - py, x sx + j dx - px]

    Parameters
    ----------
    input : Tensor, shape (N, C_in, H, W) or (C_in, H, W)
    weight : Tensor, shape (C_out, C_in // groups, kH, kW)
    bias : Tensor, shape (C_out,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
    groups : int
    padding_mode : {"zeros", "circular"}
    algorithm : str
        "auto" or a name in `minicnn.conv.algorithms()`.
    relu : bool
        Return relu(conv2d(...)), in one pass.

    Returns
    -------
    Tensor, shape (N, C_out, OH, OW), OH = floor((H + 2 py - dy (kH - 1) - 1) / sy) + 1
        Of any memory order; rows left over at the bottom are not read.

    Raises
    ------
    ValueError
        Shapes that do not fit, a kernel larger than the padded image, an algorithm that cannot compute this.

    Examples
    --------
    The same as `scipy.signal.correlate2d(image, kernel, mode="valid")`; for the convolution of mathematics flip the
    weight, `weight[:, :, ::-1, ::-1]`:

    >>> image = Tensor([[[1.0, 2.0, 3.0]]])
    >>> conv2d(image, Tensor([[[[1.0, 10.0]]]]))
    Tensor([[[21., 32.]]])
    """
    input, weight = as_tensor(input), as_tensor(weight)
    x, w = input.data, weight.data
    single = x.ndim == 3
    x = x[None] if single else x
    if x.dtype != w.dtype:
        raise InputTypeError(f"conv2d: the input is {x.dtype} but the weight {w.dtype}: convert one of them")
    try:
        geometry = Geometry.of(x.shape, w.shape, stride, padding, dilation, groups, padding_mode, x.dtype)
    except ValueError as error:
        raise InputError(f"conv2d: {error}") from None
    tensors = (input, weight) if bias is None else (input, weight, as_tensor(bias))
    b = None if bias is None else tensors[2].data
    if b is not None and (b.shape != (w.shape[0],) or b.dtype != x.dtype):
        raise InputError(f"conv2d: the bias must have shape ({w.shape[0]},) and dtype {x.dtype}, "
                         f"not {b.shape} and {b.dtype}")
    chosen = choose(algorithm, geometry)
    out, saved = chosen.forward(x, w, b, geometry, relu)
    needs = tuple(t.requires_grad for t in tensors) + (False,) * (3 - len(tensors))

    def vjp(grad):
        grad = grad[None] if single else grad
        grad_input, grad_weight, grad_bias = chosen.backward(grad, saved, needs)
        if single and grad_input is not None:
            grad_input = grad_input[0]
        return (grad_input, grad_weight, grad_bias)[:len(tensors)]
    return record(out[0] if single else out, tensors, vjp)


def flatten(input, start_dim=0, end_dim=-1):
    """The axes from start_dim to end_dim as one, in C order (channel, row, column for an image).

    >>> flatten(Tensor(np.zeros((2, 3, 4, 5))), 1).shape
    (2, 60)
    """
    input = as_tensor(input)
    start, end = (d + input.ndim if d < 0 else d for d in (start_dim, end_dim))
    if not 0 <= start <= end < input.ndim:
        raise InputError(f"flatten: cannot join the axes {start_dim} to {end_dim} of shape {input.shape}")
    return input.reshape(*input.shape[:start], -1, *input.shape[end + 1:])


def dropout(input, p=0.5, training=True, *, rng=None):
    """Each element 0 with probability p, else divided by 1 - p; in evaluation the input itself.

    Parameters
    ----------
    rng : numpy.random.Generator
        Needed in training: there is no global random state.
    """
    input = as_tensor(input)
    if not 0 <= p <= 1:
        raise InputError(f"dropout: p must be between 0 and 1, not {p}")
    if not training or p == 0:
        return input
    if rng is None:
        raise InputError("dropout: give rng=np.random.default_rng(seed); there is no global random state")
    scale = ((rng.random(input.shape) >= p) / (1 - p if p < 1 else 1)).astype(input.dtype)
    return record(input.data * scale, (input,), lambda grad: (grad * scale,))


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel (axis 1) over all the other axes.

    In training mean and var (biased) are the batch's, and the arrays `running_mean` and `running_var` (may be None)
    move towards them in place by `momentum` (var unbiased); in evaluation these arrays are used.
    Source: Ioffe & Szegedy 2015, algorithm 1.
    """
    input = as_tensor(input)
    x = input.data
    axes = (0, *range(2, x.ndim))
    column = lambda v: np.asarray(v, x.dtype).reshape(-1, *[1] * (x.ndim - 2))
    count = x.size // x.shape[1]
    if training:
        if count < 2:
            raise InputError(f"batch_norm: training needs more than one value per channel, the input has {x.shape}")
        mean, var = x.mean(axes), x.var(axes)
        if running_mean is not None:
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (var * count / (count - 1) - running_var)
    elif running_mean is None:
        raise InputError("batch_norm: evaluation needs running_mean and running_var")
    else:
        mean, var = running_mean, running_var
    inverse = column(1 / np.sqrt(var + eps))
    normal = (x - column(mean)) * inverse
    weight = as_tensor(np.ones(x.shape[1], x.dtype)) if weight is None else as_tensor(weight)
    bias = as_tensor(np.zeros(x.shape[1], x.dtype)) if bias is None else as_tensor(bias)
    scale = column(weight.data)

    def vjp(grad):
        g = grad * scale
        if training:                # mean and var depend on x too: take out what their change cancels
            g = g - column(g.mean(axes)) - normal * column((g * normal).mean(axes))
        return g * inverse, (grad * normal).sum(axes), grad.sum(axes)
    return record(normal * scale + column(bias.data), (input, weight, bias), vjp)


def log_softmax(input, dim=-1):
    """x - log(sum(exp(x))) along `dim`, shifted by the maximum so that nothing overflows.

    >>> np.exp(log_softmax(Tensor([1000.0, 1000.0])).data)
    array([0.5, 0.5], dtype=float32)
    """
    input = as_tensor(input)
    out = _log_softmax(input.data, dim)
    return record(out, (input,), lambda grad: (grad - np.exp(out) * grad.sum(dim, keepdims=True),))


def cross_entropy(input, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """-sum over classes of weight * q * log_softmax(input), q being the target distribution of each sample.

    Parameters
    ----------
    input : Tensor, shape (N, classes) or (classes,) or (N, classes, d1, ...)
        Logits.
    target : int array, shape of input without the class axis; or probabilities, floating, shape of input
    weight : array, shape (classes,), optional
    ignore_index : int
        Samples with this class count for nothing.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the targets (class indices) or by N (probabilities).
    label_smoothing : float
        q becomes (1 - s) q + s / classes.

    Raises
    ------
    ValueError
        Shapes that do not fit, a label outside 0..classes-1 (named).

    Examples
    --------
    >>> round(cross_entropy(Tensor([[0.0, 0.0]]), np.array([1])).item(), 4)
    0.6931
    """
    input = as_tensor(input)
    x = input.data
    axis = 0 if x.ndim == 1 else 1
    target = target.data if isinstance(target, Tensor) else np.asarray(target)
    w = np.ones(x.shape[axis], x.dtype) if weight is None else np.asarray(getattr(weight, "data", weight), x.dtype)
    if w.shape != (x.shape[axis],):
        raise InputError(f"cross_entropy: weight must have shape ({x.shape[axis]},), one for each class, not {w.shape}")
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"cross_entropy: label_smoothing must be between 0 and 1, not {label_smoothing}")
    q, divisor = _target_distribution(x, target, axis, w, ignore_index, label_smoothing)
    log_p = _log_softmax(x, axis)
    losses = -(q * log_p).sum(axis)
    scale = x.dtype.type(1 / divisor if divisor else np.nan) if reduction == "mean" else x.dtype.type(1)
    out = losses if reduction == "none" else losses.sum() * scale

    def vjp(grad):                  # d loss / d x = softmax(x) * sum(q) - q
        g = np.expand_dims(grad, axis) if reduction == "none" else grad * scale
        return (g * (np.exp(log_p) * q.sum(axis, keepdims=True) - q),)
    return record(out, (input,), vjp)


def mse_loss(input, target, reduction="mean"):
    """(input - target)^2, averaged over all elements ("mean"), summed ("sum") or as it stands ("none").

    >>> mse_loss(Tensor([1.0, 3.0]), Tensor([1.0, 1.0])).item()
    2.0
    """
    input, target = as_tensor(input), as_tensor(target)
    if input.shape != target.shape:
        raise InputError(f"mse_loss: the input has shape {input.shape}, the target {target.shape}: they must agree")
    difference = input - target
    squares = difference * difference
    reductions = {"mean": squares.mean, "sum": squares.sum, "none": lambda: squares}
    if reduction not in reductions:
        raise InputError(f"mse_loss: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    return reductions[reduction]()


def _log_softmax(x, axis):
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _target_distribution(x, target, axis, weight, ignore_index, smoothing):
    """The weighted target distribution, shaped like x, and what "mean" divides by."""
    classes = x.shape[axis]
    column = weight.reshape(-1, *[1] * (x.ndim - axis - 1))             # along the class axis
    if target.dtype.kind == "f":
        if target.shape == x.shape[:axis] + x.shape[axis + 1:]:
            raise InputError("cross_entropy: the target has the shape of class indices but is floating, as every "
                             "Tensor is: give the indices as an array of integers, not as a Tensor")
        if target.shape != x.shape:
            raise InputError(f"cross_entropy: probabilities must have the input's shape {x.shape}, not {target.shape}")
        samples = x.size // classes
        return ((1 - smoothing) * target + smoothing / classes).astype(x.dtype) * column, samples
    labels_shape = x.shape[:axis] + x.shape[axis + 1:]
    if target.shape != labels_shape or target.dtype.kind not in "iu":
        raise InputError(f"cross_entropy: for an input of shape {x.shape} the class indices must be integers of shape "
                         f"{labels_shape}, not {target.dtype} of shape {target.shape}")
    counted = target != ignore_index
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(f"cross_entropy: the label {int(target[where])} at {where} is not one of the {classes} "
                         f"classes 0..{classes - 1}")
    labels = np.where(counted, target, 0)
    one_hot = np.expand_dims(labels, axis) == np.arange(classes).reshape(column.shape)
    q = ((1 - smoothing) * one_hot + smoothing / classes).astype(x.dtype) * column * np.expand_dims(counted, axis)
    return q, float((weight[labels] * counted).sum())
