"""Pools of stride 2 side by side: how much equivariance is left when every other pixel is dropped.

If the image moves by an even number of pixels, the output moves by exactly half of it. If the image moves by an odd
number, half of that number is not an integer, and the output changes. The change is

    ||P(S x) - S' P(x)|| / ||P(x)||,   S by (dy, dx), S' by (floor(dy / 2), floor(dx / 2)).

A blur before the pixels are dropped makes the change smaller (Zhang 2019, section 3). A global pool has one output
pixel; S' does not move it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..data import normalize
from ..data.placement import Shifts, place
from ..errors import InputError
from ..models import lenet
from ..progress import SILENT, Progress
from .functions import evaluation_mode, on_arrays
from .maps import relative_change

HALVING = {                     # name of a pool: function of Tensors or arrays (n, C, H, W)
    "max-pool": lambda x: F.max_pool2d(x, 2),
    "average-pool": lambda x: F.avg_pool2d(x, 2),
    "max-pool, blur-pool 3": lambda x: F.blur_pool2d(F.max_pool2d(x, 2, 1), 3),
    "max-pool, blur-pool 4": lambda x: F.blur_pool2d(F.max_pool2d(x, 2, 1), 4),
    "global max-pool": lambda x: F.adaptive_max_pool2d(x, 1),
}
MOVES = [(dy, dx) for dy in range(3) for dx in range(3) if dy or dx]
MARGIN = 8                      # pixels added to each side of a torus: an even number, more than any pool here sees
EDGE = 2                        # outputs left out at each side: they see the edge of a map or have no counterpart


@dataclass(frozen=True)
class PoolChange:
    """The relative change of a pool's output: the mean over all even moves, and over all other moves.

    Attributes
    ----------
    pool : str
    of : str
        The maps that were pooled, and the shift model, in words.
    even, odd : float
        The mean over the `MOVES` with dy and dx even, and over the other `MOVES`.
    """

    pool: str
    of: str
    even: float
    odd: float


def blurred_bar() -> np.ndarray:
    """A bar of 17x5 pixels on a torus of 22x22, blurred with 1 3 3 1 each way; float64, shape (1, 1, 22, 22).

    >>> bar = blurred_bar()
    >>> bar.shape, float(bar.sum()) == 17 * 5
    ((1, 1, 22, 22), True)
    """
    bar = np.zeros((1, 1, 22, 22))
    bar[..., 3:20, 8:13] = 1
    return on_torus(lambda x: F.blur_pool2d(x, 4, 1), bar, stride=1)


def on_torus(pool: Callable, maps: np.ndarray, stride: int = 2) -> np.ndarray:
    """The output of a pool for maps on a torus: the left edge follows the right edge, and the top follows the bottom.

    Parameters
    ----------
    pool : callable
        (n, C, H, W) -> (n, C, about H / stride, about W / stride), or one pixel. It sees at most `MARGIN` pixels.
    maps : ndarray, shape (n, C, H, W)
        H and W are multiples of the stride.
    stride : int

    Returns
    -------
    ndarray, shape (n, C, H / stride, W / stride) or (n, C, 1, 1)

    Raises
    ------
    InputError
        H or W is not a multiple of the stride.

    Examples
    --------
    >>> on_torus(lambda x: F.max_pool2d(x, 2, 1), np.eye(2)[None, None], stride=1)
    array([[[[1., 1.],
             [1., 1.]]]])
    """
    height, width = maps.shape[-2:]
    if height % stride or width % stride:
        raise InputError(f"on_torus: maps of {height}x{width} pixels; a stride of {stride} needs multiples of it")
    with no_grad():
        out = on_arrays(pool)(np.pad(maps, ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="wrap"))
    if out.shape[-2:] == (1, 1):
        return out
    start = MARGIN // stride
    return out[..., start:start + height // stride, start:start + width // stride]


def torus_change(pool: Callable, maps: np.ndarray, by: tuple[int, int]) -> float:
    """||P(S x) - S' P(x)|| / ||P(x)|| on the torus, for one move by = (dy, dx) of maps (n, C, H, W).

    >>> torus_change(HALVING["max-pool"], blurred_bar(), (2, 4))
    0.0
    """
    moved = on_torus(pool, np.roll(maps, by, (-2, -1)))
    return relative_change(moved, np.roll(on_torus(pool, maps), (by[0] // 2, by[1] // 2), (-2, -1)))


def window_change(pool: Callable, still: np.ndarray, moved: np.ndarray, by: tuple[int, int]) -> float:
    """||P(S x) - S' P(x)|| / ||P(x)|| without the edges. The maps are windows of a larger image that moved.

    Parameters
    ----------
    still, moved : ndarray, shape (n, C, H, W)
        The maps of the image, and of the image that moved by `by`.
    by : (int, int)
        dy and dx.
    """
    with no_grad():
        before, after = map(on_arrays(pool), (still, moved))
    inner = ... if before.shape[-2:] == (1, 1) else (..., slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    return relative_change(after[inner], np.roll(before, (by[0] // 2, by[1] // 2), (-2, -1))[inner])


def compare_pools(images: np.ndarray, features: Callable | None = None, *, receptive_field: int = 17,
                  pools: Mapping[str, Callable] | None = None, progress: Progress = SILENT) -> list[PoolChange]:
    """Every pool on a blurred bar, on feature maps that are shifted in a circle, and on feature maps of moved digits.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
        Digits. Some dozens are enough.
    features : callable, optional
        Normalised images (n, 1, H, W) -> maps: a function of any library, in evaluation mode. By default the features
        of the trained LeNet with the algorithm "direct", which adds in the same order at every place. "winograd" does
        not, and its rounding would change the maps at even shifts.
    receptive_field : int
        The receptive field of the features. It sets the width of the black border around the digits, so that all
        windows that see a digit are in view.
    pools : mapping, optional
        {name: function}, of arrays or of any library, as in `verify_convolution`. `HALVING` by default.
    progress : Progress
        Is updated after each pool.

    Returns
    -------
    list of PoolChange
        Three for each pool.
    """
    features, pools = features or lenet(pretrained=True, algorithm="direct").features, pools or HALVING
    with evaluation_mode(features, *pools.values()):
        called = {name: on_arrays(pool) for name, pool in pools.items()}
        return _compared(images, on_arrays(features), receptive_field, called, progress)


def _compared(images, features, receptive_field, pools, progress):
    """As `compare_pools`, for functions of arrays."""
    shifts = Shifts(2, 28 + 2 * 2 + 2 * (receptive_field - 1))
    progress.update(0, 1, "feature maps")
    bar, rolled = blurred_bar(), features(normalize(place(images, 38, (5, 5))))
    moved = {by: features(normalize(shifts.images(images, *by))) for by in [(0, 0), *MOVES]}
    subjects = {
        "a blurred bar, shifted in a circle": lambda pool, by: torus_change(pool, bar, by),
        f"feature maps of {len(images)} digits on a 38x38 canvas, shifted in a circle":
            lambda pool, by: torus_change(pool, rolled, by),
        f"feature maps of {len(images)} {shifts}": lambda pool, by: window_change(pool, moved[0, 0], moved[by], by),
    }
    rows: list[PoolChange] = []
    for of, change in subjects.items():
        for name, pool in pools.items():
            changes = {by: change(pool, by) for by in MOVES}
            even = [c for by, c in changes.items() if not any(d % 2 for d in by)]
            odd = [c for by, c in changes.items() if any(d % 2 for d in by)]
            rows.append(PoolChange(name, of, float(np.mean(even)), float(np.mean(odd))))
            progress.update(len(rows), len(subjects) * len(pools), name)
    return rows
