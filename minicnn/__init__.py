"""A small deep-learning engine that shows, trains and proves what a convolution is."""

__version__ = "0.1.0"

from . import functional, models, nn, optim
from .autograd import no_grad
from .nn import init
from .tensor import Tensor, as_tensor, record

__all__ = ["Tensor", "as_tensor", "functional", "init", "models", "nn", "no_grad", "optim", "record"]
