"""Optimisers change parameters in place. Schedulers change an optimiser's learning rate.

A training loop calls, for every batch, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()` and
`scheduler.step()`. Names, defaults and results are PyTorch's. Parameter groups have settings of their own:
`AdamW([{"params": body.parameters()}, {"params": head.parameters(), "lr": 0.01}])`. `swa_utils` averages weights.
"""

from . import swa_utils
from .adam import Adam, AdamW
from .adaptive import Adagrad, RMSprop
from .groups import ParamGroup
from .optimizer import Optimizer
from .schedulers import CosineAnnealingLR, LRScheduler, OneCycleLR, StepLR
from .sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "CosineAnnealingLR", "LRScheduler", "OneCycleLR", "Optimizer",
           "ParamGroup", "RMSprop", "StepLR", "swa_utils"]
