"""Convolution on plain arrays; it does not use Tensor."""

from . import algorithms as _folder  # noqa: F401 (first: importing it later would put the folder in the function's place)
from .algorithm import Algorithm, algorithms, choose, register
from .geometry import Geometry
from .measure import Measurement, fastest, find

__all__ = ["Algorithm", "Geometry", "Measurement", "algorithms", "choose", "fastest", "find", "register"]
