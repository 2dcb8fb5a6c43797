"""Convolutions as layers. Names, argument order, defaults and initialisation are PyTorch's."""

from .convolve import Conv1d, Conv2d, conv_relu
from .folding import Fold, Unfold
from .transposed import ConvTranspose1d, ConvTranspose2d

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Fold", "Unfold", "conv_relu"]
