"""How a Module becomes an ONNX graph: its operations are observed, and each is written by one function.

`trace` observes one call, `compare` compares two calls, `EMITTERS` has the function of each operation.
"""

from . import convolution, elementwise, normalization, pooling, reductions, resizing, selection, shapes
from .absent import NOT_EXPORTED
from .assembly import Plan, assemble, free_name
from .builder import Value
from .registry import EMITTERS
from .same_graph import DependsOnBatch, compare
from .trace import named_outputs, trace

__all__ = ["EMITTERS", "NOT_EXPORTED", "DependsOnBatch", "Plan", "Value", "assemble", "compare", "convolution",
           "elementwise", "free_name", "named_outputs", "normalization", "pooling", "reductions", "resizing",
           "selection", "shapes", "trace"]
