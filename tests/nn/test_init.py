"""Initial values: bounds and deviations of the papers, memory orders and dtypes, gains against PyTorch."""

import math

import numpy as np
import pytest

from minicnn import MinicnnError
from minicnn.nn import init
from minicnn.tensor import Tensor

SHAPE = (40, 20, 5, 5)                            # fan_in 500, fan_out 1000, 20,000 elements


def rng():
    return np.random.default_rng(0)


def test_uniform_bounds_are_the_papers_and_are_reached():
    cases = [(init.kaiming_uniform_, {}, math.sqrt(6 / 500)),
             (init.kaiming_uniform_, {"mode": "fan_out"}, math.sqrt(6 / 1000)),
             (init.kaiming_uniform_, {"a": math.sqrt(5)}, 1 / math.sqrt(500)),
             (init.kaiming_uniform_, {"nonlinearity": "tanh"}, 5 / 3 * math.sqrt(3 / 500)),
             (init.xavier_uniform_, {"gain": 2}, 2 * math.sqrt(6 / 1500))]
    for fill, options, bound in cases:
        values = fill(np.empty(SHAPE), **options, rng=rng())
        assert 0.999 * bound < values.max() <= bound and -bound <= values.min() < -0.999 * bound
        assert abs(values.mean()) < 0.02 * bound


def test_normal_deviations_are_the_papers():
    cases = [(init.kaiming_normal_, {"nonlinearity": "relu"}, math.sqrt(2 / 500)),
             (init.kaiming_normal_, {"a": 2}, math.sqrt(2 / 5 / 500)),
             (init.xavier_normal_, {}, math.sqrt(2 / 1500)),
             (init.normal_, {"mean": 1, "std": 3}, 3)]
    for fill, options, std in cases:
        assert fill(np.empty(SHAPE), **options, rng=rng()).std() == pytest.approx(std, rel=0.02)


def test_signal_keeps_its_size_through_ten_relu_layers():
    generator, x = rng(), np.random.default_rng(1).normal(size=(200, 300))
    for _ in range(10):
        x = np.maximum(x, 0) @ init.kaiming_normal_(np.empty((300, 300)), rng=generator).T
    assert 0.5 < x.std() < 2


def test_a_tensor_is_filled_in_place_and_returned():
    weight = Tensor(np.zeros(SHAPE), requires_grad=True)
    array = weight.data
    assert init.kaiming_uniform_(weight, rng=rng()) is weight
    assert weight.data is array and array.any() and weight.requires_grad


def test_same_seed_gives_the_same_weights_in_every_dtype_and_memory_order():
    wanted = init.uniform_(np.empty((3, 4)), rng=rng())
    assert np.array_equal(init.uniform_(np.empty((4, 3)).T, rng=rng()), wanted)
    single = init.uniform_(np.empty((3, 4), np.float32), rng=rng())
    assert single.dtype == np.float32 and np.array_equal(single, wanted.astype(np.float32))


def test_constant():
    assert init.constant_(Tensor([1.0, 2.0]), 7).data.tolist() == [7, 7]


@pytest.mark.parametrize("shape", [(10, 180), (6, 4, 5, 3), (4, 1, 7)])
def test_fans_gains_and_bounds_agree_with_torch(shape):
    torch = pytest.importorskip("torch")
    assert init.fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


def test_errors():
    with pytest.raises(ValueError, match=r"shape \(5,\) has no fan_in and fan_out; it needs two axes"):
        init.kaiming_uniform_(np.empty(5), rng=rng())
    with pytest.raises(ValueError, match=r"shape \(5, 0\) is empty: its fan_in is 0"):
        init.kaiming_normal_(np.empty((5, 0)), rng=rng())
    with pytest.raises(ValueError, match=r"shape \(0, 0\) is empty: its fan_in and fan_out are 0"):
        init.xavier_normal_(np.empty((0, 0)), rng=rng())
    with pytest.raises(ValueError, match="mode must be one of 'fan_in', 'fan_out', not 'fan'"):
        init.kaiming_normal_(np.empty((5, 5)), mode="fan", rng=rng())
    with pytest.raises(ValueError, match="calculate_gain: nonlinearity must be one of 'linear', .*, not 'swish'"):
        init.kaiming_normal_(np.empty((5, 5)), nonlinearity="swish", rng=rng())
    with pytest.raises(ValueError, match="default_bound: fan_in must be a number of at least 1, not 0"):
        init.default_bound(0)
    with pytest.raises(TypeError, match="Tensor or an array of floats, not in .* array of int64"):
        init.uniform_(np.zeros((2, 2), np.int64), rng=rng())
    with pytest.raises(TypeError, match="not in .* list"):
        init.constant_([1.0], 0)
    with pytest.raises(TypeError, match="not in .* list"):
        init.normal_([1.0], rng=rng())
    with pytest.raises(TypeError, match="rng"):
        init.uniform_(np.empty(3))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: init.constant_(x, "a"), "constant_: value must be a number, not 'a'"),
    (lambda x: init.constant_(x, [1, 2]), "constant_: value must be a number"),
    (lambda x: init.uniform_(x, 1, 0, rng=rng()), "uniform_: low must not be above high, but low=1.0, high=0.0"),
    (lambda x: init.uniform_(x, -np.inf, rng=rng()), "uniform_: low must be a number, not -inf"),
    (lambda x: init.normal_(x, std=-1, rng=rng()), "normal_: std must be a number of at least 0, not -1"),
    (lambda x: init.normal_(x, np.nan, rng=rng()), "normal_: mean must be a number, not nan"),
    (lambda x: init.xavier_normal_(x, -1, rng=rng()), "gain must be a number of at least 0, not -1"),
    (lambda x: init.kaiming_uniform_(x, None, rng=rng()), "calculate_gain: a must be a number, not None"),
    (lambda x: init.fans(3), "fans: a shape is a tuple of integers, not 3"),
    (lambda x: init.constant_(x * 2, 1.0), "filled in place, but this array is read-only: give a copy"),
])
def test_wrong_numbers_and_targets_are_named(call, message):
    with pytest.raises(MinicnnError, match=message):
        call(Tensor(np.ones((2, 3)), requires_grad=True))
