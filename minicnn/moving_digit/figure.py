"""The numbers for a figure of equivariance: X1, X2 = T X1, F1 = phi(X1), F2 = phi(X2) and T F1, which equals F2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import viz
from ..data import normalize
from ..data.placement import place
from ..equivariance.domains import compare
from ..errors import InputError
from ..models import LeNet
from ..viz.figure import Figure
from .canvas import feature_map
from .clusters import Clusters
from .pictures import Pictures
from .scene import fit_clusters


@dataclass(frozen=True, eq=False)
class MovedMaps:
    """A digit, the moved digit, their feature maps, and the moved feature map.

    Attributes
    ----------
    layer : str
    by : (int, int)
        The pixels by which T moves, down and to the right.
    images : ndarray of uint8, shape (2, canvas, canvas) or (2, canvas, canvas, 3)
        X1 and X2 = T X1.
    colours : ndarray of int, shape (2, H', W')
        The cluster of each pixel of F1 = phi(X1) and F2 = phi(X2).
    moved : ndarray, shape (H', W')
        The clusters of T F1; NaN where T F1 is not known.
    difference : ndarray, shape (H', W')
        |F2 - T F1|, the maximum over the channels; NaN where T F1 is not known.
    clusters : Clusters
    noun : str
        What moves: a "digit" or a "picture".
    """

    layer: str
    by: tuple[int, int]
    images: np.ndarray
    colours: np.ndarray
    moved: np.ndarray
    difference: np.ndarray
    clusters: Clusters
    noun: str = "digit"

    @property
    def largest(self) -> float:
        """The largest difference: 0.0 if the algorithm is equivariant to the last bit; NaN if no pixel is known."""
        known = self.difference[~np.isnan(self.difference)]
        return float(known.max()) if known.size else float("nan")

    @classmethod
    def compute(cls, model: LeNet, digit: int | Pictures = 3, layer: str = "conv4", by: tuple[int, int] = (6, 4),
                k: int = 6, canvas: int | None = None) -> MovedMaps:
        """See `equivariance_figure`."""
        pictures = digit if isinstance(digit, Pictures) else Pictures.digits([digit])
        canvas = pictures.canvas(canvas)
        most = canvas - pictures.side
        if not all(0 <= d <= most for d in by):
            raise InputError(f"a {pictures.noun} of {pictures.side} pixels cannot move by {by} on a canvas of "
                             f"{canvas}: down and to the right by 0 to {most}")
        images = np.concatenate([place(pictures.images[:1], canvas, offset) for offset in ((0, 0), by)])
        maps = feature_map(model, layer, normalize(images, pictures.rules))
        clusters = fit_clusters(model, layer, k, pictures)
        difference, known = compare(maps[0], maps[1], by, "window")
        first, second = clusters(maps)
        moved = np.full(first.shape, np.nan)
        moved[by[0]:, by[1]:] = first[:first.shape[0] - by[0], :first.shape[1] - by[1]]
        return cls(layer, by, images, np.stack([first, second]), moved,
                   np.where(known, np.abs(difference).max(0), np.nan), clusters, pictures.noun)


def equivariance_figure(model: LeNet, digit: int | Pictures = 3, layer: str = "conv4", by: tuple[int, int] = (6, 4),
                        k: int = 6, canvas: int | None = None) -> tuple[Figure, float]:
    """Draw a digit, the moved digit, their feature maps, and the moved feature map beside the map of the moved digit.

    Parameters
    ----------
    model : LeNet
    digit : int or Pictures
        The class of the digit. Or pictures of other classes, of which the first one moves.
    layer : {"conv1", "conv2", "conv3", "conv4"}
    by : (int, int)
        The move T: pixels down and to the right.
    k : int
        The number of clusters, 2 to 9.
    canvas : int
        Width and height in pixels, from the size of the picture to 200. By default 10 more than the picture: 38.

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
    found = MovedMaps.compute(model, digit, layer, by, k, canvas)
    return viz.moved_maps(found), found.largest
