"""Convolution on plain arrays: one file an algorithm. Nothing here knows of Tensor."""

from .find import Record, fastest, find
from .geometry import Geometry
from .registry import Algorithm, algorithms, choose, register

__all__ = ["Algorithm", "Geometry", "Record", "algorithms", "choose", "fastest", "find", "register"]
