"""h * f as a plain float64 sum, without `minicnn.conv`. The verifier compares operators with this sum."""

from __future__ import annotations

import numpy as np

from .domains import GridAxis, Pair


def convolve(f: np.ndarray, h: np.ndarray, axes: tuple[GridAxis, GridAxis], margin: Pair = (0, 0)) -> np.ndarray:
    """sum over i and p of h[o, i, alpha y - beta p] f[i, p] in float64, tap by tap. For integers it is exact.

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
    for dy, dx in zip(*np.nonzero(np.any(h, (0, 1))), strict=True):
        taps = fine[(..., *(_slice(axis, d, m, pad[0]) for axis, d, m, pad in
                            zip(axes, (dy, dx), margin, pads, strict=True)))]           # (N, C_in, out_y, out_x)
        out += np.tensordot(h[:, :, dy, dx], taps, (1, 1)).swapaxes(0, 1)
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
