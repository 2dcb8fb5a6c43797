"""Clip gradients between `backward` and the optimiser's `step`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...checks import boolean, number
from ...errors import InputError, InputTypeError, StateError
from ...tensor import Tensor


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> float:
    """Scale all gradients by min(1, max_norm / (norm + 1e-6)), in place; return the norm of before (Pascanu et al. 2013).

    The norm is that of all gradients as one long vector: (sum |g|^p)^(1/p), p = `norm_type`. It is computed in float64.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are left out. One that is given twice counts once.
    max_norm : float
        0 or more. Infinity changes nothing: the norm is only computed.
    norm_type : float
        Above 0; infinity stands for the largest absolute value.
    error_if_nonfinite : bool
        Whether a norm that is NaN or infinite is an error. Otherwise the gradients become 0 or NaN, as in PyTorch.

    Returns
    -------
    float

    Raises
    ------
    InputError, InputTypeError
        An argument is wrong.
    StateError
        The norm is not finite, and `error_if_nonfinite` is set.

    Examples
    --------
    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm_([w], 1.0), w.grad.round(3)
    (10.0, array([0.6, 0.8], dtype=float32))
    """  # noqa: E501
    max_norm = _or_infinity("clip_grad_norm_: max_norm", max_norm, least=0)
    power = _or_infinity("clip_grad_norm_: norm_type", norm_type, above=0)
    grads = _gradients("clip_grad_norm_", parameters)
    norm = _norm(grads, power)
    if boolean("clip_grad_norm_: error_if_nonfinite", error_if_nonfinite) and not math.isfinite(norm):
        raise StateError(f"clip_grad_norm_: the norm of the gradients is {norm}, so they cannot be scaled: look for "
                         "NaN and infinity in the loss, or leave error_if_nonfinite out")
    factor = np.float64(max_norm / (norm + 1e-6))       # float32 may have no digits left for it
    if max_norm < math.inf and not factor >= 1:
        with np.errstate(invalid="ignore", over="ignore"):
            for grad in grads:
                np.multiply(grad, factor, out=grad, casting="same_kind")
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Set each element g of the gradients to min(max(g, -clip_value), clip_value), in place. NaN stays.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are left out.
    clip_value : float
        0 or more.

    Raises
    ------
    InputError, InputTypeError
        An argument is wrong.

    Examples
    --------
    >>> w = Tensor([3.0, -0.1], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_value_(w, 1.0)
    >>> w.grad
    array([ 1. , -0.2], dtype=float32)
    """
    clip_value = number("clip_grad_value_: clip_value", clip_value, least=0)
    for grad in _gradients("clip_grad_value_", parameters):
        np.clip(grad, -clip_value, clip_value, out=grad)


def _or_infinity(name, value, **bounds):
    return math.inf if np.ndim(value) == 0 and value == math.inf else number(name, value, **bounds)


def _gradients(function, parameters):
    """The arrays of the gradients, each once. They can be changed in place."""
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    if isinstance(given, np.ndarray) or not isinstance(given, Iterable):
        raise InputTypeError(f"{function}: parameters must be a Tensor or a list such as model.parameters(), not a "
                             f"{type(parameters).__name__}")
    found: dict[int, np.ndarray] = {}
    for i, parameter in enumerate(given):
        if not isinstance(parameter, Tensor):
            raise InputTypeError(f"{function}: parameters[{i}] is a {type(parameter).__name__}, not a Tensor")
        grad = parameter.grad
        if grad is None:
            continue
        if not isinstance(grad, np.ndarray) or grad.dtype.kind != "f":
            raise InputTypeError(f"{function}: the gradient of parameters[{i}] must be an array of floating-point "
                                 f"numbers, not a {getattr(grad, 'dtype', type(grad).__name__)}")
        if not grad.flags.writeable:
            raise InputError(f"{function}: the gradient of parameters[{i}] is read-only: give the parameter a copy")
        found[id(grad)] = grad
    return list(found.values())


def _norm(grads, power):
    """(sum |g|^power)^(1/power), in float64. Scaled by the largest element, so that no power leaves the range."""
    largest = max((float(np.max(np.abs(grad), initial=0)) for grad in grads), default=0.0)
    largest = math.nan if any(np.isnan(grad).any() for grad in grads) else largest
    if power == math.inf or largest == 0 or not math.isfinite(largest):
        return largest
    total = sum(float(np.sum((np.abs(grad.astype(np.float64)) / largest) ** power)) for grad in grads)
    try:
        return largest * total ** (1 / power)
    except OverflowError:                         # a power near 0
        return math.inf
