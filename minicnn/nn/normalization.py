"""Normalizations as layers. Names, argument order and defaults are PyTorch's. The weight starts at 1, the bias at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import boolean, cpu, float_dtype, integer, number
from ..errors import InputError
from ..functional.group_normalization import shape_to_normalize
from ..tensor import Tensor, as_tensor
from .module import Module, Window
from .parameter import Parameter


class _ChannelNorm(Module):
    """What batch norm and instance norm have in common: a weight, a bias and running statistics of each channel."""

    buffers: tuple[str, ...] = ("running_mean", "running_var")
    ignored_state = ("num_batches_tracked",)
    shapes: dict[int, str] = {}                   # number of axes: the shape of the input
    defaults: dict[str, Any] = {}                 # the arguments that the repr leaves out

    def __init__(self, num_features: int, eps: float, affine: bool, track_running_stats: bool, device: str | None,
                 dtype: Any, bias: bool) -> None:
        name = type(self).__name__
        n = self.num_features = integer(f"{name}: num_features", num_features, 1)
        self.eps = number(f"{name}: eps", eps, above=0)
        self.affine = boolean(f"{name}: affine", affine)
        self.track_running_stats = boolean(f"{name}: track_running_stats", track_running_stats)
        self.weight, self.bias = _weight_and_bias(name, n, affine, bias, device, dtype)
        dtype = float_dtype(f"{name}: dtype", dtype)
        self.running_mean: np.ndarray | None = None
        self.running_var: np.ndarray | None = None
        if track_running_stats:
            self.running_mean, self.running_var = np.zeros(n, dtype), np.ones(n, dtype)
        else:
            self.buffers = ()

    def _check_shape(self, shape):
        unbatched = self.shapes.get(len(shape), "").startswith("(C")
        if len(shape) not in self.shapes or shape[0 if unbatched else 1] != self.num_features:
            expected = " or ".join(self.shapes.values()).replace("C", str(self.num_features))
            raise InputError(f"{type(self).__name__}: the input must have shape {expected}, not {shape}")

    def extra_repr(self) -> str:
        return ", ".join([str(self.num_features), *(f"{name}={value}" for name, default in self.defaults.items()
                                                    if (value := getattr(self, name)) != default)])


class _BatchNorm(_ChannelNorm):
    defaults = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: str | None = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        self.momentum = None if momentum is None else number(f"{type(self).__name__}: momentum", momentum)
        super().__init__(num_features, eps, affine, track_running_stats, device, dtype, bias)
        if momentum is None and track_running_stats:
            self.buffers = (*self.buffers, "num_batches_tracked")
            self.num_batches_tracked = np.zeros((), np.int64)

    def forward(self, input: Tensor) -> Tensor:
        self._check_shape(np.shape(input))
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


class _InstanceNorm(_ChannelNorm):
    defaults = {"eps": 1e-5, "momentum": 0.1, "affine": False, "track_running_stats": False}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: str | None = None, dtype: Any = None, *,
                 bias: bool = True) -> None:
        self.momentum: float = number(f"{type(self).__name__}: momentum", momentum)
        super().__init__(num_features, eps, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        x = as_tensor(input)
        self._check_shape(x.shape)
        batch = x if x.ndim == max(self.shapes) else x.reshape(1, *x.shape)
        out = F.instance_norm(batch, self.running_mean, self.running_var, self.weight, self.bias,
                              self.training or not self.track_running_stats, self.momentum, self.eps)
        return out if batch is x else out.reshape(*x.shape)

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """None, or one pixel with running statistics in evaluation: else an output sees its whole channel."""
        return super().window(in_shape) if self.track_running_stats and not self.training else None


class InstanceNorm1d(_InstanceNorm):
    """`functional.instance_norm` of sequences (N, C, L) or (C, L). Arguments are those of `InstanceNorm2d`.

    >>> InstanceNorm1d(1)(Tensor([[1.0, 3.0]])).data.round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    shapes = {3: "(N, C, L)", 2: "(C, L)"}


class InstanceNorm2d(_InstanceNorm):
    """`functional.instance_norm` of images (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    num_features : int
        The number of channels of the input.
    eps : float
        Above 0.
    momentum : float
    affine : bool
        With it there are a weight and a bias.
    track_running_stats : bool
        With it training moves running statistics, and evaluation uses them.
    bias : bool
        Whether there is a bias beside the weight.
    device, dtype
        As in `Conv2d`.

    Examples
    --------
    >>> InstanceNorm2d(3, affine=True)
    InstanceNorm2d(3, affine=True)
    """

    shapes = {4: "(N, C, H, W)", 3: "(C, H, W)"}


class LayerNorm(Module):
    """`functional.layer_norm` over the last axes, whose lengths are `normalized_shape`.

    Parameters
    ----------
    normalized_shape : int or tuple of ints
    eps : float
        Above 0.
    elementwise_affine : bool
        Without it there are no weight and bias.
    bias : bool
        Whether there is a bias beside the weight.
    device, dtype
        As in `Conv2d`.

    Examples
    --------
    >>> LayerNorm((2, 3), bias=False)
    LayerNorm((2, 3), bias=False)
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, device: str | None = None, dtype: Any = None) -> None:
        shape = self.normalized_shape = shape_to_normalize("LayerNorm: normalized_shape", normalized_shape)
        self.eps = number("LayerNorm: eps", eps, above=0)
        affine = self.elementwise_affine = boolean("LayerNorm: elementwise_affine", elementwise_affine)
        self.weight, self.bias = _weight_and_bias("LayerNorm", shape, affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: an output sees all values that are normalized with it."""

    def extra_repr(self) -> str:
        return ", ".join([str(self.normalized_shape), *([f"eps={self.eps}"] if self.eps != 1e-5 else []), *(
            ["elementwise_affine=False"] if not self.elementwise_affine else ["bias=False"] * (self.bias is None))])


class GroupNorm(Module):
    """`functional.group_norm` of `num_channels` channels in `num_groups` groups.

    Parameters
    ----------
    num_groups, num_channels : int
        The groups divide the channels.
    eps : float
        Above 0.
    affine : bool
        Without it there are no weight and bias.
    bias : bool
        Whether there is a bias beside the weight.
    device, dtype
        As in `Conv2d`.

    Examples
    --------
    >>> GroupNorm(2, 6)
    GroupNorm(2, 6)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
                 device: str | None = None, dtype: Any = None, *, bias: bool = True) -> None:
        self.num_groups = integer("GroupNorm: num_groups", num_groups, 1)
        self.num_channels = integer("GroupNorm: num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise InputError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.eps, self.affine = number("GroupNorm: eps", eps, above=0), boolean("GroupNorm: affine", affine)
        self.weight, self.bias = _weight_and_bias("GroupNorm", num_channels, affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        shape = np.shape(input)
        if len(shape) < 2 or shape[1] != self.num_channels:
            raise InputError(f"GroupNorm: the input must have shape (N, {self.num_channels}, ...), not {shape}")
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def window(self, in_shape: tuple[int, ...]) -> None:
        """None: an output sees the whole image."""

    def extra_repr(self) -> str:
        return ", ".join([f"{self.num_groups}, {self.num_channels}", *([f"eps={self.eps}"] if self.eps != 1e-5 else []),
                          *(["affine=False"] if not self.affine else ["bias=False"] * (self.bias is None))])


def _weight_and_bias(name, shape, affine, bias, device, dtype):
    """A weight of ones and a bias of zeros, or None in place of what is not wanted."""
    cpu(f"{name}: device", device)
    dtype, bias = float_dtype(f"{name}: dtype", dtype), boolean(f"{name}: bias", bias)
    return (Parameter(np.ones(shape, dtype)) if affine else None,
            Parameter(np.zeros(shape, dtype)) if affine and bias else None)
