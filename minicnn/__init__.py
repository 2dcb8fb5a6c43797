"""A small deep-learning engine that shows, trains and proves what a convolution is."""

__version__ = "0.2.0"

from . import functional, models, moved, nn, optim
from .autograd import no_grad
from .errors import FileError, InputError, InputTypeError, MinicnnError, StateError
from .nn import init
from .tensor import Tensor, as_tensor, record

moved.install()

__all__ = ["FileError", "InputError", "InputTypeError", "MinicnnError", "StateError", "Tensor", "as_tensor",
           "functional", "init", "models", "nn", "no_grad", "optim", "record"]
