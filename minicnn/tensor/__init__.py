"""Tensor, an array that knows the operation that made it, and `record`, which puts an operation on the tape."""

from .tensor import Tensor, as_tensor, record

__all__ = ["Tensor", "as_tensor", "record"]
