"""Optimisers change parameters in place. Schedulers change an optimiser's learning rate.

A training loop calls, for every batch, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()` and
`scheduler.step()`. Names, defaults and results are PyTorch's. Parameter groups have settings of their own:
`AdamW([{"params": body.parameters()}, {"params": head.parameters(), "lr": 0.01}])`. `swa_utils` averages weights.
"""

from . import swa_utils
from .adam import Adam, AdamW
from .adaptive import Adagrad, RMSprop
from .groups import ParamGroup
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler
from .schedules import ConstantLR, CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR
from .sequential import SequentialLR
from .sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LRScheduler",
           "LinearLR", "MultiStepLR", "OneCycleLR", "Optimizer", "ParamGroup", "PolynomialLR", "RMSprop",
           "ReduceLROnPlateau", "SequentialLR", "StepLR", "swa_utils"]
