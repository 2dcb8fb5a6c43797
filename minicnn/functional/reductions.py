"""logsumexp, var and std with PyTorch's arguments. The methods of a Tensor have NumPy's: `axis`, `ddof`, `keepdims`."""

from __future__ import annotations

import numpy as np

from .. import arithmetic
from ..checks import boolean, number
from ..errors import InputError
from ..tensor import Tensor, as_tensor, record

Dim = int | tuple[int, ...]


def logsumexp(input: Tensor | np.ndarray, dim: Dim, keepdim: bool = False) -> Tensor:
    """log(sum of e^input) over the axes `dim`. The largest element is subtracted first, so no power overflows.

    The gradient is softmax(input) times the cotangent. The logsumexp of nothing is -inf. Where
    all elements are -inf, the gradient is 0.

    Parameters
    ----------
    input : Tensor, any shape
    dim : int or tuple of int
    keepdim : bool
        Whether the reduced axes stay, with length 1.

    Raises
    ------
    InputError
        `dim` is None, or an axis does not exist or is named twice.
    InputTypeError
        `keepdim` is not True or False.

    Examples
    --------
    >>> logsumexp(np.array([1000.0, 1000.0]), 0)
    Tensor(1000.69314718, dtype=float64)
    """
    input = as_tensor(input)
    if dim is None:
        raise InputError("logsumexp: dim must be an integer or a tuple of integers, not None: for all axes give "
                         "tuple(range(input.ndim))")
    out, vjp = arithmetic.log_sum_exp(input.data, dim, boolean("logsumexp: keepdim", keepdim))
    return record(out, (input,), vjp)


def var(input: Tensor | np.ndarray, dim: Dim | None = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The variance over the axes `dim`: sum of (x - mean)^2 / (n - correction), of the n elements x.

    The gradient is 2 (x - mean) / (n - correction) times the cotangent. If n - correction is 0 or less, the variance is
    NaN or infinite. No square overflows where the variance does not.

    Parameters
    ----------
    input : Tensor, any shape
    dim : int or tuple of int, optional
        None reduces all axes.
    correction : float
        1 gives Bessel's correction. `Tensor.var` has it as `ddof`, with the default 0, as in NumPy.
    keepdim : bool
        Whether the reduced axes stay, with length 1.

    Raises
    ------
    InputError
        An axis does not exist or is named twice; `correction` is not a finite number.
    InputTypeError
        `keepdim` is not True or False.

    Examples
    --------
    >>> var(Tensor([1.0, 2.0, 3.0]))
    Tensor(1.)
    """
    return _spread(arithmetic.variance, "var", input, dim, correction, keepdim)


def std(input: Tensor | np.ndarray, dim: Dim | None = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The standard deviation over the axes `dim`, the square root of `var`.

    The gradient is (x - mean) / ((n - correction) std) times the cotangent, and 0 where all elements are equal. The
    parameters and errors are those of `var`.

    >>> std(Tensor([1.0, 2.0, 3.0, 4.0, 5.0]), correction=0)
    Tensor(1.4142135)
    """
    return _spread(arithmetic.deviation, "std", input, dim, correction, keepdim)


def _spread(operation, name, input, dim, correction, keepdim):
    input = as_tensor(input)
    out, vjp = operation(input.data, dim, ddof=number(f"{name}: correction", correction),
                         keepdims=boolean(f"{name}: keepdim", keepdim))
    return record(out, (input,), vjp, name)
