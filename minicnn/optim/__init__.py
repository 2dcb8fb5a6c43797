"""Optimisers change parameters in place. Schedulers change an optimiser's learning rate.

A training loop calls, for every batch, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()` and
`scheduler.step()`. Names, defaults and results are PyTorch's. There are no parameter groups: make one optimiser for
each group.
"""

from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedulers import CosineAnnealingLR, LRScheduler, OneCycleLR, StepLR

__all__ = ["SGD", "Adam", "AdamW", "CosineAnnealingLR", "LRScheduler", "OneCycleLR", "Optimizer", "StepLR"]
