"""The result of `verify_convolution`, and its verdict in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..notebook import paragraph, picture, table
from ..notebook.pixels import signed, tiles
from .domains import Pair
from .impulse import ImpulseResponse
from .witness import Witness

Lattice = tuple[int | None, int | None]
MOST = 8                        # output and input channels of the kernels in the picture for notebooks
CELL = 6                        # width of a weight in that picture, in pixels of the screen


@dataclass(frozen=True)
class Check:
    """A law that was tried on some inputs: the error that is largest relative to its tolerance, and this tolerance."""

    name: str
    passed: bool
    error: float
    tolerance: float
    says: str


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The properties of an operator. bool(report): it is a convolution, plus a constant for each channel.

    Attributes
    ----------
    verdict : str
        The result in words.
    domain, size, dtype, images
        The domain, (H, W) and dtype of the images, and the number of images for each law.
    deterministic : bool
        The same input gives the same result, and the other images in the batch do not matter.
    linear, affine : bool
        op, or L = op - op(0), is homogeneous and additive.
    equivariant : bool
        op(S f) = S op(f) for all shifts by whole pixels.
    convolution : bool
        The operator is affine and equivariant, and op(f) = op(0) + h * f.
    lattice : (int or None, int or None) or None
        (s_y, s_x): the smallest shift down and the smallest shift to the right to which the operator is equivariant.
        Then it is also equivariant to their multiples and sums. A direction without such a shift has None. Diagonal
        shifts are not tried. None for an operator that is not deterministic.
    impulse_response : ImpulseResponse or None
    offset : ndarray, shape (C_out,), or None
        op(0), if it is constant in each channel.
    error, tolerance : float
        The largest |op(f) - op(0) - h * f|, and the rounding error that passes at this pixel.
    witnesses : dict of Witness
        For each kind of law that is broken, by name: the smallest input found that breaks it. `witness` is the first.
    smallest_defect : float or None
        The smallest change of a single output pixel, as a fraction of its L(f), that the tried images would have shown
        at every pixel. A smaller defect is not seen. None if L is 0.
    smallest_weight : float or None
        The smallest change of a single weight at a single output pixel, as a fraction of the largest weight of the
        output channel, that the tried images would have shown. If the algorithm mixes pixels (fft, winograd), a weight
        that is small beside the others cannot be seen as well as those. None if it was not measured.
    halo : (int, int, int, int) or None
        The widths (top, bottom, left, right) of a border. At all other pixels the operator is a convolution.
    failing : ndarray of bool, shape (H', W'), or None
        The output pixels at which op(f) = op(0) + h * f is broken.
    shift_failing : ndarray of bool, shape (H', W'), or None
        The output pixels at which op(S f) = S op(f) is broken for a unit shift S.
    checks : list of Check
        Every law that was tried, in order.
    called : str
        What the operator was called with, if that is no array and no Tensor of minicnn.
    proof : bool
        All basis vectors were tried. This proves the result if the operator is linear. Whether it is linear was only
        tried, with some images. Without `proof`, a pass means that the tried images did not refute the operator.
    """

    verdict: str
    domain: str
    size: Pair
    dtype: str
    images: int
    deterministic: bool = True
    linear: bool = False
    affine: bool = False
    equivariant: bool = False
    convolution: bool = False
    lattice: Lattice | None = None
    impulse_response: ImpulseResponse | None = None
    offset: np.ndarray | None = None
    error: float = 0.0
    tolerance: float = 0.0
    witnesses: dict[str, Witness] = field(default_factory=dict)
    halo: tuple[int, int, int, int] | None = None
    failing: np.ndarray | None = None
    shift_failing: np.ndarray | None = None
    checks: list[Check] = field(default_factory=list)
    proof: bool = False
    smallest_defect: float | None = None
    smallest_weight: float | None = None
    called: str = ""

    def __bool__(self):
        return self.convolution

    @property
    def witness(self) -> Witness | None:
        """The witness against the first law that is broken, or None."""
        return next(iter(self.witnesses.values()), None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("verdict", "domain", "size", "dtype", "images", "deterministic", "linear", "affine", "equivariant",
                 "convolution", "lattice", "error", "tolerance", "smallest_defect", "smallest_weight", "halo", "proof",
                 "called")
        record = {name: getattr(self, name) for name in names}
        record["proof_if"] = "the operator is linear" if self.proof else None
        record["offset"] = None if self.offset is None else self.offset.tolist()
        record["checks"] = [vars(check) for check in self.checks]
        record["witnesses"] = [witness.to_dict() for witness in self.witnesses.values()]
        record["failing"] = None if self.failing is None else [[int(y), int(x)] for y, x in np.argwhere(self.failing)]
        h = self.impulse_response
        record["impulse_response"] = h and {"kernel": h.kernel.tolist(), "origin": h.origin}
        return record

    @property
    def headline(self) -> str:
        """The verdict, the domain, the size, the dtype, and the images that were tried."""
        tried = f"{self.images:,} images tried"
        if self.proof:
            tried = "all basis vectors tried" + (": proved if the operator is linear" if self.convolution else "")
        where = "in a window" if self.domain == "window" else f"on the {self.domain}"
        return f"{self.verdict} ({where}, {self.size[0]} x {self.size[1]}, {self.dtype}, {tried}" + \
            (f"; {self.called})" if self.called else ")")

    @property
    def power(self) -> str:
        """What the tried images could show, in words; "" if nothing is known."""
        if self.smallest_defect is None:
            return ""
        text = f"the smallest defect that was looked for: {self.smallest_defect:.1e} of the result, at any single pixel"
        return text if self.smallest_weight is None else (
            f"{text}; {self.smallest_weight:.1e} of the largest weight, in any single weight")

    def __str__(self):
        lines = [self.headline]
        for check in self.checks:
            lines.append(f"  {'ok  ' if check.passed else 'FAIL'} {check.says:<40} error {check.error:.1e}, tolerance "
                         f"{check.tolerance:.1e}")
        if self.power and self.affine:
            lines.append(f"  {self.power}")
        h = self.impulse_response
        if h is not None and self.affine:
            lines.append("  h: " + str(h).replace("\n", "\n  "))
        lines += [f"  witness: {witness}" for witness in self.witnesses.values()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, the laws as a table, the witnesses, and the impulse response."""
        rows = [["ok" if check.passed else "FAIL", check.says, f"{check.error:.1e}", f"{check.tolerance:.1e}"]
                for check in self.checks]
        parts = [paragraph(self.headline, bold=True), table(
            ["", "law", "error", "tolerance"], rows, left=(0, 1),
            bold=[i for i, check in enumerate(self.checks) if not check.passed])]
        parts += [paragraph(f"witness: {witness}") for witness in self.witnesses.values()]
        if self.power and self.affine:
            parts.append(paragraph(self.power))
        h = self.impulse_response
        if h is not None and self.affine:
            parts += [paragraph(f"h: {str(h).splitlines()[0]}"), _kernels(h)]
        return "".join(parts)


def _kernels(h):
    """A single small kernel as a table, others as a picture: a row for each output channel."""
    kernel = np.where(np.abs(h.kernel) > h.rounding, h.kernel, 0)
    if rows := h.texts():
        return table([], rows)
    shown = kernel[:MOST, :MOST]
    outs, ins, height, width = shown.shape
    sheet = tiles(signed(shown).reshape(-1, height, width, 3), ins)
    words = f"red is positive, blue negative, white 0; the largest weight is {np.abs(kernel).max():.4g}"
    if shown.size < kernel.size:
        words += f"; the first {outs} output and {ins} input channels"
    zoom = max(1, min(CELL, 560 // sheet.shape[1]))
    return picture(sheet, f"{outs} x {ins} kernels of {height} x {width} pixels", zoom * sheet.shape[1]) + \
        paragraph(words)


def verdict(affine: bool, lattice: Lattice, matches: bool, halo: tuple | None, h: ImpulseResponse) -> str:
    """The verdict in words.

    Parameters
    ----------
    affine, lattice, halo
        As in `Report`.
    matches : bool
        Whether op(f) = op(0) + h * f, with the rates of `h.axes`.
    h : ImpulseResponse
    """
    if not affine:
        return not_linear(lattice)
    y, x = h.axes
    constant = " plus a constant" if h.offset.any() else ""
    plain = (y.alpha, y.beta) == (x.alpha, x.beta) == (1, 1)
    if (y.beta, x.beta) != (1, 1):
        kind = f"one after {y.beta} x {x.beta} upsampling with zeros{constant}"
    elif not plain:
        kind = f"every {y.alpha} x {x.alpha}-th pixel of one{constant}"
    else:
        kind = f"one{constant}"
    if plain and lattice == (1, 1):
        return f"a convolution{constant}{_warning(h)}" if matches else "linear and equivariant, but not h * f"
    if plain and matches:
        return f"not a convolution, but one plus an image that is not constant; {_shifts(lattice)}"
    if (y.out, x.out) == (1, 1):
        return f"not a convolution: one number for an image; {_shifts(lattice)}"
    if matches:
        return f"not a convolution, but {kind}{_warning(h)}; {_shifts(lattice)}"
    if halo:
        return f"not a convolution at the border, {halo} pixels (top, bottom, left, right), but {kind} inside"
    return f"linear{constant}; {_shifts(lattice)}"


def not_linear(lattice: Lattice) -> str:
    """The verdict on an operator that is not linear.

    >>> not_linear((1, 2))
    'not linear; equivariant to all shifts down, multiples of 2 across'
    """
    return f"not linear; {_shifts(lattice)}"


def _shifts(lattice):
    if lattice == (1, 1):
        return "equivariant to all shifts"
    if lattice == (None, None):
        return "equivariant to no shift down or across"
    down, across = ("no shift" if s is None else "all shifts" if s == 1 else f"multiples of {s}" for s in lattice)
    return f"equivariant to {down} down, {across} across"


def _warning(h):
    """A warning. On plane and window, a kernel as wide as the image may in fact be a wrong border."""
    (y, x), (height, width) = h.axes, h.kernel.shape[2:]
    reaches = any(not axis.periodic and axis.count > 3 and n > 0.5 * axis.count
                  for axis, n in ((y, height), (x, width)))
    return ", with a kernel that reaches across the image: another size may tell more" if reaches else ""
