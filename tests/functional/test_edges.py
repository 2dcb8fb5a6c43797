"""Zero and one: no image, no channel, no pixel, one of each, no axes. The same rule in every operation."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms

ELEMENTWISE = {
    "relu": F.relu, "leaky_relu": F.leaky_relu, "tanh": F.tanh, "sigmoid": F.sigmoid, "logsigmoid": F.logsigmoid,
    "prelu": lambda x: F.prelu(x, np.ones(1)), "hardtanh": F.hardtanh, "relu6": F.relu6, "elu": F.elu, "silu": F.silu,
    "gelu": F.gelu, "gelu, tanh": lambda x: F.gelu(x, "tanh"), "softplus": F.softplus, "softmax": F.softmax,
    "log_softmax": F.log_softmax, "dropout": lambda x: F.dropout(x, rng=np.random.default_rng(0)),
    "mse_loss": lambda x: F.mse_loss(x, x.data + 1, "none"), "flatten": F.flatten,
}
IMAGES = {                      # output shape of images of 4 x 4 pixels with 2 channels
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, padding=1), (2, 3, 3)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, padding=1), (2, 3, 3)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (1, None)), (2, 1, 4)),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 3), (2, 3, 3)),
    "blur_pool2d": (lambda x: F.blur_pool2d(x, 3), (2, 2, 2)),
} | {f"conv2d {name}": (lambda x, name=name: F.conv2d(x, np.ones((5, 2, 3, 3)), np.ones(5), padding=1, algorithm=name),
                        (5, 4, 4)) for name in ["auto", *algorithms()]}


def run(operation, shape):
    x = Tensor(np.ones(shape), requires_grad=True)
    out = operation(x)
    out.backward(np.ones(out.shape))
    assert x.grad.shape == shape
    return out


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3), (3, 0), (2, 0, 4), (1, 1, 1, 1)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_any_shape(name, shape):
    out = run(ELEMENTWISE[name], shape)
    assert out.shape == ((int(np.prod(shape)),) if name == "flatten" else shape)


@pytest.mark.usefixtures("few_kernels")
@pytest.mark.parametrize("name", IMAGES)
def test_no_image_gives_an_empty_result_and_gradients_of_zeros(name):
    operation, shape = IMAGES[name]
    assert run(operation, (0, 2, 4, 4)).shape == (0, *shape)
    assert run(operation, (1, 2, 4, 4)).shape == (1, *shape)
    assert run(operation, (2, 4, 4)).shape == shape


@pytest.mark.parametrize("shape", [(1, 0, 4, 4), (1, 2, 3, 0), (2, 2, 0, 0), (0, 4, 4), (2, 0, 4)])
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_without_channel_or_pixel_is_refused(name, shape):
    message = f"{name.split()[0]}: an image needs at least one channel and one pixel; the input has shape "
    with pytest.raises(ValueError, match=message):
        run(IMAGES[name][0], shape)


@pytest.mark.parametrize("shape", [(), (4,), (4, 4), (1, 1, 2, 4, 4)])
@pytest.mark.parametrize("name", IMAGES)
def test_what_is_no_image_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"the input must have shape \(N, C, H, W\)"):
        run(IMAGES[name][0], shape)


@pytest.mark.parametrize("name", algorithms())
def test_no_image_has_gradients_of_weight_and_bias(name):
    w, b = (Tensor(np.ones(shape), requires_grad=True) for shape in ((5, 2, 3, 3), (5,)))
    out = F.conv2d(np.ones((0, 2, 4, 4)), w, b, algorithm=name, relu=True)
    out.backward(np.ones((0, 5, 2, 2)))
    assert not w.grad.any() and not b.grad.any() and w.grad.shape == w.shape and b.grad.shape == b.shape


def test_batch_norm_of_no_image_moves_no_statistics():
    mean, var = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    operation = lambda training: lambda x: F.batch_norm(x, mean, var, training=training)
    for training in (True, False):
        assert run(operation(training), (0, 2, 4, 4)).shape == (0, 2, 4, 4)
    assert (mean.tolist(), var.tolist()) == ([1, 2], [3, 4])
    for shape in ((), (2,)):
        with pytest.raises(ValueError, match=r"batch_norm: the input must have shape \(N, C, ...\)"):
            run(operation(True), shape)


def test_losses_of_nothing():
    assert np.isnan(run(lambda x: F.cross_entropy(x, np.zeros(0, int)), (0, 3)).item())
    assert run(lambda x: F.cross_entropy(x, np.zeros(0, int), reduction="sum"), (0, 3)).item() == 0
    assert np.isnan(run(lambda x: F.mse_loss(x, x.data), (0, 3)).item())
    with pytest.raises(ValueError, match=r"cross_entropy: the input must have shape \(classes,\) or"):
        F.cross_entropy(np.array(1.0), np.array(0))


def test_linear_of_no_row_and_of_no_feature():
    assert run(lambda x: F.linear(x, np.ones((2, 3)), np.ones(2)), (0, 3)).shape == (0, 2)
    assert run(lambda x: F.linear(x, np.ones((2, 0)), np.ones(2)), (4, 0)).data.tolist() == [[1, 1]] * 4


@pytest.mark.parametrize("name", [name for name in algorithms() if name != "winograd"])      # it needs square kernels
@pytest.mark.parametrize("options", [{"stride": 10**20}, {"stride": (10**6, 1), "padding": 1},
                                     {"dilation": (1, 10**20)}])
def test_steps_beyond_the_image(name, options):
    """They mean no more than the image's size, and a dilation of one tap means nothing. No table grows with them."""
    x, w = np.arange(25.0).reshape(1, 1, 5, 5), Tensor(np.ones((1, 1, 3, 1)), requires_grad=True)
    padding = options.get("padding", 0)
    whole = np.array([[np.pad(x[0, 0], padding)[y:y + 3, c].sum() for c in range(5 + 2 * padding)] for y in range(3)])
    stride = options.get("stride", 1)
    sy, sx = stride if isinstance(stride, tuple) else (stride, stride)
    out = F.conv2d(x, w, **options, algorithm=name)
    np.testing.assert_allclose(out.data[0, 0], whole[::sy, ::sx][:out.shape[2]], rtol=1e-12, atol=1e-13)
    out.backward(np.ones(out.shape))
    assert w.grad.shape == w.shape


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.conv2d(x, np.ones((1, 2, 3, 3)), padding=10**12), "the padded image would have 2000000000004 x"),
    (lambda x: F.max_pool2d(x, 10**10, padding=5 * 10**9), "a window of 10000000000 x 10000000000 pixels has more"),
    (lambda x: F.conv2d(x, np.ones((0, 2, 3, 3))), "a convolution needs at least one image, channel and kernel pixel"),
])
def test_what_is_too_large_or_too_small(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((1, 2, 4, 4))))
