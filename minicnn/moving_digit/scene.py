"""The frames of the animation, computed by the engine: a digit on a canvas, place by place, and its feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..checks import integer, one_of
from ..data import normalize
from ..data.placement import place, placements
from ..models import LeNet
from ..progress import SILENT, Progress
from .canvas import CANVAS, DIGIT, feature_map
from .clusters import Clusters
from .pictures import Pictures

PATHS = ("circle", "square", "zigzag", "all")
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
    labels : ndarray of int or str, shape (frames,)
        The class of the digit; of another picture the name of its class.
    offsets : ndarray of int, shape (frames, 2)
        The place (y, x) of the digit's upper left corner.
    images : ndarray of uint8, shape (frames, canvas, canvas) or (frames, canvas, canvas, 3)
    colours : ndarray of int, shape (frames, H', W')
        The cluster of each pixel of the feature map.
    clusters : Clusters
    noun : str
        What moves: a "digit" or a "picture".
    """

    layer: str
    labels: np.ndarray
    offsets: np.ndarray
    images: np.ndarray
    colours: np.ndarray
    clusters: Clusters
    noun: str = "digit"

    @classmethod
    def compute(cls, model: LeNet, digits: Sequence[int] | Pictures = (3, 7, 0), route: str = "circle",
                layer: str = "conv4", k: int = 6, canvas: int | None = None, progress: Progress = SILENT) -> Scene:
        """Move one digit after the other along the route.

        Parameters
        ----------
        model : LeNet
            With an algorithm that is equivariant to the last bit, such as "direct", the moved maps are exactly equal.
        digits : sequence of int, or Pictures
            Classes, 0 to 9: the first embedded validation digit of each class is taken. Or pictures of other classes.
        route : {"circle", "square", "zigzag", "all"}
        layer : {"conv1", "conv2", "conv3", "conv4"}
        k : int
            The number of clusters.
        canvas : int
            Width and height in pixels, from the size of the picture to 200. By default 10 more than the picture: 38.
        progress : Progress
            Is updated after each batch of frames.

        Raises
        ------
        InputError
            There is no such layer, route or digit; the canvas has another size; `Clusters.fit` refuses k.
        """
        pictures = digits if isinstance(digits, Pictures) else Pictures.digits(digits)
        canvas = pictures.canvas(canvas)
        steps = path(route, canvas - pictures.side)
        images = np.concatenate([place(np.repeat(one[None], len(steps), 0), canvas, steps) for one in pictures.images])
        clusters, colours = fit_clusters(model, layer, k, pictures), []
        for start in range(0, len(images), BATCH):
            batch = normalize(images[start:start + BATCH], pictures.rules)
            colours.append(clusters(feature_map(model, layer, batch)))
            progress.update(min(start + BATCH, len(images)), len(images), "feature maps")
        return cls(layer, np.repeat(pictures.names, len(steps)), np.tile(steps, (len(pictures.images), 1)), images,
                   np.concatenate(colours), clusters, pictures.noun)


def fit_clusters(model: LeNet, layer: str, k: int, pictures: Pictures | None = None) -> Clusters:
    """Clusters of a layer's activations, fitted on training images (by default digits) and an empty canvas."""
    pictures = Pictures.digits([0]) if pictures is None else pictures
    empty = feature_map(model, layer, normalize(np.zeros_like(pictures.images[:1]), pictures.rules))
    maps = feature_map(model, layer, normalize(pictures.fitted, pictures.rules))
    return Clusters.fit(maps, empty[0, :, 0, 0], k)
