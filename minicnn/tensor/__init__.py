"""Tensor, an array that knows the operation that made it, and `record`, which puts an operation on the tape."""

from .dlpack import from_dlpack
from .tensor import Tensor, as_tensor, record

__all__ = ["Tensor", "as_tensor", "from_dlpack", "record"]
