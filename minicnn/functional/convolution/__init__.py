"""Convolutions of Tensors; `minicnn.conv` computes them."""

from .convolve import conv2d, shapes_only

__all__ = ["conv2d", "shapes_only"]
