"""The impulse response h, the output for an image with a single bright pixel; and h * f, without `minicnn.conv`.

The verifier compares operators with h * f, a plain float64 sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adapters import as_operator
from ..checks import one_of, pair
from ..nn.unchanged import looking
from .domains import GridAxis, Pair, axes_of, torus_rates
from .operator import NUMBERS, TIME_LIMIT, Operator
from .signals import DOMAINS, dirac

SHOWN = 5                       # the largest kernel whose values are printed


@dataclass(frozen=True, repr=False)
class ImpulseResponse:
    """h of op(f)[o, y] = offset[o] + sum over i and p of h[o, i, alpha y - beta p] f[i, p].

    Attributes
    ----------
    values : ndarray, shape (C_out, C_in, Dy, Dx)
        h for every displacement between an input and an output pixel.
    offset : ndarray, shape (C_out, H', W')
        op(0), the part of the output that a bias adds.
    axes : (GridAxis, GridAxis)
        The domain, the sizes, and the rates: alpha of a stride, and beta of a transposed convolution.
    rounding : float
        Values up to this one count as 0 in `kernel`, because an FFT has a rounding error at every displacement.
    """

    values: np.ndarray
    offset: np.ndarray
    axes: tuple[GridAxis, GridAxis]
    rounding: float = 0.0

    @property
    def kernel(self) -> np.ndarray:
        """`values` without the zeros around it, (C_out, C_in, kh, kw)."""
        (y, x), values = self._boxes(), self.values
        for axis, (start, count, length) in ((-2, y), (-1, x)):
            values = np.take(values, np.arange(start, start + count) % length, axis)
        return values

    @property
    def origin(self) -> Pair:
        """(y, x): the place of the displacement (0, 0) in `kernel`. It may lie outside of the kernel."""
        y, x = (self._origin(axis, start) for axis, (start, _, _) in zip(self.axes, self._boxes(), strict=True))
        return y, x

    def __repr__(self):
        return f"ImpulseResponse({self._sizes()})"

    def __str__(self):
        """The sizes in words. The values too, if there is one kernel of at most 5 x 5 pixels."""
        texts = self.texts()
        longest = max((len(text) for row in texts for text in row), default=0)
        rows = ["  " + "  ".join(text.rjust(longest) for text in row) for row in texts]
        return "\n".join([self._sizes(), *rows])

    def texts(self) -> list[list[str]]:
        """The values of the kernel, row by row, if there is one kernel of at most 5 x 5 pixels; else []."""
        kernel, (outs, ins, *size) = self.kernel, self.kernel.shape
        if outs * ins > 1 or max(size) > SHOWN:
            return []
        return [[f"{value:.4g}" for value in row] for row in np.where(abs(kernel) > self.rounding, kernel, 0)[0, 0]]

    def _sizes(self):
        outs, ins, height, width = self.kernel.shape
        channels = f"{outs} output channel{'s' * (outs != 1)}, {ins} input channel{'s' * (ins != 1)}"
        return f"{channels}, {height} x {width} pixels, the origin at {self.origin}"

    def _boxes(self):
        nonzero = (np.abs(self.values) > self.rounding).any((0, 1))
        return tuple(_box(np.any(nonzero, 1 - i), axis.periodic) for i, axis in enumerate(self.axes))

    def _origin(self, axis, start):
        if not axis.periodic:
            return -axis.first - start
        return (axis.fine // 2 - start) % axis.fine - axis.fine // 2                    # the nearest, on the torus


def _box(used, periodic):
    """(start, count, length) of the shortest interval that holds all used places, around the torus if `periodic`.

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


@looking
def impulse_response(op: Any, in_channels: int | None = None, size: int | Pair | None = None, domain: str = "torus", *,
                     stride: int | Pair = (1, 1), dtype: Any = np.float64, time_limit: float = TIME_LIMIT,
                     output: int | str | None = None, layout: str | None = None) -> ImpulseResponse:
    """The response of `op` to an impulse in each input channel, minus op(0): a C_out x C_in matrix of kernels.

    The response of a convolution is its kernel. Conv2d cross-correlates, so its response is the weight turned by 180
    degrees. With a stride, one impulse shows only 1 / stride^2 of the taps, so each phase has its own impulse. On plane
    and window the first impulse is at the centre. More impulses show the displacements that the first one does not.

    Parameters
    ----------
    op : callable
        (N, C_in, H, W) -> (N, C_out, H', W'): a function of arrays or of Tensors, or a Module.
    in_channels : int, optional
    size : int or (int, int), optional
        H and W, at least the size of the kernel. The defaults are as in `verify_convolution`.
    domain : {"torus", "plane", "window"}
    stride : int or (int, int)
        The operator's stride on plane and window. On the torus the sizes determine it.
    dtype : dtype
        The dtype of the impulses. In float64 the bias of a float32 layer is subtracted without a rounding error.
    time_limit : float
        Seconds that all calls of the operator may take.
    output, layout
        Which of several outputs counts, and the order of the axes; see `as_operator`.

    Returns
    -------
    ImpulseResponse

    Raises
    ------
    OperatorError
        The operator cannot be called, or the size of its output does not fit the domain.

    Examples
    --------
    >>> from minicnn.nn import Conv2d
    >>> conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular")
    >>> h = impulse_response(conv, in_channels=2, size=(8, 8))
    >>> h.origin, np.array_equal(h.kernel, conv.weight.data[..., ::-1, ::-1])
    ((1, 1), True)
    """
    one_of("domain", domain, DOMAINS)
    sy, sx = pair("stride", stride, 1)
    operator = Operator(as_operator(op, output, layout), in_channels, size, dtype, time_limit)
    shapes = operator.in_shape, operator.out_shape
    axes = axes_of(*shapes, torus_rates(*shapes) if domain == "torus" else ((sy, 1), (sx, 1)), domain == "torus")
    offset = operator(np.zeros((1, *operator.in_shape)))[0]
    h = responses(operator, offset, axes)
    return ImpulseResponse(h, offset, axes, rounding_error(operator, h))


def rounding_error(operator: Operator, h: np.ndarray) -> float:
    """The largest rounding error to expect in h."""
    return 64 * operator.eps * float(np.abs(h).max())


def responses(operator: Operator, offset: np.ndarray, axes: tuple[GridAxis, GridAxis], moved: int = 0,
              one: bool = False, height: float = 1.0) -> np.ndarray:
    """h for every displacement, (C_out, C_in, Dy, Dx), from impulses at the places of the axes.

    The impulses have a `height`; a large one makes the rounding of a large op(0) small. All impulses are moved by
    `moved` pixels down and to the right. With `one`, only the first place is used. A displacement that the impulses do
    not show has the value nan.
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
    images = np.concatenate([dirac((size[0], size[1]), at, channels=channels, channel=c, height=height)
                             for at in spots for c in range(channels)])
    answers = (operator(images) - offset) / height
    answers = answers.reshape(len(places[0]), len(places[1]), channels, *operator.out_shape)
    (iy, oy), (ix, ox) = seen
    h = answers[iy[:, None], ix[None, :], :, :, oy[:, None], ox[None, :]]               # (Dy, Dx, C_in, C_out)
    h[(iy < 0)[:, None] | (ix < 0)[None, :]] = np.nan
    return h.transpose(3, 2, 0, 1)


def convolve(f: np.ndarray, h: np.ndarray, axes: tuple[GridAxis, GridAxis], margin: Pair = (0, 0)) -> np.ndarray:
    """sum over i and p of h[o, i, alpha y - beta p] f[i, p] in float64. For integers it is exact.

    Many displacements are one product of matrices.

    Parameters
    ----------
    f : ndarray, shape (N, C_in, H + 2 my, W + 2 mx)
    h : ndarray, shape (C_out, C_in, Dy, Dx)
        The response for each displacement of the two axes.
    axes : (GridAxis, GridAxis)
    margin : (int, int)
        (my, mx): the number of pixels of f outside of the operator's input, on each side.

    Returns
    -------
    ndarray, shape (N, C_out, out_y, out_x)

    References
    ----------
    Oppenheim & Schafer 2010, section 2.3, in two dimensions and with rates.
    """
    y, x = axes
    fine = np.zeros((*f.shape[:2], *(axis.beta * (n - 1) + 1 for axis, n in zip(axes, f.shape[2:], strict=True))))
    fine[:, :, ::y.beta, ::x.beta] = f
    pads = [_pad(axis, m) for axis, m in zip(axes, margin, strict=True)]
    if y.periodic:
        fine = np.pad(fine, ((0, 0), (0, 0), (0, y.beta - 1), (0, x.beta - 1)))         # the whole torus
        fine = np.pad(fine, ((0, 0), (0, 0), *pads), mode="wrap")
    else:
        fine = np.pad(fine, ((0, 0), (0, 0), *pads))
    out = np.zeros((len(f), len(h), y.out, x.out))
    places = np.argwhere(np.any(h, (0, 1)))
    at_once = max(1, NUMBERS // max(1, len(f) * f.shape[1] * y.out * x.out))
    for start in range(0, len(places), at_once):
        part = places[start:start + at_once]                                            # K displacements
        taps = np.stack([fine[(..., *(_slice(axis, d, m, pad[0]) for axis, d, m, pad in
                                      zip(axes, place, margin, pads, strict=True)))] for place in part])
        out += np.tensordot(h[:, :, part[:, 0], part[:, 1]], taps, ((1, 2), (2, 0))).swapaxes(0, 1)
    return out


def _pad(axis, margin):
    """The numbers of pixels to pad before and after the image, so that no displacement leaves the array."""
    if axis.periodic:
        return axis.fine, 0
    last, start = axis.first + axis.count - 1, axis.beta * margin
    length = axis.beta * (axis.size + 2 * margin - 1) + 1
    return max(0, last - start), max(0, start + axis.alpha * (axis.out - 1) - axis.first - length + 1)


def _slice(axis, d, margin, pad):
    start = pad + axis.beta * margin - (axis.first + d)
    return slice(start, start + axis.alpha * (axis.out - 1) + 1, axis.alpha)


def convolve_basis_row(h: np.ndarray, axes: tuple[GridAxis, GridAxis], margin: Pair, size: Pair, channel: int,
                       y: int) -> np.ndarray:
    """h * e for the basis vectors e of one row: 1 at (channel, y, x), for all x; (W, C_out, out_y, out_x).

    `size` is (H, W) of the basis vectors, with the margin.
    """
    indices, known = [], []
    for axis, m, length in zip(axes, margin, size, strict=True):
        d = np.stack([axis.displacements(p - m) for p in range(length)])                # (length, out)
        known.append((d >= 0) & (d < axis.count))
        indices.append(np.clip(d, 0, axis.count - 1))
    answer = h[:, channel][:, indices[0][y]][:, :, indices[1]]                          # (C_out, out_y, W, out_x)
    return np.where(known[0][y][:, None, None] & known[1], answer, 0).transpose(2, 0, 1, 3)
