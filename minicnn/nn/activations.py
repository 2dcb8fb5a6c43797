"""Activations as layers. Names, argument order and defaults are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from ..checks import cpu, float_dtype, integer, number, one_of
from ..errors import InputError
from ..tensor import Tensor
from .module import Module, Window
from .parameter import Parameter


class ReLU(Module):
    """`functional.relu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class LeakyReLU(Module):
    """`functional.leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = number("LeakyReLU: negative_slope", negative_slope)

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """`functional.prelu` with learned slopes: one for each of `num_parameters` channels, or 1 for all.

    The slopes start at `init`.

    >>> PReLU(2)
    PReLU(num_parameters=2)
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: str | None = None,
                 dtype: Any = None) -> None:
        self.num_parameters = integer("PReLU: num_parameters", num_parameters, 1)
        self.init = number("PReLU: init", init)
        cpu("PReLU: device", device)
        self.weight = Parameter(np.full(num_parameters, self.init, float_dtype("PReLU: dtype", dtype)))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Hardtanh(Module):
    """`functional.hardtanh`. min_val must be below max_val."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = number("Hardtanh: min_val", min_val)
        self.max_val = number("Hardtanh: max_val", max_val, above=self.min_val)

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Module):
    """`functional.relu6`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input)


class ELU(Module):
    """`functional.elu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("ELU: alpha", alpha)

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SiLU(Module):
    """`functional.silu`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class GELU(Module):
    """`functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = one_of("GELU: approximate", approximate, ("none", "tanh"))

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """`functional.softplus`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = number("Softplus: beta", beta), number("Softplus: threshold", threshold)
        if beta == 0:
            raise InputError("Softplus: beta must not be 0, because the result is divided by it")

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Tanh(Module):
    """`functional.tanh`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Sigmoid(Module):
    """`functional.sigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """`functional.logsigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class _AlongAxis(Module):
    def __init__(self, dim: int = -1) -> None:
        self.dim = integer(f"{type(self).__name__}: dim", dim)

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """One pixel along the axis of the channels; None along another axis, all of which an output sees."""
        return super().window(in_shape) if self.dim in (1, 1 - len(in_shape)) else None

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """`functional.softmax` along the axis `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongAxis):
    """`functional.log_softmax` along the axis `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)
