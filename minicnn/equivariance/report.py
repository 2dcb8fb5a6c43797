"""What `verify_convolution` found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .impulse import ImpulseResponse
from .witness import Witness


@dataclass(frozen=True)
class Check:
    """One law, tried on some inputs: the largest error, and the tolerance there."""

    name: str
    passed: bool
    error: float
    tolerance: float
    says: str


@dataclass(frozen=True, eq=False)
class Report:
    """What an operator is, as far as it was checked; true if it is a convolution (plus a constant for each channel).

    Attributes
    ----------
    verdict : str
        In words.
    deterministic : bool
        The same input gives the same result, whatever other images are in the batch.
    linear, affine : bool
        op, or L = op - op(0), is homogeneous and additive.
    equivariant : bool
        op(S f) = S op(f) for all shifts by whole pixels.
    convolution : bool
        Equivariant and affine, and op(f) = op(0) + h * f. What bool(report) is.
    lattice : (int or None, int or None) or None
        (s_y, s_x): the smallest shift down and the smallest to the right to which it is equivariant, and so it is to
        their multiples and sums. None for a direction without any. Diagonal shifts are not tried.
    impulse_response : ImpulseResponse or None
    offset : ndarray, shape (C_out,), or None
        op(0), if it is one number for each channel.
    error, tolerance : float
        The largest |op(f) - op(0) - h * f|, and what rounding could explain there.
    witnesses : dict of Witness
        For each kind of law that is broken, by name, the smallest input found that breaks it. `witness` is the first.
    halo : (int, int, int, int) or None
        Widths (top, bottom, left, right) of a border outside of which it is a convolution.
    failing : ndarray of bool, shape (H', W'), or None
        The output pixels at which op(f) = op(0) + h * f is broken.
    shift_failing : ndarray of bool, shape (H', W'), or None
        The output pixels at which op(S f) = S op(f) is broken for a unit shift S.
    checks : list of Check
        Every law that was tried, in order.
    proof : bool
        All basis vectors were tried, so for a linear operator nothing is left open; else a pass means that some tries
        did not refute it.
    """

    verdict: str
    domain: str
    size: tuple[int, int]
    dtype: str
    images: int
    deterministic: bool = True
    linear: bool = False
    affine: bool = False
    equivariant: bool = False
    convolution: bool = False
    lattice: tuple | None = None
    impulse_response: ImpulseResponse | None = None
    offset: np.ndarray | None = None
    error: float = 0.0
    tolerance: float = 0.0
    witnesses: dict[str, Witness] = field(default_factory=dict)
    halo: tuple | None = None
    failing: np.ndarray | None = None
    shift_failing: np.ndarray | None = None
    checks: list[Check] = field(default_factory=list)
    proof: bool = False

    def __bool__(self):
        return self.convolution

    @property
    def witness(self):
        """The witness against the first law that is broken, or None."""
        return next(iter(self.witnesses.values()), None)

    def to_dict(self):
        """For JSON."""
        names = ("verdict", "domain", "size", "dtype", "images", "deterministic", "linear", "affine", "equivariant",
                 "convolution", "lattice", "error", "tolerance", "halo", "proof")
        record = {name: getattr(self, name) for name in names}
        record["offset"] = None if self.offset is None else self.offset.tolist()
        record["checks"] = [vars(check) for check in self.checks]
        record["witnesses"] = [witness.to_dict() for witness in self.witnesses.values()]
        record["failing"] = None if self.failing is None else [[int(y), int(x)] for y, x in np.argwhere(self.failing)]
        h = self.impulse_response
        record["impulse_response"] = h and {"kernel": h.kernel.tolist(), "origin": h.origin}
        return record

    def __str__(self):
        tried = "proved with all basis vectors" if self.proof else f"{self.images} images tried"
        where = "in a window" if self.domain == "window" else f"on the {self.domain}"
        lines = [f"{self.verdict} ({where}, {self.size[0]} x {self.size[1]}, {self.dtype}, {tried})"]
        for check in self.checks:
            lines.append(f"  {'ok  ' if check.passed else 'FAIL'} {check.says:<40} error {check.error:.1e}, tolerance "
                         f"{check.tolerance:.1e}")
        h = self.impulse_response
        if h is not None and self.affine:
            (outs, ins, height, width), at = h.kernel.shape, h.origin
            lines.append(f"  h: {outs} x {ins} kernels of {height} x {width} pixels, the origin at {at}")
        lines += [f"  witness: {witness}" for witness in self.witnesses.values()]
        return "\n".join(lines)
