"""Equivariance to shifts, in the manner of a unit test, and layer by layer through a Module."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..autograd import no_grad
from ..errors import InputError, InputTypeError
from ..nn.calls import recorded_calls
from ..nn.module import Module
from ..progress import SILENT, Part, Progress
from ..tensor import Tensor
from .domains import Moves, compare
from .impulse import check_domain
from .operator import TIME_LIMIT, Operator, in_dtype
from .report import Report
from .signals import modest_images
from .verifier import verify_convolution

SHIFTS = ((1, 0), (0, 1), (-1, 0), (0, -1), (2, 3), (-3, 2))


class EquivarianceError(AssertionError):
    """An operator moves with its input less exactly than asked."""


def check_equivariance(op, in_channels=1, size=(16, 16), domain="torus", shifts=SHIFTS, *, atol=None, rtol=None,
                       dtype=np.float64, rng=None, time_limit=TIME_LIMIT):
    """Assert op(S f) = S op(f) on a random image f, for some shifts by whole pixels.

    Parameters
    ----------
    op : callable
        As in `verify_convolution`; its output must be as large as its input on the torus.
    domain : {"torus", "plane", "window"}
        On plane and window the overlap is compared.
    shifts : sequence of (int, int)
    atol, rtol : float, optional
        Errors up to atol + rtol max |op(f)| pass: 1e-7 and 1e-5 in float64, 1e-5 and 1e-3 in float32.

    Returns
    -------
    list of ((dy, dx), float)
        Each shift with the largest error.

    Raises
    ------
    EquivarianceError
        An error is larger; the message tells shift and pixel, and for a Module the first layer that does not move.
    OperatorError
        The operator cannot be called.

    References
    ----------
    The name and the return value are those of escnn's modules (Weiler & Cesa 2019), whose group here is translation.

    Examples
    --------
    >>> check_equivariance(lambda f: np.roll(f, 2, 3), shifts=[(1, 0), (0, 3)])
    [((1, 0), 0.0), ((0, 3), 0.0)]
    >>> check_equivariance(lambda f: f[..., ::-1])
    Traceback (most recent call last):
        ...
    minicnn.equivariance.layerwise.EquivarianceError: not equivariant to the shift (0, 1): at the output pixel (0, 1, \
15) op(S f) is 7, S op(f) is -9, error 1.6e+01
    """
    check_domain(domain)
    operator = Operator(op, in_channels, size, dtype, time_limit)
    rng = np.random.default_rng(0) if rng is None else rng
    fine = operator.eps < 1e-10
    atol, rtol = (1e-7 if fine else 1e-5) if atol is None else atol, (1e-5 if fine else 1e-3) if rtol is None else rtol
    if domain == "torus" and operator.out_shape[1:] != operator.in_shape[1:]:
        raise InputError(f"on the torus the output must be as large as the input, {operator.in_shape[1:]}, not "
                         f"{operator.out_shape[1:]}; verify_convolution finds the shifts that a stride allows")
    size = operator.in_shape[1:]
    for by in shifts:
        if not all(isinstance(d, (int, np.integer)) and abs(d) < n for d, n in zip(by, size, strict=True)):
            raise InputError(f"a shift must be two integers smaller than the image, {size}, not {by}")
    margin = tuple(max(abs(by[i]) for by in shifts) for i in (0, 1)) if domain == "window" else (0, 0)
    shape = (in_channels, *(n + 2 * m for n, m in zip(operator.in_shape[1:], margin, strict=True)))
    moves = Moves(domain, operator.in_shape, modest_images(rng, 3, shape, dtype).astype(np.float64), margin)
    found = []
    for by in shifts:
        before, after = (operator(images) for images in moves.pair(by))
        difference, _ = compare(before, after, by, domain)
        error = np.abs(difference)
        if error.max() > atol + rtol * np.abs(before).max():
            n, *pixel = np.unravel_index(np.argmax(error), error.shape)
            pixel = tuple(int(i) for i in pixel)
            value = after[(n, *pixel)]
            raise EquivarianceError(
                f"not equivariant to the shift {by}: at the output pixel {pixel} op(S f) is {value:.3g}, S op(f) is "
                f"{value - difference[(n, *pixel)]:.3g}, error {error.max():.1e}"
                + _first_layer(op, in_channels, size, domain, dtype))
        found.append((by, float(error.max())))
    return found


def _first_layer(op, in_channels, size, domain, dtype):
    if not isinstance(op, Module):
        return ""
    wrong = [layer for layer in layer_reports(op, in_channels, size, domain, dtype) if not layer.report.equivariant]
    return f"; the first layer whose map does not move along is {wrong[0].name} ({wrong[0].kind})" if wrong else ""


@dataclass(frozen=True)
class LayerReport:
    """What a network is up to the output of one of its layers, as an operator on images."""

    name: str
    kind: str
    report: Report

    def __str__(self):
        text = f"{self.name}: {self.report.verdict}"
        failing = self.report.shift_failing
        if failing is not None:
            rows, columns = np.nonzero(failing)
            text += (f"; a unit shift changes {len(rows)} of {failing.size} pixels, rows {rows.min()} to {rows.max()}, "
                     f"columns {columns.min()} to {columns.max()}")
        return text


def layer_reports(module, in_channels=1, size=(16, 16), domain="window", dtype=np.float32, *,
                  progress: Progress = SILENT, **options):
    """`verify_convolution` of a Module up to each of its innermost layers: from which one on, and how, it breaks.

    Layers whose output is no map (N, C, H, W) end it. `options` go to `verify_convolution`.

    Returns
    -------
    list of LayerReport
        In the order of the calls.

    Examples
    --------
    >>> from minicnn.nn import Conv2d, MaxPool2d, Sequential
    >>> for layer in layer_reports(Sequential(Conv2d(1, 2, 3), MaxPool2d(2)), size=(20, 20)):
    ...     print(layer.name, layer.report.lattice)
    0 (1, 1)
    1 (2, 2)
    """
    def up_to(number):
        def prefix(images):
            with recorded_calls(module) as calls:
                module(images if isinstance(images, Tensor) else Tensor(images))
            return calls[number][3].data
        return prefix
    if not isinstance(module, Module):
        raise InputTypeError(f"layer_reports takes a Module, not a {type(module).__name__}")
    module = in_dtype(module, np.dtype(dtype))
    with recorded_calls(module) as calls, no_grad():
        module(Tensor(np.zeros((1, in_channels, *size), dtype)))
    found = []
    for number, (name, layer, _, out) in enumerate(calls):
        if out.data.ndim != 4:
            break
        part = Part(progress, number / len(calls), (number + 1) / len(calls), f"{name}: ")
        report = verify_convolution(up_to(number), in_channels, size, domain, dtype, **options, progress=part)
        found.append(LayerReport(name, repr(layer), report))
    return found
