"""The contract of a convolution algorithm, the register of all algorithms, and the choice of one for a geometry.

An algorithm is one file in the folder `algorithms` with one class under `@register`. No other file has to change.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from .geometry import Geometry
from .runtime.exclusive import Exclusive

FOLDER = f"{__package__}.algorithms"
BOARD = "minicnn.conv.runtime.board"      # the first convolution imports it too, where a handler may interrupt it
VARIABLE = "MINICNN_CONV_ALGO"

_registered: dict[str, Algorithm] = {}
_imported: list[bool] = []
_importing = Exclusive("the convolution algorithms are imported")


class Algorithm:
    """One way to compute a convolution and its gradients on plain arrays.

    Attributes
    ----------
    name : str
        Used in `conv2d(..., algorithm=name)`.
    reference : str
        The source of the method.
    error_bound : float
        The largest error of an output that is expected for operands of both signs, in units of eps * scale. eps is the
        machine precision of the dtype; `error_norm` names the scale.
    error_norm : {"element", "largest"}
        "element": the scale is |weight| * |input| at the same output. "largest": the scale is the largest
        |weight| * |input| of all outputs, because the algorithm mixes the outputs.
    """

    name: str
    reference: str
    error_bound: float
    error_norm: str = "element"

    def unsupported(self, geometry: Geometry) -> str | None:
        """The reason why this algorithm cannot compute the geometry, or None."""
        return None

    def cost(self, geometry: Geometry) -> float:
        """Predicted seconds of a forward pass and both gradients, on all cores; inf if "auto" never chooses it.

        Forward and backward belong to one algorithm, and a network gives the same output with and without gradients,
        so there is one choice for both. The prediction may use `speeds.speeds`. It must not depend on anything that
        may change while a process runs, or from one run to the next: another algorithm gives other last bits.
        """
        raise NotImplementedError

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        """The output (N, K, OH, OW), in any memory order, and anything that `backward` needs.

        `x` (N, C, H, W) in any memory order, `weight` (K, C / G, kh, kw) and `bias` (K,) or None must not be modified.
        With `relu` the output is max(output, 0).
        """
        raise NotImplementedError

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        """grad_input, grad_weight, grad_bias for the cotangent `grad` (N, K, OH, OW).

        `needs` is three booleans. The result is None for a gradient that is not needed. After a `forward` with `relu`,
        `backward` sets the cotangent to 0 where the output is 0 (`before_relu`). `backward` may be called
        twice with the same `saved`, and must not modify `saved`.
        """
        raise NotImplementedError

    def adjoint(self, grad: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
        """The adjoint of the convolution: grad_input (N, C, H, W) for `grad` (N, K, OH, OW), without a forward pass.

        It is the forward pass of a transposed convolution. Here it is `backward` after the `forward` of zeros; an
        algorithm can save this work.
        """
        with np.errstate(all="ignore"):
            _, saved = self.forward(np.zeros(geometry.in_shape, grad.dtype), weight, None, geometry)
        found = self.backward(grad, saved, (True, False, False))[0]
        assert found is not None
        return found


def before_relu(grad: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """The cotangent of a ReLU's input: `grad` where the output `out` is positive or NaN, 0 where it is 0.

    Without a ReLU `out` is None and the result is `grad` itself. What is hidden becomes 0, also if it is inf or NaN.

    >>> before_relu(np.array([1.0, 2.0, np.inf]), np.array([0.0, 3.0, 0.0]))
    array([0., 2., 0.])
    """
    return grad if out is None else np.where(out <= 0, 0, grad)


def register(cls: type[Algorithm]) -> type[Algorithm]:
    """Class decorator: make an instance of the algorithm known under its name.

    If a class is defined again (a notebook's cell, a reload), the new class replaces the old one of the same module.

    Raises
    ------
    InputError
        Another class has the name, or the class lacks `name`, `reference` or `error_bound`.

    Examples
    --------
    >>> @register
    ... class Mine(Algorithm):
    ...     name, reference, error_bound = "direct", "a book", 3.0
    Traceback (most recent call last):
        ...
    minicnn.InputError: the name 'direct' belongs to minicnn.conv.algorithms.direct.Direct: give Mine another name
    """
    missing = [attribute for attribute in ("name", "reference", "error_bound") if not hasattr(cls, attribute)]
    if missing:
        raise InputError(f"the algorithm {cls.__qualname__} has no {missing[0]}: give it the attributes name, "
                         "reference and error_bound")
    if cls.error_norm not in ("element", "largest"):
        raise InputError(f"the error_norm of {cls.__qualname__} must be 'element' or 'largest', not {cls.error_norm!r}")
    if not cls.__module__.startswith(f"{FOLDER}."):
        _import_all()                                   # the package's own algorithms must come first
    place = lambda one: f"{one.__module__}.{one.__qualname__}"
    owner = place(type(_registered[cls.name]) if cls.name in _registered else cls)
    if cls.name == "auto":
        owner = "the choice among all algorithms"
    if owner != place(cls):
        raise InputError(f"the name {cls.name!r} belongs to {owner}: give {cls.__qualname__} another name")
    _registered[cls.name] = cls()
    _choose.cache_clear()
    return cls


def algorithms() -> dict[str, Algorithm]:
    """All algorithms by name. Their files are imported by the first call, so importing minicnn stays quick.

    >>> algorithms().keys() >= {"direct", "im2col", "naive"}
    True
    """
    _import_all()
    return dict(sorted(_registered.items()))


def _import_all():
    if not _imported:
        _importing(_import_files)


def _import_files():
    for module in pkgutil.iter_modules(importlib.import_module(FOLDER).__path__):
        importlib.import_module(f"{FOLDER}.{module.name}")
    importlib.import_module(BOARD)
    _imported.append(True)


def choose(algorithm: str, geometry: Geometry) -> Algorithm:
    """The algorithm of that name. "auto" is the algorithm with the least predicted cost of all that are able.

    Every call with "auto" reads the environment variable MINICNN_CONV_ALGO. If it names an algorithm, this one is used.

    Raises
    ------
    InputError
        The name is unknown, or the algorithm cannot compute this geometry. The message says why.
    InputTypeError
        `algorithm` is not a string.

    Examples
    --------
    >>> choose("im2col", Geometry.of((1, 1, 5, 5), (1, 1, 3, 3))).name
    'im2col'
    """
    if not isinstance(algorithm, str):
        raise InputTypeError(f"algorithm must be 'auto' or the name of an algorithm, not {algorithm!r}")
    if algorithm != "auto" or not (named := os.environ.get(VARIABLE)):
        return _choose(algorithm, geometry)
    try:
        return _choose(named, geometry)
    except InputError as error:
        raise InputError(f"the environment variable {VARIABLE}: {error}") from None


@lru_cache(maxsize=4096)
def _choose(name, geometry):
    known = algorithms()
    if name == "auto":
        able = [a for a in known.values() if a.unsupported(geometry) is None and a.cost(geometry) < math.inf]
        return min(able, key=lambda a: a.cost(geometry))
    if name not in known:
        raise InputError(f"no convolution algorithm is called {name!r}: choose 'auto' or one of {', '.join(known)}")
    reason = known[name].unsupported(geometry)
    if reason:
        raise InputError(f"the algorithm {name!r} cannot compute this convolution: {reason}")
    return known[name]
