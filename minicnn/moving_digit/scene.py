"""The frames of the animation, computed by the engine: a digit on a canvas, place by place, and its feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..checks import integer, one_of
from ..data import load, normalize
from ..data.placement import place, placements
from ..models import LeNet
from ..progress import SILENT, Progress
from .canvas import CANVAS, DIGIT, check_canvas, feature_map, find_digit
from .clusters import Clusters

PATHS = ("circle", "square", "zigzag", "all")
FITTED = 50                     # images on which the clusters are fitted
BATCH = 16                      # canvases that the network gets at once


def path(name: str, reach: int = CANVAS - DIGIT) -> np.ndarray:
    """The offsets (y, x) of the digit, frame by frame, each from 0 to `reach`: int array (frames, 2).

    "circle" and "square" end where they begin. "zigzag" goes down the canvas. "all" visits every place.

    Raises
    ------
    InputError
        There is no path of that name, or `reach` is negative.

    Examples
    --------
    >>> path("square", 2).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2], [2, 1], [2, 0], [1, 0]]
    """
    one_of("path", name, PATHS)
    if integer("path: reach", reach, 0) == 0:
        return np.zeros((1, 2), int)
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
    rows = placements(1, reach + 1).reshape(reach + 1, reach + 1, 2)
    return np.concatenate([row[::-1] if y % 2 else row for y, row in enumerate(rows)])


@dataclass(frozen=True, eq=False)
class Scene:
    """The frames of an animation.

    Attributes
    ----------
    layer : str
    labels : ndarray of int, shape (frames,)
        The class of the digit.
    offsets : ndarray of int, shape (frames, 2)
        The place (y, x) of the digit's upper left corner.
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
    def compute(cls, model: LeNet, digits: Sequence[int] = (3, 7, 0), route: str = "circle", layer: str = "conv4",
                k: int = 6, canvas: int = CANVAS, progress: Progress = SILENT) -> Scene:
        """Move one digit after the other along the route.

        Parameters
        ----------
        model : LeNet
            With an algorithm that is equivariant to the last bit, such as "direct", the moved maps are exactly equal.
        digits : sequence of int
            Classes, 0 to 9. The first embedded validation digit of each class is taken.
        route : {"circle", "square", "zigzag", "all"}
        layer : {"conv1", "conv2", "conv3", "conv4"}
        k : int
            The number of clusters.
        canvas : int
            Width and height in pixels, 28 to 200.
        progress : Progress
            Is updated after each batch of frames.

        Raises
        ------
        InputError
            There is no such layer, route or digit; the canvas has another size; `Clusters.fit` refuses k.
        """
        steps, data = path(route, check_canvas(canvas) - DIGIT), load("mnist5k")
        images = np.concatenate([place(np.repeat(data.val_images[find_digit(data, digit)][None], len(steps), 0),
                                       canvas, steps) for digit in digits])
        clusters, colours = fit_clusters(model, layer, k), []
        for start in range(0, len(images), BATCH):
            colours.append(clusters(feature_map(model, layer, normalize(images[start:start + BATCH]))))
            progress.update(min(start + BATCH, len(images)), len(images), "feature maps")
        return cls(layer, np.repeat(digits, len(steps)), np.tile(steps, (len(digits), 1)), images,
                   np.concatenate(colours), clusters)


def fit_clusters(model: LeNet, layer: str, k: int) -> Clusters:
    """Clusters of a layer's activations, fitted on the first embedded digits and an empty canvas."""
    empty = feature_map(model, layer, normalize(np.zeros((1, DIGIT, DIGIT), np.uint8)))
    maps = feature_map(model, layer, normalize(load("mnist5k").train_images[:FITTED]))
    return Clusters.fit(maps, empty[0, :, 0, 0], k)
