"""A convolution as a matrix, and the spectrum of that matrix.

A convolution without its bias is out = A x. With stride 1 and circular padding that keeps the size, A is made of doubly
circulant blocks, and this is the same as to commute with the shifts of the torus by one row and by one column
(`commutators`). The Fourier transform makes such a matrix diagonal but for the channels: at each frequency stands one
small matrix (`transfer_function`), and eigenvalues and singular values of A are those of the small matrices.

Notation as in `minicnn.conv`; pixels are numbered row by row, channel after channel. The spectra are computed in
float64, whatever the dtype of the weight. `**options` are those of `operator_matrix`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import fft, sparse

from ..checks import pair
from ..conv import Geometry, choose
from ..conv.algorithms import toeplitz
from ..errors import InputError, InputTypeError
from ..nn import Conv2d

DENSE = 3000 * 3000             # entries of a matrix that is still decomposed as a whole, which takes some seconds


def operator_matrix(weight, size, *, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """The matrix A of a convolution: conv2d(x, weight).reshape(N, -1).T = A @ x.reshape(N, -1).T.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, kH, kW)
    size : int or (int, int)
        H and W of the image.
    stride, padding, dilation, groups, padding_mode
        As for `minicnn.functional.conv2d`.

    Returns
    -------
    scipy.sparse.csr_array, shape (C_out OH OW, C_in H W), of the weight's dtype
        Made by `minicnn.conv.toeplitz.matrix`, which says where each weight stands.

    Raises
    ------
    ValueError
        Arguments that do not fit, or a matrix that would need too much memory.

    References
    ----------
    Gray 2006, "Toeplitz and Circulant Matrices: A Review"; Sedghi, Gupta & Long 2019, section 2.

    Examples
    --------
    >>> operator_matrix(np.array([[[[1, 2, 3]]]]), (1, 4), padding="same", padding_mode="circular").toarray()
    array([[2, 3, 0, 1],
           [1, 2, 3, 0],
           [0, 1, 2, 3],
           [3, 0, 1, 2]])
    """
    weight = _real(weight)
    geometry = _geometry(weight, size, stride, padding, dilation, groups, padding_mode)
    choose("toeplitz", geometry)                        # raises where the matrix would be too large
    return toeplitz.matrix(weight, geometry)


def layer_matrix(layer, size):
    """The `operator_matrix` of a `minicnn.nn.Conv2d`, without its bias; TypeError for anything else.

    >>> layer_matrix(Conv2d(2, 3, 3, stride=2), (7, 5)).shape           # 3 x 3 x 2 outputs, 2 x 7 x 5 inputs
    (18, 70)
    """
    if not isinstance(layer, Conv2d):
        raise InputTypeError(
            f"layer_matrix: the layer must be a minicnn.nn.Conv2d, not {type(layer).__name__}; for a bare "
            "weight take operator_matrix")
    return operator_matrix(layer.weight.data, size, stride=layer.stride, padding=layer.padding,
                           dilation=layer.dilation, groups=layer.groups, padding_mode=layer.padding_mode)


def is_doubly_toeplitz(matrix, in_channels, out_channels, size, out_size=None):
    """Whether every block of a pair of channels depends on iy - oy and ix - ox alone, exactly.

    (oy, ox) is the output pixel of a row, (iy, ix) the input pixel of a column. So is the matrix of every convolution
    with stride 1. `out_size` is `size` by default. ValueError if the matrix, dense or sparse,
    does not have the shape (out_channels OH OW, in_channels H W).

    >>> weight = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> is_doubly_toeplitz(operator_matrix(weight, 5), 1, 1, 5, 4)
    True
    >>> is_doubly_toeplitz(operator_matrix(weight, 5, stride=2), 1, 1, 5, 2)
    False
    """
    size, outs = pair("size", size, 1), pair("out_size", size if out_size is None else out_size, 1)
    k, c, (oy, ox), (iy, ix), values = _nonzero(matrix, in_channels, out_channels, size, outs)
    lengths = [np.minimum(out, length - offset) - np.maximum(0, -offset)        # of the diagonals that they lie on
               for out, length, offset in zip(outs, size, (iy - oy, ix - ox), strict=True)]
    return _constant((k, c, iy - oy + outs[0], ix - ox + outs[1]), values, lengths[0] * lengths[1])


def is_doubly_circulant(matrix, in_channels, out_channels, size):
    """Whether every block of a pair of channels depends on iy - oy modulo H and ix - ox modulo W alone, exactly.

    So is the matrix of every convolution with stride 1 and circular padding that keeps the size; and every such matrix
    is one of these, with a kernel as large as the image. ValueError if the matrix, dense or sparse, does not have the
    shape (out_channels H W, in_channels H W).

    >>> weight = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> is_doubly_circulant(operator_matrix(weight, 5, padding=1, padding_mode="circular"), 1, 1, 5)
    True
    >>> is_doubly_circulant(operator_matrix(weight, 5, padding=1), 1, 1, 5)
    False
    """
    height, width = size = pair("size", size, 1)
    k, c, (oy, ox), (iy, ix), values = _nonzero(matrix, in_channels, out_channels, size, size)
    return _constant((k, c, (iy - oy) % height, (ix - ox) % width), values, height * width)


def shift_matrix(size, shift, channels=1):
    """The shift of the torus as a matrix: S @ x.ravel() = np.roll(x, shift, axis=(1, 2)).ravel() for x (C, H, W).

    `size` is an int or (H, W); `shift` two integers of any sign, rows downwards and columns to the right. Returns a
    permutation, a scipy.sparse.csr_array in float64 of shape (C H W, C H W) whose transpose shifts back. ValueError for
    arguments of another kind.

    >>> (shift_matrix((1, 4), (0, 1)) @ [1, 2, 3, 4]).tolist()
    [4.0, 1.0, 2.0, 3.0]
    """
    height, width = pair("size", size, 1)
    _check_channels(channels=channels)
    if not isinstance(shift, (tuple, list)) or len(shift) != 2 or not all(hasattr(d, "__index__") for d in shift):
        raise InputError(f"shift must be a pair of integers, rows and columns, not {shift!r}")
    number = np.arange(channels * height * width).reshape(channels, height, width)
    columns = np.roll(number, shift, (1, 2)).ravel()
    return sparse.csr_array((np.ones(number.size), columns, np.arange(number.size + 1)), shape=(number.size,) * 2)


def commutators(matrix, in_channels, out_channels, size):
    """The largest |A S - S A| for the shift S of the torus by one row, and by one column, as two floats.

    These two shifts generate all others. So both are 0 exactly if A is equivariant to every shift of the torus, and
    exactly if its blocks are doubly circulant: if it is a convolution with circular padding. Entries of A S and of S A
    are entries of A, without rounding, so the zeros are zeros. Only where taps of a kernel larger than the image meet
    at a pixel has A itself sums, which may be rounded. Source: Davis 1979, "Circulant Matrices", theorem 3.1.1, in each
    of the two directions.

    Parameters
    ----------
    matrix : ndarray or sparse array, shape (out_channels H W, in_channels H W)
        ValueError for another shape.
    in_channels, out_channels : int
    size : int or (int, int)

    Examples
    --------
    >>> weight = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> commutators(operator_matrix(weight, 5, padding=1, padding_mode="circular"), 1, 1, 5)
    (0.0, 0.0)
    >>> commutators(operator_matrix(weight, 5, padding=1), 1, 1, 5)
    (8.0, 8.0)
    """
    size = pair("size", size, 1)
    matrix = sparse.csr_array(matrix, dtype=np.float64)
    _check_shape(matrix, in_channels, out_channels, size, size)
    return tuple(float(abs(matrix @ shift_matrix(size, shift, in_channels)
                           - shift_matrix(size, shift, out_channels) @ matrix).max()) for shift in ((1, 0), (0, 1)))


def transfer_function(weight, size, **options):
    """The matrix of the layer at each frequency: fft2(conv2d(x)) = H(u, v) @ fft2(x), over the channels.

    H(u, v) = sum over a, b of weight[:, :, a, b] exp(2 pi i (u (a dy - top) / H + v (b dx - left) / W))

    This is the complex conjugate of the DFT of the weight, its taps laid on the torus around the pixel that the padding
    makes the origin: a convolution layer is a cross-correlation.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, kH, kW)
    size : int or (int, int)
    **options
        The defaults here are padding="same" and padding_mode="circular".

    Returns
    -------
    complex ndarray, shape (H, W, C_out, C_in)
        In the order of `numpy.fft.fft2`; 0 for two channels of different groups.

    Raises
    ------
    ValueError
        The layer does not commute with the shifts of the torus: a stride, padding with zeros, another size.

    References
    ----------
    Gray 2006, chapter 3; Sedghi, Gupta & Long 2019, section 2.

    Examples
    --------
    >>> transfer_function(np.array([[[[0.0, 0.0, 1.0]]]]), (1, 4)).ravel().round(3) + 0     # out[x] = in[x + 1]
    array([ 1.+0.j,  0.+1.j, -1.+0.j,  0.-1.j])
    """
    weight = _real(weight)
    g = _geometry(weight, size, **{"padding": "same", "padding_mode": "circular", **options})
    if _not_a_torus(g):
        raise InputError(f"there is no transfer function: {_not_a_torus(g)}. Take stride 1, padding='same' and "
                         "padding_mode='circular', or the operator_matrix")
    rows, columns = ((np.arange(k) * d - before) % length for k, d, (before, _), length in
                     zip(g.kernel, g.dilation, g.padding, (g.height, g.width), strict=True))
    taps = np.zeros((g.height, g.width, *weight.shape[:2]))
    np.add.at(taps, (rows[:, None], columns), weight.transpose(2, 3, 0, 1))     # on a small torus some taps may meet
    spectrum = fft.fft2(taps, axes=(0, 1)).conj().reshape(g.height, g.width, g.groups, -1, weight.shape[1])
    out = np.zeros((*spectrum.shape[:4], g.groups, weight.shape[1]), complex)
    for group in range(g.groups):
        out[:, :, group, :, group] = spectrum[:, :, group]
    return out.reshape(g.height, g.width, g.out_channels, g.in_channels)


def eigenvalues(weight, size, **options):
    """The eigenvalues of the layer's matrix, by frequency; parameters and errors as for `transfer_function`.

    Returns
    -------
    complex ndarray, shape (H, W) for one channel, else (H, W, C)
        For one channel the transfer function itself, with the eigenvector exp(2 pi i (u y / H + v x / W)) at (u, v).
        For C channels those of each H(u, v), in no order. ValueError where C_out is not C_in.

    Examples
    --------
    >>> eigenvalues(np.array([[[[1.0, 2.0, 1.0]]]]), (1, 4)).real.round(3)
    array([[4., 2., 0., 2.]])
    """
    spectrum = transfer_function(weight, size, **options)
    if spectrum.shape[2] != spectrum.shape[3]:
        raise InputError(f"a layer with {spectrum.shape[3]} input and {spectrum.shape[2]} output channels has a matrix "
                         "that is not square and has no eigenvalues: take its singular_values")
    return spectrum[:, :, 0, 0] if spectrum.shape[2] == 1 else np.linalg.eigvals(spectrum)


def singular_values(weight, size, **options):
    """All singular values of the layer's matrix, the largest first, exact up to rounding.

    With stride 1 and circular padding that keeps the size they are those of all H(u, v) together, for any size of
    image. Of every other layer the dense matrix is decomposed, which must not have more than `DENSE` entries.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, kH, kW)
    size : int or (int, int)
    **options
        With the defaults of `operator_matrix`: padding with zeros.

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
    weight = _real(weight)
    geometry = _geometry(weight, size, **options)
    reason, (rows, columns) = _not_a_torus(geometry), _shape(geometry)
    if not reason:
        values = np.linalg.svd(transfer_function(weight, size, **options), compute_uv=False)
        return np.sort(values, axis=None)[::-1]
    if rows * columns > DENSE:
        raise InputError(f"{reason}, so the dense matrix would have to be decomposed, and {rows} x {columns} are more "
                         f"than {DENSE:.0e} entries: take a smaller image, or spectral_norm for the largest alone")
    return np.linalg.svd(operator_matrix(weight.astype(np.float64), size, **options).toarray(), compute_uv=False)


def spectral_norm(weight, size, **options):
    """The largest singular value, a float: how much longer the layer without its bias can make an image.

    Parameters as for `singular_values`. Where that can compute all of them this is the first; for a larger matrix it is
    found by the Lanczos iteration of `scipy.sparse.linalg.svds`, as precise. ValueError where even the sparse matrix
    would need too much memory.

    >>> round(spectral_norm(np.ones((1, 1, 3, 3)), 100, padding=1), 3)         # 9 on a torus
    8.994
    """
    weight = _real(weight)
    geometry = _geometry(weight, size, **options)
    if not _not_a_torus(geometry) or math.prod(_shape(geometry)) <= DENSE:
        return float(singular_values(weight, size, **options)[0])
    matrix = operator_matrix(weight.astype(np.float64), size, **options)
    if not weight.any():
        return 0.0
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    return float(sparse.linalg.svds(matrix, 1, v0=start, return_singular_vectors=False)[0])


def adjoint(weight, size, *, algorithm="auto", **options):
    """The function cotangent -> A^T cotangent, computed by the backward pass of a convolution algorithm.

    A^T is what backpropagation multiplies by: <cotangent, A x> = <A^T cotangent, x>. On the torus it is the conjugate
    transpose of H(u, v) at each frequency; with a stride it is the transposed convolution. Parameters as for
    `operator_matrix`, `algorithm` as for `minicnn.functional.conv2d`. Source: Dumoulin & Visin 2016, section 4.

    Returns
    -------
    callable
        From float32 or float64 of shape (N, C_out, OH, OW) to (N, C_in, H, W), of the same dtype. It raises ValueError
        for another shape or dtype, and where the algorithm cannot compute the layer.

    Examples
    --------
    >>> adjoint(np.array([[[[1.0, 2.0, 3.0]]]]), (1, 4))(np.array([[[[1.0, 10.0]]]]))
    array([[[[ 1., 12., 23., 30.]]]])
    """
    weight = _real(weight)
    shape = _geometry(weight, size, **options).out_shape[1:]

    def transposed(cotangent):
        cotangent = np.asarray(cotangent)
        if cotangent.ndim != 4 or cotangent.shape[1:] != shape:
            raise InputError(f"the cotangent must have the shape (N, {', '.join(map(str, shape))}) of the layer's "
                             f"output, not {cotangent.shape}")
        g = _geometry(weight, size, **options, batch=len(cotangent), dtype=cotangent.dtype)
        chosen, taps = choose(algorithm, g), weight.astype(cotangent.dtype)
        _, saved = chosen.forward(np.zeros(g.in_shape, cotangent.dtype), taps, None, g)
        return chosen.backward(cotangent, saved, (True, False, False))[0]
    return transposed


def _real(weight):
    weight = np.asarray(weight)
    if weight.dtype.kind not in "iuf":
        raise InputError(f"the weight must be an array of real numbers, not {weight.dtype}")
    return weight


def _geometry(weight, size, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros", batch=1, dtype="float64"):
    channels = weight.shape[1] * groups if weight.ndim == 4 and isinstance(groups, int) else 1
    return Geometry.of((batch, channels, *pair("size", size, 1)), weight.shape, stride, padding, dilation, groups,
                       padding_mode, dtype)


def _shape(geometry):
    g = geometry
    return g.out_channels * math.prod(g.out_size), g.in_channels * g.height * g.width


def _not_a_torus(geometry):
    """Why the blocks of the matrix are not doubly circulant, or None."""
    g = geometry
    if g.stride != (1, 1):
        return f"with stride {g.stride} a layer commutes with some shifts of the torus only"
    if g.padding_mode != "circular":
        return f"with padding_mode={g.padding_mode!r} a layer does not commute with the shifts of the torus"
    if g.out_size != (g.height, g.width):
        return f"the layer makes {g.out_size} pixels of {(g.height, g.width)}, another torus"
    return None


def _check_channels(**counts):
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
            raise InputError(f"{name} must be an integer of at least 1, not {count!r}")


def _check_shape(matrix, in_channels, out_channels, size, out_size):
    _check_channels(in_channels=in_channels, out_channels=out_channels)
    shape = out_channels * math.prod(out_size), in_channels * math.prod(size)
    if matrix.shape != shape:
        raise InputError(f"the matrix must have shape {shape}, for {in_channels} channels of {size[0]} x {size[1]} "
                         f"pixels in and {out_channels} of {out_size[0]} x {out_size[1]} out, not {matrix.shape}")


def _nonzero(matrix, in_channels, out_channels, size, out_size):
    """Where a matrix is not 0: output channels, input channels, output pixels, input pixels, values."""
    matrix = sparse.csr_array(matrix, copy=True)
    _check_shape(matrix, in_channels, out_channels, size, out_size)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    entries = matrix.tocoo()
    k, *outs = np.unravel_index(entries.row, (out_channels, *out_size))
    c, *ins = np.unravel_index(entries.col, (in_channels, *size))
    return k, c, outs, ins, entries.data


def _constant(keys, values, lengths):
    """Whether entries of the same keys have the same value, and are as many as `lengths` says."""
    key = np.ravel_multi_index(keys, [axis.max(initial=0) + 1 for axis in keys])
    _, first, group, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return bool((values == values[first][group]).all() and (counts[group] == lengths).all())
