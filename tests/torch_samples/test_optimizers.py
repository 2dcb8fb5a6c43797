"""PyTorch's own inputs of its optimisers, given to those of `minicnn.optim`, with one parameter group and with two."""

import numpy as np
import pytest

from minicnn import Tensor, optim

from .samples import torch

optim_db = pytest.importorskip("torch.testing._internal.common_optimizers").optim_db
OPTIMIZERS = {info.optim_cls.__name__: info for info in optim_db if hasattr(optim, info.optim_cls.__name__)}
SAMPLES = [(name, sample) for name, info in OPTIMIZERS.items() for sample in info.optim_inputs_func(device="cpu")]
OTHERS = ("capturable", "both floats or both Tensors",           # options and tensors that minicnn does not have
          "cannot add param group with names")                    # minicnn forgets the names
ERRORS = [(name, error) for name, info in OPTIMIZERS.items()
          for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float64)
          if not any(text in error.error_regex for text in OTHERS)]


def numbers(value):
    """PyTorch's arguments without its tensors: minicnn takes the numbers in them."""
    return value.item() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=lambda value: getattr(value, "desc", value))
def test_optimizer_inputs(name, sample, groups):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((4, 3), (3,), ())]
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in arrays]
    ours = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    grouped = lambda params: params if groups == 1 else [{"params": params[:1]}, {"params": params[1:], "lr": 0.07}]
    options = {key: numbers(value) for key, value in sample.kwargs.items()}
    reference = getattr(torch.optim, name)(grouped(theirs), **sample.kwargs)
    optimizer = getattr(optim, name)(grouped(ours), **options)
    for _ in range(20):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = rng.normal(size=one.shape)
            other.grad = torch.tensor(one.grad)
        optimizer.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.data, other.detach().numpy(), rtol=0, atol=1e-11)


def convert(params):
    """PyTorch's parameters as Tensors; a parameter that is given twice stays the same."""
    seen = {}

    def one(value):
        if isinstance(value, torch.Tensor):
            return seen.setdefault(id(value), Tensor(value.detach().numpy().copy(), requires_grad=True))
        if isinstance(value, dict):
            return {key: one(item) for key, item in value.items()}
        return type(value)(one(item) for item in value) if isinstance(value, (list, tuple)) else value
    return one(params)


@pytest.mark.parametrize(("name", "error"), ERRORS, ids=lambda value: getattr(value, "error_regex", value))
def test_what_pytorch_refuses_is_refused(name, error):
    sample = error.optimizer_error_input
    params = [Tensor(np.ones(2), requires_grad=True)] if sample.params is None else convert(sample.params)
    with pytest.raises((ValueError, TypeError)) as caught:
        optimizer = getattr(optim, name)(params, **{key: value.numpy() if isinstance(value, torch.Tensor) else value
                                                    for key, value in sample.kwargs.items()})
        optimizer.add_param_group(convert(sample.params)[0])
    assert type(caught.value).__module__ == "minicnn"


def test_how_many_are_compared():
    assert len(SAMPLES) >= 34 and len(ERRORS) >= 30
    assert set(OPTIMIZERS) == {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad"}
