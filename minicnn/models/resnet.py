"""A small residual network, after He et al. 2015 (arXiv:1512.03385, section 4.2), for pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import integer, optional_generator
from ..errors import InputError
from ..nn import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, Module, ReLU, Sequential
from ..tensor import Tensor


class BasicBlock(Module):
    """Two 3x3 convolutions and a way around them: relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).

    The shortcut is x itself. Where the block changes the shape, the shortcut is a 1x1 convolution with the same stride,
    and a batch norm. The names of the parts are those of torchvision's ResNet ("downsample" is the shortcut).

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Of the first convolution.
    dtype, algorithm, rng
        As in `ResNet`.

    Examples
    --------
    >>> block = BasicBlock(8, 16, 2)
    >>> block(Tensor(np.zeros((2, 8, 9, 6), np.float32))).shape
    (2, 16, 5, 3)
    >>> BasicBlock(8, 8).downsample is None
    True
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, dtype: Any = np.float32,
                 algorithm: str = "auto", rng: np.random.Generator | None = None) -> None:
        rng = optional_generator("BasicBlock: rng", rng)
        convolution = partial(Conv2d, bias=False, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv1 = convolution(in_channels, out_channels, 3, stride, 1)
        self.bn1, self.relu1 = BatchNorm2d(out_channels, dtype=dtype), ReLU()
        self.conv2 = convolution(out_channels, out_channels, 3, 1, 1)
        self.bn2 = BatchNorm2d(out_channels, dtype=dtype)
        self.downsample = None if stride == 1 and in_channels == out_channels else Sequential(
            convolution(in_channels, out_channels, 1, stride), BatchNorm2d(out_channels, dtype=dtype))
        self.relu2 = ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded up."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(out)) + shortcut)


class ResNet(Module):
    """A 5x5 convolution of stride 2, stages of residual blocks, the mean of each map, and a linear layer.

    Each stage after the first halves the height and the width. `features` gives the maps of the last stage.

    Parameters
    ----------
    in_channels, num_classes : int
    widths : sequence of int
        The channels of each stage.
    blocks : sequence of int
        The number of blocks of each stage.
    dtype : float32 or float64
    algorithm : str
        Of the convolutions: "auto" or a name in `minicnn.conv.algorithms()`.
    rng : numpy.random.Generator, optional
        Draws the initial parameters.

    Raises
    ------
    InputError
        A width or number of blocks is below 1, or `widths` and `blocks` are not equally long. A call raises it for what
        is no batch of pictures with these channels.

    Examples
    --------
    >>> model = ResNet(3, 4, widths=(8, 16, 32), blocks=(1, 1, 1), rng=np.random.default_rng(0))
    >>> model(Tensor(np.zeros((2, 3, 50, 37), np.float32))).shape
    (2, 4)
    >>> model.features(Tensor(np.zeros((2, 3, 50, 37), np.float32))).shape
    (2, 32, 7, 5)
    """

    image_size = None               # any size

    def __init__(self, in_channels: int, num_classes: int, widths: Sequence[int], blocks: Sequence[int], *,
                 dtype: Any = np.float32, algorithm: str = "auto", rng: np.random.Generator | None = None) -> None:
        self.in_channels = integer("ResNet: in_channels", in_channels, 1)
        self.num_classes = integer("ResNet: num_classes", num_classes, 1)
        widths = [integer("ResNet: a width", width, 1) for width in widths]
        blocks = [integer("ResNet: a number of blocks", count, 1) for count in blocks]
        if not widths or len(widths) != len(blocks):
            raise InputError(f"ResNet: widths and blocks must name the same stages, at least one; they have "
                             f"{len(widths)} and {len(blocks)} numbers")
        rng = optional_generator("ResNet: rng", rng)
        options: dict[str, Any] = {"dtype": dtype, "algorithm": algorithm, "rng": rng}
        self.conv1 = Conv2d(in_channels, widths[0], 5, 2, 2, bias=False, **options)
        self.bn1, self.relu = BatchNorm2d(widths[0], dtype=dtype), ReLU()
        before = [widths[0], *widths]
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            first = BasicBlock(before[i], width, 1 if i == 0 else 2, **options)
            setattr(self, f"layer{i + 1}", Sequential(first, *(BasicBlock(width, width, **options)
                                                               for _ in range(count - 1))))
        self.stages = len(widths)
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc = Linear(widths[-1], num_classes, dtype=dtype, rng=rng)

    def features(self, x: Tensor) -> Tensor:
        """The maps of the last stage: (N, C, H, W) -> (N, widths[-1], H / 2**stages, W / 2**stages), rounded up."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise InputError(f"ResNet: pictures (N, {self.in_channels}, H, W) are needed, not {x.shape}")
        x = self.relu(self.bn1(self.conv1(x)))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: (N, C, H, W) -> (N, num_classes)."""
        return self.fc(F.flatten(self.avgpool(self.features(x)), 1))


def small_resnet(in_channels: int = 1, num_classes: int = 10, *, dtype: Any = np.float32, algorithm: str = "auto",
                 rng: np.random.Generator | None = None) -> ResNet:
    """A `ResNet` with three blocks of 32 channels and three of 64. It has 262,890 parameters.

    262,890 is the number for one channel and ten classes. Pictures of 28 x 28 pixels have 14 x 14 pixels in the first
    stage and 7 x 7 in the second. Nearly all products are those of 3x3 convolutions of stride 1, about as many in each
    stage.

    Examples
    --------
    >>> model = small_resnet(rng=np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())
    262890
    >>> [model(Tensor(np.zeros((2, 1, size, size), np.float32))).shape for size in (1, 28, 33)]
    [(2, 10), (2, 10), (2, 10)]
    """
    return ResNet(in_channels, num_classes, (32, 64), (3, 3), dtype=dtype, algorithm=algorithm, rng=rng)
