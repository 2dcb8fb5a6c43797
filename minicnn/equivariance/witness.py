"""Witnesses: a counterexample that anybody can check, which is the smallest input found that breaks a law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .domains import Pair, Rates
from .laws import (
    Additivity,
    Context,
    Convolution,
    Difference,
    Equivariance,
    Homogeneity,
    Law,
    compare_sides,
    difference_of,
)
from .operator import TIME_LIMIT, Operator
from .rounding import Rounding

ROUNDS = 60                     # the most rounds of shrinking; each round calls the operator once


class Planes(NamedTuple):
    """The two sides of a law in one output channel, each (H', W').

    Attributes
    ----------
    left, right : ndarray
    wrong : ndarray of bool
        The pixels at which the sides differ by more than rounding.
    known : ndarray of bool
        The pixels at which the sides can be compared.
    """

    left: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    known: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Witness:
    """An input that breaks a law, with the pixel and the size of the error.

    Attributes
    ----------
    law : Homogeneity, Additivity, Equivariance or Convolution
    inputs : tuple of ndarray, each (C, H, W)
        f, or f and g. In a window f extends beyond the operator's input, by H rows and W columns on each side.
    pixel : (int, int, int)
        Channel, row and column of the output.
    left, right : float
        The two sides of the law at that pixel.
    error, tolerance : float
        |left - right|, and the largest error that rounding could explain.
    domain, size, dtype, rates
        The context in which the law was tried.
    planes : Planes or None
        The two sides in the channel of the pixel. A witness from JSON has none.
    """

    law: Law
    inputs: tuple[np.ndarray, ...]
    pixel: tuple[int, int, int]
    left: float
    right: float
    error: float
    tolerance: float
    domain: str
    size: Pair
    dtype: str
    rates: Rates
    planes: Planes | None = None

    def holds(self, op: Callable, time_limit: float = TIME_LIMIT) -> bool:
        """Whether `op` breaks the law at this input and pixel. Both sides are computed again."""
        in_channels = self.inputs[0].shape[0]
        operator = Operator(op, in_channels, self.size, self.dtype, time_limit)
        offset = operator(np.zeros((1, *operator.in_shape)))[0]
        if any(n >= size for n, size in zip(self.pixel, offset.shape, strict=True)):
            return False                                # this operator returns a smaller output
        context = Context(operator, self.domain, offset, np.zeros(len(offset)), Rounding(operator.eps), self.rates)
        error, _ = difference_of(self.law.sides(context, tuple(f[None] for f in self.inputs)))
        return bool(error[(0, *self.pixel)] > self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """For JSON. An input is the list of its non-zero pixels, [channel, y, x, value]."""
        return {"law": self.law.name, "says": str(self.law), **vars(self.law), "pixel": self.pixel, "left": self.left,
                "right": self.right, "error": self.error, "tolerance": self.tolerance,
                "inputs": [{"shape": f.shape, "pixels": _pixels(f)} for f in self.inputs], "domain": self.domain,
                "size": self.size, "dtype": self.dtype, "rates": self.rates}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Witness:
        """The witness that `to_dict` wrote, also after JSON."""
        pair: Callable[..., Any] = lambda numbers: tuple(int(n) for n in numbers)
        laws: dict[str, Any] = {law.name: law for law in (Homogeneity, Additivity, Equivariance, Convolution)}
        arguments: dict[str, Callable] = {"factor": float, "by": pair, "out": pair}
        law = laws[record["law"]](**{name: convert(record[name]) for name, convert in arguments.items()
                                     if name in record})
        inputs = []
        for part in record["inputs"]:
            f = np.zeros(part["shape"])
            for *where, value in part["pixels"]:
                f[pair(where)] = value
            inputs.append(f)
        numbers = {name: record[name] for name in ("left", "right", "error", "tolerance", "domain", "dtype")}
        return cls(law=law, inputs=tuple(inputs), pixel=pair(record["pixel"]), size=pair(record["size"]),
                   rates=tuple(pair(rate) for rate in record["rates"]), **numbers)

    @property
    def given(self) -> str:
        """The inputs in words. Places are counted from the first pixel that the operator sees."""
        seen = self.size if self.domain == "window" and self.law.name in ("equivariance", "convolution") else (0, 0)
        return " and ".join(f"{name} = {_describe(f, seen)}" for name, f in zip("fg", self.inputs, strict=False))

    def __str__(self):
        left, right = distinct(self.left, self.right)
        return (f"{self.law} is broken at output pixel {self.pixel}: {left} against {right} (error {self.error:.1e}), "
                f"for {self.given}")

    __repr__ = __str__


def distinct(a: float, b: float, digits: int = 6) -> tuple[str, str]:
    """Two numbers with at least `digits` digits, and with as many more as show that they differ.

    >>> distinct(1, 1 + 1e-7), distinct(0, -1)
    (('1', '1.0000001'), ('0', '-1'))
    """
    for more in range(digits, 17):
        if f"{a:.{more}g}" != f"{b:.{more}g}":
            digits = more
            break
    return f"{a + 0.0:.{digits}g}", f"{b + 0.0:.{digits}g}"


def _pixels(f):
    return [[*(int(i) for i in where), float(f[tuple(where)])] for where in np.argwhere(f)]


def _describe(f, seen):
    """The non-zero pixels in words. `seen` is the first pixel that the operator sees."""
    pixels = [(c, y - seen[0], x - seen[1], value) for c, y, x, value in _pixels(f)]
    if not pixels:
        return "0"
    if len(pixels) > 3:
        return f"an image with {len(pixels)} non-zero pixels"
    return " and ".join(f"{value:.4g} at {tuple(where)}" for *where, value in pixels)


def find_witness(law: Law, context: Context, inputs: tuple[np.ndarray, ...], difference: Difference,
                 **more: Any) -> Witness:
    """The smallest input found. The search starts from the input of the batch with the largest error / tolerance.

    `difference` is the result of `compare_sides` for the same arguments.
    """
    n = difference.worst()[0]
    start = np.stack([part[n] for part in inputs])                                      # (arity, C, H, W)
    breaks = lambda batch: compare_sides(law, context, tuple(batch.swapaxes(0, 1)), **more)
    small = _shrink(start, breaks)
    found = breaks(small[None])
    _, channel, y, x = found.worst()
    pixel = channel, y, x
    left, right, wrong = (part[0, channel].copy() for part in (found.left, found.right, found.error > found.tolerance))
    return Witness(law, tuple(small), pixel, float(found.left[(0, *pixel)]), float(found.right[(0, *pixel)]),
                   float(found.error[(0, *pixel)]), float(found.tolerance[(0, *pixel)]), context.domain,
                   context.operator.in_shape[1:], context.operator.dtype.name, context.rates,
                   Planes(left, right, wrong, found.known))


def _shrink(start, breaks):
    """Remove pixels, then simplify the values, as long as the law stays broken.

    Source: delta debugging, Zeller & Hildebrandt 2002, "Simplifying and isolating failure-inducing input".
    """
    places, parts = np.flatnonzero(start), 2
    keep = lambda chosen: np.where(np.isin(np.arange(start.size), chosen), start.ravel(), 0).reshape(start.shape)
    for _ in range(ROUNDS):
        if len(places) < 2:
            break
        chunks = np.array_split(places, min(parts, len(places)))
        choices = chunks + [np.setdiff1d(places, chunk) for chunk in chunks if len(chunks) > 2]
        broken = breaks(np.stack([keep(choice) for choice in choices])).broken
        if broken.any():
            first = int(np.argmax(broken))
            parts = 2 if first < len(chunks) else max(2, len(chunks) - 1)
            places = choices[first]
        elif len(chunks) == len(places):
            break
        else:
            parts = 2 * len(chunks)
    small = keep(places)
    simpler = [np.sign(small), np.where(small != 0, 1.0, 0.0), np.round(small), np.round(small, 1)]
    simpler = [s for s in simpler if s.any()]
    broken = breaks(np.stack(simpler)).broken if simpler else np.zeros(0, bool)
    return simpler[int(np.argmax(broken))] if broken.any() else small
