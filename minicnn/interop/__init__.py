"""Models of other libraries: ONNX files as trainable Modules, and Modules as ONNX files.

The package onnx is imported when it is needed: `pip install onnx onnxruntime`.
"""

from .onnx_export import runtime_difference, to_onnx
from .onnx_graph import Graph, from_onnx

__all__ = ["Graph", "from_onnx", "runtime_difference", "to_onnx"]
