"""Operators that move elements: other shapes, joining, splitting, padding; and computations with shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional as F
from ...arithmetic.padding import MOST
from ...errors import InputError
from ...tensor import Tensor, as_tensor
from .node import Node, array_of, axes_of, counted, integers_of, number_of
from .registry import operator

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
TYPES = {1: np.float32, 11: np.float64, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64,
         9: np.bool_, 12: np.uint32, 13: np.uint64}              # by ONNX's number of the type


def _limited(shape: list[int]) -> list[int]:
    """A shape for a new array, with a bound on its size."""
    if any(n < 0 for n in shape) or math.prod(shape) > MOST:
        raise InputError(f"an array of shape {shape} is not possible")
    return shape


@operator("Shape", integers=True)
def shape_of(node: Node, x: Any) -> np.ndarray:
    """The shape, or its part from start to end."""
    return np.array(x.shape[node.attribute("start", 0):node.attribute("end")], np.int64)


@operator("ConstantOfShape", integers=True)
def constant_of_shape(node: Node, shape: Any) -> Any:
    """An array of that shape with one value, by default 0 of type float32."""
    value = node.attribute("value", np.zeros(1, np.float32))
    out: np.ndarray = np.full(_limited(integers_of(shape)), value.ravel()[0])
    return as_tensor(out) if out.dtype.kind == "f" else out


@operator("Cast", integers=True)
def cast(node: Node, x: Any) -> Any:
    """Another type of numbers."""
    dtype = TYPES.get(node.attribute("to"))
    if dtype is None:
        raise InputError(f"minicnn has no numbers of ONNX's type {node.attribute('to')}: export the model in float32")
    if isinstance(x, Tensor) and np.dtype(dtype).kind == "f":
        return x.astype(dtype)
    out: np.ndarray = array_of(x).astype(dtype)
    return as_tensor(out) if out.dtype.kind == "f" else out


@operator("Reshape", integers=True)
def reshape(node: Node, x: Any, shape: Any) -> Any:
    """Another shape. 0 keeps the length of the axis, unless allowzero; -1 stands for the rest."""
    new = integers_of(shape)
    if not node.attribute("allowzero", 0):
        if any(n == 0 and axis >= x.ndim for axis, n in enumerate(new)):
            raise InputError(f"the shape {new} keeps an axis that the input of shape {x.shape} does not have")
        new = [x.shape[axis] if n == 0 else n for axis, n in enumerate(new)]
    return _reshaped(x, new)


def _reshaped(x, shape):
    known = math.prod(n for n in shape if n != -1)
    fits = x.size == known if -1 not in shape else known and x.size % known == 0
    if shape.count(-1) > 1 or min(shape, default=0) < -1 or not fits:
        raise InputError(f"an array of shape {x.shape} cannot become one of shape {shape}: if the batch is written "
                         "into the model, export it with a dynamic batch")
    return x.reshape(*shape)


@operator("Flatten", integers=True)
def flatten(node: Node, x: Any) -> Any:
    """A matrix: the axes before `axis`, and the others."""
    axis = node.attribute("axis", 1)
    axis += x.ndim * (axis < 0)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Transpose", integers=True)
def transpose(node: Node, x: Any) -> Any:
    """The axes in another order, by default reversed."""
    return x.transpose(*counted(node.attribute("perm") or list(range(x.ndim))[::-1], x.ndim))


@operator("Squeeze", integers=True)
def squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    """Without these axes of length 1, by default without all of them."""
    given = axes_of(node, axes, 13)
    gone = [a for a, n in enumerate(x.shape) if n == 1] if given is None else counted(given, x.ndim)
    if any(x.shape[axis] != 1 for axis in gone):
        raise InputError(f"the axes {given} of an array of shape {x.shape} do not have length 1")
    return x.reshape(*(n for a, n in enumerate(x.shape) if a not in gone))


@operator("Unsqueeze", integers=True)
def unsqueeze(node: Node, x: Any, axes: Any = None) -> Any:
    """With new axes of length 1 at these places of the result."""
    given = axes_of(node, axes, 13) or []
    new, old = counted(given, x.ndim + len(given)), iter(x.shape)
    return x.reshape(*(1 if a in new else next(old) for a in range(x.ndim + len(new))))


@operator("Concat", integers=True)
def concatenate(node: Node, *inputs: Any) -> Any:
    """The arrays one after the other."""
    return np.concatenate(inputs, axis=counted([node.attribute("axis")], inputs[0].ndim)[0])


@operator("Split", integers=True)
def split(node: Node, x: Any, lengths: Any = None) -> tuple:
    """Parts along an axis, of the given lengths or of equal ones; the last part may be shorter."""
    axis, count = counted([node.attribute("axis", 0)], x.ndim)[0], len(node.outputs)
    given = node.attribute("split") if node.opset < 13 else None if lengths is None else integers_of(lengths)
    n = x.shape[axis]
    if given is None:
        each = -(-n // count)
        given = [min(each, max(n - i * each, 0)) for i in range(count)]
    if len(given) != count or sum(given) != n or min(given) < 0:
        raise InputError(f"an axis of length {n} cannot be split into {count} parts of lengths {given}")
    ends = np.cumsum([0, *given]).tolist()
    return tuple(x[(slice(None),) * axis + (slice(a, b),)] for a, b in zip(ends, ends[1:], strict=False))


@operator("Slice", integers=True)
def slice_of(node: Node, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    """x[start:end:step] along some axes. They are inputs since opset 10, attributes before."""
    if node.opset < 10:
        first, last, along, step = node.attribute("starts"), node.attribute("ends"), node.attribute("axes"), None
    else:
        if starts is None or ends is None:
            raise InputError("starts and ends are missing")
        first, last = integers_of(starts), integers_of(ends)
        along, step = (None if given is None else integers_of(given) for given in (axes, steps))
    index = [slice(None)] * x.ndim
    steps = step or [1] * len(first)
    for axis, a, b, s in zip(counted(along or list(range(len(first))), x.ndim), first, last, steps, strict=True):
        n = x.shape[axis]
        a, b = a + n * (a < 0), b + n * (b < 0)
        if s > 0:
            index[axis] = slice(min(max(a, 0), n), min(max(b, 0), n), s)
        else:                                           # a slice that ends before 0 has the end None
            index[axis] = slice(min(max(a, 0), n - 1), None if b < 0 else b, s)
    return x[tuple(index)]


@operator("Gather", integers=True)
def gather(node: Node, x: Any, indices: Any) -> Any:
    """The elements of these indices along an axis."""
    axis, places = counted([node.attribute("axis", 0)], x.ndim)[0], array_of(indices)
    n = x.shape[axis]
    if places.dtype.kind not in "iu" or places.size and not -n <= places.min() <= places.max() < n:
        raise InputError(f"the indices must be integers that an axis of length {n} has")
    out = x[(slice(None),) * axis + (places,)]
    return out if isinstance(out, Tensor) else np.asarray(out)


@operator("Expand", integers=True)
def expand(node: Node, x: Any, shape: Any) -> Any:
    """Repeated along axes of length 1, and along new axes."""
    wanted = _limited(integers_of(shape))
    try:
        new = np.broadcast_shapes(x.shape, tuple(wanted))
    except ValueError:
        raise InputError(f"an array of shape {x.shape} cannot become one of shape {wanted}") from None
    return np.broadcast_to(x, new)


@operator("Tile", integers=True)
def tile(node: Node, x: Any, repeats: Any) -> Any:
    """The whole array several times along each axis."""
    return np.tile(x, integers_of(repeats))


@operator("Pad")
def pad(node: Node, x: Tensor, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    """Elements added at both ends of axes, or cut off. The widths are inputs since opset 11, attributes before."""
    if node.opset < 11:
        widths, constant = list(node.attribute("pads")), node.attribute("value", 0.0)
    elif pads is None:
        raise InputError("the input pads is missing")
    else:
        widths, constant = integers_of(pads), 0.0 if value is None else number_of(value)
    along = list(range(x.ndim)) if axes is None else counted(integers_of(axes), x.ndim)
    if len(widths) != 2 * len(along):
        raise InputError(f"pads must have two numbers for each of the axes {list(along)}, not {widths}")
    both = dict(zip(along, zip(widths[:len(along)], widths[len(along):], strict=True), strict=True))
    flat = [width for axis in reversed(range(x.ndim)) for width in both.get(axis, (0, 0))]
    mode = MODES[node.attribute("mode", "constant")]
    return F.pad(x, tuple(flat), mode, constant if mode == "constant" else None)
