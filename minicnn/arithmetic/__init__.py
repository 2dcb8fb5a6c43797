"""Elementary operations on arrays: each returns its value and its vjp. `Tensor` records them as operators and methods.

A vjp takes the cotangent of the value and returns a tuple with the gradient of each operand. Operands broadcast as in
NumPy. A vjp may return a gradient of the broadcast shape; the tape sums it back to the operand's shape.
"""

from .conversion import FLOATS, as_float_array, as_operand
from .elementwise import absolute, add, divide, exp, log, multiply, negative, power, square_root, subtract, tanh
from .extended import shown
from .masks import keep
from .products import matmul, product
from .reductions import ReducedAxes, largest, mean, sum_over, total
from .shapes import concatenate, getitem, reshape, select, transpose

__all__ = [
    "FLOATS", "ReducedAxes", "absolute", "add", "as_float_array", "as_operand", "concatenate", "divide", "exp",
    "getitem", "keep", "largest", "log", "matmul", "mean", "multiply", "negative", "power", "product", "reshape",
    "select", "shown", "square_root", "subtract", "sum_over", "tanh", "total", "transpose",
]
