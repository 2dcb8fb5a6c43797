"""Optimisers over the whole range of the dtype: PyTorch's values, and no warning."""

import numpy as np
import pytest

from minicnn.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from minicnn.tensor import Tensor

KINDS = [(SGD, {"momentum": 0.9, "weight_decay": 0.1}), (Adam, {"amsgrad": True}), (AdamW, {}), (Adam, {"eps": 0.0}),
         (RMSprop, {"momentum": 0.5}), (RMSprop, {"eps": 0.0}), (Adagrad, {}), (Adagrad, {"eps": 0.0})]
EXTREME = [0.0, 1e-45, 1e-39, 1e-30, 1e-20, 1.0, 1e18, 1e30, 3e38, -3e38, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_extreme_gradients(kind, options):
    torch = pytest.importorskip("torch")
    given = [one for one in EXTREME if one not in (1e-45, 1e-39, 1e-30) or options.get("eps", 1)]     # 0 / 0
    ours = Tensor(np.ones(len(given), np.float32), requires_grad=True)
    theirs = torch.nn.Parameter(torch.ones(len(given)))
    optimizer, reference = kind([ours], **options), getattr(torch.optim, kind.__name__)([theirs], foreach=False,
                                                                                         **options)
    for sign in (1, -1, 1):
        ours.grad = np.array(given, np.float32) * np.float32(sign)
        theirs.grad = torch.tensor(ours.grad)
        optimizer.step()
        reference.step()
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-5)


def test_a_variance_that_rounding_makes_negative_counts_as_zero():
    param = Tensor(np.ones(1000, np.float32), requires_grad=True)
    optimizer = RMSprop([param], lr=1e-3, alpha=0.9, centered=True)
    grad = np.linspace(0.1, 3, 1000).astype(np.float32)
    for _ in range(300):                          # a constant gradient has the variance 0
        param.grad = grad
        optimizer.step()
    square, mean = optimizer.state[0]["square_avg"], optimizer.state[0]["grad_avg"]
    assert (square < mean * mean).any() and np.isfinite(param.data).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3)])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_sizes_zero_and_one(kind, options, shape):
    param = Tensor(np.ones(shape), requires_grad=True)
    param.grad = np.ones(shape)
    kind([param], **options).step()
    assert param.shape == shape and (param.data < 1).all()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_strided_parameters_and_gradients(kind, options):
    rng = np.random.default_rng(0)
    plain, strided = Tensor(np.ones((4, 6)), requires_grad=True), Tensor(np.ones((8, 6))[::-2], requires_grad=True)
    optimizers = kind([plain], **options), kind([strided], **options)
    for _ in range(3):
        grad = rng.normal(size=(4, 6))
        plain.grad, strided.grad = grad, np.asfortranarray(grad)[:, ::-1][:, ::-1]
        for optimizer in optimizers:
            optimizer.step()
    assert np.array_equal(plain.data, strided.data)
