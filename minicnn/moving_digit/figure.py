"""The numbers for a figure of equivariance: X1, X2 = T X1, F1 = phi(X1), F2 = phi(X2) and T F1, which equals F2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import viz
from ..data import normalize
from ..data.placement import place
from ..errors import InputError
from ..models import LeNet
from ..viz.figure import Figure
from .canvas import feature_map
from .clusters import Clusters
from .moves import Move, Pair
from .pictures import Pictures
from .scene import fit_clusters, room


@dataclass(frozen=True, eq=False)
class MovedMaps:
    """A digit, the moved digit, their feature maps, and the moved feature map.

    Attributes
    ----------
    layer : str
    move : Move
        T.
    images : ndarray of uint8, shape (2, canvas, canvas) or (2, canvas, canvas, 3)
        X1 and X2 = T X1.
    colours : ndarray of int, shape (2, H', W')
        The cluster of each pixel of F1 = phi(X1) and F2 = phi(X2).
    moved : ndarray, shape (H', W')
        The clusters of T F1; NaN where T F1 is not known.
    difference : ndarray, shape (H', W')
        |F2 - T F1|, the maximum over the channels; NaN where T F1 is not known.
    scale : float
        The largest activation in F1.
    clusters : Clusters
    noun : str
        What moves: a "digit" or a "picture".
    """

    layer: str
    move: Move
    images: np.ndarray
    colours: np.ndarray
    moved: np.ndarray
    difference: np.ndarray
    scale: float
    clusters: Clusters
    noun: str = "digit"

    @property
    def largest(self) -> float:
        """The largest difference: 0.0 if the algorithm is equivariant to the last bit; NaN if no pixel is known."""
        known = self.difference[~np.isnan(self.difference)]
        return float(known.max()) if known.size else float("nan")

    @classmethod
    def compute(cls, model: LeNet, digit: int | Pictures = 3, layer: str = "conv4", by: Pair = (6, 4), k: int = 6,
                canvas: int | None = None, degrees: float = 0) -> MovedMaps:
        """See `equivariance_figure`."""
        pictures = digit if isinstance(digit, Pictures) else Pictures.digits([digit])
        canvas, _ = room(pictures, layer, canvas)
        most, move = canvas - pictures.side, Move((0, 0), degrees) if degrees else Move(by)
        if not all(abs(d) <= most for d in move.by):
            raise InputError(f"a {pictures.noun} of {pictures.side} pixels cannot move by {by} on a canvas of "
                             f"{canvas}: up, down, left and right by at most {most}")
        start = tuple((most - d) // 2 for d in move.by)         # both pictures lie about the middle
        still = place(pictures.images[:1], canvas, (start[0], start[1]))[0]
        images = np.stack([still, move.image(still)])
        maps = feature_map(model, layer, normalize(images, pictures.rules))
        clusters = fit_clusters(model, layer, k, pictures)
        expected = move.map(maps[0])
        known = ~np.isnan(expected).any(0)
        moved = clusters(np.where(known, expected, 0)[None])[0]
        difference = np.abs(maps[1] - expected).max(0)
        return cls(layer, move, images, clusters(maps), np.where(known, moved, np.nan), difference,
                   float(np.abs(maps[0]).max()), clusters, pictures.noun)


def equivariance_figure(model: LeNet, digit: int | Pictures = 3, layer: str = "conv4", by: Pair = (6, 4), k: int = 6,
                        canvas: int | None = None, degrees: float = 0) -> tuple[Figure, float]:
    """Draw a digit, the moved digit, their feature maps, and the moved feature map beside the map of the moved digit.

    Parameters
    ----------
    model : LeNet
    digit : int or Pictures
        The class of the digit. Or pictures of other classes, of which the first one moves.
    layer : {"conv1", "conv2", "conv3", "conv4"}
    by : (int, int)
        The move T: pixels down and to the right; negative ones are up and to the left.
    k : int
        The number of clusters, 2 to 9.
    canvas : int
        Width and height in pixels, from the size of the picture to 200. By default as for `Scene.compute`.
    degrees : float
        If it is not 0, T is a turn counterclockwise about the middle instead. A convolution does not keep it.

    Returns
    -------
    Figure
    float
        The largest difference |F2 - T F1| at the pixels that are in both maps. It is 0.0 if the algorithm is
        equivariant to the last bit.

    Raises
    ------
    InputError
        The digit would leave the canvas, or there is no such digit or layer.
    """
    found = MovedMaps.compute(model, digit, layer, by, k, canvas, degrees)
    return viz.moved_maps(found), found.largest
