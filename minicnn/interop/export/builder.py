"""Builder: the nodes, constants and names of an ONNX graph while it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import onnx_file
from .registry import Refused

Shape = tuple[int | None, ...]


class Value(NamedTuple):
    """A value of the graph.

    Attributes
    ----------
    name : str
    shape : tuple
        None stands for a length that depends on the batch.
    dtype : dtype
    array : ndarray or None
        The numbers of a constant.
    """

    name: str
    shape: Shape
    dtype: np.dtype
    array: np.ndarray | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def length(self, axis: int, why: str) -> int:
        """The length of an axis. Refused if it depends on the batch."""
        n = self.shape[axis]
        if n is None:
            raise Refused(f"{why}, but the length of axis {axis} is the number of samples, which the graph leaves open")
        return n

    def lengths(self, why: str, first: int = 0) -> tuple[int, ...]:
        """The lengths of all axes from the first one on."""
        return tuple(self.length(axis, why) for axis in range(first, self.ndim))

    def size(self) -> tuple[int, int]:
        """The height and the width of images; signals have the height 1."""
        lengths = (1, *self.lengths("the size of an image must be known", 2))
        return lengths[-2], lengths[-1]


class Builder:
    """Adds nodes for one operation after the other.

    Attributes
    ----------
    opset : int
    batch : str
        The name of the input whose first axis is the batch.
    out : Value
        The result of the present operation: its shape and dtype; the name does not count.
    nodes : list of NodeProto
    """

    def __init__(self, opset: int, taken: Sequence[str], batch: str) -> None:
        self.opset, self.batch = opset, batch
        self.nodes: list[Any] = []
        self.out = Value("", (), np.dtype(np.float32))
        self.layer = ""
        self._names, self._constants = set(taken), {}           # type: set[str], dict[Any, str]

    def node(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or a tuple of names.

        An input is a Value, the name of one, an array, a list of integers, or None if it is left out.
        """
        names = ["" if one is None else self.name_of(one) for one in inputs]
        name = self._free(f"{self.layer}/{operator}" if self.layer else operator)
        out = [name] if outputs == 1 else [f"{name}:{i}" for i in range(outputs)]
        self.nodes.append(onnx_file.library().helper.make_node(operator, names, out, name=name, **attributes))
        return name if outputs == 1 else tuple(out)

    def name_of(self, value: Any) -> str:
        """The name of a Value, of an array or of a list of integers, which becomes a Constant."""
        if isinstance(value, Value):
            return value.name if value.array is None else self.name_of(value.array)
        if isinstance(value, str):
            return value
        array = np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else np.array(value, np.int64)
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._constants:
            onnx, name = onnx_file.library(), self._free("Constant")
            tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            self.nodes.append(onnx.helper.make_node("Constant", [], [name], name=name, value=tensor))
            self._constants[key] = name
        return self._constants[key]

    def number(self, value: float) -> np.ndarray:
        """A number of the dtype of the result."""
        return np.array(value, self.out.dtype)

    def cast(self, value: Any, dtype: Any = None) -> Any:
        """The value in the dtype of the result, or in `dtype`."""
        dtype = self.out.dtype if dtype is None else np.dtype(dtype)
        if not isinstance(value, Value) or value.dtype == dtype:
            return value
        if value.array is not None:
            return value.array.astype(dtype)
        kind = onnx_file.library().helper.np_dtype_to_tensor_dtype(dtype)
        return Value(self.node("Cast", value, to=kind), value.shape, dtype)

    def reshape(self, value: Any, shape: Sequence[int | None]) -> str:
        """The elements in another shape, in which one length may depend on the batch."""
        if sum(n is None for n in shape) > 1:
            raise Refused(f"the shape {tuple('N' if n is None else n for n in shape)} depends on the number of samples "
                          "along more than one axis")
        return self.node("Reshape", value, [-1 if n is None else n for n in shape])

    def shape_value(self, shape: Sequence[int | None]) -> Any:
        """A shape as an input of a node. What depends on the batch is read from the model's input at run time."""
        if None not in shape:
            return list(shape)
        count = self.node("Shape", self.batch, start=0, end=1)
        return self.node("Concat", *[count if n is None else [n] for n in shape], axis=0)

    def slices(self, value: Any, parts: dict[int, slice]) -> Any:
        """The parts of a value along some axes, as NumPy's slices."""
        if not parts:
            return value
        least, most = -(1 << 62), 1 << 62
        steps = [1 if part.step is None else int(part.step) for part in parts.values()]
        starts = [(0 if step > 0 else most) if part.start is None else int(part.start)
                  for part, step in zip(parts.values(), steps, strict=True)]
        ends = [(most if step > 0 else least) if part.stop is None else int(part.stop)
                for part, step in zip(parts.values(), steps, strict=True)]
        return self.node("Slice", value, starts, ends, list(parts), steps)

    def reduce(self, operator: str, value: Any, axes: Sequence[int], keepdims: bool) -> str:
        """A reduction. Its axes are an input since an opset, and an attribute before."""
        since = 13 if operator == "ReduceSum" else 18
        if self.opset >= since:
            return self.node(operator, value, list(axes), keepdims=int(keepdims))
        return self.node(operator, value, axes=list(axes), keepdims=int(keepdims))

    def rename(self, old: str, new: str) -> None:
        """Give a value another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new

    def _free(self, name):
        free = next(one for i in range(len(self._names) + 2)
                    if (one := f"{name}_{i}" if i else name) not in self._names)
        self._names.add(free)
        return free
