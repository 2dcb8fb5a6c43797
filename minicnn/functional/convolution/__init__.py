"""Convolutions of Tensors; `minicnn.conv` computes them."""

from .convolve import conv2d, shapes_only
from .folding import fold, unfold
from .one_dimensional import conv1d, conv_transpose1d
from .transposed import conv_transpose2d

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "shapes_only", "unfold"]
