"""The answer to one picture: its scores, the winning unit and its receptive field, and what hiding pixels changes."""

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.data import load, normalize
from minicnn.models import MLP, GlobalLeNet, LeNet, ResNet, lenet
from minicnn.training import Box, predict
from minicnn.training.prediction import _squares


@pytest.fixture(scope="module")
def digits():
    return normalize(load("mnist5k").val_images[:4])


@pytest.fixture(scope="module")
def model():
    return lenet(pretrained=True)


def test_scores_are_those_of_the_model(model, digits):
    logits = model.eval()(Tensor(digits)).data
    for image, expected in zip(digits, logits, strict=True):
        found = predict(model, image)
        np.testing.assert_allclose(found.scores, expected, atol=1e-4)
        np.testing.assert_allclose(found.probabilities, np.exp(expected) / np.exp(expected).sum(), atol=1e-5)
        assert found.label == expected.argmax() and found.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_the_winning_unit_of_the_lenet_by_hand(model, digits):
    found = predict(model, digits[0])
    pooled = model.pool(model.features(Tensor(digits[:1]))).data[0]
    parts = pooled * model.fc1.weight.data[found.label].reshape(pooled.shape)
    unit = found.unit
    assert (unit.layer, unit.channel, unit.row, unit.column) == ("pool", *np.unravel_index(parts.argmax(), parts.shape))
    assert unit.contribution == pytest.approx(parts.max(), rel=1e-5)
    assert unit.value == pytest.approx(pooled[unit.channel, unit.row, unit.column], rel=1e-5)
    assert parts.sum() + model.fc1.bias.data[found.label] == pytest.approx(found.scores[found.label], rel=1e-5)
    assert unit.box == Box(2 * unit.row, 2 * unit.column, 18, 18)              # a 2x2 pool of 17x17 windows


def test_the_winning_unit_of_a_global_pool_is_its_maximum(rng):
    model = GlobalLeNet(rng=rng)
    found = predict(model, rng.standard_normal((1, 30, 26)).astype(np.float32))
    assert found.unit.layer == "conv4" and found.unit.channel == found.label
    assert found.unit.contribution == pytest.approx(found.scores[found.label], rel=1e-5)
    assert found.unit.box == Box(found.unit.row, found.unit.column, 17, 17)


def test_another_class_can_be_explained(model, digits):
    found = predict(model, digits[0], label=3)
    assert found.label != 3 and found.unit.contribution < found.scores.max() + 100
    assert found.unit != predict(model, digits[0]).unit


@pytest.mark.parametrize("size", [(20, 33), (41, 12)])
@pytest.mark.parametrize(("body", "field"), [
    (lambda rng: [nn.Conv2d(2, 3, 3, padding=1, rng=rng)], lambda y, x: (y - 1, y + 1, x - 1, x + 1)),
    (lambda rng: [nn.Conv2d(2, 3, 3, 2, 1, rng=rng), nn.ReLU(), nn.Conv2d(3, 4, (1, 3), padding=(0, 1), rng=rng)],
     lambda y, x: (2 * y - 1, 2 * y + 1, 2 * x - 3, 2 * x + 3)),
    (lambda rng: [nn.Residual(nn.Conv2d(2, 2, 5, padding=2, rng=rng)), nn.MaxPool2d(2), nn.BatchNorm2d(2)],
     lambda y, x: (2 * y - 2, 2 * y + 3, 2 * x - 2, 2 * x + 3)),
    (lambda rng: [nn.Conv2d(2, 3, 3, padding=1, algorithm="winograd", rng=rng)],
     lambda y, x: (y - 1, y + 1, x - 1, x + 1)),
    (lambda rng: [nn.Conv2d(2, 3, 3, padding=1, algorithm="fft", rng=rng)], lambda y, x: (y - 1, y + 1, x - 1, x + 1)),
    (lambda rng: [nn.Conv2d(2, 3, 3, padding=1, rng=rng), nn.GroupNorm(1, 3)], lambda y, x: (0, 99, 0, 99)),
])
def test_receptive_fields_are_cut_off_at_the_border(size, body, field, rng):
    model = nn.Sequential(*body(rng), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    unit = predict(model, rng.standard_normal((2, *size)).astype(np.float32)).unit
    top, bottom, left, right = field(unit.row, unit.column)
    top, left = max(top, 0), max(left, 0)
    bottom, right = min(bottom, size[0] - 1), min(right, size[1] - 1)
    assert unit.box == Box(top, left, bottom - top + 1, right - left + 1)


class Fast(nn.Module):
    """An attribute `algorithm` of a layer that is no convolution."""

    algorithm = "fast"

    def forward(self, x):
        assert self.algorithm == "fast"
        return x


def test_an_attribute_of_another_layer_is_left_alone(digits):
    assert predict(nn.Sequential(Fast(), nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), digits[0]).unit


def test_a_network_without_maps_has_no_unit(digits):
    assert predict(MLP(8), digits[0]).unit is None
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3))
    assert predict(model, digits[0]).unit is None


class Aside(nn.Module):
    """The last map is not used for the scores."""

    def __init__(self):
        self.used, self.aside = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3)

    def forward(self, x):
        x = self.used(x)
        self.aside(x)
        return x.mean(axis=(2, 3))


def test_a_map_that_does_not_count_is_left_out(digits):
    assert predict(Aside(), digits[0]).unit.layer == "used"


def test_hiding_the_pixels_that_count_lowers_the_probability():
    class Corner(nn.Module):
        """Class 1 if the pixels at rows 2, 3 and columns 9, 10 are bright."""

        def forward(self, x):
            score = x[:, 0, 2:4, 9:11].sum(axis=(1, 2)).reshape(-1, 1)
            return F.linear(score, Tensor(np.float32([[0], [1]])))
    image = np.zeros((1, 12, 16), np.float32)
    image[0, 2:4, 9:11] = 1
    found = predict(Corner(), image)
    assert found.label == 1 and found.fall == pytest.approx(1 / (1 + np.exp(-4)) - 0.5, abs=1e-6)
    box = found.square
    assert box.top <= 2 and box.top + box.height >= 4 and box.left <= 9 and box.left + box.width >= 11
    assert found.occlusion.shape == (12, 16) and found.occlusion[2:4, 9:11].min() > 0.1
    assert found.occlusion[8:].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (28, 28), (5, 300), (64, 33)])
def test_the_squares_cover_every_pixel_and_lie_in_the_picture(size):
    seen = np.zeros(size, int)
    for box in _squares(size):
        assert box.height == box.width == max(1, min(size) // 4)
        part = seen[box.top:box.top + box.height, box.left:box.left + box.width]
        assert part.shape == (box.height, box.width)
        part += 1
    assert seen.min() > 0 and len(_squares(size)) <= 16 * max(16, 4 * max(size) // min(size))


def test_nan_is_no_answer(digits):
    model = LeNet()
    model.fc1.bias.data[2] = np.nan
    found = predict(model, digits[0])
    assert found.label == -1 and found.unit is None and np.isnan(found.fall) and np.isnan(found.occlusion).all()


def test_nothing_is_changed(rng):
    model = ResNet(2, 3, (4, 8), (1, 1), algorithm="fft", rng=rng)
    model.layer1.eval()
    image = rng.standard_normal((2, 20, 17)).astype(np.float32)
    model(Tensor(image[None])).sum().backward()
    before, state = image.copy(), model.state_dict()
    gradients = [p.grad.copy() for p in model.parameters()]
    predict(model, image)
    np.testing.assert_array_equal(image, before)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)
    assert model.training and not model.layer1.training and model.conv1.algorithm == "fft"


def test_float64_and_unusual_memory(rng):
    model = LeNet(np.float64, algorithm="im2col", rng=rng)
    image = rng.standard_normal((28, 28, 1)).transpose(2, 1, 0)
    found, same = predict(model, image), predict(model, np.ascontiguousarray(image))
    assert found.scores.dtype == np.float64 and found.unit == same.unit and found.label == same.label


@pytest.mark.parametrize(("image", "message"), [
    (np.zeros((1, 1, 28, 28), np.float32), r"floats of shape \(C, H, W\) is needed, not float32 \(1, 1, 28, 28\)"),
    (np.zeros((1, 28, 28), np.uint8), r"not uint8 \(1, 28, 28\): normalise it first"),
    (np.zeros((1, 0, 28), np.float32), r"not float32 \(1, 0, 28\)"),
    (np.zeros((1, 20, 20), np.float32), "LeNet: the linear layer needs images")])
def test_images_that_do_not_fit(image, message, model):
    with pytest.raises(ValueError, match=message):
        predict(model, image)


def test_what_is_no_class_and_no_model(model, digits):
    with pytest.raises(ValueError, match="there is no class 10: the model has 10, 0 to 9"):
        predict(model, digits[0], label=10)
    with pytest.raises(TypeError, match=r"predict: the model must be a minicnn.nn.Module, not a function"):
        predict(lambda x: x, digits[0])
    with pytest.raises(ValueError, match="a classifier returns logits of shape"):
        predict(nn.Conv2d(1, 1, 3), digits[0])
