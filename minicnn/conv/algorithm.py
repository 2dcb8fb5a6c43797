"""The contract of a convolution algorithm, and the choice of one for a geometry.

An algorithm is one file of this folder with one class under `@register`; no other file has to change.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
from functools import lru_cache

import numpy as np

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
    error_bound : float
        The largest error of an output element to expect for operands of both signs, in units of
        eps * (\\|weight\\| * \\|input\\|), eps being the machine precision of the dtype.
    """

    name: str
    reference: str
    error_bound: float

    def unsupported(self, geometry) -> str | None:
        """The reason why this algorithm cannot compute the geometry, or None."""
        return None

    def cost(self, geometry) -> float:
        """Predicted seconds of a forward pass on one core of a current processor; only the ratios between algorithms
        matter. inf: never chosen by "auto"."""
        raise NotImplementedError

    def forward(self, x, weight, bias, geometry, relu=False):
        """The output (N, K, OH, OW), in any memory order, and whatever `backward` can use again.

        `x` (N, C, H, W) in any memory order, `weight` (K, C / G, kh, kw) and `bias` (K,) or None must not be modified.
        With `relu` the output is max(output, 0).
        """
        raise NotImplementedError

    def backward(self, grad, saved, needs):
        """grad_input, grad_weight, grad_bias for the cotangent `grad` (N, K, OH, OW).

        `needs` is three booleans; None stands for a gradient that is not needed. After a `forward` with `relu`,
        `backward` sets the cotangent to 0 where the output is not positive; `before_relu` does it. `backward` may be
        called twice with the same `saved`; it must not modify it.
        """
        raise NotImplementedError


def before_relu(grad, out):
    """The cotangent of what goes into a ReLU: `grad` where its output `out` is positive, 0 elsewhere.

    Without a ReLU `out` is None and the result is `grad` itself.

    >>> before_relu(np.array([1.0, 2.0, np.inf]), np.array([0.0, 3.0, 0.0]))
    array([0., 2., 0.])
    """
    return grad if out is None else np.where(out > 0, grad, 0)


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
