"""The impulse response: what an operator answers to a single bright pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .domains import Axis, axes_of
from .operator import TIME_LIMIT, Operator, OperatorError
from .signals import DOMAINS, dirac


@dataclass(frozen=True)
class ImpulseResponse:
    """h of op(f)[o, y] = offset[o] + sum over i and p of h[o, i, alpha y - beta p] f[i, p].

    Attributes
    ----------
    values : ndarray, shape (C_out, C_in, Dy, Dx)
        For every displacement that there is between an input and an output pixel.
    offset : ndarray, shape (C_out, H', W')
        op(0): what a bias adds.
    rounding : float
        What is smaller counts for nothing when `kernel` is cut out: an FFT leaves its rounding error everywhere.
    axes : (Axis, Axis)
        Domain, sizes, and the rates alpha (how many pixels a stride goes on) and beta (of a transposed convolution).
    """

    values: np.ndarray
    offset: np.ndarray
    axes: tuple[Axis, Axis]
    rounding: float = 0.0

    @property
    def kernel(self):
        """`values` without the zeros (up to `rounding`) around, (C_out, C_in, kh, kw)."""
        (y, x), values = self._boxes(), self.values
        for axis, (start, count, length) in ((-2, y), (-1, x)):
            values = np.take(values, np.arange(start, start + count) % length, axis)
        return values

    @property
    def origin(self):
        """Where in `kernel` the displacement (0, 0) is, (y, x); it may lie outside."""
        return tuple(self._origin(axis, start) for axis, (start, _, _) in zip(self.axes, self._boxes(), strict=True))

    def _boxes(self):
        nonzero = (np.abs(self.values) > self.rounding).any((0, 1))
        return tuple(_box(np.any(nonzero, 1 - i), axis.periodic) for i, axis in enumerate(self.axes))

    def _origin(self, axis, start):
        if not axis.periodic:
            return -axis.first - start
        return (axis.fine // 2 - start) % axis.fine - axis.fine // 2                    # the nearest, on the torus


def _box(used, periodic):
    """(start, count, length) of the shortest interval, around the torus where `periodic`, that holds all that is used.

    >>> _box(np.array([True, False, False, True, True]), True), _box(np.array([False, True, False, True]), False)
    ((3, 3, 5), (1, 3, 4))
    """
    places, length = np.flatnonzero(used), len(used)
    if len(places) == 0:
        return 0, 1, length
    gaps = np.diff(places, append=places[0] + length)
    widest = int(np.argmax(gaps)) if periodic else len(places) - 1
    start = int(places[(widest + 1) % len(places)])
    return start, length - int(gaps[widest]) + 1, length


def impulse_response(op, in_channels=1, size=(16, 16), domain="torus", *, stride=(1, 1), dtype=np.float64,
                     time_limit=TIME_LIMIT):
    """The response of `op` to impulses, one for each input channel, less op(0): a C_out x C_in matrix of kernels.

    For a convolution h is the kernel; for cross-correlation with a weight, as in every Conv2d, it is the weight turned
    by 180 degrees. An impulse of a strided operator meets one tap in stride^2: one impulse a phase sees them all. On
    plane and window one is at the centre, and others where the output does not reach from there.

    Parameters
    ----------
    op : callable
        (N, C_in, H, W) -> (N, C_out, H', W'); a Module or function of Tensors as it stands.
    in_channels : int
    size : (int, int)
        H and W, at least as large as the kernel.
    domain : {"torus", "plane", "window"}
    stride : (int, int)
        On plane and window, where the sizes do not tell it.
    dtype : dtype
        Of the impulses. In float64 a bias that was added to float32 weights comes off again without a rounding error.

    Returns
    -------
    ImpulseResponse

    Raises
    ------
    OperatorError
        The operator cannot be called, or its output does not belong on the domain.

    Examples
    --------
    >>> from minicnn.nn import Conv2d
    >>> conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular")
    >>> h = impulse_response(conv, in_channels=2, size=(8, 8))
    >>> h.origin, np.array_equal(h.kernel, conv.weight.data[..., ::-1, ::-1])
    ((1, 1), True)
    """
    check_domain(domain)
    operator = Operator(op, in_channels, size, dtype, time_limit)
    rates = torus_rates(operator) if domain == "torus" else tuple((s, 1) for s in stride)
    axes = axes_of(operator.in_shape, operator.out_shape, rates, domain == "torus")
    offset = operator(np.zeros((1, *operator.in_shape)))[0]
    h = responses(operator, offset, axes)
    return ImpulseResponse(h, offset, axes, dust(operator, h))


def dust(operator, h):
    """How large a rounding error in h may be."""
    return 64 * operator.eps * float(np.abs(h).max())


def check_domain(domain):
    if domain not in DOMAINS:
        raise InputError(f"the domain must be 'torus', 'plane' or 'window', not {domain!r}")


def torus_rates(operator):
    """(alpha, beta) of each axis from the sizes; OperatorError where they do not fit."""
    rates = []
    for size, out in zip(operator.in_shape[1:], operator.out_shape[1:], strict=True):
        if size % out and out % size:
            raise OperatorError(f"on the torus an operator on {operator.in_shape[1:]} pixels must return as many, or a "
                                f"whole fraction or multiple of them, not {operator.out_shape[1:]}; a convolution "
                                "without padding is judged with domain='window'")
        rates.append((max(1, size // out), max(1, out // size)))
    return tuple(rates)


def responses(operator, offset, axes, moved=0, one=False):
    """h for every displacement, (C_out, C_in, Dy, Dx), from impulses at the places of the axes, `moved` pixels on.

    With `one`, from the first place alone. nan where the impulses do not show it.
    """
    (y, x), (channels, *size) = axes, operator.in_shape
    places = [axis.places[:1] if one else axis.places for axis in axes]
    seen = []
    for axis, own in zip(axes, places, strict=True):
        found = np.full((2, axis.count), -1)
        for i, p in reversed(list(enumerate(own))):
            p = (p + moved) % axis.size
            found[:, axis.displacements(p)] = [np.full(axis.out, i), np.arange(axis.out)]
        seen.append(found)
    spots = [((py + moved) % y.size, (px + moved) % x.size) for py in places[0] for px in places[1]]
    images = np.concatenate([dirac(size, at, channels=channels, channel=c) for at in spots for c in range(channels)])
    answers = (operator(images) - offset).reshape(len(places[0]), len(places[1]), channels, *operator.out_shape)
    (iy, oy), (ix, ox) = seen
    h = answers[iy[:, None], ix[None, :], :, :, oy[:, None], ox[None, :]]               # (Dy, Dx, C_in, C_out)
    h[(iy < 0)[:, None] | (ix < 0)[None, :]] = np.nan
    return h.transpose(3, 2, 0, 1)
