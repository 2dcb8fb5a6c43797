"""What the animation shows, computed by the engine: a digit on a canvas, place by place, and its feature maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..autograd import no_grad
from ..data import load, normalize
from ..data.placement import place, placements
from ..errors import InputError
from ..tensor import Tensor
from .clusters import Clusters

CANVAS, DIGIT, LARGEST = 38, 28, 200
LAYERS = ("conv1", "conv2", "conv3", "conv4")
PATHS = ("circle", "square", "zigzag", "all")
BATCH = 50                      # images that the clusters are fitted on


def path(name, reach=CANVAS - DIGIT):
    """The offsets (y, x) of the digit, frame by frame, each within 0..reach: int array (frames, 2).

    "circle" and "square" end where they begin; "zigzag" goes down through the canvas; "all" visits every place.

    >>> path("square", 2).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2], [2, 1], [2, 0], [1, 0]]
    """
    along = np.arange(reach + 1)
    if name == "circle":
        angle = np.linspace(0, 2 * np.pi, 4 * reach, endpoint=False)
        return np.rint(reach / 2 * (1 - np.stack([np.cos(angle), np.sin(angle)], 1))).astype(int)
    if name == "square":
        side, end = along[:-1], np.full(reach, reach)
        zero = np.zeros(reach, int)
        return np.concatenate([np.stack(pair, 1) for pair in (
            (zero, side), (side, end), (end, end - side), (end - side, zero))])
    if name == "zigzag":
        return np.stack([along, np.where(along % 4 < 2, along % 4 * reach // 2, (4 - along % 4) * reach // 2)], 1)
    if name == "all":
        rows = placements(1, reach + 1).reshape(reach + 1, reach + 1, 2)
        return np.concatenate([row[::-1] if y % 2 else row for y, row in enumerate(rows)])
    raise InputError(f"the path must be one of {', '.join(PATHS)}, not {name!r}")


def feature_map(model, layer, images):
    """The output of a convolution of the LeNet and its ReLU: normalised images (N, 1, H, W) -> (N, C, H', W')."""
    if layer not in LAYERS:
        raise InputError(f"the layer must be one of {', '.join(LAYERS)}, not {layer!r}")
    x = Tensor(images)
    with no_grad():
        for name in LAYERS[:LAYERS.index(layer) + 1]:
            x = getattr(model, name)(x, relu=True)
    return x.data


@dataclass(frozen=True)
class Scene:
    """The frames of an animation.

    Attributes
    ----------
    layer : str
    labels : ndarray of int, shape (frames,)
        Which digit it is.
    offsets : ndarray of int, shape (frames, 2)
    images : ndarray of uint8, shape (frames, canvas, canvas)
    colours : ndarray of int, shape (frames, H', W')
        The cluster of each pixel of the feature map.
    clusters : Clusters
    """

    layer: str
    labels: np.ndarray
    offsets: np.ndarray
    images: np.ndarray
    colours: np.ndarray
    clusters: Clusters

    @classmethod
    def compute(cls, model, digits=(3, 7, 0), route="circle", layer="conv4", k=6, canvas=CANVAS, tell=None):
        """Move one digit after the other along the route.

        Parameters
        ----------
        model : minicnn.models.LeNet
            With an algorithm that is equivariant to the bit, such as "direct", maps move along to the bit.
        digits : sequence of int
            Classes, 0 to 9: of each the first one of the embedded digits that validate.
        route : str
            One of `PATHS`.
        tell : callable, optional
            Called with (frames done, frames) now and then.

        Raises
        ------
        ValueError
            A layer, a route or a digit that is not there; a canvas smaller than a digit.
        """
        check_canvas(canvas)
        data = load("mnist5k")
        clusters = fit_clusters(model, layer, k)
        steps = path(route, canvas - DIGIT) if canvas > DIGIT else np.zeros((1, 2), int)
        images = np.concatenate([place(np.repeat(find_digit(data, digit)[None], len(steps), 0), canvas, steps)
                                 for digit in digits])
        colours = []
        for start in range(0, len(images), 16):
            colours.append(clusters(feature_map(model, layer, normalize(images[start:start + 16]))))
            if tell:
                tell(min(start + 16, len(images)), len(images))
        return cls(layer, np.repeat(digits, len(steps)), np.tile(steps, (len(digits), 1)), images,
                   np.concatenate(colours), clusters)


def check_canvas(canvas):
    """ValueError for a canvas on which no digit fits, or that nobody can see."""
    if not DIGIT <= canvas <= LARGEST:
        raise InputError(f"the canvas must be {DIGIT} pixels wide, as a digit is, to {LARGEST}, not {canvas}")


def fit_clusters(model, layer, k):
    """Clusters of the first embedded digits, and of an empty canvas."""
    empty = feature_map(model, layer, normalize(np.zeros((1, DIGIT, DIGIT), np.uint8)))
    maps = feature_map(model, layer, normalize(load("mnist5k").train_images[:BATCH]))
    return Clusters.fit(maps, empty[0, :, 0, 0], k)


def find_digit(data, label):
    found = np.flatnonzero(data.val_labels == label)
    if len(found) == 0:
        raise InputError(f"there is no digit {label}: choose among 0 to 9")
    return data.val_images[found[0]]
