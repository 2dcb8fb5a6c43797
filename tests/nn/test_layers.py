"""Modules: names, state, modes, initialisation, repr; the LeNet and its summary."""

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn.models import LeNet


def test_lenet_is_the_articles():
    model = LeNet(rng=np.random.default_rng(0))
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert shapes == {
        "conv1.weight": (20, 1, 5, 5), "conv1.bias": (20,), "conv2.weight": (40, 20, 5, 5), "conv2.bias": (40,),
        "conv3.weight": (40, 40, 5, 5), "conv3.bias": (40,), "conv4.weight": (5, 40, 5, 5), "conv4.bias": (5,),
        "fc1.weight": (10, 180), "fc1.bias": (10,)}
    assert sum(p.size for p in model.parameters()) == 67_415
    assert list(model.state_dict()) == list(shapes)


def test_lenet_shapes_and_features(rng):
    model = LeNet(rng=rng)
    x = Tensor(rng.standard_normal((2, 1, 28, 28)).astype(np.float32))
    assert model(x).shape == (2, 10) and model(x).dtype == np.float32
    assert model.features(Tensor(np.zeros((1, 1, 38, 38), np.float32))).shape == (1, 5, 22, 22)
    assert model.features(x).data.min() >= 0
    with pytest.raises(ValueError, match=r"LeNet: the linear layer needs images \(N, 1, 28, 28\), not \(1, 1, 38, 38"):
        model(Tensor(np.zeros((1, 1, 38, 38), np.float32)))


def test_flatten_is_channel_row_column(rng):
    x = rng.standard_normal((3, 2, 4, 5))
    reordered = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(nn.Flatten()(Tensor(reordered)).data, x.reshape(3, -1))


def test_same_rng_same_parameters():
    a, b = (LeNet(rng=np.random.default_rng(3)).state_dict() for _ in range(2))
    assert all((a[k] == b[k]).all() for k in a)


def test_initialisation_is_uniform_within_one_over_root_fan_in(rng):
    conv = nn.Conv2d(8, 400, 3, groups=2, rng=rng)
    bound = 1 / np.sqrt(8 / 2 * 9)
    for values in (conv.weight.data, conv.bias.data):
        assert abs(values).max() <= bound
        assert abs(values).max() > 0.98 * bound
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.06)
    first = nn.Linear(4, 2, rng=np.random.default_rng(0)).weight.data
    np.testing.assert_array_equal(first, np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4)).astype(np.float32))


def test_sequential_is_its_modules_in_order(rng):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(2, 3, rng=rng))
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert len(model) == 5 and isinstance(model[1], nn.ReLU) and len(model[:2]) == 2
    assert model(Tensor(np.ones((2, 1, 5, 5), np.float32))).shape == (2, 3)


@pytest.mark.parametrize("bad", [[nn.ReLU()], nn.ReLU, np.tanh])
def test_sequential_refuses_what_is_no_module(bad):
    with pytest.raises(TypeError, match="Sequential: argument 0 is .*, not a Module"):
        nn.Sequential(bad)


def test_a_parameter_is_not_replaced_by_an_array(rng):
    layer = nn.Linear(2, 1, rng=rng)
    with pytest.raises(TypeError, match="Linear.weight is a Parameter; a ndarray in its place would not be trained"):
        layer.weight = np.ones((1, 2))
    layer.weight, layer.bias = nn.Parameter(np.ones((1, 2))), None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_a_shared_parameter_is_listed_once(rng):
    model = nn.Sequential(nn.Linear(2, 2, rng=rng), nn.Linear(2, 2, rng=rng))
    setattr(model[1], "weight", model[0].weight)  # noqa: B010 (the attribute of a module reached by index)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]


def test_train_and_eval_reach_every_module(rng):
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5, rng=rng)), nn.BatchNorm2d(2))
    assert model.eval() is model and not model[0][0].training and not model[1].training
    x = Tensor(np.ones((2, 2, 3, 3), np.float32))
    np.testing.assert_allclose(model(x).data, x.data / np.sqrt(1 + 1e-5), rtol=1e-6)
    model.train()
    assert model[0][0].training
    assert (model[0](x).data == 0).any()


def test_state_dict_is_a_copy_and_holds_buffers():
    norm = nn.BatchNorm2d(2)
    state = norm.state_dict()
    assert list(state) == ["weight", "bias", "running_mean", "running_var"]
    state["weight"][:] = 7
    assert norm.weight.data.tolist() == [1, 1]
    norm.load_state_dict(state)
    assert norm.weight.data.tolist() == [7, 7]


def test_load_state_dict_lists_all_that_does_not_fit_and_changes_nothing(rng):
    layer = nn.Linear(2, 1, rng=rng)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=r"missing: bias; unexpected: other; wrong shape: weight is \(3,\) but must be "
                                         r"\(1, 2\)"):
        layer.load_state_dict({"weight": np.ones(3), "other": np.ones(1)})
    with pytest.raises(ValueError, match="wrong shape: weight"):
        layer.load_state_dict({"weight": np.ones((2, 1))}, strict=False)
    assert all((before[k] == v).all() for k, v in layer.state_dict().items())
    assert layer.load_state_dict({"bias": np.array([5.0]), "more": np.ones(1)}, strict=False) == (["weight"], ["more"])
    assert layer.bias.data.tolist() == [5.0]


def test_zero_grad(rng):
    layer = nn.Linear(2, 1, rng=rng)
    layer(Tensor([[1.0, 2.0]])).sum().backward()
    assert layer.weight.grad is not None
    layer.zero_grad()
    assert layer.weight.grad is None


@pytest.mark.parametrize(("module", "text"), [
    (nn.Conv2d(1, 2, 3, 2, 1, bias=False), "Conv2d(1, 2, kernel_size=(3, 3), stride=(2, 2), padding=1, bias=False)"),
    (nn.Linear(2, 3, bias=False), "Linear(2, 3, bias=False)"),
    (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0)"),
    (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
    (nn.Dropout(0.3), "Dropout(p=0.3)"),
    (nn.BatchNorm2d(4), "BatchNorm2d(4)"),
    (nn.AdaptiveMaxPool2d(1), "AdaptiveMaxPool2d(output_size=1)"),
])
def test_repr(module, text):
    assert repr(module) == text


def test_repr_of_a_model_counts_parameters():
    lines = repr(LeNet()).splitlines()
    assert lines[0].split() == ["LeNet(", "67,415", "parameters"]
    assert lines[3].split()[-1] == "20,040" and lines[-1] == ")"


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Tanh(), (2, 3)), (nn.Sigmoid(), (2, 3)), (nn.LogSoftmax(), (2, 3)), (nn.LeakyReLU(), (2, 3)),
    (nn.AvgPool2d(2), (1, 1, 4, 4)), (nn.AdaptiveMaxPool2d(1), (1, 1, 4, 4))])
def test_stateless_layers_run(layer, shape, rng):
    x = Tensor(rng.standard_normal(shape), requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == shape


def test_losses(rng):
    x = Tensor(rng.standard_normal((3, 4)))
    assert nn.MSELoss()(x, x).item() == 0
    assert nn.CrossEntropyLoss(label_smoothing=0.1)(x, np.array([0, 1, 2])).item() > 0


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.Conv2d(0, 2, 3), "Conv2d: in_channels must be an integer of at least 1, not 0"),
    (lambda: nn.Conv2d(3, 2, 3, groups=2), "Conv2d: groups=2 must divide in_channels=3"),
    (lambda: nn.Linear(2.5, 1), "Linear: in_features must be an integer"),
    (lambda: nn.BatchNorm2d(3)(Tensor(np.ones((2, 2, 1, 1)))), r"BatchNorm2d: the input must have shape \(N, 3, H, W"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
