"""Initial values of weights, drawn in place from a generator that the caller gives.

Each function fills a Tensor or an array in any memory order and returns it. Numbers are drawn in float64 and rounded:
a float32 layer and a float64 layer made from the same seed start with the same weights.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from ..checks import generator, is_integer, number, one_of
from ..errors import InputError, InputTypeError, StateError
from ..tensor import Tensor

__all__ = [
    "calculate_gain", "constant_", "default_bound", "fans", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "uniform_", "xavier_normal_", "xavier_uniform_",
]

Weights = TypeVar("Weights", Tensor, np.ndarray)
GAINS = ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu")


def default_bound(fan_in: int) -> float:
    """The bound b of U(-b, b) from which Linear and Conv2d draw weight and bias: b = 1 / sqrt(fan_in).

    PyTorch writes `kaiming_uniform_(weight, a=sqrt(5))`. With gain^2 = 2 / (1 + a^2) = 1/3 its bound
    gain * sqrt(3 / fan_in) is 1 / sqrt(fan_in). The sqrt(5) is not the slope of a leaky ReLU: it reproduces this older
    rule (LeCun et al. 1998, Efficient BackProp, section 4.6, up to a factor).

    >>> default_bound(25)
    0.2
    """
    return 1 / math.sqrt(number("default_bound: fan_in", fan_in, least=1))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (C_out, C_in, *kernel).

    fan_in = C_in * kernel pixels: the number of inputs that one output sums over. fan_out = C_out * kernel pixels: the
    number of outputs that one input goes to. With groups, C_in is the number of channels of one group, as in the
    weight's shape.

    >>> fans((40, 20, 5, 5)), fans((10, 180))
    ((500, 1000), (180, 10))
    """
    if not isinstance(shape, (tuple, list)) or not all(map(is_integer, shape)):
        raise InputTypeError(f"fans: a shape is a tuple of integers, not {shape!r}")
    if len(shape) < 2:
        raise InputError(f"fans: a weight of shape {tuple(shape)} has no fan_in and fan_out; it needs two axes or "
                         "more, (C_out, C_in, ...)")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def calculate_gain(nonlinearity: str, a: float = 0) -> float:
    """The factor on the standard deviation with which a signal keeps its size through `nonlinearity`.

    sqrt(2) after a ReLU, which halves the second moment (He et al. 2015, equation 10); sqrt(2 / (1 + a^2)) after a
    leaky ReLU with slope a (equation 15); 5/3 after tanh; 1 after "linear", "conv2d" and "sigmoid".

    >>> round(calculate_gain("relu"), 4)
    1.4142
    """
    one_of("calculate_gain: nonlinearity", nonlinearity, GAINS)
    slope = {"relu": 0.0, "leaky_relu": number("calculate_gain: a", a)}
    if nonlinearity in slope:
        return math.sqrt(2 / (1 + slope[nonlinearity] ** 2))
    return 5 / 3 if nonlinearity == "tanh" else 1.0


def constant_(tensor: Weights, value: float) -> Weights:
    """Set every element to `value`.

    >>> constant_(np.empty(2), 0.5)
    array([0.5, 0.5])
    """
    _array(tensor)[...] = number("constant_: value", value)
    return tensor


def uniform_(tensor: Weights, low: float = 0.0, high: float = 1.0, *, rng: np.random.Generator) -> Weights:
    """Draw from U(low, high). A low that is above high raises InputError.

    >>> uniform_(np.empty(2), -1, 1, rng=np.random.default_rng(0)).round(3)
    array([ 0.274, -0.46 ])
    """
    array, low, high = _array(tensor), number("uniform_: low", low), number("uniform_: high", high)
    if low > high:
        raise InputError(f"uniform_: low must not be above high, but low={low}, high={high}")
    array[...] = generator("rng", rng).uniform(low, high, array.shape)
    return tensor


def normal_(tensor: Weights, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator) -> Weights:
    """Draw from the normal distribution N(mean, std^2).

    >>> normal_(np.empty(2), rng=np.random.default_rng(0)).round(3)
    array([ 0.126, -0.132])
    """
    array, mean, std = _array(tensor), number("normal_: mean", mean), number("normal_: std", std, least=0)
    array[...] = generator("rng", rng).normal(mean, std, array.shape)
    return tensor


def xavier_uniform_(tensor: Weights, gain: float = 1.0, *, rng: np.random.Generator) -> Weights:
    """Draw from U(-b, b), b = gain * sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 16)."""
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: Weights, gain: float = 1.0, *, rng: np.random.Generator) -> Weights:
    """Draw from N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 12)."""
    return normal_(tensor, 0, _xavier_std(tensor, gain), rng=rng)


def kaiming_uniform_(tensor: Weights, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *,
                     rng: np.random.Generator) -> Weights:
    """Draw from U(-b, b), b = gain * sqrt(3 / fan), which has the variance of `kaiming_normal_`.

    >>> weight = kaiming_uniform_(np.empty((40, 20, 5, 5)), a=math.sqrt(5), rng=np.random.default_rng(0))
    >>> bool(abs(weight).max() <= default_bound(20 * 5 * 5))
    True
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(tensor: Weights, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *,
                    rng: np.random.Generator) -> Weights:
    """Draw from N(0, std^2), std = gain / sqrt(fan) (He et al. 2015, equations 10, 14 and 15).

    Parameters
    ----------
    tensor : Tensor or ndarray
        Of shape (C_out, C_in, ...), filled in place.
    a : float
        The slope of the leaky ReLU that follows; 0 is ReLU.
    mode : {"fan_in", "fan_out"}
        "fan_in" keeps the size of the signal in the forward pass, "fan_out" that of the gradient in the backward pass.
    nonlinearity : str
        See `calculate_gain`.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        The tensor has fewer than two axes or is empty, or the mode or nonlinearity is unknown.
    InputTypeError
        The tensor does not hold floating-point numbers.
    """
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), rng=rng)


def _xavier_std(tensor, gain):
    shape, gain = _array(tensor).shape, number("gain", gain, least=0)
    if not (total := sum(fans(shape))):
        raise InputError(f"a weight of shape {tuple(shape)} is empty: its fan_in and fan_out are 0")
    return gain * math.sqrt(2 / total)


def _kaiming_std(tensor, a, mode, nonlinearity):
    shape = _array(tensor).shape
    one_of("mode", mode, ("fan_in", "fan_out"))
    fan = fans(shape)[mode == "fan_out"]
    if fan == 0:
        raise InputError(f"a weight of shape {tuple(shape)} is empty: its {mode} is 0")
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _array(tensor):
    """The array of a Tensor or the array itself: it must hold floats that can be changed."""
    array = tensor.data if isinstance(tensor, Tensor) else tensor
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        kind = f"array of {array.dtype}" if isinstance(array, np.ndarray) else type(tensor).__name__
        raise InputTypeError(f"weights are filled in place in a Tensor or an array of floats, not in a(n) {kind}")
    if not array.flags.writeable:
        raise StateError("weights are filled in place, but this array is read-only: give a copy, or the leaf itself")
    return array
