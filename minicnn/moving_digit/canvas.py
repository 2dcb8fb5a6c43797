"""The canvas, the digits on it, and the LeNet's feature maps, for the animation and the page."""

from __future__ import annotations

import numpy as np

from ..autograd import no_grad
from ..checks import one_of
from ..data import Dataset
from ..errors import InputError
from ..models import LeNet
from ..nn.unchanged import looking
from ..tensor import Tensor

CANVAS, DIGIT = 38, 28                  # width and height in pixels
LARGEST = 200                           # pixels of the largest canvas of an animation
LAYERS = ("conv1", "conv2", "conv3", "conv4")


def find_digit(data: Dataset, label: int) -> int:
    """The number of the first validation image of a class.

    Raises
    ------
    InputError
        There is no image of that class.
    """
    found = np.flatnonzero(data.val_labels == label)
    if len(found) == 0:
        raise InputError(f"there is no digit {label}: choose among 0 to 9")
    return int(found[0])


@looking
def feature_map(model: LeNet, layer: str, images: np.ndarray) -> np.ndarray:
    """The output of a convolution of the LeNet and its ReLU.

    Parameters
    ----------
    model : LeNet
    layer : {"conv1", "conv2", "conv3", "conv4"}
    images : ndarray, shape (N, in_channels, H, W)
        Normalised, of any size.

    Returns
    -------
    ndarray, shape (N, C, H', W')

    Raises
    ------
    InputError
        There is no such layer.
    """
    one_of("layer", layer, LAYERS)
    with no_grad():
        return model.maps(Tensor(images))[layer].data
