"""LeNets of four 5x5 convolutions, with several kinds of pools.

The LeNet is that of the article that this project started from. The article is about translation equivariance: it shows
that a linear, shift-equivariant operator with an impulse response is a convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..checks import integer, one_of, optional_generator, pair
from ..errors import InputError
from ..nn import (
    AdaptiveMaxPool2d,
    AvgPool2d,
    BlurPool2d,
    Conv2d,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    conv_relu,
)
from ..tensor import Tensor

PRETRAINED = Path(__file__).parents[1] / "weights" / "lenet.safetensors"
LENET_POOLS = {                 # name: function that makes the pool. Each pool makes 6 x 6 pixels of 12 x 12
    "max": lambda: MaxPool2d(2, 2),
    "average": lambda: AvgPool2d(2, 2),
    "blur": lambda: Sequential(MaxPool2d(2, 1), BlurPool2d(4, 2)),      # MaxBlurPool, Zhang 2019, section 3.3
}

VIEW = 17                       # pixels that four 5x5 convolutions see, each way


class FourConvolutions(Module):
    """The part that LeNet and GlobalLeNet share: four 5x5 convolutions to 20, 40, 40 and `out_channels` channels."""

    def __init__(self, in_channels: int, out_channels: int, dtype: Any, algorithm: str,
                 rng: np.random.Generator) -> None:
        convolution = partial(Conv2d, kernel_size=5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.in_channels = integer(f"{type(self).__name__}: in_channels", in_channels, 1)
        self.conv1, self.relu1 = convolution(in_channels, 20), ReLU()
        self.conv2, self.relu2 = convolution(20, 40), ReLU()
        self.conv3, self.relu3 = convolution(40, 40), ReLU()
        self.conv4 = convolution(40, out_channels)

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """The feature map after each convolution and its ReLU, in this order: conv1, conv2, conv3, conv4.

        Parameters
        ----------
        x : Tensor, shape (N, in_channels, H, W), H and W at least 17

        Returns
        -------
        dict of Tensor
            {name of the convolution: its map}. Each map has four pixels less in each direction than the one before.
        """
        return dict(self._walk(x))

    def features(self, x: Tensor) -> Tensor:
        """The last of `maps`, (N, in_channels, H, W) -> (N, C, H - 16, W - 16). The other maps are not kept."""
        for _, newest in self._walk(x):
            last = newest
        return last

    def _walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        if x.ndim not in (3, 4) or x.shape[-3] != self.in_channels or min(x.shape[-2:]) < VIEW:
            raise InputError(f"{type(self).__name__}: images (N, {self.in_channels}, H, W) of at least {VIEW}x{VIEW} "
                             f"pixels are needed, not {x.shape}")
        for name, conv, relu in (("conv1", self.conv1, self.relu1), ("conv2", self.conv2, self.relu2),
                                 ("conv3", self.conv3, self.relu3)):
            x = conv_relu(conv, relu, x)
            yield name, x
        yield "conv4", self._last(x)

    def _last(self, x: Tensor) -> Tensor:
        return self.conv4(x)


class LeNet(FourConvolutions):
    """Four 5x5 convolutions (1-20-40-40-5 channels), ReLU after each, one max-pool, one linear layer.

    Sizes: 28 -> 24 -> 20 -> 16 -> 12 -> pool 6 -> 180 -> 10. It has 67,415 parameters.

    Parameters
    ----------
    dtype : float32 or float64
    pool : {"max", "average", "blur"}
        How 12 x 12 pixels become 6 x 6. "blur" is a max-pool of stride 1, then a blur, then every other pixel is
        dropped. The pool does not change the parameters.
    algorithm : str
        Of the convolutions: "auto" or a name in `minicnn.conv.algorithms()`.
    rng : numpy.random.Generator, optional
        Draws the initial parameters.
    in_channels, num_classes : int
    image_size : int or (int, int)
        Height and width of the images, at least 18. The linear layer has 5 weights for each pixel after the pool.

    Raises
    ------
    InputError
        There is no such pool, or images of that size leave no pixel. A call raises it for images of another size.

    Examples
    --------
    >>> model = LeNet(rng=np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())
    67415
    >>> model(Tensor(np.zeros((2, 1, 28, 28), np.float32))).shape
    (2, 10)
    >>> maps = model.maps(Tensor(np.zeros((1, 1, 38, 38), np.float32)))
    >>> [(name, m.shape[1:]) for name, m in maps.items()]
    [('conv1', (20, 34, 34)), ('conv2', (40, 30, 30)), ('conv3', (40, 26, 26)), ('conv4', (5, 22, 22))]
    """

    def __init__(self, dtype: Any = np.float32, *, pool: str = "max", algorithm: str = "auto",
                 rng: np.random.Generator | None = None, in_channels: int = 1, num_classes: int = 10,
                 image_size: int | tuple[int, int] = 28) -> None:
        one_of("LeNet: pool", pool, LENET_POOLS)
        rng = optional_generator("LeNet: rng", rng)
        self.image_size = pair("LeNet: image_size", image_size, VIEW + 1)
        self.num_classes = integer("LeNet: num_classes", num_classes, 1)
        super().__init__(in_channels, 5, dtype, algorithm, rng)
        self.relu4, self.pool = ReLU(), LENET_POOLS[pool]()
        pooled = [(size - VIEW + 1) // 2 for size in self.image_size]      # every pool halves, rounding down
        self.fc1 = Linear(5 * pooled[0] * pooled[1], num_classes, dtype=dtype, rng=rng)

    def _last(self, x: Tensor) -> Tensor:
        return conv_relu(self.conv4, self.relu4, x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits: (N, in_channels, *image_size) -> (N, num_classes)."""
        needed = self.in_channels, *self.image_size
        if x.shape[1:] != needed:
            raise InputError(f"LeNet: the linear layer needs images (N, {', '.join(map(str, needed))}), not {x.shape}; "
                             "features(x) takes any size")
        return self.fc1(F.flatten(self.pool(self.features(x)), 1))


class GlobalLeNet(FourConvolutions):
    """The LeNet's convolutions (1-20-40-40-10 channels), then a global max-pool: logit c = max over y, x of conv4[c].

    Each class has a detector of 17x17 pixels, and only its largest answer counts, at any place. If all windows that see
    a part of the digit are in view, the logits do not depend on the place of the digit. No ReLU follows the 4th
    convolution. It has 70,610 parameters.

    Parameters
    ----------
    dtype : float32 or float64
    algorithm : str
        Of the convolutions: "auto" or a name in `minicnn.conv.algorithms()`.
    rng : numpy.random.Generator, optional
        Draws the initial parameters.
    in_channels, num_classes : int

    Examples
    --------
    >>> model = GlobalLeNet(rng=np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())
    70610
    >>> [model(Tensor(np.zeros((2, 1, size, size), np.float32))).shape for size in (17, 28, 38)]
    [(2, 10), (2, 10), (2, 10)]
    """

    image_size = None               # any size from 17 pixels on

    def __init__(self, dtype: Any = np.float32, *, algorithm: str = "auto",
                 rng: np.random.Generator | None = None, in_channels: int = 1, num_classes: int = 10) -> None:
        self.num_classes = integer("GlobalLeNet: num_classes", num_classes, 1)
        super().__init__(in_channels, num_classes, dtype, algorithm, optional_generator("GlobalLeNet: rng", rng))
        self.pool = AdaptiveMaxPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits: (N, in_channels, H, W) -> (N, num_classes)."""
        if x.ndim != 4:
            raise InputError(f"GlobalLeNet: images (N, {self.in_channels}, H, W) are needed, not {x.shape}")
        return F.flatten(self.pool(self.features(x)), 1)


def lenet(pretrained: bool = False, **options: Any) -> LeNet:
    """A LeNet. With `pretrained` it has the weights of the package, which were trained on full MNIST.

    `minicnn/weights/lenet.json` records the command that trained them and the errors that they reach. The images must
    be normalised by `minicnn.data.normalize`.
    """
    model = LeNet(**options)
    if pretrained:
        from ..checkpoint import load, load_into
        load_into(load(PRETRAINED), model)
    return model
