"""Well-known operators with the verdict that the verifier must give: the catalogue of `minicnn verify`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..conv import Geometry, algorithms
from ..nn import AvgPool2d, BatchNorm2d, Conv2d, Dropout, MaxPool2d, Sequential
from ..progress import SILENT, Progress
from .report import Report
from .verifier import verify_convolution

SIZE = (16, 16)
NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


@dataclass(frozen=True)
class Entry:
    """An operator and the expected result of `verify_convolution`.

    Attributes
    ----------
    name : str
    op : callable
    expected : str
        The beginning of the expected verdict.
    lattice : tuple or None
        The expected `Report.lattice`.
    in_channels, domain, dtype, size
        Arguments of `verify_convolution`.
    """

    name: str
    op: Callable
    expected: str
    lattice: tuple | None = (1, 1)
    in_channels: int = 1
    domain: str = "torus"
    dtype: type = np.float64
    size: tuple = SIZE


@dataclass(frozen=True)
class Outcome:
    """The verifier's report on an entry, and the seconds that the verifier took."""

    entry: Entry
    report: Report
    seconds: float

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self.entry.name

    @property
    def right(self) -> bool:
        """Whether the verdict and the lattice are as expected."""
        return self.report.verdict.startswith(self.entry.expected) and self.report.lattice == self.entry.lattice

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, "expected": self.entry.expected, "right": self.right, "seconds": self.seconds,
                **self.report.to_dict()}


def run_catalogue(progress: Progress = SILENT, share: Callable = map) -> list[Outcome]:
    """Verify every operator of the catalogue. `share` is a function like map that may call on several processes."""
    entries = catalogue()

    def verified(number):
        entry = entries[number]
        progress.update(number, len(entries), entry.name)
        start = time.perf_counter()
        report = verify_convolution(entry.op, entry.in_channels, entry.size, entry.domain, entry.dtype)
        return report, time.perf_counter() - start
    found = list(share(verified, range(len(entries))))
    progress.update(len(entries), len(entries))
    return [Outcome(entry, *one) for entry, one in zip(entries, found, strict=True)]


def catalogue() -> list[Entry]:
    """All entries: convolutions first, then other operators.

    >>> [entry.name for entry in catalogue()][:2]
    ['circular conv, 1 channel', 'circular conv, 2 -> 3 channels']
    """
    rng = np.random.default_rng(7)
    return [*_convolutions(rng), *_subsampled(rng), *_not_equivariant(rng), *_not_linear(), *_not_functions(rng)]


def _conv(rng, *channels, bias=False, **options):
    return Conv2d(*channels, 3, bias=bias, dtype=np.float64, rng=rng, **options)


def _circular(rng, *channels, **options):
    return _conv(rng, *channels, padding="same", padding_mode="circular", **options)


def _mean(f):
    return np.broadcast_to(f.mean((2, 3), keepdims=True), f.shape).copy()


def _laplacian(f):
    return sum(np.roll(f, 2 * by, axis) for by in (-1, 1) for axis in (2, 3)) - 4 * f


def _convolutions(rng):
    yes, plus = "a convolution", "a convolution plus a constant"
    normal = BatchNorm2d(2, dtype=np.float64).eval()
    normal.running_mean[:], normal.running_var[:] = (0.5, -1), (2, 3)
    yield Entry("circular conv, 1 channel", _circular(rng, 1, 1), yes)
    yield Entry("circular conv, 2 -> 3 channels", _circular(rng, 2, 3), yes, in_channels=2)
    yield Entry("circular conv, dilated", _circular(rng, 1, 2, dilation=2), yes)
    yield Entry("depthwise conv", _circular(rng, 2, 2, groups=2), yes, in_channels=2)
    yield Entry("1x1 conv", Conv2d(2, 3, 1, bias=False, dtype=np.float64, rng=rng), yes, in_channels=2)
    yield Entry("circular conv with bias", _circular(rng, 1, 2, bias=True), plus)
    yield Entry("batch norm, evaluating", normal, plus, in_channels=2)
    yield Entry("identity", lambda f: f, yes)
    yield Entry("shift by (2, 5)", lambda f: np.roll(f, (2, 5), (2, 3)), yes)
    yield Entry("zero", lambda f: 0 * f, yes)
    yield Entry("dilated Laplacian", _laplacian, yes)
    yield Entry("mean of the image, everywhere", _mean, yes)
    yield Entry("average pool, stride 1",
                lambda f: F.avg_pool2d(np.pad(f, ((0, 0), (0, 0), (0, 1), (0, 1)), "wrap"), 2, 1), yes)
    yield Entry("valid conv", _conv(rng, 1, 2), yes, domain="window")
    yield Entry("two valid convs", Sequential(_conv(rng, 1, 2), _conv(rng, 2, 1)), yes, domain="window")
    yield Entry("conv padded with zeros", _conv(rng, 1, 1, padding=1), yes, domain="plane")
    geometry = Geometry.of((1, 2, 7, 7), (2, 2, 3, 3))
    for name, algorithm in algorithms().items():
        if not algorithm.unsupported(geometry):
            valid = Conv2d(2, 2, 3, rng=rng, algorithm=name)
            yield Entry(f"valid conv by {name}, float32", valid, plus, in_channels=2, domain="window",
                        dtype=np.float32, size=(7, 7))


def _subsampled(rng):
    every = "not a convolution, but every 2 x 2-th pixel of one"
    yield Entry("circular conv, stride 2", _conv(rng, 1, 2, stride=2, padding=1, padding_mode="circular"), every,
                (2, 2))
    yield Entry("valid conv, stride 2", _conv(rng, 1, 1, stride=2), every, (2, 2), domain="window")
    yield Entry("average pool 2/2", AvgPool2d(2), every, (2, 2))
    yield Entry("max pool 2/2", MaxPool2d(2), "not linear", (2, 2))
    yield Entry("nearest-neighbour upsampling", lambda f: f.repeat(2, 2).repeat(2, 3),
                "not a convolution, but one after 2 x 2 upsampling")


def _not_equivariant(rng):
    border, linear, none = "not a convolution at the border", "linear", (None, None)
    gain, dense = 1 + rng.random(SIZE) / 10, rng.standard_normal((64, 64)) / 8
    ramp = np.linspace(-1, 1, 16)[:, None] * np.ones(SIZE)
    checkers = 1 + np.indices(SIZE).sum(0) % 2 / 2
    one = np.zeros(SIZE)
    one[11, 4] = 1e-6
    yield Entry("conv padded with zeros, on the torus", _conv(rng, 1, 1, padding=1), border, none)
    yield Entry("conv padded with zeros, in a window", _conv(rng, 1, 1, padding=1), border, none, domain="window")
    yield Entry("two convs padded with zeros", Sequential(_conv(rng, 1, 1, padding=1), _conv(rng, 1, 1, padding=1)),
                border, none, domain="plane")
    yield Entry("mirror image", lambda f: f[..., ::-1], linear, (1, 8))
    yield Entry("transpose", lambda f: f.swapaxes(2, 3), linear, none)
    yield Entry("gain map (vignette)", lambda f: gain * f, linear, none)
    yield Entry("checkered gain", lambda f: checkers * f, linear, (2, 2))
    yield Entry("position added (CoordConv)", lambda f: f + ramp, "not a convolution, but one plus an image", (None, 1))
    yield Entry("one pixel off by a millionth", lambda f: np.roll(f, 1, 3) + one * f, linear, none)
    yield Entry("fully connected", lambda f: (f.reshape(len(f), -1) @ dense).reshape(f.shape), linear, none,
                size=(8, 8))


def _not_linear():
    no = "not linear"
    yield Entry("ReLU", F.relu, no)
    yield Entry("absolute value", np.abs, no)
    yield Entry("square", np.square, no)
    yield Entry("tanh", F.tanh, no)
    yield Entry("clip at a thousand", lambda f: np.clip(f, -1e3, 1e3), no)
    yield Entry("3x3 median", lambda f: np.median([np.roll(f, by, (2, 3)) for by in NEIGHBOURS], 0), no)
    yield Entry("3x3 maximum", lambda f: np.max([np.roll(f, by, (2, 3)) for by in NEIGHBOURS], 0), no)
    yield Entry("maximum over channels", lambda f: f.max(1, keepdims=True), no, in_channels=2)
    yield Entry("divided by its norm", lambda f: f / (1 + np.abs(f).max((1, 2, 3), keepdims=True)), no)


def _not_functions(rng):
    yield Entry("dropout, training", Dropout(0.5, rng=rng), "not deterministic", None)
    yield Entry("batch norm, training", BatchNorm2d(1, dtype=np.float64), "not an operator on single images", None)
