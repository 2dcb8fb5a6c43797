"""The contract of a convolution algorithm, and the choice of one for a geometry.

An algorithm is one file of this folder with one class under `@register`; no other file has to change.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
from functools import lru_cache

from ..errors import InputError

_registered: dict[str, Algorithm] = {}


class Algorithm:
    """One way to compute a convolution and its gradients on plain arrays.

    Attributes
    ----------
    name : str
        What `conv2d(..., algorithm=name)` asks for.
    reference : str
        The source of the method.
    deterministic : bool
        The same inputs give the same bits, whatever the number of threads.
    error_bound : float
        The largest error of an output element to expect for operands of both signs, in units of
        eps * (\\|weight\\| * \\|input\\|), eps being the machine precision of the dtype.
    fuses_relu : bool
        `forward` takes relu=True, for max(output, 0); `backward` then counts the cotangent where that is positive.
    """

    name: str
    reference: str
    deterministic: bool = True
    error_bound: float
    fuses_relu: bool = False

    def unsupported(self, geometry) -> str | None:
        """The reason why this algorithm cannot compute the geometry, or None."""
        return None

    def cost(self, geometry) -> float:
        """Predicted seconds of a forward pass on one core of a current processor; only the ratios between algorithms
        matter. inf: never chosen by "auto"."""
        raise NotImplementedError

    def forward(self, x, weight, bias, geometry):
        """The output (N, K, OH, OW), in any memory order, and whatever `backward` can use again.

        `x` (N, C, H, W) in any memory order, `weight` (K, C / G, kh, kw), `bias` (K,) or None: never changed.
        """
        raise NotImplementedError

    def backward(self, grad, saved, needs):
        """grad_input, grad_weight, grad_bias for the cotangent `grad` (N, K, OH, OW).

        `needs` is three booleans; None stands for a gradient that is not needed. Each may be called once or twice
        with the same `saved`, which must not change.
        """
        raise NotImplementedError


def register(cls):
    """Class decorator: make an instance of the algorithm known under its name."""
    _registered[cls.name] = cls()
    return cls


def algorithms() -> dict[str, Algorithm]:
    """All algorithms by name. Their files are imported by the first call, so importing minicnn stays quick.

    >>> algorithms().keys() >= {"direct", "im2col", "naive"}
    True
    """
    _import_all()
    return dict(sorted(_registered.items()))


@lru_cache(maxsize=1)
def _import_all():
    package = f"{__package__}.algorithms"
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


@lru_cache(maxsize=4096)
def choose(algorithm, geometry) -> Algorithm:
    """The algorithm of that name, or for "auto" the one with the least predicted cost among those that can.

    Where `algorithm` is "auto", the environment variable MINICNN_CONV_ALGO may name another default.

    Raises
    ------
    ValueError
        An unknown name; or the reason why the named algorithm cannot compute this geometry.

    Examples
    --------
    >>> from minicnn.conv.geometry import Geometry
    >>> choose("im2col", Geometry.of((1, 1, 5, 5), (1, 1, 3, 3))).name
    'im2col'
    """
    known = algorithms()
    if algorithm == "auto":
        algorithm = os.environ.get("MINICNN_CONV_ALGO", "auto")
    if algorithm == "auto":
        able = [a for a in known.values() if a.unsupported(geometry) is None and a.cost(geometry) < math.inf]
        return min(able, key=lambda a: a.cost(geometry))
    if algorithm not in known:
        raise InputError(f"no convolution algorithm is called {algorithm!r}: choose 'auto' or one of "
                         f"{', '.join(known)}")
    reason = known[algorithm].unsupported(geometry)
    if reason:
        raise InputError(f"the algorithm {algorithm!r} cannot compute this convolution: {reason}")
    return known[algorithm]
