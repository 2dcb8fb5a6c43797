"""The same outputs, gradients and training steps as the same networks in PyTorch, where it is installed."""

import numpy as np
import pytest

from minicnn import Tensor, optim
from minicnn import functional as F
from minicnn.models import ResNet, UNet, small_resnet, unet

torch = pytest.importorskip("torch")
TF = torch.nn.functional
from tests.models import torch_twins  # noqa: E402 (it needs PyTorch)

PAIRS = {               # name: (ours, theirs, shape of the pictures)
    "small_resnet": (small_resnet, torch_twins.ResNet, (6, 1, 28, 28)),
    "small_resnet of odd colour pictures": (lambda **options: small_resnet(3, 7, **options),
                                            lambda: torch_twins.ResNet(3, 7), (5, 3, 19, 30)),
    "ResNet of three stages": (lambda **options: ResNet(2, 3, (8, 8, 16), (1, 2, 1), **options),
                               lambda: torch_twins.ResNet(2, 3, (8, 8, 16), (1, 2, 1)), (4, 2, 21, 26)),
    "unet": (unet, torch_twins.UNet, (3, 1, 28, 28)),
    "unet of odd colour pictures": (lambda **options: UNet(3, 2, (8, 12, 16, 20), **options),
                                    lambda: torch_twins.UNet(3, 2, (8, 12, 16, 20)), (2, 3, 13, 22)),
}
# Of outputs, gradients, training steps. The two networks round differently, on each processor in another way. Where a
# ReLU or a maximum then decides differently, which in float64 nearly never happens, some gradients differ by a percent.
BOUNDS = {"float32": (1e-5, 2e-2, 1e-4), "float64": (1e-9, 1e-9, 1e-9)}


@pytest.fixture(params=[(name, dtype) for name in PAIRS for dtype in BOUNDS], ids=lambda pair: " in ".join(pair))
def twins(request):
    """(our network, PyTorch's with the same weights, the shape of the pictures, the bounds)"""
    name, dtype = request.param
    make, make_theirs, shape = PAIRS[name]
    # Kernels compile for seconds, so that "auto" is taken for two networks only.
    algorithm = "auto" if name in ("small_resnet", "unet") and dtype == "float32" else "im2col"
    ours, theirs = make(dtype=np.dtype(dtype), algorithm=algorithm, rng=np.random.default_rng(5)), make_theirs()
    theirs = theirs.to(getattr(torch, dtype))
    rng = np.random.default_rng(6)
    for norm in (module for module in theirs.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        for array in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            array.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, array.shape)))      # not 0 and 1, as at first
    missing, unexpected = ours.load_state_dict({key: array.numpy() for key, array in theirs.state_dict().items()})
    assert not missing and not unexpected
    return ours, theirs, shape, BOUNDS[dtype]


def pictures(shape, model, rng):
    x = rng.standard_normal(shape).astype(model.parameters()[0].dtype)
    return x, torch.from_numpy(x)


def assert_close(found, expected, bound, what):
    expected = expected.detach().numpy()
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.abs(expected).max(), err_msg=what)


def assert_near(found, expected, bound, what):
    """The relative distance of whole arrays is at most the bound."""
    expected = expected.detach().numpy()
    assert found.dtype == expected.dtype and found.shape == expected.shape
    distance = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert distance <= bound, f"{what}: the relative distance is {distance}"


@pytest.mark.parametrize("pair", PAIRS)
def test_every_name_of_the_state_is_pytorchs(pair):
    ours, theirs = PAIRS[pair][0]().state_dict(), PAIRS[pair][1]().state_dict()
    assert {name: array.shape for name, array in ours.items()} == {
        name: tuple(array.shape) for name, array in theirs.items() if not name.endswith("num_batches_tracked")}


def test_outputs_in_evaluation(twins, rng):
    ours, theirs, shape, (bound, _, _) = twins
    x, torch_x = pictures(shape, ours, rng)
    with torch.no_grad():
        assert_close(ours.eval()(Tensor(x)).data, theirs.eval()(torch_x), bound, "outputs")


def test_gradients(twins, rng):
    ours, theirs, shape, (bound, gradient_bound, _) = twins
    x, torch_x = pictures(shape, ours, rng)
    x = Tensor(x, requires_grad=True)
    torch_x.requires_grad_()
    out, torch_out = ours(x), theirs(torch_x)
    assert_close(out.data, torch_out, bound, "outputs in training")
    cotangent = rng.standard_normal(out.shape).astype(out.dtype)
    out.backward(cotangent)
    torch_out.backward(torch.from_numpy(cotangent))
    assert_near(x.grad, torch_x.grad, gradient_bound, "pictures")
    theirs = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert_near(parameter.grad, theirs.pop(name).grad, gradient_bound, name)
    assert not theirs


def test_five_training_steps(twins, rng):
    ours, theirs, shape, (_, _, bound) = twins
    # Steps are small, so that a ReLU that decides differently changes little.
    sgd, torch_sgd = optim.SGD(ours.parameters(), 0.002, 0.9), torch.optim.SGD(theirs.parameters(), 0.002, 0.9)
    for _ in range(5):
        x, torch_x = pictures(shape, ours, rng)
        out, torch_out = ours(Tensor(x)), theirs(torch_x)
        if out.ndim == 2:
            y = rng.integers(0, out.shape[1], len(x))
            loss, torch_loss = F.cross_entropy(out, y), TF.cross_entropy(torch_out, torch.from_numpy(y))
        else:
            y = rng.standard_normal(out.shape).astype(out.dtype)
            loss, torch_loss = F.mse_loss(out, y), TF.mse_loss(torch_out, torch.from_numpy(y))
        assert loss.item() == pytest.approx(torch_loss.item(), rel=bound)
        for optimizer, value in ((sgd, loss), (torch_sgd, torch_loss)):
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    state = theirs.state_dict()
    for name, array in ours.state_dict().items():
        assert_near(array, state[name], bound, name)
