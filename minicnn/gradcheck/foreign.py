"""Functions of other frameworks are refused: their own backward would never run, and any check would pass wrongly."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import InputTypeError
from ..tensor import Tensor

FOREIGN = frozenset((
    "aesara", "autograd", "chainer", "cupy", "dezero", "equinox", "fastai", "flax", "functorch", "haiku", "ivy", "jax",
    "jaxlib", "jittor", "keras", "lightning", "megengine", "mindspore", "mlx", "mxnet", "mygrad", "nnabla", "oneflow",
    "optax", "paddle", "pennylane", "pytensor", "pytorch_lightning", "sonnet", "taichi", "tensorflow", "tensorly",
    "theano", "thinc", "tinygrad", "torch", "torchvision", "warp"))


class ForeignError(InputTypeError):
    """A function of another framework, or a function that calls one with a Tensor of minicnn."""

    __module__ = "minicnn.gradcheck"


def library_of(module: str | None) -> str | None:
    """The framework to which a module of that name belongs, or None.

    >>> library_of("torch.autograd.function"), library_of("numpy")
    ('torch', None)
    """
    top = (module or "").partition(".")[0]
    return top if top in FOREIGN else None


def refuse_foreign(name: str, func: Any) -> None:
    """Raise InputTypeError if `func` belongs to another framework, as torch.autograd.Function.apply does."""
    while hasattr(func, "func") and callable(func.func):            # functools.partial
        func = func.func
    owner = getattr(func, "__self__", func)
    bases = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    library = next((found for base in bases if (found := library_of(base.__module__))), None)
    library = library or library_of(getattr(func, "__module__", None))
    if library:
        raise ForeignError(_message(name, library))


@contextlib.contextmanager
def refusing_foreign(watch: bool = True) -> Iterator[None]:
    """Context manager: raise InputTypeError if code inside hands a Tensor to a function of another framework.

    Such a function may work on a Tensor of minicnn without knowing it: torch.autograd.Function.apply runs the forward
    pass of the user's class, and forgets its backward. Python's profiler shows every function that is called.
    """
    if not watch:
        yield
        return
    found: list[str] = []

    def profile(frame: Any, event: str, argument: Any) -> None:
        library = library_of(frame.f_globals.get("__name__")) if event == "call" and not found else None
        if library and any(map(_holds_tensor, list(frame.f_locals.values()))):
            found.append(library)
        if before is not None:
            before(frame, event, argument)
    before: Callable | None = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    except Exception as error:
        if not found:
            raise
        raise ForeignError(_message("gradcheck: the function calls a function that", found[0])) from error
    finally:
        sys.setprofile(before)
    if found:
        raise ForeignError(_message("gradcheck: the function calls a function that", found[0]))


def _holds_tensor(value, depth=3):
    if isinstance(value, (list, tuple)) and depth:
        return any(_holds_tensor(one, depth - 1) for one in value[:100])
    if isinstance(value, dict) and depth:
        return any(_holds_tensor(one, depth - 1) for one in list(value.values())[:100])
    return isinstance(value, Tensor)


def _message(name, library):
    return (f"{name} belongs to {library}, so its own backward would not run: check it with {library}'s own gradient "
            "checker, or give a pair (forward, backward) of functions on arrays")
