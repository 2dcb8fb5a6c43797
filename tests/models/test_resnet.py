"""The small ResNet: its sizes, its block by hand, and its errors. `test_against_torch.py` compares its numbers."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.data import load
from minicnn.models import BasicBlock, ResNet, small_resnet
from minicnn.training import Settings, fit


def test_the_small_resnet_has_about_0_3_million_weights():
    model = small_resnet(rng=np.random.default_rng(0))
    assert sum(p.size for p in model.parameters()) == 262_890
    assert [len(stage) for stage in (model.layer1, model.layer2)] == [3, 3]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (2, 3), (28, 28), (33, 20)])
def test_pictures_of_any_size(height, width, rng):
    model = ResNet(3, 5, (4, 8), (1, 1), algorithm="im2col", rng=rng)
    x = Tensor(rng.standard_normal((2, 3, height, width)).astype(np.float32))
    assert model.features(x).shape == (2, 8, -(-height // 4), -(-width // 4))
    out = model(x)
    assert out.shape == (2, 5)
    out.backward(rng.standard_normal(out.shape))
    assert all(np.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.slow
def test_it_learns_the_digits_in_one_epoch():
    history = fit(small_resnet(rng=np.random.default_rng(0)), load("mnist5k"), Settings(epochs=1))
    assert history[-1]["val_error"] < 0.1                       # 4.4 % with another seed


def test_no_pictures():
    assert small_resnet().eval()(Tensor(np.zeros((0, 1, 28, 28), np.float32))).shape == (0, 10)


@pytest.mark.parametrize(("channels", "stride"), [((4, 4), 1), ((4, 6), 1), ((4, 4), 2)])
def test_a_block_is_two_convolutions_and_a_way_around_them(channels, stride, rng):
    block = BasicBlock(*channels, stride, dtype=np.float64, algorithm="im2col", rng=rng).eval()
    x = Tensor(rng.standard_normal((2, channels[0], 9, 7)))
    norm = lambda bn, f: F.batch_norm(f, bn.running_mean, bn.running_var, bn.weight, bn.bias)
    conv = lambda layer, f, *sizes: F.conv2d(f, layer.weight, None, *sizes, algorithm="im2col")
    out = F.relu(norm(block.bn1, conv(block.conv1, x, stride, 1)))
    out = norm(block.bn2, conv(block.conv2, out, 1, 1))
    if channels[0] == channels[1] and stride == 1:
        assert block.downsample is None
        shortcut = x
    else:
        shortcut = norm(block.downsample[1], conv(block.downsample[0], x, stride))
    np.testing.assert_allclose(block(x).data, np.maximum(out.data + shortcut.data, 0), rtol=1e-12, atol=1e-14)


def test_the_same_rng_gives_the_same_weights():
    a, b = (small_resnet(rng=np.random.default_rng(3)).state_dict() for _ in range(2))
    assert all((a[name] == b[name]).all() for name in a)


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 10, (4,), (1,)), "ResNet: in_channels must be an integer of at least 1, not 0"),
    ((1, 0, (4,), (1,)), "ResNet: num_classes must be an integer of at least 1, not 0"),
    ((1, 10, (4, 0), (1, 1)), "ResNet: a width must be an integer of at least 1, not 0"),
    ((1, 10, (4,), (0,)), "ResNet: a number of blocks must be an integer of at least 1, not 0"),
    ((1, 10, (4, 8), (1,)), "widths and blocks must name the same stages, at least one; they have 2 and 1 numbers"),
    ((1, 10, (), ()), "widths and blocks must name the same stages, at least one; they have 0 and 0 numbers"),
])
def test_wrong_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(*arguments)


def test_pictures_that_do_not_fit_are_named():
    for shape in ((2, 3, 28, 28), (1, 28, 28)):
        with pytest.raises(ValueError, match=r"ResNet: pictures \(N, 1, H, W\) are needed, not \(" + str(shape[0])):
            small_resnet()(Tensor(np.zeros(shape, np.float32)))
