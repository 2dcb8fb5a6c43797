"""The operations of one call of a Module, in their order, with their arguments: seen by observing Python's calls.

While the Module runs, `sys.setprofile` reports each call of a Python function in this thread. The tracer looks at four
kinds: `Module.__call__` (the name of the layer), operations of `minicnn.functional` and `minicnn.arithmetic` (the name
and the arguments), and `record` (the inputs and the result, also of the user's own operations). So the engine contains
nothing for the export, and free Python code in `forward` is followed too.

An array is known by its identity: the `data` of a Tensor that is an input, a parameter, a buffer or the result of an
operation. Every other array is a constant.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ... import arithmetic
from ...errors import InputTypeError, own_place
from ...nn import Module
from ...tensor import Tensor, record
from ...tensor.conversions import Conversions
from .registry import EMITTERS

SYMBOLS = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">=", "__eq__": "==", "__ne__": "!=",
           "_number": "float or int"}
COMPARISONS = tuple(vars(Conversions)[name] for name in list(SYMBOLS)[:6])
READS = (*(vars(Conversions)[name] for name in ("__bool__", "_number", "item", "tolist", "__format__")), Tensor.argmax,
         Tensor.argmin)                         # they give numbers of a Tensor to Python


class Ref(NamedTuple):
    """A value that is computed from the input or learned: ("input", i), ("state", name), or ("step", (number, i))."""

    kind: str
    key: Any


class Step(NamedTuple):
    """One operation.

    Attributes
    ----------
    operation : callable or None
        The function of minicnn; None for an operation that is not one of minicnn's.
    name, layer, place : str
        The operation; the dotted name of the layer; " (in my.py, line 3)" or "".
    arguments : dict
        By the names of the function. An array that depends on the input or is learned is a Ref. Other arrays are
        copies.
    results : tuple of ndarray
    """

    operation: Callable | None
    name: str
    layer: str
    place: str
    arguments: dict[str, Any]
    results: tuple[np.ndarray, ...]


class Trace(NamedTuple):
    """One call: the number of samples, the steps that matter for the outputs, and the outputs by name."""

    samples: int
    steps: list[Step]
    outputs: dict[str, Any]                     # a Ref, or an array that is constant
    shapes: dict[str, tuple[int, ...]]          # of the outputs
    read: list[Step]                            # what gave numbers to Python, which no graph can follow


def trace(model: Module, inputs: tuple[np.ndarray, ...]) -> Trace:
    """Call model(*inputs) and note its operations.

    >>> from minicnn.nn import Linear, ReLU, Sequential
    >>> found = trace(Sequential(Linear(3, 2), ReLU()), (np.ones((4, 3), np.float32),))
    >>> [(step.layer, step.name) for step in found.steps]
    [('0', 'linear'), ('1', 'relu')]
    """
    tensors = tuple(Tensor(array.copy(), requires_grad=True) for array in inputs)
    tracer = _Tracer(model, tensors)
    with tracer.observing():
        found = model(*tensors)
    outputs = {name: tracer.resolved(tensor) for name, tensor in named_outputs(found).items()}
    steps, read, moved = _live(tracer.steps, list(outputs.values()))
    return Trace(len(inputs[0]), steps, {name: moved(value) for name, value in outputs.items()},
                 {name: tensor.shape for name, tensor in named_outputs(found).items()}, read)


def named_outputs(found: Any) -> dict[str, Tensor]:
    """The Tensors that a Module returns, with names. What is no Tensor raises InputTypeError."""
    if isinstance(found, dict):
        named = {str(name): value for name, value in found.items()}
    elif isinstance(found, (tuple, list)) and len(found) != 1:
        named = {f"output_{i}": value for i, value in enumerate(found)} or {"output": ()}
    else:
        named = {"output": found[0] if isinstance(found, (tuple, list)) else found}
    for name, value in named.items():
        if not isinstance(value, Tensor):
            raise InputTypeError(f"to_onnx: the {name} of the model is a {type(value).__name__}: it must be a Tensor, "
                                 "or a tuple, list or dict of Tensors")
    if not named:
        raise InputTypeError("to_onnx: the model returns an empty dict: it must return a Tensor")
    return named


class _Tracer:
    """Listens to Python's calls. `frame` is the operation that runs now; what it calls itself does not count."""

    def __init__(self, model: Module, inputs: tuple[Tensor, ...]) -> None:
        self.steps: list[Step] = []
        self.names = {id(module): name for name, module in model.named_modules()}
        self.known: dict[int, tuple[np.ndarray, Ref]] = {}      # the arrays are kept, so that no id is used again
        self.layers: list[tuple[FrameType, str]] = []
        self.frame: FrameType | None = None
        self.running: tuple[Callable, dict[str, Any]] = arithmetic.add, {}
        self.pending: tuple[Callable | None, dict[str, Any], Any] = None, {}, None
        for i, tensor in enumerate(inputs):
            self._know(tensor.data, Ref("input", i))
        for name, array in model._state():
            if isinstance(array, np.ndarray):
                self.known[id(array)] = array, Ref("state", name)
        functions: list[Any] = [*_of_arithmetic(), *EMITTERS, *COMPARISONS, *READS]
        self.watched = {id(function.__code__): function for function in functions}
        self.own = {id(function.__code__) for function in _of_arithmetic()}

    @contextlib.contextmanager
    def observing(self) -> Iterator[None]:
        """Context manager: listen to the calls of this thread. A profiler that listened before goes on afterwards."""
        before = sys.getprofile()
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(before)

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        """Called by Python for each call and return."""
        code = id(frame.f_code)
        if event == "call":
            if code == _CALL:
                self.layers.append((frame, self.names.get(id(frame.f_locals["self"]), "")))
            elif self.frame is None and (code in self.watched or code == _RECORD):
                self.frame = frame
                self.running = self.watched.get(code, record), dict(frame.f_locals)
        elif event == "return" and frame is self.frame:
            self.frame = None
            if value is not None:                               # None stands for an error
                self._returned(frame, code, value)
        elif event == "return" and self.layers and frame is self.layers[-1][0]:
            self.layers.pop()

    def _returned(self, frame, code, value):
        function, arguments = self.running
        if code in self.own:                                    # its value, and a vjp; `record` comes next
            self.pending = function, arguments, value[0]
        elif code == _RECORD:
            of, its_arguments, out = self.pending
            if out is None or out is not arguments["out"]:
                of, its_arguments = None, {"inputs": arguments["inputs"]}
            name = arguments["name"] or (frame.f_back.f_code.co_name if frame.f_back else "")
            self.pending = None, {}, None
            self._step(of, name, its_arguments, frame, (value,))
        else:
            name = SYMBOLS.get(function.__name__, function.__name__)
            self._step(function, name, arguments, frame, value if isinstance(value, tuple) else (value,))

    def _step(self, operation, name, arguments, frame, results):
        resolved = {key: self.resolved(value) for key, value in arguments.items()
                    if isinstance(value, type) or not callable(value)}
        if not any(True for _ in refs_in(resolved)):
            return                                              # a constant, computed from constants
        arrays = _arrays(results)
        for i, array in enumerate(arrays):
            if id(array) not in self.known:                     # else the operation returned its input
                self._know(array, Ref("step", (len(self.steps), i)))
        layer = self.layers[-1][1] if self.layers else ""
        self.steps.append(Step(operation, name, layer, _place(frame), resolved, arrays))

    def _know(self, array, ref):
        """A known array is read-only: a change in place would be seen by nobody."""
        array.flags.writeable = False
        self.known[id(array)] = array, ref

    def resolved(self, value: Any) -> Any:
        """A Ref for a known array, a copy of another array, and the same for the elements of tuples, lists, dicts."""
        if isinstance(value, Tensor):
            value = value.data
        if isinstance(value, np.ndarray):
            return self.known[id(value)][1] if id(value) in self.known else value.copy()
        if type(value) in (tuple, list):
            return type(value)(self.resolved(one) for one in value)
        return value


_CALL, _RECORD = id(Module.__call__.__code__), id(record.__code__)


def _of_arithmetic():
    """The operations of minicnn.arithmetic, which return a value and a vjp."""
    return [vars(arithmetic)[name] for name in arithmetic.__all__
            if getattr(vars(arithmetic)[name], "__annotations__", {}).get("return") == "Result"]


def _arrays(results):
    """The arrays of the Tensors that an operation returns; of a comparison the array itself."""
    if isinstance(results[0], Tensor):
        return tuple(one.data for one in results if isinstance(one, Tensor))
    return tuple(one for one in results if isinstance(one, np.ndarray))


def refs_in(value: Any) -> Iterator[Ref]:
    """The Refs in the arguments of a step."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from refs_in(one)


def replaced(value: Any, new: Callable[[Any], Any]) -> Any:
    """The same with new(one) in the place of each Ref and each array."""
    if isinstance(value, (Ref, np.ndarray)):
        return new(value)
    if isinstance(value, dict):
        return {key: replaced(one, new) for key, one in value.items()}
    return type(value)(replaced(one, new) for one in value) if type(value) in (tuple, list) else value


def _live(steps, outputs):
    """The steps on which the outputs depend, those that gave numbers to Python, and a function that renumbers a Ref."""
    wanted = {ref.key[0] for ref in refs_in(outputs) if ref.kind == "step"}
    for number in reversed(range(len(steps))):
        if number in wanted:
            wanted |= {ref.key[0] for ref in refs_in(steps[number].arguments) if ref.kind == "step"}
    new = {old: i for i, old in enumerate(sorted(wanted))}

    def moved(value):
        is_step = isinstance(value, Ref) and value.kind == "step"
        return Ref("step", (new[value.key[0]], value.key[1])) if is_step else value
    live = [steps[old]._replace(arguments=replaced(steps[old].arguments, moved)) for old in new]
    return live, _read(steps, wanted), moved


def _read(steps, wanted):
    """The steps that gave numbers of the batch to Python: among them comparisons that no operation uses."""
    fed: set[int] = set()                               # steps that depend on an input
    for number, step in enumerate(steps):
        if any(ref.kind == "input" or ref.kind == "step" and ref.key[0] in fed for ref in refs_in(step.arguments)):
            fed.add(number)
    return [steps[number] for number in sorted(fed) if steps[number].operation in READS
            or number not in wanted and steps[number].operation in COMPARISONS]


def _place(frame):
    """The line of the user's own code that led to a call."""
    at: FrameType | None = frame
    while at is not None:
        if (place := own_place(at.f_code.co_filename, at.f_lineno)):
            return place
        at = at.f_back
    return ""
