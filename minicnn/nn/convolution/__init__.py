"""Convolutions as layers. Names, argument order, defaults and initialisation are PyTorch's."""

from .convolve import Conv1d, Conv2d, conv_relu
from .transposed import ConvTranspose1d, ConvTranspose2d

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "conv_relu"]
