"""From "linear and shift-equivariant" to "a convolution", one step at a time, on numbers.

Each step is a function of L and f that computes its formula literally, on the torus. For a convolution all steps give
the same image. The derivation breaks at `linearity` for an operator that is not linear, and at `equivariance` for one
that is not equivariant. n runs over pixels and input channels, and h is a matrix of responses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..checks import unmasked
from ..errors import InputError
from ..nn.unchanged import looking
from ..tensor import Tensor
from .domains import axes_of
from .impulse import convolve
from .operator import TIME_LIMIT, Operator, OperatorError
from .rounding import SAFETY, TERMS, noise_of
from .signals import dirac, shift


def response(L: Callable, f: np.ndarray) -> np.ndarray:
    """L(f): what the operator does with the image."""
    return L(f[None])[0]


def decomposition(L: Callable, f: np.ndarray) -> np.ndarray:
    """L(sum over n of f[n] delta_n): every image is a sum of impulses."""
    return L(sum((value * impulse for value, impulse in _impulses(f)), np.zeros((1, *f.shape))))[0]


def linearity(L: Callable, f: np.ndarray) -> np.ndarray:
    """sum over n of f[n] L(delta_n): a linear operator goes into the sum."""
    return _sum(L, f, (value * L(impulse)[0] for value, impulse in _impulses(f)))


def translation(L: Callable, f: np.ndarray) -> np.ndarray:
    """sum over n of f[n] L(S_n delta): each impulse is the one at the origin, shifted by n."""
    return _sum(L, f, (f[c, y, x] * L(shift(_origin(f, c), (y, x)))[0] for c, y, x in _places(f)))


def equivariance(L: Callable, f: np.ndarray) -> np.ndarray:
    """sum over n of f[n] S_n L(delta): an equivariant operator changes places with the shift."""
    return _sum(L, f, (f[c, y, x] * shift(L(_origin(f, c))[0], (y, x)) for c, y, x in _places(f)))


def naming(L: Callable, f: np.ndarray) -> np.ndarray:
    """sum over n of f[n] S_n h: L(delta) gets the name h, the impulse response."""
    h = impulse_responses(L, f)
    return _sum(L, f, (f[c, y, x] * shift(h[:, c], (y, x)) for c, y, x in _places(f)))


def argument(L: Callable, f: np.ndarray) -> np.ndarray:
    """sum over n of f[n] h[y - n]: to shift h is to shift its argument."""
    h, (_, height, width) = impulse_responses(L, f), f.shape
    rows, columns = np.arange(height), np.arange(width)
    return _sum(L, f, (f[c, y, x] * h[:, c][:, (rows - y)[:, None] % height, (columns - x) % width]
                       for c, y, x in _places(f)))


def change_of_variables(L: Callable, f: np.ndarray) -> np.ndarray:
    """sum over n' of h[n'] f[y - n'], with n' = y - n."""
    h = impulse_responses(L, f)
    return _sum(L, f, (np.tensordot(h[:, :, y, x], shift(f, (y, x)), 1) for y, x in np.ndindex(*f.shape[1:])))


def convolution(L: Callable, f: np.ndarray) -> np.ndarray:
    """h * f, by the convolution theorem: the product of the Fourier transforms."""
    h = impulse_responses(L, f)
    product = np.einsum("oihw,ihw->ohw", np.fft.fft2(h), np.fft.fft2(f))
    return np.fft.ifft2(product).real


STEPS = (response, decomposition, linearity, translation, equivariance, naming, argument, change_of_variables,
         convolution)


def impulse_responses(L: Callable, f: np.ndarray) -> np.ndarray:
    """h, (C_out, C_in, H, W): L of the impulse at the origin of each channel."""
    return np.stack([L(_origin(f, c))[0] for c in range(len(f))], 1)


def _sum(L, f, terms):
    return sum(terms, np.zeros_like(L(np.zeros((1, *f.shape)))[0]))


def _origin(f, channel):
    return dirac(f.shape[1:], channels=len(f), channel=channel)


def _places(f):
    return [tuple(int(i) for i in n) for n in np.argwhere(f)]


def _impulses(f) -> Iterator[tuple[float, np.ndarray]]:
    """(f[n], delta_n) for all n with f[n] != 0."""
    for c, y, x in _places(f):
        yield f[c, y, x], dirac(f.shape[1:], (y, x), channels=len(f), channel=c)


@dataclass(frozen=True)
class Step:
    """One line of the derivation.

    Attributes
    ----------
    name, formula : str
    value : ndarray, shape (C_out, H, W)
        The formula's value.
    difference : float
        The largest difference from the value of the line before.
    holds : bool
        Rounding errors can explain the difference.
    """

    name: str
    formula: str
    value: np.ndarray
    difference: float
    holds: bool


@dataclass(frozen=True, repr=False)
class Derivation:
    """All steps for one operator and one image.

    Attributes
    ----------
    image : ndarray, shape (C_in, H, W)
    impulse_response : ndarray, shape (C_out, C_in, H, W)
    steps : list of Step
    tolerance : float
        The largest difference that passes.
    """

    image: np.ndarray
    impulse_response: np.ndarray
    steps: list[Step]
    tolerance: float

    @property
    def breaks(self) -> str | None:
        """The name of the first step that does not hold. None: for this image the operator is h * f."""
        return next((step.name for step in self.steps if not step.holds), None)

    def __str__(self):
        lines = [f"{'step':<20} {'difference':>10}      formula"]
        for step in self.steps:
            lines.append(f"{step.name:<20} {step.difference:>10.1e} {'ok  ' if step.holds else 'FAIL'} {step.formula}")
        return "\n".join(lines)

    __repr__ = __str__              # a notebook shows the last expression of a cell by its repr


@looking
def derivation(op: Callable, f: np.ndarray, *, time_limit: float = TIME_LIMIT) -> Derivation:
    """Every step from L(f) to h * f, and its difference from the step before; L = op - op(0), without a bias.

    Parameters
    ----------
    op : callable
        (N, C_in, H, W) -> (N, C_out, H, W) in float64: a function of arrays or of Tensors, or a Module.
    f : array, shape (C_in, H, W) or (H, W)
        A small image, because the operator is called three times for each pixel.
    time_limit : float
        Seconds that all calls of the operator may take.

    Returns
    -------
    Derivation

    Raises
    ------
    OperatorError
        The operator cannot be called, or its output has another size than its input.
    ValueError
        f has another number of axes, or pixels that are not finite.

    Examples
    --------
    >>> f = np.random.default_rng(0).standard_normal((4, 5))
    >>> derivation(lambda f: np.roll(f, 1, 3) - f, f).breaks is None
    True
    >>> derivation(np.abs, f).breaks, derivation(lambda f: f[..., ::-1], f).breaks
    ('linearity', 'equivariance')
    """
    f = np.asarray(unmasked(f.data if isinstance(f, Tensor) else f))
    if f.dtype.kind not in "biuf":
        raise InputError(f"derivation: the image must have real numbers as pixels, not {f.dtype}")
    f = np.atleast_3d(f.astype(np.float64).T).T                                         # (H, W) -> (1, H, W)
    if f.ndim != 3:
        raise InputError(f"derivation: the image must have shape (C, H, W) or (H, W), not {f.shape}")
    if not np.isfinite(f).all():
        raise InputError("derivation: the image has pixels that are not finite")
    operator = Operator(op, len(f), f.shape[1:], np.float64, time_limit)
    if operator.out_shape[1:] != f.shape[1:]:
        raise OperatorError(f"the derivation is for operators that keep the size, {f.shape[1:]}; this one returns "
                            f"{operator.out_shape[1:]} pixels")
    offset = operator(np.zeros((1, *f.shape)))[0]
    L = lambda images: operator(images) - offset                                        # noqa: E731
    h = impulse_responses(L, f)
    with np.errstate(over="ignore", invalid="ignore"):
        values = [step(L, f) for step in STEPS]
    if not np.isfinite(values).all():
        raise InputError(f"derivation: sums of pixels up to {np.abs(f).max():.1e} overflow: give a darker image")
    tolerance = _tolerance(operator, f, h, values, offset)
    differences = [0.0, *(float(np.abs(b - a).max()) for a, b in zip(values, values[1:], strict=False))]
    steps = [Step(step.__name__.replace("_", " "), step.__doc__ or "", value, difference, difference <= tolerance)
             for step, value, difference in zip(STEPS, values, differences, strict=True)]
    return Derivation(f, h, steps, tolerance)


def _tolerance(operator, f, h, values, offset):
    """The rounding error of a sum of all f[n] L(delta_n), and of the operator itself."""
    axes = axes_of(operator.in_shape, operator.out_shape, ((1, 1), (1, 1)), periodic=True)
    terms = float(convolve(np.abs(f[None]), np.abs(h), axes).max()) + float(np.abs(np.stack(values)).max())
    constant = float(np.abs(offset).max()) * (1 + float(np.abs(f).sum()))           # each L(delta_n) has its rounding
    noise = noise_of(operator, f[None], operator(f[None]), np.random.default_rng(0), operator.eps).max()
    return operator.eps * (TERMS + np.sqrt(f.size)) * (terms + constant) + SAFETY * float(noise)
