"""A small deep-learning engine that shows, trains and proves what a convolution is."""

import importlib
from typing import TYPE_CHECKING, Any

from . import moved

if TYPE_CHECKING:
    from . import functional, models, nn, optim
    from .autograd import no_grad
    from .errors import FileError, InputError, InputIndexError, InputTypeError, MinicnnError, StateError
    from .nn import init
    from .tensor import Tensor, as_tensor, from_dlpack, record

__version__ = "0.2.0"
__all__ = ["FileError", "InputError", "InputIndexError", "InputTypeError", "MinicnnError", "StateError", "Tensor",
           "as_tensor", "from_dlpack", "functional", "init", "models", "nn", "no_grad", "optim", "record"]
_HOMES = {"no_grad": "autograd", "init": "nn", "Tensor": "tensor", "as_tensor": "tensor", "from_dlpack": "tensor",
          "record": "tensor"}

moved.install()


def __getattr__(name: str) -> Any:
    """Import what __all__ names when it is first used. The command line thus starts before NumPy is imported."""
    if name not in __all__:
        raise AttributeError(f"module 'minicnn' has no attribute {name!r}")
    module = importlib.import_module(f".{_HOMES.get(name, 'errors' if name.endswith('Error') else name)}", __name__)
    value = globals()[name] = module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
