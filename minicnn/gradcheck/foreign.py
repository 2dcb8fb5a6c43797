"""Functions of other frameworks are refused Tensors: their own backward would never run, and any check would pass.

They are known by name, and by kind: a library that differentiates and does not use minicnn, or an object that has a
backward of its own, which backward of minicnn does not call.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from ..errors import InputTypeError
from ..tensor import Tensor

FOREIGN = frozenset((
    "aesara", "autograd", "chainer", "cupy", "dezero", "equinox", "fastai", "flax", "functorch", "haiku", "ivy", "jax",
    "jaxlib", "jittor", "keras", "lightning", "megengine", "mindspore", "mlx", "mxnet", "mygrad", "nnabla", "oneflow",
    "optax", "paddle", "pennylane", "pytensor", "pytorch_lightning", "sonnet", "taichi", "tensorflow", "tensorly",
    "theano", "thinc", "tinygrad", "torch", "torchvision", "warp"))
OWN = frozenset(("__main__", "builtins", "minicnn", "numba", "numpy", "scipy", *sys.stdlib_module_names))
DIFFERENTIATES = ("GradientTape", "autodiff", "autograd", "custom_gradient", "custom_vjp", "defvjp", "grad", "jacrev",
                  "no_grad", "value_and_grad", "vjp")           # names that a framework with gradients has
BACKWARDS = ("backward", "backward_var", "bwd", "vjp")          # methods that take a cotangent


class ForeignError(InputTypeError):
    """A function of another framework, or a function that calls one with a Tensor of minicnn.

    Attributes
    ----------
    library : str or None
        The name of the framework.
    """

    __module__ = "minicnn.gradcheck"
    library: str | None = None


def library_of(module: str | None) -> str | None:
    """The framework to which a module of that name belongs, or None.

    >>> library_of("torch.autograd.function"), library_of("numpy")
    ('torch', None)
    """
    top = (module or "").partition(".")[0]
    return top if top in FOREIGN or top and top not in OWN and _differentiates(top) else None


def _differentiates(top):
    """Whether a package that was imported computes gradients without minicnn."""
    return _differentiates_now(top, len(sys.modules))


@functools.lru_cache(maxsize=256)
def _differentiates_now(top, _):
    package = sys.modules.get(top)
    if not hasattr(package, "__path__"):
        return False
    parts = [module for name, module in list(sys.modules.items()) if name == top or name.startswith(f"{top}.")]
    named = any(name in vars(package) or f"{top}.{name}" in sys.modules for name in DIFFERENTIATES)
    return named and not any(_is_ours(value) for module in parts for value in list(vars(module).values()))


def _is_ours(value):
    name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
    return isinstance(name, str) and name.partition(".")[0] == "minicnn"


def refuse_foreign(name: str, func: Any) -> None:
    """Raise ForeignError if `func` belongs to another framework, as torch.autograd.Function.apply does."""
    while hasattr(func, "func") and callable(func.func):            # functools.partial
        func = func.func
    owner = getattr(func, "__self__", func)
    bases = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    library = next((found for base in bases if (found := library_of(base.__module__))), None)
    library = library or library_of(getattr(func, "__module__", None))
    if library:
        raise _error(name, library)


def refuse_foreign_inputs(inputs: Any) -> None:
    """Raise ForeignError if an input is a tensor of another framework that requires a gradient."""
    for i, value in enumerate(inputs):
        if not isinstance(value, Tensor) and getattr(value, "requires_grad", False) is True:
            raise ForeignError(f"gradcheck: input {i} requires a gradient, but is a {type(value).__module__}."
                               f"{type(value).__name__}: give Tensors of minicnn")


class Watch:
    """What is called in a forward and a backward pass. Python's profiler shows every function that is called.

    A function of another framework may work on a Tensor of minicnn without knowing it: torch.autograd.Function.apply
    runs the forward pass of the user's class, and forgets its backward.

    >>> watch = Watch()
    >>> with watch.forward():
    ...     _ = Tensor([1.0]) + 1
    >>> with watch.backward():
    ...     pass
    """

    def __init__(self) -> None:
        self.library: str | None = None                     # of a function that got a Tensor
        self.raised: str | None = None                      # of a compiled function that raised
        self.waiting: dict[CodeType, str] = {}              # backwards of objects that got a Tensor

    @contextlib.contextmanager
    def forward(self) -> Iterator[None]:
        """Context manager: raise ForeignError if code inside hands a Tensor to a function of another framework."""
        try:
            with _profiled(self._in_forward):
                yield
        except Exception as error:
            self.library = self.library or self.raised
            if self.library:
                raise self._error() from error
            raise
        if self.library:
            raise self._error()

    @contextlib.contextmanager
    def backward(self) -> Iterator[None]:
        """Context manager for the backward pass: raise ForeignError if an object's own backward was not called."""
        def seen(frame: FrameType, event: str, argument: Any) -> None:
            self.waiting.pop(frame.f_code, None)
        if not self.waiting:
            yield
            return
        with _profiled(seen):
            yield
        for name in self.waiting.values():
            raise ForeignError(
                f"gradcheck: {name} is defined but was not called: minicnn differentiates the recorded operations. To "
                "check it, call it in the vjp of minicnn.record, or give a pair (forward, backward) of functions on "
                "arrays")

    def _error(self):
        return _error("gradcheck: the function calls a function that", self.library)

    def _in_forward(self, frame, event, argument):
        if self.library:
            return
        if event == "c_exception":                          # a compiled function of another framework refuses a Tensor
            owner = getattr(argument, "__self__", None)
            self.raised = library_of(getattr(argument, "__module__", None)) or library_of(
                getattr(owner if isinstance(owner, type) else type(owner), "__module__", None))
        elif event == "call":
            module = frame.f_globals.get("__name__")
            if (module or "").partition(".")[0] == "minicnn":
                return
            values = list(frame.f_locals.values())
            if any(map(_holds_tensor, values)):
                self.library = library_of(module)
                self.waiting |= _own_backwards(values[0], frame.f_code.co_name == "__init__")


def _own_backwards(receiver, constructed):
    """{code: name} of the backwards that an object defines. Those without an argument count for tensors only."""
    kind = receiver if isinstance(receiver, type) else type(receiver)
    if issubclass(kind, Tensor) or _is_ours(kind):
        return {}
    found = {}
    for name in BACKWARDS:
        method = inspect.getattr_static(receiver, name, None)
        bound = not isinstance(method, staticmethod) and name not in getattr(receiver, "__dict__", {})
        code = getattr(getattr(method, "__func__", method), "__code__", None)
        if code is not None and (constructed or code.co_argcount > bound or code.co_flags & inspect.CO_VARARGS):
            found[code] = f"{kind.__name__}.{name}"
    return found


@contextlib.contextmanager
def _profiled(seen: Callable) -> Iterator[None]:
    before: Callable | None = sys.getprofile()

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        seen(frame, event, argument)
        if before is not None:
            before(frame, event, argument)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def _holds_tensor(value, depth=3):
    if isinstance(value, (list, tuple)) and depth:
        return any(_holds_tensor(one, depth - 1) for one in value[:100])
    if isinstance(value, dict) and depth:
        return any(_holds_tensor(one, depth - 1) for one in list(value.values())[:100])
    return isinstance(value, Tensor)


def _error(name, library):
    tensors = {"torch": "tensors of PyTorch", "torchvision": "tensors of PyTorch", "jax": "arrays of JAX",
               "jaxlib": "arrays of JAX", "flax": "arrays of JAX"}.get(library)
    way = f"give {tensors} as inputs" if tensors else f"check it with {library}'s own gradient checker"
    error = ForeignError(f"{name} belongs to {library}, so its own backward would not run: {way}, or give a pair "
                         "(forward, backward) of functions on arrays")
    error.library = library
    return error
