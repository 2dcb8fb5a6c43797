"""The same numbers as PyTorch, where it is installed."""

import numpy as np
import pytest

from minicnn import Tensor, optim
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.models import LeNet

torch = pytest.importorskip("torch")


def torch_lenet(state):
    nn = torch.nn
    model = nn.Sequential(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 40, 5), nn.ReLU(), nn.Conv2d(40, 40, 5),
                          nn.ReLU(), nn.Conv2d(40, 5, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(180, 10))
    model.double().load_state_dict({ours: torch.from_numpy(array) for ours, array in zip(
        model.state_dict(), state.values(), strict=True)})
    return model


@pytest.mark.parametrize("algorithm", [name for name in algorithms() if name not in ("naive", "toeplitz")])
def test_loss_gradients_and_ten_steps_of_the_lenet(algorithm, rng):
    ours = LeNet(np.float64, algorithm=algorithm, rng=rng)
    theirs = torch_lenet(ours.state_dict())
    sgd, torch_sgd = optim.SGD(ours.parameters(), 0.05, 0.9), torch.optim.SGD(theirs.parameters(), 0.05, 0.9)
    for step in range(10):
        x, y = rng.standard_normal((8, 1, 28, 28)), rng.integers(0, 10, 8)
        sgd.zero_grad()
        torch_sgd.zero_grad()
        loss, torch_loss = F.cross_entropy(ours(Tensor(x)), y), torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        torch_loss.backward()
        assert loss.item() == pytest.approx(torch_loss.item(), rel=1e-9)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-5, atol=1e-5 * abs(p.grad).max(), err_msg=step)
        sgd.step()
        torch_sgd.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-5, atol=1e-7)


TF = torch.nn.functional
SAME = {
    "max_pool2d": [((2, 3, 9, 8), (3, 2, 1)), ((1, 1, 7, 7), (2, 2, 0, 2)), ((1, 1, 8, 5), (3, 2, 1, 1, True)),
                   ((1, 1, 6, 6), (2, 3, 1, 1, True))],
    "avg_pool2d": [((2, 3, 9, 8), (3, 2, 1)), ((1, 1, 8, 5), (3, 2, 1, True)), ((1, 1, 8, 5), (3, 2, 1, True, False)),
                   ((1, 2, 5, 5), (2, 2, 0, False, True, 7))],
    "adaptive_avg_pool2d": [((2, 3, 9, 8), ((4, 3),)), ((1, 1, 3, 3), (5,))],
    "adaptive_max_pool2d": [((2, 3, 9, 8), ((4, 3),))],
    "leaky_relu": [((3, 4), (0.3,))],
}


@pytest.mark.parametrize(("name", "case"), [(n, c) for n, cases in SAME.items() for c in cases])
def test_same_as_torch(name, case, rng):
    shape, arguments = case
    x = rng.standard_normal(shape)
    ours, theirs = Tensor(x, requires_grad=True), torch.from_numpy(x).requires_grad_()
    out, torch_out = getattr(F, name)(ours, *arguments), getattr(TF, name)(theirs, *arguments)
    np.testing.assert_allclose(out.data, torch_out.detach().numpy(), rtol=1e-12)
    cotangent = rng.standard_normal(out.shape)
    out.backward(cotangent)
    torch_out.backward(torch.from_numpy(cotangent))
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"ignore_index": 1}, {"reduction": "sum"},
                                     {"reduction": "none", "ignore_index": 2, "label_smoothing": 0.1}])
@pytest.mark.parametrize("kind", ["indices", "weighted", "probabilities"])
def test_cross_entropy(options, kind, rng):
    x, labels, weight = rng.standard_normal((5, 3)), rng.integers(0, 3, 5), None
    if kind == "probabilities":
        labels = rng.dirichlet(np.ones(3), 5)
        options = {k: v for k, v in options.items() if k != "ignore_index"}
    elif kind == "weighted":
        weight = np.array([0.5, 1.0, 3.0])
    theirs = TF.cross_entropy(torch.from_numpy(x), torch.from_numpy(labels),
                              None if weight is None else torch.from_numpy(weight), **options)
    ours = F.cross_entropy(Tensor(x), labels, weight, **options)
    np.testing.assert_allclose(ours.data, theirs.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("options", [{"stride": 2, "padding": 1}, {"padding": "same", "dilation": 2},
                                     {"groups": 2, "padding": (0, 2)}])
def test_conv2d(options, rng):
    shapes = (3, 4, 9, 8), (6, 4 // options.get("groups", 1), 3, 4), (6,)
    x, w, b = (rng.standard_normal(shape) for shape in shapes)
    theirs = TF.conv2d(*map(torch.from_numpy, (x, w, b)), **options).numpy()
    np.testing.assert_allclose(F.conv2d(*map(Tensor, (x, w, b)), **options).data, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(training, rng):
    x, mean, var = rng.standard_normal((4, 3, 5, 5)), rng.standard_normal(3), rng.random(3) + 0.5
    torch_mean, torch_var = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    theirs = TF.batch_norm(torch.from_numpy(x), torch_mean, torch_var, training=training)
    ours = F.batch_norm(Tensor(x), mean, var, training=training)
    np.testing.assert_allclose(ours.data, theirs.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(mean, torch_mean.numpy())
    np.testing.assert_allclose(var, torch_var.numpy())
