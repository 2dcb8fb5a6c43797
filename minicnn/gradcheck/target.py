"""Targets: one interface for all that `gradcheck` can check: a function of Tensors, a Module, or a pair on arrays.

A target maps a list of float64 arrays (`points`, the checked inputs) to one flat vector (all outputs, concatenated).
It copies the caller's arrays and never changes them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..errors import InputError, InputTypeError, StateError
from ..nn.module import Module
from ..tensor import Tensor, record
from .foreign import Watch, refuse_foreign, refuse_foreign_inputs


class GradcheckError(StateError):
    """A gradient is wrong, or it cannot be checked. The message says where and why."""

    __module__ = "minicnn.gradcheck"


class UncheckableError(GradcheckError):
    """The gradient cannot be checked: the function is not deterministic, or not finite at the inputs.

    Attributes
    ----------
    fact : str
        What was found.
    """

    __module__ = "minicnn.gradcheck"

    def __init__(self, fact: str, option: str):
        super().__init__(f"gradcheck: {fact}, {option}.")           # `option`: what an option of gradcheck can do
        self.fact = fact


class GradcheckWarning(UserWarning):
    """The check proves less than it seems to."""

    __module__ = "minicnn.gradcheck"


class Target:
    """The function under test. A subclass defines `outputs` and `gradients`.

    Attributes
    ----------
    names : list of str
        The names of the checked inputs: "input 0", or "parameter 'weight'" of a Module.
    points : list of ndarray
        The values of the checked inputs in float64, in the caller's memory order.
    reached : bool
        Whether a call of `vjp` gave an input a gradient.
    out_shapes, out_dtypes : list
        The shapes and dtypes of the outputs. Each call of `value` sets them.
    small : list of str
        The names of the checked inputs that are float32.
    dtype : dtype
        The dtype of the arithmetic: float64, or float32 for a function of another library that has no other.
    constant_outputs : frozenset of int
        The outputs of which the library of the function says that they carry no gradient.
    """

    dtype = np.dtype(np.float64)
    constant_outputs: frozenset[int] = frozenset()

    def __init__(self, named: Sequence[tuple[str, np.ndarray]]):
        for name, array in named:
            if not np.isfinite(array).all():
                where = _index(~np.isfinite(array))
                raise InputError(f"gradcheck: {name} is {array[where]} at {where}; finite differences need "
                                 "finite inputs")
        _refuse_overlap(named)
        self.small = [name for name, array in named if array.dtype != np.float64]
        self.names = [name for name, _ in named]
        self.points = [np.array(array, np.float64, order="K") for _, array in named]
        self.reached = False
        self.out_shapes: list[tuple[int, ...]] = []
        self.out_dtypes: list[np.dtype] = []

    def float32_note(self) -> str:
        """What to warn of if float32 has a part in the check; "" if it has none."""
        return "" if not self.small else (
            f"gradcheck: {', '.join(self.small)}: float32 is too coarse for finite differences (3 correct digits at "
            "best), so float64 copies are checked. Give float64 inputs to check exactly the code that you use.")

    def freeze(self) -> None:
        """From now on each call draws the same random numbers, if the library of the function has a global generator.
        """

    def why_random(self) -> str:
        """What in the function draws random numbers, in words; "" if that is not known."""
        return ""

    def check_variants(self, rng: np.random.Generator, noise: float) -> None:
        """Call backward in other ways that its library has. Raise GradcheckError if the gradient is another one."""

    def outputs(self, points: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs at `points`, which the target may keep but must not change."""
        raise NotImplementedError

    def gradients(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        """The gradient of sum over k of <cotangents[k], output k> with respect to each checked input."""
        raise NotImplementedError

    def value(self, points: list[np.ndarray] | None = None) -> np.ndarray:
        """All outputs at `points` (by default the caller's inputs) as one flat float64 vector."""
        points = self.points if points is None else points
        given = _copies(points)
        with np.errstate(all="ignore"):                 # a value that is not finite is an error below
            outputs = self.outputs(given)
        self._refuse_change(points, given)
        for k, out in enumerate(outputs):
            if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
                found = out.dtype if isinstance(out, np.ndarray) and out.dtype != object else _kind_of(out)
                raise UncheckableError(f"output {k} is {found}, and only real floating-point numbers have gradients. "
                                       "Return an array of floats", "or the real part, or a sum that is a float")
        self.out_shapes, self.out_dtypes = [out.shape for out in outputs], [out.dtype for out in outputs]
        for k, out in enumerate(outputs):
            if not np.isfinite(out).all():
                where = _index(~np.isfinite(out))
                raise UncheckableError(f"output {k} is {out[where]} at {where}, for the given inputs or very close to "
                                       "them, so there is no finite difference. Choose inputs further inside the "
                                       "function's domain", "or a smaller eps")
        return np.concatenate([out.ravel() for out in outputs] or [np.zeros(0)]).astype(np.float64)

    def vjp(self, cotangent: np.ndarray) -> list[np.ndarray | None]:
        """The gradient of <cotangent, value()> with respect to each checked input: an array of its shape, or None."""
        parts = np.split(cotangent, np.cumsum([math.prod(shape) for shape in self.out_shapes])[:-1])
        given = [part.reshape(shape).astype(dtype)
                 for part, shape, dtype in zip(parts, self.out_shapes, self.out_dtypes, strict=True)]
        cotangents, points = _copies(given), _copies(self.points)
        with np.errstate(all="ignore"):
            gradients = self.gradients(points, cotangents)
        self._refuse_change(self.points, points)
        if any(not np.array_equal(a, b) for a, b in zip(given, cotangents, strict=True)):
            raise GradcheckError("gradcheck: backward changed its cotangent in place, but other operations may still "
                                 "need it. Compute a new array.")
        self.reached = self.reached or any(gradient is not None for gradient in gradients)
        return [self._fitting(k, gradient) for k, gradient in enumerate(gradients)]

    def _fitting(self, k, gradient):
        if gradient is None:
            return None
        gradient, shape = np.asarray(gradient), self.points[k].shape
        if gradient.dtype.kind != "f":
            raise GradcheckError(f"gradcheck: the gradient of {self.names[k]} is of {gradient.dtype}, but the input is "
                                 "of real floating-point numbers. Return an array of its dtype")
        if gradient.shape != shape:
            repeated = gradient.ndim >= len(shape) and gradient.shape != shape and all(
                n in (1, m) for n, m in zip(shape[::-1], gradient.shape[::-1], strict=False))
            hint = ": sum it over the axes along which the input was broadcast" if repeated else ""
            raise GradcheckError(f"gradcheck: the gradient of {self.names[k]} has shape {gradient.shape}, but the "
                                 f"input has shape {shape}{hint}")
        if not np.isfinite(gradient).all():
            where = _index(~np.isfinite(gradient))
            raise GradcheckError(f"gradcheck: Backward gave {gradient[where]} for {self.names[k]} at its element "
                                 f"{where}, though the function is finite around the input.")
        return gradient

    def _refuse_change(self, before, after):
        for name, a, b in zip(self.names, before, after, strict=True):
            if not np.array_equal(a, b):
                where = _index(a != b)
                raise GradcheckError(f"gradcheck: the function changed {name} in place, at {where} from {a[where]:.6g} "
                                     f"to {b[where]:.6g}. Compute a new array, or work on a copy.")

    def locate(self, j: int) -> tuple[int, tuple[int, ...]]:
        """(output, index tuple) of element j of the flat vector of all outputs."""
        for k, shape in enumerate(self.out_shapes):
            size = math.prod(shape)
            if j < size:
                return k, tuple(int(i) for i in np.unravel_index(j, shape))
            j -= size
        raise IndexError(j)


class TensorFunction(Target):
    """A callable on Tensors. If it is a Module, its parameters are checked too."""

    def __init__(self, func: Callable, inputs: Sequence[Any]):
        refuse_foreign("gradcheck: the function", func)
        refuse_foreign_inputs(inputs)
        self.func: Any = func
        self.inputs, self.watch = inputs, Watch()
        self.watched = {"forward": True, "backward": True}      # one call of each, because func is deterministic
        self.parameters = list(func.named_parameters()) if isinstance(func, Module) else []
        self.checked = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]
        named = [(f"input {i}", inputs[i].data) for i in self.checked]
        named += [(f"parameter {name!r}", p.data) for name, p in self.parameters if p.requires_grad]
        if not named:
            raise nothing_to_check()
        super().__init__(named)

    def outputs(self, points: list[np.ndarray]) -> list[np.ndarray]:
        with no_grad():
            return [out.data for out in self._call(points)[1]]

    def gradients(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        leaves, outputs = self._call(points)
        joined = record(np.zeros(()), outputs, lambda grad: tuple(cotangents), "gradcheck")
        if joined.requires_grad:
            with self._watching("backward", self.watch.backward):
                joined.backward()
        return [leaf.grad for leaf in leaves]

    def _call(self, points):
        """(the checked leaves, the outputs): fresh Tensors for the inputs, `points` put into the parameters."""
        given = [Tensor(np.array(t.data, np.float64, order="K")) if isinstance(t, Tensor) else t for t in self.inputs]
        leaves, points = [], iter(points)
        for i in self.checked:
            given[i] = Tensor(next(points), requires_grad=True)
            leaves.append(given[i])
        for _, parameter in self.parameters:
            parameter.data = next(points) if parameter.requires_grad else parameter.data.astype(np.float64)
            parameter.grad = None
        leaves += [parameter for _, parameter in self.parameters if parameter.requires_grad]
        if self.watched["forward"]:
            self._compile(given)
        with self._watching("forward", self.watch.forward):
            outputs = self.func(*given)
        outputs = tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        for out in outputs:
            if not isinstance(out, Tensor):
                raise InputTypeError(
                    f"gradcheck: the function must return a Tensor or a tuple of Tensors, not a "
                    f"{type(out).__name__}; a function on arrays is checked as a pair (forward, backward)")
        return leaves, outputs

    def _compile(self, given):
        """Call the function once before it is watched: a compiler that is watched takes twenty times as long."""
        copies = [Tensor(t.data.copy()) if isinstance(t, Tensor) else t for t in given]
        with contextlib.suppress(Exception), no_grad():     # the watched call raises it again, and says more
            self.func(*copies)

    def _watching(self, name, manager):
        watched, self.watched[name] = self.watched[name], False
        return manager() if watched else contextlib.nullcontext()


class ArrayPair(Target):
    """forward(*arrays) -> array and backward(cotangent, *arrays) -> the gradient of each array."""

    def __init__(self, pair: tuple[Callable, Callable], inputs: Sequence[Any]):
        self.forward, self.backward = pair
        self.inputs = [np.asarray(value) if isinstance(value, (list, float)) else value for value in inputs]
        self.checked = [i for i, a in enumerate(self.inputs) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        if not self.checked:
            raise InputError("gradcheck: nothing to check: a pair (forward, backward) needs at least one array of "
                             "floating-point numbers")
        super().__init__([(f"input {i}", self.inputs[i]) for i in self.checked])

    def outputs(self, points: list[np.ndarray]) -> list[np.ndarray]:
        out = self.forward(*self._arguments(points))
        return [np.asarray(out) if isinstance(out, (float, complex, int, np.generic)) else out]

    def gradients(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        gradients = self.backward(*cotangents, *self._arguments(points))
        if not isinstance(gradients, (tuple, list)):
            gradients = (gradients,)
        if len(gradients) != len(self.inputs):
            raise GradcheckError(f"gradcheck: backward returned {len(gradients)} gradient(s) for {len(self.inputs)} "
                                 "input(s); return one for each, None where there is none")
        return [gradients[i] for i in self.checked]

    def _arguments(self, points):
        arguments = list(self.inputs)
        for i, point in zip(self.checked, points, strict=True):
            arguments[i] = point
        return arguments


def nothing_to_check() -> InputError:
    """The error if no input requires a gradient."""
    return InputError("gradcheck: nothing to check: give at least one Tensor with requires_grad=True (safe_inputs() "
                      "makes them), or a pair (forward, backward) to check functions on arrays")


def is_pair(func: Any) -> bool:
    """Whether `func` is a pair (forward, backward) of callables."""
    return isinstance(func, tuple) and len(func) == 2 and all(map(callable, func))


def _kind_of(out):
    """None, or "an array of objects", or "a list"."""
    return "None" if out is None or getattr(out, "ndim", 1) == 0 and out.item() is None else f"a {type(out).__name__}"


def _copies(arrays):
    return [array.copy(order="K") for array in arrays]


def _index(mask):
    """The first index tuple at which the mask is True."""
    return tuple(int(i) for i in np.argwhere(mask)[0])


def _refuse_overlap(named):
    owner = {}
    for name, array in named:
        for address in _addresses(array).tolist():
            if address in owner:
                what = f"elements of {name} share" if owner[address] == name else f"{owner[address]} and {name} share"
                raise GradcheckError(f"gradcheck: {what} memory, so one cannot change without the other and their "
                                     "gradients cannot be told apart. Copy the array.")
            owner[address] = name


def _addresses(array):
    """The address of every element."""
    offsets = np.zeros((), np.int64)
    for length, stride in zip(array.shape, array.strides, strict=True):
        offsets = offsets[..., None] + stride * np.arange(length)
    return array.ctypes.data + offsets.ravel()
