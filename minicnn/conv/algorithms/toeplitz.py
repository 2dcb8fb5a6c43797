"""The convolution as one sparse matrix, to look at and for proofs.

A convolution is linear: out = A x + bias. The matrix A has K OH OW rows, one for each output pixel, and C H W columns,
one for each input pixel. It consists of K x C blocks, one for each pair of channels. With stride and dilation 1 a block
is doubly Toeplitz: it consists of blocks of OW x W that depend only on iy - oy, and their entries depend only on
ix - ox. With circular padding that keeps the size, a block is doubly circulant: the same modulo H and W. A stride takes
rows out of such a matrix. Dilation puts zeros between its diagonals. A block of channels of two groups is zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import sparse

from ...errors import InputError
from ..algorithm import Algorithm, before_relu, register
from ..geometry import Geometry
from ..layout import to_batch_first, to_batch_last
from ..runtime.blas import one_thread

MAX_MATRIX_BYTES = 2e9          # bytes that a matrix may need while it is made


def entries(geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entries in the block of one output and one input channel: rows, columns and taps, 0 to kh kw - 1.

    With circular padding of a small image, two taps can meet the same pixel. They are two entries at one place.
    """
    y, x = geometry.input_rows[:, None, :, None], geometry.input_columns[:, None, :]    # (OH, 1, kh, 1), (OW, 1, kw)
    inside = (y >= 0) & (x >= 0)
    rows, taps = np.divmod(np.flatnonzero(inside), math.prod(geometry.kernel))
    return rows, (y * geometry.width + x)[inside], taps


def matrix(weight: np.ndarray, geometry: Geometry) -> sparse.csr_array:
    """The matrix of a convolution: out.reshape(N, -1).T = matrix @ x.reshape(N, -1).T, without the bias.

    Row (k OH + oy) OW + ox holds weight[k, c, i, j] in column (c H + iy) W + ix of the input pixel that the tap meets:
    iy = oy sy + i dy - top, ix = ox sx + j dx - left. Here c counts the channels of all groups. Taps in padding with
    zeros have no entry. With circular padding, iy is taken modulo H and ix modulo W, and the weights of taps that meet
    the same pixel are added.

    Parameters
    ----------
    weight : ndarray, shape (K, C / G, kh, kw)
    geometry : Geometry
        The batch does not matter.

    Returns
    -------
    scipy.sparse.csr_array, shape (K OH OW, C H W), of the weight's dtype
        Each block of channels is doubly Toeplitz if stride and dilation are 1, and doubly circulant if circular padding
        keeps the size. A weight of 0 is an entry too.

    Raises
    ------
    InputError
        The weight does not have the geometry's shape.

    References
    ----------
    Gray 2006, "Toeplitz and Circulant Matrices: A Review"; Sedghi, Gupta & Long 2019, section 2, for the doubly
    circulant case.

    Examples
    --------
    >>> from minicnn.conv import Geometry
    >>> weight = np.array([[[[1, 2, 3]]]])
    >>> matrix(weight, Geometry.of((1, 1, 1, 4), weight.shape, padding=(0, 1))).toarray()
    array([[2, 3, 0, 0],
           [1, 2, 3, 0],
           [0, 1, 2, 3],
           [0, 0, 1, 2]])
    >>> matrix(weight, Geometry.of((1, 1, 1, 4), weight.shape, padding=(0, 1), padding_mode="circular")).toarray()
    array([[2, 3, 0, 1],
           [1, 2, 3, 0],
           [0, 1, 2, 3],
           [3, 0, 1, 2]])
    """
    g = geometry
    if weight.shape != g.weight_shape:
        raise InputError(f"the weight must have shape {g.weight_shape}, not {weight.shape}")
    pixels, image = math.prod(g.out_size), g.height * g.width
    shape = g.out_channels * pixels, g.in_channels * image
    index: Any = np.int32 if max(shape) < 2**31 else np.int64
    rows, columns, taps = (a.astype(index) for a in entries(g))                         # (E,)
    k = np.arange(g.out_channels, dtype=index)[:, None]
    first = k // (g.out_channels // g.groups) * (g.in_channels // g.groups)             # channel of the group
    c = first + np.arange(weight.shape[1], dtype=index)
    values = weight.reshape(*c.shape, -1)[..., taps]                                    # (K, C / G, E)
    rows = np.broadcast_to(k[..., None] * pixels + rows, values.shape)
    columns = c[..., None] * image + columns
    return sparse.coo_array((values.ravel(), (rows.ravel(), columns.ravel())), shape).tocsr()


@register
class Toeplitz(Algorithm):
    """out = A x, grad_input = A^T grad; the gradient of a weight is the sum of grad[row] x[column] over its entries.

    It makes the matrix visible; "auto" never chooses it. All sums are in float64, so a float32 result is rounded once.
    Padding with zeros has no entries in the matrix, so an inf or nan of the weight does not meet the padding.
    """

    name = "toeplitz"
    reference = "Gray 2006; Sedghi, Gupta & Long 2019, section 2"
    error_bound = 1.0

    def unsupported(self, geometry: Geometry) -> str | None:
        g = geometry
        inside = math.prod(int((places >= 0).sum()) for places in (g.input_rows, g.input_columns))
        count = inside * g.out_channels * (g.in_channels // g.groups)
        if 32 * count > MAX_MATRIX_BYTES:
            return (f"its sparse matrix has {count:.1e} entries and needs {32 * count / 1e9:.1f} GB while it is made, "
                    f"more than {MAX_MATRIX_BYTES / 1e9:.0f}: take a smaller image or fewer channels")
        return None

    def cost(self, geometry: Geometry) -> float:
        return math.inf

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry,
                relu: bool = False) -> tuple[np.ndarray, Any]:
        g = geometry
        a, x = matrix(weight.astype(np.float64), g), to_batch_last(x).reshape(-1, g.batch)
        out = (a @ x).reshape(g.out_channels, *g.out_size, g.batch)
        if bias is not None:
            out += bias[:, None, None, None]
        out = out.astype(x.dtype)
        if relu:
            np.maximum(out, 0, out=out)
        return to_batch_first(out), (x, a, out if relu else None, g)

    def backward(self, grad: np.ndarray, saved: Any, needs: tuple[bool, bool, bool]) -> tuple[np.ndarray | None, ...]:
        x, a, out, g = saved
        grad = before_relu(to_batch_last(grad), out)
        grad_input = grad_weight = grad_bias = None
        if needs[0]:
            image = a.T @ grad.reshape(-1, g.batch)                                     # (C H W, N)
            grad_input = to_batch_first(image.reshape(g.in_channels, g.height, g.width, g.batch).astype(x.dtype))
        if needs[1]:
            grad_weight = sum_entries(grad, x, g).astype(x.dtype)
        if needs[2]:
            grad_bias = grad.sum((1, 2, 3))
        return grad_input, grad_weight, grad_bias


def sum_entries(grad: np.ndarray, x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(K, OH, OW, N), (C H W, N) -> (K, C / G, kh, kw) in float64, one tap after the other."""
    g = geometry
    grad = grad.reshape(g.groups, g.out_channels // g.groups, -1, g.batch).astype(np.float64)
    x = x.reshape(g.groups, g.in_channels // g.groups, -1, g.batch).astype(np.float64)
    rows, columns, taps = entries(g)
    out = np.empty((*grad.shape[:2], x.shape[1], math.prod(g.kernel)))
    for tap in range(out.shape[-1]):
        there = taps == tap
        left = grad[:, :, rows[there]].reshape(*grad.shape[:2], -1)                     # (G, K / G, E N)
        right = x[:, :, columns[there]].reshape(*x.shape[:2], -1)                       # (G, C / G, E N)
        out[..., tap] = one_thread(np.matmul, left, right.swapaxes(1, 2))
    return out.reshape(g.weight_shape)
