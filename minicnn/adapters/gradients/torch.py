"""Functions, modules and autograd.Functions of PyTorch with their own backward, as functions of arrays of NumPy."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..names import DifferentiationError
from ..torch import is_array, is_module
from .torch_variants import variants

NAME = "torch"
LIBRARIES = frozenset(("torch", "torchvision"))
SAYS = "called with tensors of PyTorch, and differentiated by its own backward"


class Differentiated:
    """A function of PyTorch as two functions of arrays. Of a Module a copy is called, with the parameters as inputs.

    Parameters
    ----------
    func : callable, Module, or subclass of torch.autograd.Function
    inputs : sequence
        Tensors, arrays of NumPy, and other objects, which are passed on.
    checked : sequence of int
        The numbers of the inputs that are checked.
    dtype : {"float64", "float32"}
        Of all floating-point tensors, parameters and buffers in a call.

    Attributes
    ----------
    names : list of str
    arrays : list of ndarray
        The checked tensors, of their own dtypes. Those of 16 bits are float32.
    constant_outputs : frozenset
        The numbers of the outputs that did not require a gradient in the last call of `backward`.
    hidden_changes : list of int
        The inputs that the last call of `backward` changed in place, of which autograd does not know.
    """

    def __init__(self, func: Any, inputs: Sequence[Any], checked: Sequence[int], dtype: str):
        self.torch: Any = sys.modules["torch"]
        self.dtype, self.inputs, self.checked = getattr(self.torch, dtype), list(inputs), list(checked)
        self.constant_outputs: frozenset[int] = frozenset()
        self.hidden_changes: list[int] = []
        self.random: Any = None                             # the state of the generator, once it is frozen
        self.module = _copied(func) if is_module(func) else None
        self.func: Any = func if not isinstance(func, type) else func.apply   # type: ignore[attr-defined]
        named = [(f"input {i}", self.inputs[i]) for i in self.checked]
        self.parameters: list[str] = []
        if self.module is not None:
            wanted = [(name, one) for name, one in self.module.named_parameters() if one.requires_grad]
            self.parameters = [name for name, _ in wanted]
            named += [(f"parameter {name!r}", one) for name, one in wanted]
        self.names = [name for name, _ in named]
        self.devices = [one.device if is_array(one) else self.torch.device("cpu") for _, one in named]
        self.arrays = [_to_array(name, one) for name, one in named]

    def forward(self, points: list[np.ndarray]) -> list[np.ndarray]:
        """The floating-point outputs at `points`."""
        with self.mode():
            return [as_numpy(out) for out in self.call(self.leaves(points))[1]]

    def backward(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        """The gradient of sum over k of <cotangents[k], output k> with respect to each point; None if there is none."""
        with self.mode():
            leaves = self.leaves(points)
            given, outputs = self.call(leaves)
            self.hidden_changes = [i for i, one, leaf in zip(self.checked, given, leaves, strict=False)
                                   if "Clone" in type(one.grad_fn).__name__ and not self.torch.equal(one, leaf)]
            return self.pull(outputs, leaves, [self.tensor(one) for one in cotangents])

    def freeze(self) -> None:
        """From now on each call draws the same random numbers."""
        self.random = self.torch.get_rng_state()

    def variants(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> Iterator[Any]:
        """Other ways to the same gradients; see `torch_variants.Variant`."""
        return variants(self, points, cotangents)

    @contextlib.contextmanager
    def mode(self) -> Iterator[None]:
        """Context manager for a call: gradients on, tensors that the function makes have the dtype of the check."""
        before, state = self.torch.get_default_dtype(), self.torch.get_rng_state()
        if self.random is not None:
            self.torch.set_rng_state(self.random)
        self.torch.set_default_dtype(self.dtype)
        try:
            with self.torch.inference_mode(False), self.torch.enable_grad():
                yield
        finally:
            self.torch.set_default_dtype(before)
            if self.random is not None:
                self.torch.set_rng_state(state)

    def tensor(self, array: np.ndarray) -> Any:
        """An array as a new tensor in the dtype of the check."""
        return self.torch.tensor(np.asarray(array), dtype=self.dtype) if array.ndim == 0 else \
            self.torch.from_numpy(array.copy(order="K")).to(self.dtype)

    def leaves(self, points: list[np.ndarray]) -> list[Any]:
        """New tensors that require a gradient."""
        return [self.tensor(point).to(device).requires_grad_()
                for point, device in zip(points, self.devices, strict=True)]

    def call(self, leaves: list[Any], clone: bool = True) -> tuple[list[Any], list[Any]]:
        """(what the function got for the checked inputs, its floating-point outputs).

        The function gets clones of the leaves, because it may change its inputs in place, but not a leaf.
        """
        own = len(self.checked)
        given = [one.clone() if clone and one.requires_grad else one for one in leaves[:own]]
        inputs = [self._other(value) for value in self.inputs]
        for i, one in zip(self.checked, given, strict=True):
            inputs[i] = one
        if self.module is None:
            found = self.func(*inputs)
        else:
            state = {name: self._other(value) for name, value in (*self.module.named_parameters(),
                                                                  *self.module.named_buffers())}
            state |= zip(self.parameters, leaves[own:], strict=True)
            with _attributes_kept(self.module):
                found = self.torch.func.functional_call(self.module, state, tuple(inputs))
        outputs = [one for one in _flat(found) if is_array(one) and (one.is_floating_point() or one.is_complex())]
        if not outputs:
            kinds = sorted({_kind(one) for one in _flat(found)})
            raise DifferentiationError("gradcheck: the function must return a floating-point tensor of PyTorch, or a "
                                       f"tuple with one, not {', '.join(kinds) or 'nothing'}")
        return given, outputs

    def pull(self, outputs: list[Any], leaves: list[Any], cotangents: list[Any]) -> list[np.ndarray | None]:
        """The gradients of the leaves; None for leaves that do not require one."""
        pairs = [(out, cotangent.to(out.device, out.dtype) if cotangent.dtype != out.dtype else cotangent)
                 for out, cotangent in zip(outputs, cotangents, strict=True) if out.requires_grad]
        self.constant_outputs = frozenset(k for k, out in enumerate(outputs) if not out.requires_grad)
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        if not pairs or not wanted:
            return [None] * len(leaves)
        found = iter(self.torch.autograd.grad(*zip(*((out,) for out, _ in pairs), strict=True), wanted,
                                              [cotangent for _, cotangent in pairs], allow_unused=True))
        gradients = [next(found) if leaf.requires_grad else None for leaf in leaves]
        return [None if one is None else as_numpy(one) for one in gradients]

    def _other(self, value):
        """An input or parameter that is not checked: a copy, in the dtype of the check if it is floating-point."""
        if isinstance(value, np.ndarray):
            value = self.torch.tensor(value)
        if not is_array(value):
            return value
        value = value.detach().clone()
        return value.to(self.dtype) if value.is_floating_point() else value


def as_inputs(arrays: Sequence[np.ndarray]) -> list[Any]:
    """Tensors with these values that require a gradient."""
    torch = sys.modules["torch"]
    return [torch.from_numpy(np.array(one)).requires_grad_() for one in arrays]


def is_checked(value: Any) -> bool:
    """Whether a value is a tensor that requires a gradient."""
    return is_array(value) and value.requires_grad


def takes_class(value: type) -> bool:
    """Whether a class is a subclass of torch.autograd.Function, which is called by its `apply`."""
    return issubclass(value, sys.modules["torch"].autograd.Function)


def signature(func: Any) -> inspect.Signature:
    """The signature of what a user calls: of `forward` without its ctx, for a Function or a Module."""
    owner: Any = getattr(func, "__self__", func)
    if inspect.isclass(owner) and takes_class(owner):
        forward, setup = (inspect.getattr_static(owner, name) for name in ("forward", "setup_context"))
        found = inspect.signature(forward.__func__)
        with_context = setup is inspect.getattr_static(sys.modules["torch"].autograd.Function, "setup_context")
        return found.replace(parameters=list(found.parameters.values())[int(with_context):])
    return inspect.signature(func.forward if is_module(func) else func)


def why_random(func: Any) -> str:
    """The layers of a Module that draw random numbers in training, in words. "" if there are none."""
    if not is_module(func):
        return ""
    found = [f"{name or 'the module'} ({type(one).__name__})" for name, one in func.named_modules()
             if one.training and getattr(one, "p", 0) and "Dropout" in type(one).__name__]
    return f"{', '.join(found)} drops numbers at random in training: call eval() on the module" if found else ""


def as_numpy(tensor: Any) -> np.ndarray:
    """A tensor as an array of its own memory. bfloat16, which NumPy does not have, becomes float16."""
    torch = sys.modules["torch"]
    tensor = tensor.detach().to("cpu", torch.float16) if tensor.dtype == torch.bfloat16 else tensor.detach().cpu()
    return np.array(tensor.to_dense().resolve_neg().resolve_conj().numpy())


def _to_array(name, value):
    """A checked tensor as an array. DifferentiationError if it has no numbers that could be changed a little."""
    if not is_array(value):
        return np.asarray(value)
    torch = sys.modules["torch"]
    if value.is_complex():
        raise DifferentiationError(f"gradcheck: {name} is {value.dtype}, and only gradients of real numbers are "
                                   "checked: split it by torch.view_as_real")
    if torch.nn.parameter.is_lazy(value):
        raise DifferentiationError(f"gradcheck: {name} has no shape yet: call the module once before it is checked")
    if value.is_meta or value.layout != torch.strided or value.is_quantized:
        raise DifferentiationError(f"gradcheck: {name} is a tensor of {value.dtype}, {value.layout}, on "
                                   f"{value.device}: give a dense tensor with values")
    value = value.detach().cpu()
    return value.numpy() if value.dtype in (torch.float32, torch.float64) else value.float().numpy()


def _copied(module):
    """A copy of a Module; the Module itself if it cannot be copied."""
    if isinstance(module, sys.modules["torch"].jit.ScriptModule):
        raise DifferentiationError("gradcheck: a ScriptModule cannot be checked: give the module before "
                                   "torch.jit.script")
    module = getattr(module, "_orig_mod", module)           # of torch.compile
    try:
        return copy.deepcopy(module)
    except Exception:                                       # it holds a lock, a stream, a tensor with a history, ...
        return module


@contextlib.contextmanager
def _attributes_kept(module):
    """Context manager: all attributes of a Module and of its parts are as before."""
    before = [(one, dict(vars(one))) for one in module.modules()]
    try:
        yield
    finally:
        for one, attributes in before:
            vars(one).clear()
            vars(one).update(attributes)


def _flat(found):
    """The members of a result: of a tuple, a list, a dict, or of those in them."""
    if isinstance(found, Mapping):
        found = list(found.values())
    return [one for part in found for one in _flat(part)] if isinstance(found, (tuple, list)) else [found]


def _kind(value):
    return f"a tensor of {value.dtype}" if is_array(value) else f"a {type(value).__name__}"
