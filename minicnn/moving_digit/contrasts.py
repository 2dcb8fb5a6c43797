"""What does not move along with a picture, for contrast with a convolution: a pool with a stride, and an MLP."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..data import load, normalize
from ..errors import InputError
from ..models import MLP
from ..progress import SILENT, Progress
from ..tensor import Tensor
from ..training import Settings, fit
from .canvas import DIGIT
from .pictures import Pictures

BESIDE = ("pool", "mlp")
SIDE, EPOCHS = 20, 2            # the MLP has SIDE x SIDE hidden units, and learns so long


def pooled(maps: np.ndarray) -> np.ndarray:
    """The 2x2 max-pool of maps (N, C, H, W): (N, C, H // 2, W // 2).

    >>> pooled(np.array([[[[1.0, 2.0], [4.0, 3.0]]]]))
    array([[[[4.]]]])
    """
    with no_grad():
        return F.max_pool2d(Tensor(maps), 2).data


def trained_mlp(pictures: Pictures, progress: Progress = SILENT) -> MLP:
    """An MLP of 400 hidden units, trained for two epochs on the 4,000 embedded training digits.

    Raises
    ------
    InputError
        The pictures are not MNIST's digits.
    """
    if pictures.class_names is not None:
        raise InputError("the MLP that is shown beside a convolution learns MNIST's digits: leave it out for other "
                         "pictures")
    model = MLP(SIDE * SIDE, rng=np.random.default_rng(0))
    fit(model, load("mnist5k"), Settings(epochs=EPOCHS), progress=progress)
    return model


def hidden_units(model: MLP) -> Callable[[np.ndarray], np.ndarray]:
    """The function from canvases (N, H, W) of uint8 to the hidden units of the middle 28x28 pixels, (N, 1, 20, 20).

    The units have no place. They are drawn in rows, in their order.
    """
    def units(images: np.ndarray) -> np.ndarray:
        start = (images.shape[1] - DIGIT) // 2
        middle = normalize(images[:, start:start + DIGIT, start:start + DIGIT])
        with no_grad():
            return F.relu(model.fc1(F.flatten(Tensor(middle), 1))).data.reshape(len(images), 1, SIDE, SIDE)
    return units
