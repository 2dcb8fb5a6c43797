"""A convolution layer as a matrix, and any other linear operator.

A convolution without its bias is out = A x. With stride 1 and circular padding that keeps the size, A consists of
doubly circulant blocks. A matrix has doubly circulant blocks if and only if it commutes with the shifts of the torus by
one row and by one column (`commutators`). The file `spectrum` computes eigenvalues and singular values.

The notation is that of `minicnn.conv`. Pixels are numbered row by row, channel after channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from ...checks import integer, is_integer, pair
from ...conv import choose
from ...errors import InputError, InputTypeError
from ...nn import Conv2d
from ..operator import TIME_LIMIT
from .operators import is_operator, measured_matrix
from .spectrum import (
    eigenvalues,
    layer_geometry,
    real_weight,
    singular_values,
    sparse_matrix,
    spectral_norm,
    transfer_function,
)

__all__ = ["adjoint", "commutators", "eigenvalues", "is_doubly_circulant", "is_doubly_toeplitz", "layer_matrix",
           "operator_matrix", "shift_matrix", "singular_values", "spectral_norm", "transfer_function"]

Size = int | tuple[int, int]


def operator_matrix(weight: Any, size: Size, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
                    padding_mode: str = "zeros", in_channels: int | None = None,
                    time_limit: float = TIME_LIMIT) -> sparse.csr_array:
    """The matrix A of a convolution: conv2d(x, weight).reshape(N, -1).T = A @ x.reshape(N, -1).T.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, kH, kW), or operator
        An operator of any library, as in `verify_convolution`. Its matrix is that of op(f) - op(0), measured with
        bright pixels in float64; entries that rounding explains are 0.
    size : int or (int, int)
        H and W of the image.
    stride, padding, dilation, groups, padding_mode
        As for `minicnn.functional.conv2d`. An operator has its own.
    in_channels, time_limit
        Of an operator, as in `verify_convolution`. They say nothing about a weight.

    Returns
    -------
    scipy.sparse.csr_array, shape (C_out OH OW, C_in H W), of the weight's dtype
        `minicnn.conv.algorithms.toeplitz.matrix` makes it and documents the place of each weight.

    Raises
    ------
    ValueError
        The arguments do not fit, or the matrix would need too much memory. An operator is not linear.

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
    >>> operator_matrix(lambda f: f - np.roll(f, 1, 3), (1, 3)).toarray()
    array([[ 1.,  0., -1.],
           [-1.,  1.,  0.],
           [ 0., -1.,  1.]])
    """
    if is_operator(weight):
        if (stride, padding, dilation, groups, padding_mode) != (1, 0, 1, 1, "zeros"):
            raise InputError("operator_matrix: stride, padding, dilation, groups and padding_mode belong to a weight; "
                             "an operator has its own. Leave them out")
        return measured_matrix(weight, size, in_channels, time_limit)
    weight = real_weight(weight)
    return sparse_matrix(weight, layer_geometry(weight, size, stride, padding, dilation, groups, padding_mode))


def layer_matrix(layer: Conv2d, size: Size) -> sparse.csr_array:
    """The `operator_matrix` of a `minicnn.nn.Conv2d`, without its bias; TypeError for anything else.

    >>> layer_matrix(Conv2d(2, 3, 3, stride=2), (7, 5)).shape           # 3 x 3 x 2 outputs, 2 x 7 x 5 inputs
    (18, 70)
    """
    if not isinstance(layer, Conv2d):
        raise InputTypeError(f"layer_matrix: the layer must be a minicnn.nn.Conv2d, not {type(layer).__name__}; for a "
                             "bare weight, and for any other operator, use operator_matrix")
    return operator_matrix(layer.weight.data, size, stride=layer.stride, padding=layer.padding,
                           dilation=layer.dilation, groups=layer.groups, padding_mode=layer.padding_mode)


def is_doubly_toeplitz(matrix: Any, in_channels: int, out_channels: int, size: Size,
                       out_size: Size | None = None) -> bool:
    """Whether, for each pair of channels, the entries of the block depend only on iy - oy and ix - ox, exactly.

    (oy, ox) is the output pixel of a row, (iy, ix) the input pixel of a column. The matrix of every convolution with
    stride 1 has this property. `out_size` is `size` by default. The matrix is dense or sparse. ValueError if its shape
    is not (out_channels OH OW, in_channels H W).

    >>> weight = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> is_doubly_toeplitz(operator_matrix(weight, 5), 1, 1, 5, 4)
    True
    >>> is_doubly_toeplitz(operator_matrix(weight, 5, stride=2), 1, 1, 5, 2)
    False
    """
    size, outs = pair("size", size, 1), pair("out_size", size if out_size is None else out_size, 1)
    k, c, (oy, ox), (iy, ix), values = _nonzero(matrix, in_channels, out_channels, size, outs)
    lengths = [np.minimum(out, length - offset) - np.maximum(0, -offset)        # of their diagonals
               for out, length, offset in zip(outs, size, (iy - oy, ix - ox), strict=True)]
    return _constant((k, c, iy - oy + outs[0], ix - ox + outs[1]), values, lengths[0] * lengths[1])


def is_doubly_circulant(matrix: Any, in_channels: int, out_channels: int, size: Size) -> bool:
    """Whether, for each pair of channels, the entries of the block depend only on iy - oy mod H and ix - ox mod W.

    The test is exact. The matrix of every convolution with stride 1 and circular padding that keeps the size has this
    property. Conversely, every matrix with this property belongs to a convolution whose kernel is as large as the
    image. The matrix is dense or sparse. ValueError if its shape is not (out_channels H W, in_channels H W).

    >>> weight = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> is_doubly_circulant(operator_matrix(weight, 5, padding=1, padding_mode="circular"), 1, 1, 5)
    True
    >>> is_doubly_circulant(operator_matrix(weight, 5, padding=1), 1, 1, 5)
    False
    """
    height, width = size = pair("size", size, 1)
    k, c, (oy, ox), (iy, ix), values = _nonzero(matrix, in_channels, out_channels, size, size)
    return _constant((k, c, (iy - oy) % height, (ix - ox) % width), values, height * width)


def shift_matrix(size: Size, shift: tuple[int, int], channels: int = 1) -> sparse.csr_array:
    """The shift of the torus as a matrix: S @ x.ravel() = np.roll(x, shift, axis=(1, 2)).ravel() for x (C, H, W).

    `size` is an int or (H, W). `shift` is a pair of integers of any sign: rows downwards and columns to the right. The
    result is a permutation matrix of shape (C H W, C H W) in float64. Its transpose shifts back. ValueError for
    arguments of another kind.

    >>> (shift_matrix((1, 4), (0, 1)) @ [1, 2, 3, 4]).tolist()
    [4.0, 1.0, 2.0, 3.0]
    """
    height, width = pair("size", size, 1)
    integer("channels", channels, 1)
    if not isinstance(shift, (tuple, list)) or len(shift) != 2 or not all(map(is_integer, shift)):
        raise InputError(f"shift must be a pair of integers, rows and columns, not {shift!r}")
    number = np.arange(channels * height * width).reshape(channels, height, width)
    columns = np.roll(number, shift, (1, 2)).ravel()
    return sparse.csr_array((np.ones(number.size), columns, np.arange(number.size + 1)), shape=(number.size,) * 2)


def commutators(matrix: Any, in_channels: int, out_channels: int, size: Size) -> tuple[float, float]:
    """The largest |A S - S A| for the shift S of the torus by one row, and for the shift by one column.

    These two shifts generate all others. Three statements are equivalent: both commutators are 0; A is equivariant to
    all shifts of the torus; all blocks are doubly circulant, which means that A is a convolution with circular padding.
    Source: Davis 1979, "Circulant Matrices", theorem 3.1.1, in each of the two directions.

    The zeros are exact, because A S and S A have the same entries as A, without rounding. The only exception is a
    kernel larger than the image. There several taps meet at one pixel, and the entry of A is their rounded sum.

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
    row, column = (abs(matrix @ shift_matrix(size, shift, in_channels)
                       - shift_matrix(size, shift, out_channels) @ matrix).max() for shift in ((1, 0), (0, 1)))
    return float(row), float(column)


def adjoint(weight: np.ndarray, size: Size, *, algorithm: str = "auto",
            **options: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The function cotangent -> A^T cotangent, computed by the backward pass of a convolution algorithm.

    Backpropagation multiplies by A^T: <cotangent, A x> = <A^T cotangent, x>. On the torus A^T is the conjugate
    transpose of H(u, v) at each frequency; with a stride it is the transposed convolution. Parameters as for
    `operator_matrix`, `algorithm` as for `minicnn.functional.conv2d`. Source: Dumoulin & Visin 2016, section 4.

    Returns
    -------
    callable
        From (N, C_out, OH, OW) in float32 or float64 to (N, C_in, H, W) in the same dtype. It raises ValueError for
        another shape or dtype, and if the algorithm cannot compute the layer.

    Examples
    --------
    >>> adjoint(np.array([[[[1.0, 2.0, 3.0]]]]), (1, 4))(np.array([[[[1.0, 10.0]]]]))
    array([[[[ 1., 12., 23., 30.]]]])
    """
    weight = real_weight(weight)
    shape = layer_geometry(weight, size, **options).out_shape[1:]

    def transposed(cotangent):
        cotangent = np.asarray(cotangent)
        if cotangent.ndim != 4 or cotangent.shape[1:] != shape:
            raise InputError(f"the cotangent must have the shape (N, {', '.join(map(str, shape))}) of the layer's "
                             f"output, not {cotangent.shape}")
        g = layer_geometry(weight, size, **options, batch=len(cotangent), dtype=cotangent.dtype)
        chosen, taps = choose(algorithm, g), weight.astype(cotangent.dtype)
        _, saved = chosen.forward(np.zeros(g.in_shape, cotangent.dtype), taps, None, g)
        return chosen.backward(cotangent, saved, (True, False, False))[0]
    return transposed


def _check_shape(matrix, in_channels, out_channels, size, out_size):
    integer("in_channels", in_channels, 1)
    integer("out_channels", out_channels, 1)
    shape = out_channels * math.prod(out_size), in_channels * math.prod(size)
    if matrix.shape != shape:
        raise InputError(f"the matrix must have shape {shape}, for {in_channels} channels of {size[0]} x {size[1]} "
                         f"pixels in and {out_channels} of {out_size[0]} x {out_size[1]} out, not {matrix.shape}")


def _nonzero(matrix, in_channels, out_channels, size, out_size):
    """The nonzero entries of a matrix: output channels, input channels, output pixels, input pixels, values."""
    matrix = sparse.csr_array(matrix, copy=True)
    _check_shape(matrix, in_channels, out_channels, size, out_size)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    entries = matrix.tocoo()
    k, *outs = np.unravel_index(entries.row, (out_channels, *out_size))
    c, *ins = np.unravel_index(entries.col, (in_channels, *size))
    return k, c, outs, ins, entries.data


def _constant(keys, values, lengths):
    """Whether entries with the same keys have the same value, and each group has the number of entries in `lengths`."""
    key = np.ravel_multi_index(keys, [axis.max(initial=0) + 1 for axis in keys])
    _, first, group, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return bool((values == values[first][group]).all() and (counts[group] == lengths).all())
