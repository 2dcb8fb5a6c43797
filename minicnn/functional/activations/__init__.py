"""Activations of a Tensor or an array of any shape.

Each value and each derivative is right to a few units in the last place wherever the dtype can represent it, also in
the tails. Thus no derivative is computed as a difference such as 1 - tanh(x)^2, and what is exp(x) for a large negative
x is a product of two factors exp(x / 2): it is rounded once, at the end. Where a derivative changes its sign, the error
is a few units in the last place of its largest term.
"""

from .gates import gelu, silu
from .piecewise import elu, hardtanh, leaky_relu, prelu, relu, relu6
from .sigmoids import logsigmoid, sigmoid, sigmoid_factors, softplus, tanh
from .softmax import log_softmax, log_softmax_of_array, softmax, softmax_difference

__all__ = [
    "elu", "gelu", "hardtanh", "leaky_relu", "log_softmax", "log_softmax_of_array", "logsigmoid", "prelu", "relu",
    "relu6", "sigmoid", "sigmoid_factors", "silu", "softmax", "softmax_difference", "softplus", "tanh",
]
