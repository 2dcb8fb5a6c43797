"""Normalizations as layers. Names, argument order and defaults are PyTorch's. The weight starts at 1, the bias at 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from ..checks import boolean, cpu, float_dtype, integer, number
from ..errors import InputError
from ..tensor import Tensor
from .module import Module
from .parameter import Parameter


class _ChannelNorm(Module):
    """What batch norm and instance norm have in common: a weight, a bias and running statistics of each channel."""

    buffers: tuple[str, ...] = ("running_mean", "running_var")
    ignored_state = ("num_batches_tracked",)
    shapes: dict[int, str] = {}                   # number of axes: the shape of the input, for the error
    defaults: dict[str, Any] = {}                 # the arguments that the repr leaves out

    def __init__(self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool,
                 device: str | None, dtype: Any, bias: bool) -> None:
        name = type(self).__name__
        n = self.num_features = integer(f"{name}: num_features", num_features, 1)
        self.eps, self.momentum = number(f"{name}: eps", eps, above=0), momentum
        self.affine = boolean(f"{name}: affine", affine)
        self.track_running_stats = boolean(f"{name}: track_running_stats", track_running_stats)
        cpu(f"{name}: device", device)
        dtype = float_dtype(f"{name}: dtype", dtype)
        self.weight = Parameter(np.ones(n, dtype)) if affine else None
        self.bias = Parameter(np.zeros(n, dtype)) if boolean(f"{name}: bias", bias) and affine else None
        self.running_mean: np.ndarray | None = None
        self.running_var: np.ndarray | None = None
        if track_running_stats:
            self.running_mean, self.running_var = np.zeros(n, dtype), np.ones(n, dtype)
        else:
            self.buffers = ()

    def channel_axis(self, shape: tuple[int, ...]) -> int:
        """The axis of the channels of an input of that shape. A shape that the layer does not take is an error."""
        axis = 1
        if len(shape) not in self.shapes or shape[axis] != self.num_features:
            raise InputError(f"{type(self).__name__}: the input must have shape {self._expected()}, not {shape}")
        return axis

    def _expected(self):
        return " or ".join(self.shapes.values()).replace("C", str(self.num_features))

    def extra_repr(self) -> str:
        return ", ".join([str(self.num_features), *(f"{name}={value}" for name, default in self.defaults.items()
                                                    if (value := getattr(self, name)) != default)])


class _BatchNorm(_ChannelNorm):
    defaults = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: str | None = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        momentum = None if momentum is None else number(f"{type(self).__name__}: momentum", momentum)
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)
        if momentum is None and track_running_stats:
            self.buffers = (*self.buffers, "num_batches_tracked")
            self.num_batches_tracked = np.zeros((), np.int64)

    def forward(self, input: Tensor) -> Tensor:
        self.channel_axis(np.shape(input))
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


class BatchNorm1d(_BatchNorm):
    """`functional.batch_norm` of rows (N, C) or sequences (N, C, L). Arguments are those of `BatchNorm2d`.

    >>> BatchNorm1d(2)(Tensor([[1.0, 5.0], [3.0, 5.0]])).data.round(3)
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    """

    shapes = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """`functional.batch_norm` of images, with running mean and variance.

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

    shapes = {4: "(N, C, H, W)"}
