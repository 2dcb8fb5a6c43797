"""The frames of the animation, computed by the engine: a digit on a canvas, place by place, and its feature maps.

Each frame has T X, the moved digit, and two maps: phi(T X), the map of the moved digit, and T phi(X), the moved map of
the digit in the middle. For a convolution and a shift they are equal at all pixels that both maps have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..checks import integer, one_of
from ..data import normalize
from ..data.placement import place, placements
from ..models import LeNet
from ..progress import SILENT, Part, Progress
from .canvas import CANVAS, DIGIT, LAYERS, feature_map
from .clusters import Clusters
from .contrasts import BESIDE, SIDE, hidden_units, pooled, trained_mlp
from .moves import Move
from .pictures import Pictures

PATHS = ("circle", "square", "across", "diagonal", "zigzag", "all")
TURN, TURNS = "turn", 40        # the route of a picture that turns in its place, and its frames
BATCH = 16                      # canvases that the network gets at once


def path(name: str, reach: int = CANVAS - DIGIT) -> np.ndarray:
    """The offsets (y, x) of the digit, frame by frame, each from 0 to `reach`: int array (frames, 2).

    "circle" and "square" end where they begin. "across" goes from the left to the right and back, "diagonal" from the
    top left to the bottom right and back. "zigzag" goes down the canvas. "all" visits every place.

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
    if name in ("across", "diagonal"):
        there = np.concatenate([along, along[-2:0:-1]])
        return np.stack([there if name == "diagonal" else np.full(len(there), reach // 2), there], 1)
    if name == "zigzag":
        return np.stack([along, np.where(along % 4 < 2, along % 4 * reach // 2, (4 - along % 4) * reach // 2)], 1)
    rows = placements(1, reach + 1).reshape(reach + 1, reach + 1, 2)
    return np.concatenate([row[::-1] if y % 2 else row for y, row in enumerate(rows)])


def moves_of(route: str, reach: int) -> list[Move]:
    """The transformations T of a route, frame by frame; "turn" is a whole turn in the middle.

    >>> [str(move) for move in moves_of("square", 2)][:2], str(moves_of("turn", 2)[10])
    (['1 up, 1 left', '1 up'], 'turned by 90°')
    """
    if route == TURN:
        return [Move(degrees=360 / TURNS * i) for i in range(TURNS)]
    return [Move((y - reach // 2, x - reach // 2)) for y, x in path(route, reach).tolist()]


class Layer(NamedTuple):
    """A function phi that is animated: canvases (N, H, W) or (N, H, W, 3) of uint8 -> maps (N, C, H', W')."""

    title: str
    of: Callable[[np.ndarray], np.ndarray]
    stride: float               # pixels of the canvas for each pixel of the map
    clusters: Clusters | None   # None: the map has one channel


@dataclass(frozen=True, eq=False)
class Animated:
    """The maps of one layer, frame by frame.

    Attributes
    ----------
    title : str
    span : int
        The map is drawn over so many pixels of the canvas, in its middle.
    k : int or None
        The number of clusters. None: the colours are amounts, from 0 to 1.
    colours : ndarray, shape (frames, H', W')
        The cluster of each pixel of phi(T X), or its amount.
    moved : ndarray, shape (frames, H', W')
        The same of T phi(X); NaN where it is not known, because the value comes from beyond the border of the map.
    differences : ndarray, shape (frames,)
        max |phi(T X) - T phi(X)| / max |phi(X)| over the known pixels; NaN without any.
    """

    title: str
    span: int
    k: int | None
    colours: np.ndarray
    moved: np.ndarray
    differences: np.ndarray

    @property
    def largest(self) -> float:
        """The largest difference of all frames; NaN if no pixel is known in any frame."""
        return float(np.fmax.reduce(self.differences))


@dataclass(frozen=True, eq=False)
class Scene:
    """The frames of an animation.

    Attributes
    ----------
    layer : str
    labels : ndarray of int or str, shape (frames,)
        The class of the digit; of another picture the name of its class.
    moves : list of Move
        The transformation T of each frame; the digit X is in the middle of the canvas.
    images : ndarray of uint8, shape (frames, canvas, canvas) or (frames, canvas, canvas, 3)
        T X.
    maps : list of Animated
        Those of the layer, then those of the contrasts.
    noun : str
        What moves: a "digit" or a "picture".
    """

    layer: str
    labels: np.ndarray
    moves: list[Move]
    images: np.ndarray
    maps: list[Animated]
    noun: str = "digit"

    @classmethod
    def compute(cls, model: LeNet, digits: Sequence[int] | Pictures = (3, 7, 0), route: str = "circle",
                layer: str = "conv4", k: int = 6, canvas: int | None = None, progress: Progress = SILENT,
                beside: Sequence[str] = ()) -> Scene:
        """Move one digit after the other along the route.

        If the canvas is large enough, the digit keeps so far from the border that its pattern does not run out of the
        map: the receptive field minus 1.

        Parameters
        ----------
        model : LeNet
            With an algorithm that is equivariant to the last bit, such as "direct", the moved maps are exactly equal.
        digits : sequence of int, or Pictures
            Classes, 0 to 9: the first embedded validation digit of each class is taken. Or pictures of other classes.
        route : {"circle", "square", "across", "diagonal", "zigzag", "all", "turn"}
            "turn": the digit turns in the middle, for contrast.
        layer : {"conv1", "conv2", "conv3", "conv4"}
        k : int
            The number of clusters.
        canvas : int
            Width and height in pixels, from the size of the picture to 200. By default such that the digit moves by 5
            pixels in all directions, and its pattern stays in the map: 46 for conv1, 70 for conv4.
        progress : Progress
            Is updated after each batch of frames.
        beside : sequence of {"pool", "mlp"}
            Contrasts: a 2x2 max-pool of the layer's map, and the hidden units of an MLP, which is trained first.

        Raises
        ------
        InputError
            There is no such layer, route, contrast or digit; the canvas has another size; `Clusters.fit` refuses k;
            there is no MLP for other pictures than digits.
        """
        one_of("path", route, (*PATHS, TURN))
        for name in beside:
            one_of("beside", name, BESIDE)
        pictures = digits if isinstance(digits, Pictures) else Pictures.digits(digits)
        canvas, reach = room(pictures, layer, canvas)
        layers = _layers(model, pictures, layer, k, beside, Part(progress, 0.0, 0.5) if "mlp" in beside else progress)
        corner = (canvas - pictures.side) // 2
        still = place(pictures.images, canvas, (corner, corner))
        moves = moves_of(route, reach)
        images = np.stack([move.image(one) for one in still for move in moves])
        told = Part(progress, 0.5, 1.0) if "mlp" in beside else progress
        found: list[list[np.ndarray]] = [[] for _ in layers]
        for start in range(0, len(images), BATCH):
            for one, parts in zip(layers, found, strict=True):
                parts.append(one.of(images[start:start + BATCH]))
            told.update(min(start + BATCH, len(images)), len(images), "feature maps")
        maps = [_animated(one, np.concatenate(parts), one.of(still), moves)
                for one, parts in zip(layers, found, strict=True)]
        return cls(layer, np.repeat(pictures.names, len(moves)), moves * len(still), images, maps, pictures.noun)


def room(pictures: Pictures, layer: str, canvas: int | None = None) -> tuple[int, int]:
    """The side of the canvas, and how many pixels the picture moves in all, from one end to the other.

    >>> digit = Pictures.digits([3])
    >>> room(digit, "conv1"), room(digit, "conv4"), room(digit, "conv4", 38)
    ((46, 10), (70, 10), (38, 10))
    """
    seen = 4 * (LAYERS.index(one_of("layer", layer, LAYERS)) + 1)           # the receptive field minus 1
    least = CANVAS - DIGIT
    canvas = pictures.canvas(canvas, least + 2 * seen)
    margin = min(max((canvas - pictures.side - least) // 2, 0), seen)
    return canvas, canvas - pictures.side - 2 * margin


def _layers(model, pictures, layer, k, beside, progress) -> list[Layer]:
    """The layer of the LeNet, and the contrasts."""
    def of(images: np.ndarray) -> Any:
        return feature_map(model, layer, normalize(images, pictures.rules))
    clusters = fit_clusters(model, layer, k, pictures)
    made = {"pool": lambda: Layer(f"2x2 max-pool of {layer}", lambda images: pooled(of(images)), 2, clusters),
            "mlp": lambda: Layer("hidden units of an MLP", hidden_units(trained_mlp(pictures, progress)), DIGIT / SIDE,
                                None)}
    return [Layer(layer, of, 1, clusters), *(made[name]() for name in beside)]


def _animated(layer: Layer, maps: np.ndarray, still: np.ndarray, moves: list[Move]) -> Animated:
    """Compare the maps (pictures * moves, C, H, W) with the moved maps of the still pictures."""
    largest = [float(np.abs(one).max()) or 1.0 for one in still]
    moved = np.stack([move.map(one, layer.stride) for one in still for move in moves])
    known = ~np.isnan(moved).any(1)
    off = np.where(known, np.abs(maps - np.where(known[:, None], moved, 0)).max(1), -1).max((1, 2))
    differences = np.where(off < 0, np.nan, off / np.repeat(largest, len(moves)))
    top = float(maps.max()) or 1.0
    colours, others = (one[:, 0] / top if layer.clusters is None else layer.clusters(one)
                       for one in (maps, np.where(known[:, None], moved, 0)))
    k = None if layer.clusters is None else len(layer.clusters.centroids)
    return Animated(layer.title, round(maps.shape[-1] * layer.stride), k, colours, np.where(known, others, np.nan),
                    differences)


def fit_clusters(model: LeNet, layer: str, k: int, pictures: Pictures | None = None) -> Clusters:
    """Clusters of a layer's activations, fitted on training images (by default digits) and an empty canvas."""
    pictures = Pictures.digits([0]) if pictures is None else pictures
    empty = feature_map(model, layer, normalize(np.zeros_like(pictures.images[:1]), pictures.rules))
    maps = feature_map(model, layer, normalize(pictures.fitted, pictures.rules))
    return Clusters.fit(maps, empty[0, :, 0, 0], k)
