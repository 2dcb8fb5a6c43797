"""ONNX's operators as functions of Tensors: one file for each kind, one function for each operator.

The definitions are those of https://onnx.ai/onnx/operators/, of the opset of the file.
"""

from . import convolution, elementwise, normalization, reductions, resizing, shapes
from .node import Node
from .registry import OPERATORS

__all__ = ["OPERATORS", "Node", "convolution", "elementwise", "normalization", "reductions", "resizing", "shapes"]
