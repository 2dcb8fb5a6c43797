"""Elementary operations on arrays: each returns its value and its vjp. `Tensor` records them as operators and methods.

A vjp takes the cotangent of the value and returns a tuple with the gradient of each operand. Operands broadcast as in
NumPy. A vjp may return a gradient of the broadcast shape; the tape sums it back to the operand's shape.
"""

from .conversion import FLOATS, as_float_array, as_operand
from .cumulative import cumsum, prod
from .einsum import einsum
from .elementwise import (
    absolute,
    add,
    convert,
    cos,
    divide,
    erf,
    exp,
    expm1,
    log,
    log1p,
    multiply,
    negative,
    power,
    sign,
    sin,
    square_root,
    subtract,
    tanh,
)
from .extended import shown
from .joining import concatenate, parts, repeat, stack, tile
from .masks import keep
from .products import matmul, product, shown_product
from .reductions import ReducedAxes, largest, mean, position, smallest, sum_over, total
from .selection import clip, maximum, minimum, select
from .shapes import (
    broadcast_to,
    expand_dims,
    flip,
    getitem,
    moveaxis,
    reshape,
    roll,
    squeeze,
    swapaxes,
    transpose,
)
from .statistics import deviation, log_sum_exp, variance

__all__ = [
    "FLOATS", "ReducedAxes", "absolute", "add", "as_float_array", "as_operand", "broadcast_to", "clip", "concatenate",
    "convert", "cos", "cumsum", "deviation", "divide", "einsum", "erf", "exp", "expand_dims", "expm1", "flip",
    "getitem", "keep", "largest", "log", "log1p", "log_sum_exp", "matmul", "maximum", "mean", "minimum", "moveaxis",
    "multiply", "negative", "parts", "position", "power", "prod", "product", "repeat", "reshape", "roll", "select",
    "shown", "shown_product", "sign", "sin", "smallest", "square_root", "squeeze", "stack", "subtract", "sum_over",
    "swapaxes", "tanh", "tile", "total", "transpose", "variance",
]
