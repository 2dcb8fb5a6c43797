"""A U-Net, after Ronneberger et al. 2015 (arXiv:1505.04597): a picture in, a picture of the same size out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import integer, optional_generator
from ..errors import InputError
from ..nn import BatchNorm2d, Conv2d, ConvTranspose2d, MaxPool2d, Module, ModuleList, ReLU, Sequential
from ..tensor import Tensor


def double_convolution(in_channels: int, out_channels: int, *, dtype: Any = np.float32, algorithm: str = "auto",
                       rng: np.random.Generator | None = None) -> Sequential:
    """Twice a 3x3 convolution, a batch norm and a ReLU: (N, in_channels, H, W) -> (N, out_channels, H, W).

    The arguments are those of `UNet`.

    >>> double_convolution(1, 4)(Tensor(np.zeros((2, 1, 5, 3), np.float32))).shape
    (2, 4, 5, 3)
    """
    rng = optional_generator("double_convolution: rng", rng)
    layers: list[Module] = []
    for channels in (in_channels, out_channels):
        layers += [Conv2d(channels, out_channels, 3, 1, 1, bias=False, dtype=dtype, algorithm=algorithm, rng=rng),
                   BatchNorm2d(out_channels, dtype=dtype), ReLU()]
    return Sequential(*layers)


class UNet(Module):
    """Down by convolutions and max-pools, up again by transposed convolutions; each way up also sees the map beside it.

    With widths (a, b, c), where o is the number of output channels:

        picture -> a ------------------------> a + a -> a -> o
                   pool -> b ---------> b + b -> b -> up
                           pool -> c -> up

    Each arrow without a name is a `double_convolution`, the last one a 1x1 convolution. `up` is a transposed 2x2
    convolution of stride 2.

    A picture may have any size. It is padded below and on the right with copies of its last row and column until
    height and width are multiples of 2**(len(widths) - 1). The output is cut off to the size of the picture.

    Parameters
    ----------
    in_channels, out_channels : int
    widths : sequence of int
        The channels of each level, from the full size on down.
    dtype : float32 or float64
    algorithm : str
        Of the convolutions: "auto" or a name in `minicnn.conv.algorithms()`.
    rng : numpy.random.Generator, optional
        Draws the initial parameters.

    Raises
    ------
    InputError
        A number is below 1, or there is no width. A call raises it for what is no batch of pictures with these channels
        and at least one pixel.

    Examples
    --------
    >>> model = UNet(3, 2, widths=(8, 16), rng=np.random.default_rng(0))
    >>> model(Tensor(np.zeros((2, 3, 27, 9), np.float32))).shape
    (2, 2, 27, 9)
    """

    image_size = None               # any size

    def __init__(self, in_channels: int, out_channels: int, widths: Sequence[int], *, dtype: Any = np.float32,
                 algorithm: str = "auto", rng: np.random.Generator | None = None) -> None:
        self.in_channels = integer("UNet: in_channels", in_channels, 1)
        self.out_channels = integer("UNet: out_channels", out_channels, 1)
        widths = [integer("UNet: a width", width, 1) for width in widths]
        if not widths:
            raise InputError("UNet: widths is empty: name the channels of at least one level, as in (16, 32, 64)")
        rng = optional_generator("UNet: rng", rng)
        options: dict[str, Any] = {"dtype": dtype, "algorithm": algorithm, "rng": rng}
        levels = list(zip([in_channels, *widths], widths, strict=False))
        self.encoder = ModuleList([double_convolution(before, width, **options) for before, width in levels])
        self.pool = MaxPool2d(2)
        ups = [(width, before) for before, width in levels[:0:-1]]             # from the lowest level
        self.up = ModuleList([ConvTranspose2d(below, width, 2, 2, **options) for below, width in ups])
        self.decoder = ModuleList([double_convolution(2 * width, width, **options) for _, width in ups])
        self.last = Conv2d(widths[0], out_channels, 1, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        if x.ndim != 4 or x.shape[1] != self.in_channels or 0 in x.shape[2:]:
            raise InputError(f"UNet: pictures (N, {self.in_channels}, H, W) of at least one pixel are needed, not "
                             f"{x.shape}")
        height, width = x.shape[2:]
        multiple = 2 ** len(self.up)
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple), "replicate")
        beside = []
        for level, convolutions in enumerate(self.encoder):
            x = convolutions(x if level == 0 else self.pool(x))
            beside.append(x)
        for up, convolutions, other in zip(self.up, self.decoder, beside[-2::-1], strict=True):
            x = convolutions(np.concatenate([other, up(x)], axis=1))
        return self.last(x)[:, :, :height, :width]


def unet(in_channels: int = 1, out_channels: int = 1, *, dtype: Any = np.float32, algorithm: str = "auto",
         rng: np.random.Generator | None = None) -> UNet:
    """A `UNet` of three levels with 16, 32 and 64 channels. It has 117,073 parameters with one channel in and out.

    Examples
    --------
    >>> model = unet(rng=np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())
    117073
    >>> model(Tensor(np.zeros((2, 1, 28, 30), np.float32))).shape
    (2, 1, 28, 30)
    """
    return UNet(in_channels, out_channels, (16, 32, 64), dtype=dtype, algorithm=algorithm, rng=rng)
