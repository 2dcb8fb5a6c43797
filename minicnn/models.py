"""The LeNet of the article, and an MLP to compare it with."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from . import functional as F
from .nn import Conv2d, Linear, MaxPool2d, Module

PRETRAINED = files("minicnn") / "weights" / "lenet.safetensors"


class LeNet(Module):
    """Four 5x5 convolutions (1-20-40-40-5 channels), ReLU after each, one max-pool, one linear layer.

    28 -> 24 -> 20 -> 16 -> 12 -> pool 6 -> 180 -> 10; 67 415 parameters.

    Parameters
    ----------
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

    def __init__(self, dtype=np.float32, *, algorithm="auto", rng=None):
        rng = rng or np.random.default_rng()
        self.conv1 = Conv2d(1, 20, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv2 = Conv2d(20, 40, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv3 = Conv2d(40, 40, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.conv4 = Conv2d(40, 5, 5, dtype=dtype, algorithm=algorithm, rng=rng)
        self.pool = MaxPool2d(2, 2)
        self.fc1 = Linear(180, 10, dtype=dtype, rng=rng)

    def features(self, x):
        """The feature map of the 4th convolution after its ReLU, (N, 1, H, W) -> (N, 5, H - 16, W - 16)."""
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = conv(x, relu=True)
        return x

    def forward(self, x):
        """Logits: (N, 1, 28, 28) -> (N, 10)."""
        if x.shape[1:] != (1, self.image_size, self.image_size):
            raise ValueError(f"LeNet: the linear layer needs images (N, 1, 28, 28), not {x.shape}; features(x) takes "
                             "any size")
        return self.fc1(F.flatten(self.pool(self.features(x)), 1))


class MLP(Module):
    """784 -> hidden -> 10 with a ReLU between: a network that knows nothing of neighbouring pixels.

    >>> sum(p.size for p in MLP(84).parameters())
    66790
    """

    def __init__(self, hidden=84, dtype=np.float32, *, rng=None):
        rng = rng or np.random.default_rng()
        self.fc1, self.fc2 = Linear(784, hidden, dtype=dtype, rng=rng), Linear(hidden, 10, dtype=dtype, rng=rng)

    def forward(self, x):
        """Logits: (N, 1, 28, 28) -> (N, 10)."""
        return self.fc2(F.relu(self.fc1(F.flatten(x, 1))))


MODELS = {"lenet": LeNet, "mlp": MLP}


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
