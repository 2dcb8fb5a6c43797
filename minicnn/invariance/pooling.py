"""Pools of stride 2 side by side: what is left of equivariance when every other pixel is dropped.

A shift of the image by an even number of pixels moves the output by half of it, exactly. For an odd one there is no
such output pixel, and what comes out is something else: how much else is

    ||P(S x) - S' P(x)|| / ||P(x)||,   S by (dy, dx), S' by (floor(dy / 2), floor(dx / 2)).

Blurring before dropping makes it less (Zhang 2019, section 3). A global pool has one output pixel, which S' leaves as
it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..data import normalize
from ..data.placement import Shifts, place
from ..errors import InputError
from ..models import lenet
from .maps import as_array, relative_change

POOLS = {
    "max-pool": lambda x: F.max_pool2d(x, 2),
    "average-pool": lambda x: F.avg_pool2d(x, 2),
    "max-pool, blur-pool 3": lambda x: F.blur_pool2d(F.max_pool2d(x, 2, 1), 3),
    "max-pool, blur-pool 4": lambda x: F.blur_pool2d(F.max_pool2d(x, 2, 1), 4),
    "global max-pool": lambda x: F.adaptive_max_pool2d(x, 1),
}
MOVES = [(dy, dx) for dy in range(3) for dx in range(3) if dy or dx]
MARGIN = 8                      # pixels that a torus goes on for; even, and more than any pool here sees
EDGE = 2                        # outputs at each side that see the edge of a map, or have no counterpart


@dataclass(frozen=True)
class PoolChange:
    """The relative change of a pool's output, the mean over the moves of a kind.

    Attributes
    ----------
    pool : str
    of : str
        What was pooled, and the shift model.
    even, odd : float
        Over the moves of `MOVES` by even dy and dx, and over the others.
    """

    pool: str
    of: str
    even: float
    odd: float


def blurred_bar():
    """A bar of 17x5 pixels on a torus of 22x22, blurred with 1 3 3 1 each way; float64, shape (1, 1, 22, 22).

    >>> bar = blurred_bar()
    >>> bar.shape, float(bar.sum()) == 17 * 5
    ((1, 1, 22, 22), True)
    """
    bar = np.zeros((1, 1, 22, 22))
    bar[..., 3:20, 8:13] = 1
    return on_torus(lambda x: F.blur_pool2d(x, 4, 1), bar, stride=1)


def on_torus(pool, maps, stride=2):
    """The pool of maps whose left edge follows on their right edge, and whose top follows on their bottom.

    Parameters
    ----------
    pool : callable
        (n, C, H, W) -> (n, C, about H / stride, about W / stride), or one pixel. It sees at most `MARGIN` pixels.
    maps : ndarray, shape (n, C, H, W)
        H and W multiples of the stride, else there is no torus of the outputs.

    Raises
    ------
    ValueError
        They are not.

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
        out = as_array(pool(np.pad(maps, ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="wrap")))
    if out.shape[-2:] == (1, 1):
        return out
    start = MARGIN // stride
    return out[..., start:start + height // stride, start:start + width // stride]


def torus_change(pool, maps, by):
    """||P(S x) - S' P(x)|| / ||P(x)|| on the torus, for one move by = (dy, dx) of maps (n, C, H, W).

    >>> torus_change(POOLS["max-pool"], blurred_bar(), (2, 4))
    0.0
    """
    moved = on_torus(pool, np.roll(maps, by, (-2, -1)))
    return relative_change(moved, np.roll(on_torus(pool, maps), (by[0] // 2, by[1] // 2), (-2, -1)))


def window_change(pool, still, moved, by):
    """The same where the maps are windows of something larger that moved by (dy, dx), without the edges.

    Parameters
    ----------
    still, moved : ndarray, shape (n, C, H, W)
        The maps of the image, and of the moved image.
    """
    with no_grad():
        before, after = (as_array(pool(maps)) for maps in (still, moved))
    inner = ... if before.shape[-2:] == (1, 1) else (..., slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    return relative_change(after[inner], np.roll(before, (by[0] // 2, by[1] // 2), (-2, -1))[inner])


def compare_pools(images, features=None, *, receptive_field=17, pools=None):
    """Every pool on a blurred bar, on real feature maps that are rolled, and on digits that are moved.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
        Digits; some dozens are enough.
    features : callable, optional
        From normalised images (n, 1, H, W) to maps; those of the trained LeNet where it is not given, computed by
        "direct", which adds in the same order at every place: "winograd" does not, and even shifts show its rounding.
    receptive_field : int
        Of the features: so much black is around the digits that all windows that see any of them are in view.
    pools : dict, optional
        Name: function of arrays; `POOLS` where not given.

    Returns
    -------
    list of PoolChange
        Three for each pool.
    """
    features, pools = features or lenet(pretrained=True, algorithm="direct").features, pools or POOLS
    shifts = Shifts(2, 28 + 2 * 2 + 2 * (receptive_field - 1))

    def maps(pixels):
        with no_grad():
            return as_array(features(normalize(pixels)))

    bar, rolled = blurred_bar(), maps(place(images, 38, (5, 5)))
    moved = {by: maps(shifts.images(images, *by)) for by in [(0, 0), *MOVES]}
    subjects = {
        "a blurred bar, rolled on its torus": lambda pool, by: torus_change(pool, bar, by),
        f"feature maps of {len(images)} digits on a 38x38 canvas, rolled as on a torus":
            lambda pool, by: torus_change(pool, rolled, by),
        f"feature maps of {len(images)} {shifts}": lambda pool, by: window_change(pool, moved[0, 0], moved[by], by),
    }
    rows = []
    for of, change in subjects.items():
        for name, pool in pools.items():
            changes = {by: change(pool, by) for by in MOVES}
            even = [c for by, c in changes.items() if not any(d % 2 for d in by)]
            odd = [c for by, c in changes.items() if any(d % 2 for d in by)]
            rows.append(PoolChange(name, of, float(np.mean(even)), float(np.mean(odd))))
    return rows
