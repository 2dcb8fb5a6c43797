"""A counterexample that anybody can check: the smallest input that was found to break a law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .laws import Additivity, Convolution, Equivariance, Homogeneity, Setting, check
from .operator import TIME_LIMIT, Operator

ROUNDS = 60                     # of shrinking, each one call of the operator


@dataclass(frozen=True, eq=False)
class Witness:
    """Where and by how much a law is broken.

    Attributes
    ----------
    law : Homogeneity, Additivity, Equivariance or Convolution
    inputs : tuple of ndarray, each (C, H, W)
        f, or f and g. In a window f goes on outside of what the operator sees, by H rows and W columns on each side.
    pixel : (int, int, int)
        Channel, row and column of the output.
    left, right : float
        The two sides of the law there.
    error, tolerance : float
        |left - right|, and what rounding could explain.
    """

    law: object
    inputs: tuple
    pixel: tuple[int, int, int]
    left: float
    right: float
    error: float
    tolerance: float
    domain: str
    size: tuple[int, int]
    dtype: str
    rates: tuple
    bound: float

    def holds(self, op, time_limit=TIME_LIMIT):
        """Whether `op` still breaks the law at this input and pixel, computed afresh."""
        in_channels = self.inputs[0].shape[0]
        operator = Operator(op, in_channels, self.size, self.dtype, time_limit)
        offset = operator(np.zeros((1, *operator.in_shape)))[0]
        if any(n >= size for n, size in zip(self.pixel, offset.shape, strict=True)):
            return False                                # it returns another size
        setting = Setting(operator, self.domain, offset, np.zeros(len(offset)), self.rates)
        found = check(self.law, setting, tuple(f[None] for f in self.inputs), self.bound)
        return bool(found.error[(0, *self.pixel)] > self.tolerance)

    def to_dict(self):
        """For JSON; an input as its non-zero pixels [channel, y, x, value]."""
        parameters = {name: getattr(self.law, name) for name in ("factor", "by", "out") if hasattr(self.law, name)}
        return {"law": self.law.name, "says": str(self.law), **parameters, "pixel": self.pixel, "left": self.left,
                "right": self.right, "error": self.error, "tolerance": self.tolerance,
                "inputs": [{"shape": f.shape, "pixels": _pixels(f)} for f in self.inputs], "domain": self.domain,
                "size": self.size, "dtype": self.dtype, "rates": self.rates, "bound": self.bound}

    @classmethod
    def from_dict(cls, record):
        """The witness that `to_dict` wrote, also after JSON."""
        law = {law.name: law for law in (Homogeneity, Additivity, Equivariance, Convolution)}[record["law"]]
        pair = lambda numbers: tuple(int(n) for n in numbers)
        arguments = {"factor": float, "by": pair, "out": pair}
        law = law(**{name: convert(record[name]) for name, convert in arguments.items() if name in record})
        inputs = []
        for part in record["inputs"]:
            f = np.zeros(part["shape"])
            for *where, value in part["pixels"]:
                f[pair(where)] = value
            inputs.append(f)
        numbers = {name: record[name] for name in ("left", "right", "error", "tolerance", "domain", "dtype", "bound")}
        return cls(law=law, inputs=tuple(inputs), pixel=pair(record["pixel"]), size=pair(record["size"]),
                   rates=tuple(pair(rate) for rate in record["rates"]), **numbers)

    def __str__(self):
        seen = self.size if self.domain == "window" and self.law.name in ("equivariance", "convolution") else (0, 0)
        names = [f"{name} = {_describe(f, seen)}" for name, f in zip("fg", self.inputs, strict=False)]
        return (f"{self.law} is broken at output pixel {self.pixel}: {self.left + 0.0:.6g} against "
                f"{self.right + 0.0:.6g} (error {self.error:.1e}), for {' and '.join(names)}")


def _pixels(f):
    return [[*(int(i) for i in where), float(f[tuple(where)])] for where in np.argwhere(f)]


def _describe(f, seen):
    """In words; places are counted from what the operator sees of f."""
    pixels = [(c, y - seen[0], x - seen[1], value) for c, y, x, value in _pixels(f)]
    if not pixels:
        return "0"
    if len(pixels) > 3:
        return f"an image with {len(pixels)} non-zero pixels"
    return " and ".join(f"{value:.4g} at {tuple(where)}" for *where, value in pixels)


def find_witness(law, setting, inputs, difference, bound, **more):
    """The smallest input found, from the one of the batch `inputs` that breaks the law most clearly; as in `check`."""
    n = difference.worst()[0]
    start = np.stack([part[n] for part in inputs])                                      # (arity, C, H, W)
    breaks = lambda batch: check(law, setting, tuple(batch.swapaxes(0, 1)), bound, **more)
    small = _shrink(start, breaks)
    found = breaks(small[None])
    _, *pixel = found.worst()
    pixel = tuple(pixel)
    return Witness(law, tuple(small), pixel, float(found.left[(0, *pixel)]), float(found.right[(0, *pixel)]),
                   float(found.error[(0, *pixel)]), float(found.tolerance[0, pixel[0], 0, 0]), setting.domain,
                   setting.operator.in_shape[1:], setting.operator.dtype.name, setting.rates, bound)


def _shrink(start, breaks):
    """Fewer pixels, then simpler values, while the law stays broken: delta debugging, Zeller & Hildebrandt 2002."""
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
