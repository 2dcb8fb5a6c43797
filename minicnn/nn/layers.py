"""Linear, BatchNorm2d, Dropout and Flatten. Names, argument order, defaults and initialisation are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import boolean, cpu, float_dtype, fraction, integer, number, optional_generator
from ..errors import InputError
from ..tensor import Tensor
from .module import Module
from .parameter import Parameter
from .weights import weight_and_bias


class Linear(Module):
    """`functional.linear` with a learned weight (out_features, in_features) and bias, drawn from +-1/sqrt(in_features).

    Arguments are those of `Conv2d`.

    >>> Linear(180, 10)
    Linear(180, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: str | None = None,
                 dtype: Any = None, *, rng: np.random.Generator | None = None) -> None:
        self.in_features = integer("Linear: in_features", in_features, 1)
        self.out_features = integer("Linear: out_features", out_features, 1)
        self.weight, self.bias = weight_and_bias("Linear", (self.out_features, self.in_features), bias, device, dtype,
                                                  rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: every output sees the whole input."""

    def multiply_adds(self, in_shape: tuple[int, ...]) -> int:
        """in_features * out_features, times the number of rows of one image of an input (N, ..., in_features)."""
        return self.weight.size * math.prod(in_shape[1:-1])

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ", bias=False" * (self.bias is None)


class BatchNorm2d(Module):
    """`functional.batch_norm` of images, with running mean and variance. The weight starts at 1, the bias at 0.

    Parameters
    ----------
    num_features : int
    eps : float
        Above 0.
    momentum : float or None
        None: the running statistics are the mean of the statistics of all batches so far. The buffer
        `num_batches_tracked` counts them.
    affine : bool
        Without it there are no weight and bias.
    bias : bool
        Whether there is a bias beside the weight.
    track_running_stats : bool
        Without it evaluation uses the statistics of the batch too.
    device, dtype
        As in `Conv2d`.

    Notes
    -----
    A PyTorch state always has "num_batches_tracked". With a number as momentum, `load_state_dict` ignores this entry.

    Examples
    --------
    >>> norm = BatchNorm2d(1, momentum=None)
    >>> for value in 1.0, 2.0, 6.0:
    ...     _ = norm(Tensor(np.full((2, 1, 1, 1), value)))
    >>> norm.running_mean
    array([3.], dtype=float32)
    """

    buffers: tuple[str, ...] = ("running_mean", "running_var")
    ignored_state = ("num_batches_tracked",)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: str | None = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        n = self.num_features = integer("BatchNorm2d: num_features", num_features, 1)
        self.eps = number("BatchNorm2d: eps", eps, above=0)
        self.momentum = None if momentum is None else number("BatchNorm2d: momentum", momentum)
        self.affine = boolean("BatchNorm2d: affine", affine)
        self.track_running_stats = boolean("BatchNorm2d: track_running_stats", track_running_stats)
        cpu("BatchNorm2d: device", device)
        dtype = float_dtype("BatchNorm2d: dtype", dtype)
        self.weight = Parameter(np.ones(n, dtype)) if affine else None
        self.bias = Parameter(np.zeros(n, dtype)) if affine and boolean("BatchNorm2d: bias", bias) else None
        self.running_mean: np.ndarray | None = None
        self.running_var: np.ndarray | None = None
        if not track_running_stats:
            self.buffers = ()
            return
        self.running_mean, self.running_var = np.zeros(n, dtype), np.ones(n, dtype)
        if momentum is None:
            self.buffers = (*self.buffers, "num_batches_tracked")
            self.num_batches_tracked = np.zeros((), np.int64)

    def forward(self, input: Tensor) -> Tensor:
        shape = np.shape(input)
        if len(shape) != 4 or shape[1] != self.num_features:
            raise InputError(f"BatchNorm2d: the input must have shape (N, {self.num_features}, H, W), not {shape}")
        momentum, training = self.momentum, self.training
        if self.track_running_stats and training and momentum is None:
            momentum = 1 / (float(self.num_batches_tracked) + 1)
        mean, var = self.running_mean, self.running_var
        if training and not self.track_running_stats:           # it may be switched off at any time
            mean = var = None
        out = F.batch_norm(input, mean, var, self.weight, self.bias, training or mean is None,
                           0.0 if momentum is None else momentum, self.eps)
        if "num_batches_tracked" in self.buffers and training and self.track_running_stats and out.size:
            self.num_batches_tracked += 1
        return out

    def extra_repr(self) -> str:
        defaults = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
        return ", ".join([str(self.num_features), *(f"{name}={value}" for name, default in defaults.items()
                                                    if (value := getattr(self, name)) != default)])


class Dropout(Module):
    """`functional.dropout` while training. The generator `rng` belongs to the layer."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        self.p, self.rng = fraction("Dropout: p", p), optional_generator("Dropout: rng", rng)

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Flatten(Module):
    """`functional.flatten`, by default of all axes but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)
