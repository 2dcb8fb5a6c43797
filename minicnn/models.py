"""The LeNet of the article, and what to compare it with: other pools, a global pool, an MLP."""

from __future__ import annotations

from functools import partial
from importlib.resources import files

import numpy as np

from . import functional as F
from .errors import InputError
from .nn import AdaptiveMaxPool2d, AvgPool2d, BlurPool2d, Conv2d, Linear, MaxPool2d, Module, Sequential

PRETRAINED = files("minicnn") / "weights" / "lenet.safetensors"
POOLS = {                       # name: what makes it; each halves the 12 x 12 pixels of the last feature map
    "max": lambda: MaxPool2d(2, 2),
    "average": lambda: AvgPool2d(2, 2),
    "blur": lambda: Sequential(MaxPool2d(2, 1), BlurPool2d(4, 2)),      # MaxBlurPool, Zhang 2019, section 3.3
}


class LeNet(Module):
    """Four 5x5 convolutions (1-20-40-40-5 channels), ReLU after each, one max-pool, one linear layer.

    28 -> 24 -> 20 -> 16 -> 12 -> pool 6 -> 180 -> 10; 67 415 parameters.

    Parameters
    ----------
    pool : {"max", "average", "blur"}
        How 12 x 12 pixels become 6 x 6. "blur" is a max-pool of stride 1, blurred before every other pixel is dropped.
        The parameters are the same.
    rng : numpy.random.Generator, optional
        Draws the initial parameters.

    Examples
    --------
    >>> from minicnn import Tensor
    >>> model = LeNet(rng=np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())
    67415
    >>> model(Tensor(np.zeros((2, 1, 28, 28), np.float32))).shape
    (2, 10)
    >>> model.features(Tensor(np.zeros((1, 1, 38, 38), np.float32))).shape
    (1, 5, 22, 22)
    """

    image_size = 28

    def __init__(self, dtype=np.float32, *, pool="max", algorithm="auto", rng=None):
        if pool not in POOLS:
            raise InputError(f"LeNet: pool must be one of {', '.join(POOLS)}, not {pool!r}")
        rng = rng or np.random.default_rng()
        self.conv1 = Conv2d(1, 20, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv2 = Conv2d(20, 40, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv3 = Conv2d(40, 40, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv4 = Conv2d(40, 5, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.pool = POOLS[pool]()
        self.fc1 = Linear(180, 10, dtype=dtype, rng=rng)

    def features(self, x):
        """The feature map of the 4th convolution after its ReLU, (N, 1, H, W) -> (N, 5, H - 16, W - 16)."""
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = conv(x, relu=True)
        return x

    def forward(self, x):
        """Logits: (N, 1, 28, 28) -> (N, 10)."""
        if x.shape[1:] != (1, self.image_size, self.image_size):
            raise InputError(f"LeNet: the linear layer needs images (N, 1, 28, 28), not {x.shape}; features(x) takes "
                             "any size")
        return self.fc1(F.flatten(self.pool(self.features(x)), 1))


class GlobalLeNet(Module):
    """The LeNet's convolutions (1-20-40-40-10 channels), then a global max-pool: logit c = max over y, x of conv4[c].

    Each class has a detector of 17x17 pixels, and what counts is its largest answer, wherever that is: as long as every
    window that sees any of the digit is in view, the logits do not depend on the digit's place. 70 610 parameters.

    Parameters
    ----------
    rng : numpy.random.Generator, optional
        Draws the initial parameters.

    Examples
    --------
    >>> from minicnn import Tensor
    >>> model = GlobalLeNet(rng=np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())
    70610
    >>> [model(Tensor(np.zeros((2, 1, size, size), np.float32))).shape for size in (17, 28, 38)]
    [(2, 10), (2, 10), (2, 10)]
    """

    image_size = None               # any from 17 pixels

    def __init__(self, dtype=np.float32, *, algorithm="auto", rng=None):
        rng = rng or np.random.default_rng()
        self.conv1 = Conv2d(1, 20, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv2 = Conv2d(20, 40, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv3 = Conv2d(40, 40, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv4 = Conv2d(40, 10, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.pool = AdaptiveMaxPool2d(1)

    def features(self, x):
        """What the 10 detectors answer at every place, (N, 1, H, W) -> (N, 10, H - 16, W - 16); no ReLU after them."""
        if len(x.shape) != 4 or x.shape[1] != 1 or min(x.shape[2:]) < 17:
            raise InputError(f"GlobalLeNet: images (N, 1, H, W) of at least 17x17 pixels are needed, not {x.shape}")
        for conv in (self.conv1, self.conv2, self.conv3):
            x = conv(x, relu=True)
        return self.conv4(x)

    def forward(self, x):
        """Logits: (N, 1, H, W) -> (N, 10)."""
        return F.flatten(self.pool(self.features(x)), 1)


class MLP(Module):
    """784 -> hidden -> 10 with a ReLU between: a network that knows nothing of neighbouring pixels.

    >>> sum(p.size for p in MLP(84).parameters())
    66790
    """

    image_size = 28

    def __init__(self, hidden=84, dtype=np.float32, *, rng=None):
        rng = rng or np.random.default_rng()
        self.fc1, self.fc2 = Linear(784, hidden, dtype=dtype, rng=rng), Linear(hidden, 10, dtype=dtype, rng=rng)

    def forward(self, x):
        """Logits: (N, 1, 28, 28) -> (N, 10)."""
        return self.fc2(F.relu(self.fc1(F.flatten(x, 1))))


MODELS = {"lenet": LeNet, "lenet-average": partial(LeNet, pool="average"), "lenet-blur": partial(LeNet, pool="blur"),
          "lenet-global": GlobalLeNet, "mlp": MLP}


def lenet(pretrained=False, **options):
    """A LeNet, with the weights of the package if `pretrained`: trained on full MNIST by the command in their record.

    The record, with the errors reached, stands beside them in `minicnn/weights/lenet.json`. The images must be those
    of `minicnn.data.normalize`.
    """
    model = LeNet(**options)
    if pretrained:
        from .checkpoint import load, load_into
        load_into(load(PRETRAINED), model)
    return model
