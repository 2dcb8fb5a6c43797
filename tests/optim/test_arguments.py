"""The order of arguments and their defaults are PyTorch's."""

import inspect

import pytest

from minicnn import nn, optim

POSITIONAL = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


def arguments(function):
    """[(name, default), ...] of the arguments that may be given by position."""
    named = inspect.signature(function).parameters.values()
    return [(one.name, one.default) for one in named if one.kind in POSITIONAL]


def pairs():
    torch = pytest.importorskip("torch")
    from torch.optim import lr_scheduler, swa_utils
    for name in optim.__all__:
        ours = getattr(optim, name)
        if isinstance(ours, type) and issubclass(ours, optim.Optimizer) and ours is not optim.Optimizer:
            yield name, ours, getattr(torch.optim, name)
        elif isinstance(ours, type) and issubclass(ours, optim.LRScheduler) and ours is not optim.LRScheduler:
            yield name, ours, getattr(lr_scheduler, name)
    for name in ("AveragedModel", "get_ema_multi_avg_fn", "get_swa_multi_avg_fn"):
        yield name, getattr(optim.swa_utils, name), getattr(swa_utils, name)
    for name in nn.utils.__all__:
        yield name, getattr(nn.utils, name), getattr(torch.nn.utils, name)


def test_the_order_of_arguments_and_their_defaults_are_pytorchs():
    compared = 0
    for name, ours, theirs in pairs():
        for (own, default), (other, wanted) in zip(arguments(ours), arguments(theirs), strict=False):
            assert own == other, name
            assert default == wanted or own == "total_steps", f"{name}({own})"
        assert len(arguments(ours)) <= len(arguments(theirs))
        compared += 1
    assert compared >= 20
