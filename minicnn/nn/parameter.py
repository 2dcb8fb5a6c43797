"""Parameter: a Tensor that belongs to a Module. The weight and the bias that a new layer starts with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..checks import boolean, cpu, float_dtype, optional_generator
from ..errors import InputTypeError
from ..tensor import Tensor
from . import init


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters; it requires a gradient.

    `data` may be a Tensor without a history; the two then share their array.

    >>> Parameter(Tensor([1.0, 2.0]))
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if isinstance(data, Tensor) and not data.is_leaf:
            raise InputTypeError("Parameter: this Tensor is the result of an operation, and its history would be "
                                 "dropped: write Parameter(x.detach())")
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad)


def weight_and_bias(layer: str, shape: tuple[int, ...], bias: bool, device: str | None, dtype: Any,
                    rng: np.random.Generator | None, outputs: int | None = None) -> tuple[Parameter, Parameter | None]:
    """A weight of `shape` and a bias (outputs,) or None, uniform in +-1/sqrt(fan_in); the weight is drawn first.

    fan_in is the product of all axes but the first, and `outputs` by default the first axis.
    """
    cpu(f"{layer}: device", device)
    bias, dtype = boolean(f"{layer}: bias", bias), float_dtype(f"{layer}: dtype", dtype)
    rng = optional_generator(f"{layer}: rng", rng)
    bound = init.default_bound(math.prod(shape[1:]))

    def draw(shape: tuple[int, ...]) -> Parameter:
        return Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
    return draw(shape), draw((outputs or shape[0],)) if bias else None
