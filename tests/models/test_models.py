"""The LeNet, the networks to compare it with, and their maps."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.models import MLP, MODELS, GlobalLeNet, LeNet, lenet


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


def test_same_rng_same_parameters():
    a, b = (LeNet(rng=np.random.default_rng(3)).state_dict() for _ in range(2))
    assert all((a[k] == b[k]).all() for k in a)


@pytest.mark.parametrize("kind", [LeNet, GlobalLeNet])
def test_maps_are_each_convolution_and_its_relu(kind, rng):
    model, x = kind(rng=rng), rng.standard_normal((2, 1, 21, 24)).astype(np.float32)
    maps, expected = model.maps(Tensor(x)), Tensor(x)
    assert list(maps) == ["conv1", "conv2", "conv3", "conv4"]
    for name, found in maps.items():
        conv = getattr(model, name)
        expected = F.conv2d(expected, conv.weight, conv.bias)
        if not (kind is GlobalLeNet and name == "conv4"):
            expected = F.relu(expected)
        np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(model.features(Tensor(x)).data, maps["conv4"].data)
    assert model.features(Tensor(x[0])).shape == maps["conv4"].shape[1:]


def test_images_that_do_not_fit_are_named():
    for shape in ((1, 1, 16, 20), (1, 3, 20, 20)):
        with pytest.raises(ValueError, match=r"LeNet: images \(N, 1, H, W\) of at least 17x17 pixels are needed, not"):
            LeNet().maps(Tensor(np.zeros(shape, np.float32)))
    with pytest.raises(ValueError, match=r"GlobalLeNet: images \(N, 1, H, W\) are needed, not \(1, 20, 20\)"):
        GlobalLeNet()(Tensor(np.zeros((1, 20, 20), np.float32)))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_ten_logits_and_a_gradient_for_every_parameter(name, rng):
    model = MODELS[name](rng=rng)
    out = model(Tensor(rng.standard_normal((8, 1, 28, 28)).astype(np.float32)))
    assert out.shape == (8, 10)
    out.backward(rng.standard_normal(out.shape))
    assert all(p.grad.any() for p in model.parameters())


def test_the_mlp_by_hand(rng):
    model, x = MLP(5, np.float64, rng=rng), rng.standard_normal((3, 1, 28, 28))
    state = model.state_dict()
    hidden = np.maximum(x.reshape(3, 784) @ state["fc1.weight"].T + state["fc1.bias"], 0)
    np.testing.assert_allclose(model(Tensor(x)).data, hidden @ state["fc2.weight"].T + state["fc2.bias"], rtol=1e-10)


def test_the_pretrained_lenet_takes_options():
    model = lenet(pretrained=True, algorithm="direct", pool="average")
    assert model.conv1.algorithm == "direct" and repr(model.pool).startswith("AvgPool2d")


@pytest.mark.parametrize("pool", ["max", "average", "blur"])
def test_the_pools_of_the_lenet(pool, rng):
    model, plain = LeNet(pool=pool, rng=np.random.default_rng(0)), LeNet(rng=np.random.default_rng(0))
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}
    assert all((v == plain.state_dict()[k]).all() for k, v in model.state_dict().items())
    x = Tensor(rng.standard_normal((2, 1, 28, 28)).astype(np.float32))
    pooled = {"max": lambda f: F.max_pool2d(f, 2), "average": lambda f: F.avg_pool2d(f, 2),
              "blur": lambda f: F.blur_pool2d(F.max_pool2d(f, 2, 1), 4, 2)}[pool](plain.features(x))
    np.testing.assert_array_equal(model(x).data, F.linear(F.flatten(pooled, 1), plain.fc1.weight, plain.fc1.bias).data)


def test_the_global_lenet(rng):
    model = GlobalLeNet(rng=rng)
    assert sum(p.size for p in model.parameters()) == 70_610
    x = Tensor(rng.standard_normal((2, 1, 20, 31)).astype(np.float32))
    assert model.features(x).shape == (2, 10, 4, 15)
    np.testing.assert_array_equal(model(x).data, model.features(x).data.max((-1, -2)))
    model(x).sum().backward()
    assert all(np.abs(p.grad).sum() > 0 for p in model.parameters())
