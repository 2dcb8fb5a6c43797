"""Equivariance to shifts: an assertion for unit tests, and reports layer by layer through a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..adapters.reasons import reason
from ..checks import generator, is_integer, number, one_of
from ..errors import InputError, MinicnnError
from ..nn.unchanged import looking
from ..progress import SILENT, Part, Progress
from .domains import Pair
from .findings import start
from .laws import Equivariance, compare_sides
from .operator import TIME_LIMIT, Operator, has_layers, layer_operators
from .report import Report
from .signals import DOMAINS, TrialImages
from .verifier import find_rates, is_affine, repetitions, verify_convolution
from .witness import distinct

TRIALS = 9                      # an impulse, and two images of each kind
SHIFTS = ((1, 0), (0, 1), (-1, 0), (0, -1), (2, 3), (-3, 2))


class EquivarianceError(MinicnnError, AssertionError):
    """An operator is not equivariant within the tolerance."""

    __module__ = "minicnn.equivariance"


@looking
def check_equivariance(op: Callable, in_channels: int = 1, size: int | Pair = (16, 16), domain: str = "torus",
                       shifts: Sequence[Pair] = SHIFTS, *, atol: float | None = None, rtol: float | None = None,
                       dtype: Any = np.float64, rng: np.random.Generator | None = None,
                       time_limit: float = TIME_LIMIT) -> list[tuple[Pair, float]]:
    """Assert op(S f) = S op(f) on random images f, for some shifts S by whole pixels.

    Parameters
    ----------
    op, in_channels, size, dtype, time_limit
        As in `verify_convolution`.
    domain : {"torus", "plane", "window"}
        On plane and window only the overlap is compared.
    shifts : sequence of (int, int)
        (dy, dx), each smaller than the image.
    atol, rtol : float, optional
        Errors up to atol + rtol max |op(f)| pass. If only one of the two is given, the other is 0. By default the
        operator's own rounding passes, as in `verify_convolution`.
    rng : numpy.random.Generator, optional
        Draws the images; by default np.random.default_rng(0).

    Returns
    -------
    list of ((dy, dx), float)
        Each shift with the largest error.

    Raises
    ------
    EquivarianceError
        An error is larger, or on the torus the output is smaller or larger by a whole factor. The message names the
        shift, the pixel, and the first layer of a Module that is not equivariant. Also if the result depends on more
        than the image: on chance, on earlier calls, or on the other images of a batch.
    OperatorError
        The operator cannot be called.
    ValueError
        The shifts do not fit, or on the torus another size of the output.

    References
    ----------
    The name and the return value are those of escnn's modules (Weiler & Cesa 2019); the group here is translation.

    Examples
    --------
    >>> check_equivariance(lambda f: np.roll(f, 2, 3), shifts=[(1, 0), (0, 3)])
    [((1, 0), 0.0), ((0, 3), 0.0)]
    >>> check_equivariance(lambda f: f[..., ::-1])
    Traceback (most recent call last):
        ...
    minicnn.equivariance.EquivarianceError: not equivariant to the shift (0, 1): at the output pixel (0, 10, 14) \
op(S f) is 9, S op(f) is -9, error 1.8e+01, allowed 1.6e-13
    """
    one_of("domain", domain, DOMAINS)
    atol, rtol = (None if value is None else number(name, value, least=0)
                  for name, value in (("atol", atol), ("rtol", rtol)))
    operator = Operator(op, in_channels, size, dtype, time_limit)
    rng = generator("rng", rng, 0)
    pixels = operator.in_shape[1:]
    if domain == "torus" and operator.out_shape[1:] != pixels:
        _refuse_other_size(op, in_channels, pixels, operator.out_shape[1:], dtype)
    for by in _sequence("shifts", shifts):
        if np.shape(by) != (2,) or not all(is_integer(d) and abs(d) < n for d, n in zip(by, pixels, strict=True)):
            raise InputError(f"a shift must be two integers smaller than the image, {pixels}, not {by}")
    trials, found = TrialImages(rng, TRIALS, integers=False), []
    findings = start(operator, domain, trials, None)
    findings.explain = False
    allowed = lambda one: one if atol is None and rtol is None else _with_tolerance(one, atol or 0.0, rtol or 0.0)
    for _, _, difference, meaning in repetitions(findings, TrialImages(np.random.default_rng(0), TRIALS, False)):
        if not allowed(difference).passed:
            raise EquivarianceError(f"{meaning}, by up to {difference.error.max():.1e}")
    findings.measure_response(find_rates(findings, trials))
    findings.measure_mixing(trials, is_affine(findings, trials))
    context, shape = findings.context, findings.context.shape
    dense, = findings.rounded([np.concatenate([trials.draw(shape), findings.aligned(trials, shape)])])
    single, = findings.rounded([findings.combs(trials, shape)])
    for by in shifts:
        law = Equivariance((by[0], by[1]), (by[0], by[1]))
        both = allowed(compare_sides(law, context, (dense,))), allowed(compare_sides(law, context, (single,)))
        for one in both:
            if not one.passed:
                n, *pixel = one.worst()
                left, right = distinct(float(one.left[(n, *pixel)]), float(one.right[(n, *pixel)]), 3)
                raise EquivarianceError(
                    f"not equivariant to the shift {by}: at the output pixel {tuple(pixel)} op(S f) is {left}, "
                    f"S op(f) is {right}, error {one.error[(n, *pixel)]:.1e}, allowed {one.tolerance[(n, *pixel)]:.1e}"
                    + _first_layer(op, in_channels, pixels, domain, dtype))
        found.append((by, max(float(one.error.max()) for one in both)))
    return found


def _sequence(name, values):
    if not isinstance(values, (list, tuple, np.ndarray)) or not len(values):
        raise InputError(f"{name} must be a list of at least one pair of integers, as in [(1, 0)], not {values!r}")
    return values


def _with_tolerance(difference, atol, rtol):
    allowed = atol + rtol * np.abs(difference.right).max()
    return replace(difference, tolerance=np.full_like(difference.error, allowed))


def _refuse_other_size(op, in_channels, size, out_size, dtype):
    """On the torus an operator that subsamples is not equivariant. Other sizes do not fit the torus."""
    if any(n % m and m % n for n, m in zip(size, out_size, strict=True)):
        raise InputError(f"on the torus the output must be as large as the input, {size}, not {out_size}; for a "
                         "convolution without padding choose domain='window'")
    raise EquivarianceError(f"not equivariant to every shift: on the torus the output must be as large as the input, "
                            f"{size}, not {out_size}" + _first_layer(op, in_channels, size, "torus", dtype) +
                            "; verify_convolution finds the shifts that a stride allows")


def _first_layer(op, in_channels, size, domain, dtype):
    if not has_layers(op):
        return ""
    wrong = [layer for layer in layer_reports(op, in_channels, size, domain, dtype) if not layer.report.equivariant]
    return f"; the first layer that is not equivariant is {wrong[0].name} ({wrong[0].kind})" if wrong else ""


@dataclass(frozen=True)
class LayerReport:
    """The report on a network up to the output of one of its layers, as an operator on images.

    Attributes
    ----------
    name, kind : str
        The layer's name in the network, and its repr.
    report : Report
    reason : str
        If the network is not equivariant up to this layer: what in the layer's settings breaks it, and what would mend
        it. "" if nothing in them explains it; then look at what the network does before this layer.
    """

    name: str
    kind: str
    report: Report
    reason: str = ""

    @property
    def title(self) -> str:
        """The layer's name and class, as in "2 MaxPool2d"."""
        return title(self.name, self.kind)

    def __str__(self):
        text = f"{self.title}: {self.report.verdict}"
        failing = self.report.shift_failing
        if failing is not None:
            rows, columns = np.nonzero(failing)
            text += (f"; after a shift by one pixel, {len(rows)} of {failing.size} pixels are wrong, rows {rows.min()} "
                     f"to {rows.max()}, columns {columns.min()} to {columns.max()}")
        return text


def title(name: str, kind: str) -> str:
    """The name of a layer and its class.

    >>> title("2", "MaxPool2d(2)"), title("MaxPool2d", "MaxPool2d(2)")
    ('2 MaxPool2d', 'MaxPool2d')
    """
    kind = kind.partition("(")[0]
    return name if name == kind else f"{name} {kind}"


@looking
def layer_reports(module: Any, in_channels: int = 1, size: Pair = (16, 16), domain: str = "window",
                  dtype: Any = np.float32, *, progress: Progress = SILENT, **options: Any) -> list[LayerReport]:
    """`verify_convolution` of a Module up to each of its innermost layers. It shows which layer breaks equivariance.

    Parameters
    ----------
    module : minicnn.nn.Module or torch.nn.Module
    in_channels, size, domain, dtype, progress, **options
        As in `verify_convolution`.

    Returns
    -------
    list of LayerReport
        In the order of the calls. The list ends before the first layer whose output is not of shape (N, C, H, W).
        `unjudged_layers` names the rest.

    Raises
    ------
    OperatorError
        The module raised an exception.
    TypeError
        `module` is not a Module.

    Examples
    --------
    >>> from minicnn.nn import Conv2d, MaxPool2d, Sequential
    >>> for layer in layer_reports(Sequential(Conv2d(1, 2, 3), MaxPool2d(2)), size=(20, 20)):
    ...     print(layer.name, layer.report.lattice)
    0 (1, 1)
    1 (2, 2)
    """
    layers = [(name, kind, layer, up_to)
              for name, kind, layer, up_to in layer_operators(module, in_channels, size, dtype) if up_to]
    found = []
    for index, (name, kind, layer, up_to) in enumerate(layers):
        part = Part(progress, index / len(layers), (index + 1) / len(layers), f"{name}: ")
        report = verify_convolution(up_to, in_channels, size, domain, dtype, **options, progress=part)
        found.append(LayerReport(name, kind, report, "" if report.equivariant else reason(layer, domain)))
    return found


@looking
def unjudged_layers(module: Any, in_channels: int = 1, size: Pair = (16, 16),
                    dtype: Any = np.float32) -> list[tuple[str, str]]:
    """(name, repr) of the innermost layers that `layer_reports` leaves out, because their output is not an image.

    >>> from minicnn.nn import Conv2d, Flatten, Sequential
    >>> unjudged_layers(Sequential(Conv2d(1, 2, 3), Flatten()))
    [('1', 'Flatten()')]
    """
    return [(name, kind) for name, kind, _, up_to in layer_operators(module, in_channels, size, dtype) if up_to is None]
