"""The U-Net: its sizes, its rule for pictures of any size, and its errors. `test_against_torch.py` has its numbers."""

import numpy as np
import pytest

from minicnn import Tensor, no_grad, optim
from minicnn import functional as F
from minicnn.data import load, normalize
from minicnn.models import UNet, double_convolution, unet
from minicnn.nn.summary import summarize


def test_the_unet_has_three_levels():
    model = unet(rng=np.random.default_rng(0))
    assert (len(model.encoder), len(model.up), len(model.decoder)) == (3, 2, 2)
    assert sum(p.size for p in model.parameters()) == 117_073


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (8, 8), (13, 22)])
@pytest.mark.parametrize("widths", [(4,), (4, 6), (4, 6, 5, 3)])
def test_the_output_has_the_size_of_the_picture(size, widths, rng):
    model = UNet(2, 3, widths, algorithm="im2col", rng=rng)
    out = model(Tensor(rng.standard_normal((2, 2, *size)).astype(np.float32)))
    assert out.shape == (2, 3, *size)
    out.backward(rng.standard_normal(out.shape))
    assert all(np.isfinite(p.grad).all() for p in model.parameters())


def test_a_picture_is_padded_with_copies_of_its_last_row_and_column(rng):
    model = UNet(1, 1, (4, 6, 8), algorithm="im2col", rng=rng).eval()
    x = rng.standard_normal((1, 1, 10, 13)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 3)), "edge")
    np.testing.assert_allclose(model(Tensor(x)).data, model(Tensor(padded)).data[:, :, :10, :13], atol=1e-6)


def test_one_level_is_a_chain_of_convolutions(rng):
    model = UNet(2, 3, (4,), dtype=np.float64, algorithm="im2col", rng=rng).eval()
    x = Tensor(rng.standard_normal((2, 2, 5, 7)))
    np.testing.assert_allclose(model(x).data, model.last(model.encoder[0](x)).data, rtol=1e-12)
    layers = double_convolution(2, 4, dtype=np.float64, rng=rng)
    assert [type(layer).__name__ for layer in layers] == 2 * ["Conv2d", "BatchNorm2d", "ReLU"]


def test_the_receptive_field_of_the_summary_is_what_nan_reaches():
    model = UNet(1, 1, (2, 2, 2), algorithm="im2col", rng=np.random.default_rng(0)).eval()
    field = summarize(model, (1, 1, 96, 96))[-1].receptive_field
    images = np.zeros((96, 1, 96, 96), np.float32)
    images[np.arange(96), 0, np.arange(96)] = np.nan            # image i has NaN in row i
    with no_grad(), np.errstate(invalid="ignore"):
        reached = np.isnan(model(Tensor(images)).data[:, 0, 40:52, 40])
    assert reached.sum(0).max() == field == 44


def test_no_pictures():
    assert unet().eval()(Tensor(np.zeros((0, 1, 28, 30), np.float32))).shape == (0, 1, 28, 30)


@pytest.mark.slow
def test_a_unet_learns_to_take_noise_away():
    rng = np.random.default_rng(0)
    clean = normalize(load("mnist5k").train_images[:640])
    model = UNet(1, 1, (8, 16), rng=rng)
    adam = optim.Adam(model.parameters(), 1e-2)
    for start in range(0, 640, 32):
        x = clean[start:start + 32]
        adam.zero_grad()
        loss = F.mse_loss(model(Tensor(x + rng.standard_normal(x.shape).astype(np.float32))), x)
        loss.backward()
        adam.step()
    assert loss.item() < 0.4                                   # of noise of variance 1


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 1, (4,)), "UNet: in_channels must be an integer of at least 1, not 0"),
    ((1, 0, (4,)), "UNet: out_channels must be an integer of at least 1, not 0"),
    ((1, 1, (4, 0)), "UNet: a width must be an integer of at least 1, not 0"),
    ((1, 1, ()), r"UNet: widths is empty: name the channels of at least one level, as in \(16, 32, 64\)")])
def test_wrong_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        UNet(*arguments)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 8, 8), (1, 1, 0, 8)])
def test_pictures_that_do_not_fit_are_named(shape):
    with pytest.raises(ValueError, match=r"UNet: pictures \(N, 1, H, W\) of at least one pixel are needed, not \("):
        unet()(Tensor(np.zeros(shape, np.float32)))
