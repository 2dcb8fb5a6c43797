"""The matrix and the transfer function of any linear operator, also of another library: measured with bright pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import sparse

from ...adapters import as_operator, onnx
from ...errors import InputError
from ...nn.unchanged import looking
from ..findings import start
from ..operator import TIME_LIMIT, Operator
from ..signals import TrialImages
from ..verifier import find_rates, is_affine, repetitions, verify_convolution

DENSE = 3000 * 3000             # the most entries of a dense matrix; to decompose it takes some seconds
TRIALS = 9                      # images that try whether an operator is linear
AT_ONCE = 1 << 20               # the most numbers of the basis vectors in one call


def is_operator(value: Any) -> bool:
    """Whether a value is an operator, and not the array of a weight.

    >>> is_operator(abs), is_operator(np.ones((1, 1, 3, 3)))
    (True, False)
    """
    return callable(value) or onnx.is_source(value) or onnx.owns(value)


@looking
def measured_matrix(op: Any, size: int | tuple[int, int], in_channels: int | None = None,
                    time_limit: float = TIME_LIMIT) -> sparse.csr_array:
    """The matrix of L(f) = op(f) - op(0): its columns are the results for all images with one bright pixel.

    Parameters
    ----------
    op, size, in_channels, time_limit
        As in `verify_convolution`. The operator gets float64 if it takes that.

    Returns
    -------
    scipy.sparse.csr_array, float64, shape (C_out H' W', C_in H W)
        Entries that the rounding of the operator explains are 0.

    Raises
    ------
    InputError
        The operator is not linear, or the matrix has more than `DENSE` entries.

    Examples
    --------
    >>> measured_matrix(lambda f: f[..., ::2] + 5, (1, 4)).toarray()
    array([[1., 0., 0., 0.],
           [0., 0., 1., 0.]])
    """
    operator = Operator(op, in_channels, size, np.float64, time_limit)
    columns, rows = math.prod(operator.in_shape), math.prod(operator.out_shape)
    if rows * columns > DENSE:
        raise InputError(f"the matrix of the operator would have {rows} x {columns} entries, more than {DENSE:.0e}: "
                         "give a smaller size")
    height = _height_if_linear(operator)
    offset = operator(np.zeros((1, *operator.in_shape)))[0]
    found, step = np.empty((rows, columns)), max(1, AT_ONCE // columns)
    for first in range(0, columns, step):
        basis = np.eye(min(step, columns - first), columns, first).reshape(-1, *operator.in_shape)
        found[:, first:first + step] = ((operator(height * basis) - offset) / height).reshape(len(basis), -1).T
    found[np.abs(found) <= 64 * operator.eps * np.abs(found).max()] = 0
    return sparse.csr_array(found)


def _height_if_linear(operator):
    """The height of impulses beside which a large op(0) does not matter; InputError if the operator is not linear."""
    images = TrialImages(np.random.default_rng(0), TRIALS, integers=False)
    findings = start(operator, "plane", images, None)
    for _, _, difference, meaning in repetitions(findings, images):
        if not difference.passed:
            raise InputError(f"the operator has no matrix: it is {meaning}")
    findings.measure_response(find_rates(findings, images))
    if not is_affine(findings, images):
        witness = next(iter(findings.witnesses.values()))
        raise InputError(f"the operator has no matrix, because it is not linear: {witness}")
    return findings.height


def measured_transfer(op: Any, size: int | tuple[int, int], in_channels: int | None = None,
                      time_limit: float = TIME_LIMIT) -> np.ndarray:
    """The transfer function, complex (H, W, C_out, C_in): the Fourier transform of the impulse response on the torus.

    Parameters as for `measured_matrix`. Raises InputError if the operator is no convolution on the torus.

    >>> measured_transfer(lambda f: np.roll(f, -1, 3), (1, 4)).ravel().round(3) + 0
    array([ 1.+0.j,  0.+1.j, -1.+0.j,  0.-1.j])
    """
    found = transfer_or_verdict(op, size, in_channels, time_limit)
    if isinstance(found, str):
        raise InputError(f"there is no transfer function: {found}")
    return found


@looking
def transfer_or_verdict(op: Any, size: int | tuple[int, int], in_channels: int | None = None,
                        time_limit: float = TIME_LIMIT) -> np.ndarray | str:
    """As `measured_transfer`, but for an operator that is no convolution on the torus the reason.

    >>> transfer_or_verdict(lambda f: f[..., 1:], 4)
    'the operator turns (4, 4) pixels into (4, 3), another torus'
    """
    given = as_operator(op)
    operator = Operator(given, in_channels, size, np.float64, time_limit)
    if operator.out_shape[1:] != operator.in_shape[1:]:
        return f"the operator turns {operator.in_shape[1:]} pixels into {operator.out_shape[1:]}, another torus"
    report = verify_convolution(given, operator.in_shape[0], operator.in_shape[1:], "torus", time_limit=time_limit)
    h = report.impulse_response
    if not report or h is None:
        return f"the operator is {report.verdict}" + (f". {report.witness}" if report.witness else "")
    values = np.where(np.abs(h.values) > h.rounding, h.values, 0)
    return np.fft.fft2(values).transpose(2, 3, 0, 1)
