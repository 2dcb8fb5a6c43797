"""The layers that `minicnn bench conv` measures: those of well-known networks, and layers drawn at random."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from ..checks import one_of
from ..conv import Geometry


@dataclass(frozen=True)
class NamedLayer:
    """One convolution of a network, or one that was drawn at random.

    Attributes
    ----------
    network, name : str
    source : str
        The paper that describes the layer.
    in_channels, size, out_channels, kernel : int
        Images are `size` pixels wide and high; kernels are square.
    stride, padding, groups : int
    batch_size : int or None
        The number of images, for a layer that has its own.

    Examples
    --------
    >>> layer = next(layer for layer in NAMED_LAYERS if str(layer) == "resnet18 conv1")
    >>> layer.geometry(16).out_shape
    (16, 64, 112, 112)
    """

    network: str
    name: str
    source: str
    in_channels: int
    size: int
    out_channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    batch_size: int | None = None

    def __str__(self):
        return f"{self.network} {self.name}"

    def geometry(self, batch_size: int) -> Geometry:
        """The geometry for `batch_size` float32 images."""
        return Geometry.of((batch_size, self.in_channels, self.size, self.size),
                           (self.out_channels, self.in_channels // self.groups, self.kernel, self.kernel),
                           self.stride, self.padding, groups=self.groups)

    def describe(self) -> str:
        """Channels, kernel and size, as in "20->40 5x5 @24".

        >>> NAMED_LAYERS[1].describe()
        '20->40 5x5 @24'
        """
        extra = f"/{self.stride}" * (self.stride > 1) + f" {self.groups} groups" * (self.groups > 1)
        return f"{self.in_channels}->{self.out_channels} {self.kernel}x{self.kernel}{extra} @{self.size}"


def _network(network, source, *layers):
    return [NamedLayer(network, layer[0], source, *layer[1:]) for layer in layers]


NAMED_LAYERS = (
    _network("lenet", "minicnn.models.LeNet",
             ("conv1", 1, 28, 20, 5), ("conv2", 20, 24, 40, 5), ("conv3", 40, 20, 40, 5), ("conv4", 40, 16, 5, 5))
    + _network("alexnet", "Krizhevsky 2014, arXiv:1404.5997, one column as in torchvision",
               ("conv1", 3, 224, 64, 11, 4, 2), ("conv2", 64, 27, 192, 5, 1, 2), ("conv3", 192, 13, 384, 3, 1, 1),
               ("conv4", 384, 13, 256, 3, 1, 1), ("conv5", 256, 13, 256, 3, 1, 1))
    + _network("vgg", "Simonyan & Zisserman 2015, table 1, column D",
               ("conv1_1", 3, 224, 64, 3, 1, 1), ("conv1_2", 64, 224, 64, 3, 1, 1), ("conv2_2", 128, 112, 128, 3, 1, 1),
               ("conv3_2", 256, 56, 256, 3, 1, 1), ("conv4_2", 512, 28, 512, 3, 1, 1),
               ("conv5_2", 512, 14, 512, 3, 1, 1))
    + _network("resnet18", "He et al. 2016, table 1",
               ("conv1", 3, 224, 64, 7, 2, 3), ("conv2_x", 64, 56, 64, 3, 1, 1), ("conv3_1", 64, 56, 128, 3, 2, 1),
               ("conv3_1 shortcut", 64, 56, 128, 1, 2), ("conv3_x", 128, 28, 128, 3, 1, 1),
               ("conv4_x", 256, 14, 256, 3, 1, 1), ("conv5_x", 512, 7, 512, 3, 1, 1))
    + _network("mobilenet", "Howard et al. 2017, table 1",
               ("depthwise 32", 32, 112, 32, 3, 1, 1, 32), ("depthwise 64/2", 64, 112, 64, 3, 2, 1, 64),
               ("depthwise 512", 512, 14, 512, 3, 1, 1, 512), ("pointwise 32", 32, 112, 64, 1),
               ("pointwise 512", 512, 14, 512, 1))
)
NETWORKS = tuple(dict.fromkeys(layer.network for layer in NAMED_LAYERS))


RANDOM = "random"                                 # the "network" of the layers drawn at random
SEED, COUNT = 2026, 40
MOST_PRODUCTS, MOST_NUMBERS = 2_000_000_000, 20_000_000       # of a layer; numbers of its input and of its output


def random_layers(seed: int = SEED, count: int = COUNT) -> list[NamedLayer]:
    """Layers drawn at random, the same ones on every machine and with every version of Python.

    Batch 1 to 64 and channels 1 to 256 have an even logarithm; sizes 7 to 64 and kernels 1 to 7 are even. Two thirds of
    the layers have stride 1, the others 2. Half of them have one group, a quarter 2 to 8 groups, and a quarter a group
    for each channel. The padding is 0 or half of the kernel. A layer is drawn again if the kernel does not fit, or if
    it has more than MOST_PRODUCTS multiply-adds or more than MOST_NUMBERS numbers in its input or output.

    >>> print(random_layers()[0].describe(), random_layers()[0] == random_layers(count=1)[0])
    14->14 1x1 7 groups @56 True
    """
    draw = random.Random(seed).random             # it has the same sequence in every version of Python
    layers: list[NamedLayer] = []
    while len(layers) < count:
        layer = _draw_layer(draw, f"{len(layers) + 1:02}", f"drawn at random, seed {seed}")
        if layer.size + 2 * layer.padding >= layer.kernel and _is_measurable(layer.geometry(layer.batch_size or 1)):
            layers.append(layer)
    return layers


def _draw_layer(draw, name, source):
    between = lambda least, most: least + int(draw() * (most - least + 1))
    even_logarithm = lambda most: int((most + 1) ** draw())             # 1 to most
    batch_size, channels, out_channels = even_logarithm(64), even_logarithm(256), even_logarithm(256)
    size, kernel = between(7, 64), between(1, 7)
    stride, kind, padding = 1 if draw() < 2 / 3 else 2, draw(), between(0, 1) * (kernel // 2)
    groups, some = 1, between(2, 8)
    if kind >= 3 / 4:
        groups = out_channels = channels
    elif kind >= 1 / 2:
        groups, whole = some, lambda count: max(1, count // some) * some
        channels, out_channels = whole(channels), whole(out_channels)
    return NamedLayer(RANDOM, name, source, channels, size, out_channels, kernel, stride, padding, groups, batch_size)


def _is_measurable(geometry):
    return geometry.multiply_adds <= MOST_PRODUCTS and max(math.prod(geometry.in_shape),
                                                           math.prod(geometry.out_shape)) <= MOST_NUMBERS


def layers_of(networks: Iterable[str]) -> list[NamedLayer]:
    """The layers of the networks of these names.

    >>> len(layers_of(["lenet", "alexnet"]))
    9

    Raises
    ------
    InputError
        An unknown name.
    """
    names = {one_of("network", name, NETWORKS) for name in networks}
    return [layer for layer in NAMED_LAYERS if layer.network in names]
