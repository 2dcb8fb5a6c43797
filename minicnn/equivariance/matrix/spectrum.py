"""The spectrum of a convolution layer: its transfer function, eigenvalues and singular values.

With stride 1 and circular padding that keeps the size, the Fourier transform makes the layer's matrix block-diagonal:
each frequency (u, v) has one block H(u, v) of C_out x C_in numbers. H is the transfer function. The eigenvalues and
singular values of the layer's matrix are those of all H(u, v) together. All spectra are computed in float64, for every
dtype of the weight.

`**options` are those of `minicnn.equivariance.matrix.operator_matrix`: stride, padding, dilation, groups, padding_mode.
Instead of a weight, all functions take an operator of any library, as `verify_convolution` does: a function of arrays,
a module of PyTorch, a function of SciPy. Its options are in_channels and time_limit. The spectrum is that of
L(f) = op(f) - op(0), and it is measured with bright pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import fft, sparse

from ...adapters import as_array
from ...checks import pair
from ...conv import Geometry, choose
from ...conv.algorithms import toeplitz
from ...errors import InputError
from .operators import DENSE, is_operator, measured_matrix, measured_transfer, transfer_or_verdict


def transfer_function(weight: np.ndarray, size: int | tuple[int, int], **options: Any) -> np.ndarray:
    """The matrix of the layer at each frequency: fft2(conv2d(x)) = H(u, v) @ fft2(x), over the channels.

    H(u, v) = sum over a, b of weight[:, :, a, b] exp(2 pi i (u (a dy - top) / H + v (b dx - left) / W))

    The taps lie on the torus. The padding (top, left) determines which tap is at the origin. H is the complex conjugate
    of the DFT of these taps, because a convolution layer computes a cross-correlation.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, kH, kW), or operator
    size : int or (int, int)
    **options
        The defaults here are padding="same" and padding_mode="circular".

    Returns
    -------
    complex ndarray, shape (H, W, C_out, C_in)
        Frequencies are in the order of `numpy.fft.fft2`. The entry of two channels in different groups is 0.

    Raises
    ------
    ValueError
        The layer does not commute with the shifts of the torus: it has a stride, pads with zeros, or changes the size.
        An operator is no convolution.

    References
    ----------
    Gray 2006, chapter 3; Sedghi, Gupta & Long 2019, section 2.

    Examples
    --------
    >>> transfer_function(np.array([[[[0.0, 0.0, 1.0]]]]), (1, 4)).ravel().round(3) + 0     # out[x] = in[x + 1]
    array([ 1.+0.j,  0.+1.j, -1.+0.j,  0.-1.j])
    """
    if is_operator(weight):
        return measured_transfer(weight, size, **options)
    weight = real_weight(weight)
    g = layer_geometry(weight, size, **{"padding": "same", "padding_mode": "circular", **options})
    if _not_a_torus(g):
        raise InputError(f"there is no transfer function: {_not_a_torus(g)}. Use stride 1, padding='same' and "
                         "padding_mode='circular', or the operator_matrix")
    rows, columns = g.taps_on_torus((g.height, g.width))
    taps = np.zeros((g.height, g.width, *weight.shape[:2]))
    np.add.at(taps, (rows[:, None], columns), weight.transpose(2, 3, 0, 1))     # taps may meet on a small torus
    spectrum = fft.fft2(taps, axes=(0, 1)).conj().reshape(g.height, g.width, g.groups, -1, weight.shape[1])
    out = np.zeros((*spectrum.shape[:4], g.groups, weight.shape[1]), complex)
    for group in range(g.groups):
        out[:, :, group, :, group] = spectrum[:, :, group]
    return out.reshape(g.height, g.width, g.out_channels, g.in_channels)


def eigenvalues(weight: np.ndarray, size: int | tuple[int, int], **options: Any) -> np.ndarray:
    """The eigenvalues of the layer's matrix, for each frequency. Parameters and errors as for `transfer_function`.

    Returns
    -------
    complex ndarray, shape (H, W) for one channel, else (H, W, C)
        For one channel, the transfer function; the eigenvector of (u, v) is exp(2 pi i (u y / H + v x / W)). For C
        channels, the eigenvalues of each H(u, v), in no order. ValueError if C_out is not C_in.

    Examples
    --------
    >>> eigenvalues(np.array([[[[1.0, 2.0, 1.0]]]]), (1, 4)).real.round(3)
    array([[4., 2., 0., 2.]])
    """
    spectrum = transfer_function(weight, size, **options)
    if spectrum.shape[2] != spectrum.shape[3]:
        raise InputError(f"a layer with {spectrum.shape[3]} input and {spectrum.shape[2]} output channels has a matrix "
                         "that is not square, and no eigenvalues: use its singular_values")
    return spectrum[:, :, 0, 0] if spectrum.shape[2] == 1 else np.linalg.eigvals(spectrum)


def singular_values(weight: np.ndarray, size: int | tuple[int, int], **options: Any) -> np.ndarray:
    """All singular values of the layer's matrix, the largest first, exact up to rounding.

    With stride 1 and circular padding that keeps the size, they are computed from all H(u, v), for any size of image.
    For every other layer, the dense matrix is decomposed. It must not have more than 9 million entries.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, kH, kW), or operator
    size : int or (int, int)
    **options
        The defaults are those of `operator_matrix`: padding=0.

    Returns
    -------
    ndarray, float64, shape (min(C_out OH OW, C_in H W),)

    Raises
    ------
    ValueError
        The dense matrix is too large, or the arguments do not fit.

    References
    ----------
    Sedghi, Gupta & Long 2019, theorem 6.

    Examples
    --------
    >>> weight = np.array([[[[1.0, 2.0, 1.0]]]])
    >>> singular_values(weight, (1, 4), padding="same", padding_mode="circular").round(3)
    array([4., 2., 2., 0.])
    >>> singular_values(weight, (1, 4), padding="same").round(3)
    array([3.618, 2.618, 1.382, 0.382])
    """
    if is_operator(weight):
        return _of_operator(weight, size, **options)
    weight = real_weight(weight)
    geometry = layer_geometry(weight, size, **options)
    reason, (rows, columns) = _not_a_torus(geometry), _shape(geometry)
    if not reason:
        values = np.linalg.svd(transfer_function(weight, size, **options), compute_uv=False)
        return np.sort(values, axis=None)[::-1]
    if rows * columns > DENSE:
        raise InputError(f"{reason}, so the dense matrix must be decomposed, but its {rows} x {columns} entries are "
                         f"more than {DENSE:.0e}: use a smaller image, or spectral_norm for the largest value alone")
    return np.linalg.svd(sparse_matrix(weight.astype(np.float64), geometry).toarray(), compute_uv=False)


def spectral_norm(weight: np.ndarray, size: int | tuple[int, int], **options: Any) -> float:
    """The largest singular value: the largest |A x| / |x| of the layer without its bias.

    Parameters as for `singular_values`. For a matrix that is too large for `singular_values`, the Lanczos iteration of
    `scipy.sparse.linalg.svds` finds it with the same precision. ValueError if even the sparse matrix would need too
    much memory.

    >>> round(spectral_norm(np.ones((1, 1, 3, 3)), 100, padding=1), 3)         # 9 on a torus
    8.994
    """
    if is_operator(weight):
        return float(singular_values(weight, size, **options)[0])
    weight = real_weight(weight)
    geometry = layer_geometry(weight, size, **options)
    if not _not_a_torus(geometry) or math.prod(_shape(geometry)) <= DENSE:
        return float(singular_values(weight, size, **options)[0])
    matrix = sparse_matrix(weight.astype(np.float64), geometry)
    if not weight.any():
        return 0.0
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    return float(sparse.linalg.svds(matrix, 1, v0=start, return_singular_vectors=False)[0])


def sparse_matrix(weight: np.ndarray, geometry: Geometry) -> sparse.csr_array:
    """The layer's matrix as `minicnn.conv.algorithms.toeplitz.matrix`; InputError if it needs too much memory."""
    choose("toeplitz", geometry)                        # raises the reason
    return toeplitz.matrix(weight, geometry)


def real_weight(weight: np.ndarray) -> np.ndarray:
    """The weight as an array, also that of another library; InputError if it does not consist of real numbers."""
    weight = np.asarray(as_array(weight))
    if weight.dtype.kind not in "iuf":
        raise InputError(f"the weight must be an array of real numbers, not {weight.dtype}")
    return weight


def layer_geometry(weight: np.ndarray, size: int | tuple[int, int], stride: Any = 1, padding: Any = 0,
                   dilation: Any = 1, groups: int = 1, padding_mode: str = "zeros", batch: int = 1,
                   dtype: Any = "float64") -> Geometry:
    """The Geometry of the layer for images of that size."""
    channels = weight.shape[1] * groups if weight.ndim == 4 and isinstance(groups, int) else 1
    return Geometry.of((batch, channels, *pair("size", size, 1)), weight.shape, stride, padding, dilation, groups,
                       padding_mode, dtype)


def _of_operator(op, size, **options):
    """The singular values of an operator: of all H(u, v), or of the dense matrix."""
    H = transfer_or_verdict(op, size, **options)
    if isinstance(H, str):
        return np.linalg.svd(measured_matrix(op, size, **options).toarray(), compute_uv=False)
    return np.sort(np.linalg.svd(H, compute_uv=False), axis=None)[::-1]


def _shape(geometry):
    """Rows and columns of the matrix."""
    g = geometry
    return g.out_channels * math.prod(g.out_size), g.in_channels * g.height * g.width


def _not_a_torus(geometry):
    """The reason why the blocks of the matrix are not doubly circulant, or None."""
    g = geometry
    if g.stride != (1, 1):
        return f"with stride {g.stride} a layer commutes only with some shifts of the torus"
    if g.padding_mode != "circular":
        return f"with padding_mode={g.padding_mode!r} a layer does not commute with the shifts of the torus"
    if g.out_size != (g.height, g.width):
        return f"the layer turns {(g.height, g.width)} pixels into {g.out_size}, another torus"
    return None
