"""Networks of other libraries, which the commands that train and measure do not take. Nothing is imported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..adapters.names import top
from ..errors import InputError, MinicnnError

LIBRARIES = {"torch": "PyTorch", "keras": "Keras", "flax": "Flax"}
TORCH = ("; its weights can be loaded: minicnn.checkpoint.load reads its state_dict from a file of torch.save, and "
         "nn.torch_state_dict gives weights back")


class ForeignNetwork(InputError):
    """A network of another library was named, where one of minicnn is needed. `library` is that other one."""

    def __init__(self, message: str, library: str):
        super().__init__(message)
        self.library = library


def refuse_foreign(value: Any, name: str, verb: str = "is") -> None:
    """Raise ForeignNetwork if an object, or the class that `value` is, belongs to PyTorch, Keras or Flax.

    `verb` says how the object was met: what `name` is, or what it returned.
    """
    kind = value if isinstance(value, type) else type(value)
    library = next((LIBRARIES[top(base)] for base in kind.__mro__ if top(base) in LIBRARIES), None)
    if library is None:
        return
    what = "a class" if isinstance(value, type) else "a layer or model" if library == "Keras" else "a Module"
    raise ForeignNetwork(f"{name} {verb} {what} of {library}; this command needs a network of minicnn: write its "
                         f"layers with minicnn.nn{TORCH if library == 'PyTorch' else ''}. minicnn verify judges "
                         f"operators of {library}", library)


@contextlib.contextmanager
def factory_errors(value: Any, name: str) -> Iterator[None]:
    """Context manager: what the call of an object of another library raises is an InputError: it is no factory."""
    try:
        yield
    except MinicnnError:
        raise
    except Exception as error:
        if top(value) == "minicnn":                     # a bug
            raise
        raise InputError(f"{name} makes no network: called without an image, it raised {type(error).__name__}: "
                         f"{error}. Name a subclass of minicnn.nn.Module, or a function that returns a Module"
                         ) from error
