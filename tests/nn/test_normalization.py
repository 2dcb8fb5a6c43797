"""The normalizations as layers: the function, the state, the mode, the shapes."""

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.nn.summary import summarize
from tests.reference import assert_same_function

WEIGHT, BIAS = np.array([2.0, -1.0]), np.array([0.5, 3.0])


@pytest.mark.parametrize(("layer", "function"), [
    (nn.LayerNorm((3, 5), 0.1, dtype=np.float64), lambda x: F.layer_norm(x, (3, 5), eps=0.1)),
    (nn.GroupNorm(2, 2, 0.1, dtype=np.float64), lambda x: F.group_norm(x, 2, WEIGHT, BIAS, 0.1)),
    (nn.InstanceNorm2d(2, 0.1, affine=True, dtype=np.float64),
     lambda x: F.instance_norm(x, None, None, WEIGHT, BIAS, eps=0.1)),
    (nn.InstanceNorm2d(2, 0.1), lambda x: F.instance_norm(x, eps=0.1)),
    (nn.BatchNorm2d(2, 0.1, dtype=np.float64), lambda x: F.batch_norm(x, None, None, WEIGHT, BIAS, True, eps=0.1)),
], ids=lambda value: type(value).__name__)
def test_a_layer_is_the_function_of_its_name(layer, function, rng):
    if layer.weight is not None and layer.weight.shape == (2,):
        layer.weight.data[...], layer.bias.data[...] = WEIGHT, BIAS
    assert_same_function(layer, function, rng.standard_normal((4, 2, 3, 5)), rng)


def test_one_dimensional_layers_are_the_others_with_a_side_of_1(rng):
    x = rng.standard_normal((4, 2, 6))
    for one, two in (nn.BatchNorm1d, nn.BatchNorm2d), (nn.InstanceNorm1d, nn.InstanceNorm2d):
        np.testing.assert_allclose(one(2)(x).data, two(2)(x[:, :, None]).data[:, :, 0], rtol=1e-13)
    rows = nn.BatchNorm1d(2, dtype=np.float64)
    np.testing.assert_allclose(rows(x[:, :, 0]).data, F.batch_norm(x[:, :, 0], None, None, training=True).data)
    np.testing.assert_allclose(rows.running_mean, 0.1 * x[:, :, 0].mean(0))


def test_one_image_without_a_batch(rng):
    x = rng.standard_normal((2, 3, 5))
    for norm in nn.InstanceNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True, dtype=np.float64):
        np.testing.assert_array_equal(norm(Tensor(x)).data, F.instance_norm(x[None]).data[0])
        np.testing.assert_array_equal(nn.InstanceNorm1d(2)(x[0, :2]).data, F.instance_norm(x[:1, :2]).data[0])


def test_instance_norm_uses_running_statistics_in_evaluation_only_if_it_has_them(rng):
    x = rng.normal(3, 2, (4, 2, 3, 5))
    norm = nn.InstanceNorm2d(2, track_running_stats=True, dtype=np.float64)
    trained = norm(x).data
    assert list(norm.state_dict()) == ["running_mean", "running_var"] and norm.weight is None
    np.testing.assert_allclose(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(norm.eval()(x).data, F.batch_norm(x, norm.running_mean, norm.running_var).data)
    plain = nn.InstanceNorm2d(2).eval()
    np.testing.assert_array_equal(plain(x).data, trained)
    assert plain.state_dict() == {}
    norm.load_state_dict({"running_mean": np.ones(2), "running_var": np.ones(2), "num_batches_tracked": np.array(3)})
    np.testing.assert_allclose(norm(x).data, x - 1, rtol=1e-4)


@pytest.mark.parametrize(("module", "text", "names"), [
    (nn.LayerNorm(5), "LayerNorm((5,))", ["weight", "bias"]),
    (nn.LayerNorm((2, 5), 1e-3, bias=False), "LayerNorm((2, 5), eps=0.001, bias=False)", ["weight"]),
    (nn.LayerNorm(5, elementwise_affine=False), "LayerNorm((5,), elementwise_affine=False)", []),
    (nn.GroupNorm(2, 4), "GroupNorm(2, 4)", ["weight", "bias"]),
    (nn.GroupNorm(2, 4, 0.5, False), "GroupNorm(2, 4, eps=0.5, affine=False)", []),
    (nn.GroupNorm(2, 4, bias=False), "GroupNorm(2, 4, bias=False)", ["weight"]),
    (nn.InstanceNorm1d(3, affine=True, bias=False), "InstanceNorm1d(3, affine=True)", ["weight"]),
    (nn.InstanceNorm2d(3, 0.5, 0.2, True, True), "InstanceNorm2d(3, eps=0.5, momentum=0.2, affine=True, "
     "track_running_stats=True)", ["weight", "bias", "running_mean", "running_var"]),
    (nn.BatchNorm1d(3, momentum=None), "BatchNorm1d(3, momentum=None)",
     ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]),
])
def test_repr_and_names_of_the_state(module, text, names):
    assert repr(module) == text and list(module.state_dict()) == names


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.BatchNorm1d(3)(np.ones((2, 4))), r"BatchNorm1d: the input must have shape \(N, 3\) or \(N, 3, L\), no"),
    (lambda: nn.BatchNorm1d(3)(np.ones((2, 3, 1, 1))), r"BatchNorm1d: the input must have shape \(N, 3\) or"),
    (lambda: nn.BatchNorm1d(0), "BatchNorm1d: num_features must be an integer of at least 1, not 0"),
    (lambda: nn.InstanceNorm2d(3)(np.ones((3, 2, 4, 4))), r"InstanceNorm2d: the input must have shape \(N, 3, H, W\)"),
    (lambda: nn.InstanceNorm2d(3)(np.ones((2, 3, 4))), r"InstanceNorm2d: .* or \(3, H, W\), not \(2, 3, 4\)"),
    (lambda: nn.InstanceNorm1d(3)(np.ones(3)), r"InstanceNorm1d: the input must have shape \(N, 3, L\) or \(3, L"),
    (lambda: nn.InstanceNorm1d(3, momentum=None), "InstanceNorm1d: momentum must be a number, not None"),
    (lambda: nn.InstanceNorm1d(3, affine=None), "InstanceNorm1d: affine must be True or False"),
    (lambda: nn.LayerNorm(2.0), "LayerNorm: normalized_shape must be an integer or a tuple of integers"),
    (lambda: nn.LayerNorm(2, 0), "LayerNorm: eps must be a number above 0, not 0"),
    (lambda: nn.LayerNorm(2, 1e-5, 1), "LayerNorm: elementwise_affine must be True or False, not 1"),
    (lambda: nn.LayerNorm(2, dtype=int), "LayerNorm: dtype must be float32 or float64"),
    (lambda: nn.LayerNorm(2, bias=None), "LayerNorm: bias must be True or False"),
    (lambda: nn.GroupNorm(2, 3), "GroupNorm: num_groups=2 must divide num_channels=3"),
    (lambda: nn.GroupNorm(1.0, 3), "GroupNorm: num_groups must be an integer of at least 1, not 1.0"),
    (lambda: nn.GroupNorm(1, 3, device="cuda"), "GroupNorm: device must be None or 'cpu'"),
    (lambda: nn.GroupNorm(1, 3, affine=0), "GroupNorm: affine must be True or False, not 0"),
    (lambda: nn.GroupNorm(1, 3)(np.ones((2, 4))), r"GroupNorm: the input must have shape \(N, 3, ...\), not \(2, 4\)"),
])
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        make()
    assert type(caught.value).__module__ == "minicnn"


def test_summary_says_that_an_output_sees_the_whole_image():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.Conv2d(2, 1, 3))
    assert [layer.receptive_field for layer in summarize(model, (1, 1, 8, 8))] == [3, None, None]


@pytest.mark.parametrize(("layer", "field"), [(nn.Softmax(1), 3), (nn.LogSoftmax(-3), 3), (nn.Softmax(), None),
                                              (nn.LogSoftmax(2), None)])
def test_a_softmax_of_the_channels_sees_one_pixel(layer, field):
    assert summarize(nn.Sequential(nn.Conv2d(1, 2, 3), layer), (1, 1, 8, 8))[1].receptive_field == field
