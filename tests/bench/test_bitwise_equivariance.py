"""Bitwise equivariance of each algorithm. The results are checked in another way for random shifts."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.data import load, normalize
from minicnn.models import lenet

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bitwise_equivariance.py"
spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
bitwise = sys.modules[SCRIPT.stem] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bitwise)
compare_shifts, summarise = bitwise.compare_shifts, bitwise.summarise

SHAPES = [(20, 1, 5, 5), (40, 20, 5, 5), (40, 40, 5, 5), (5, 40, 5, 5)]


def draw(rng, *shapes, dtype=np.float32):
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def test_summaries():
    for exact, expected in (
            (np.outer([1, 1, 1], [1, 1]), "all"), (np.outer([1, 0, 0], [1, 0]), "none"), (np.ones((1, 1)), "all"),
            (np.outer([1, 0, 1, 0, 1], [1, 0, 0, 1]), "multiples of (2, 3)"),
            (np.outer([1, 1], [1, 0, 1]), "multiples of (1, 2)"),
            (np.outer([1, 0, 0], [1, 0, 1]), "multiples of 2 to the right"),
            (np.outer([1, 1, 1], [1, 0]), "all down"),
            (np.array([[1, 0, 0], [0, 1, 0]]), "2 of 6 shifts"), (np.array([[1, 1, 0, 1]]), "3 of 4 shifts"),
            (np.array([[1, 0, 1], [1, 0, 0]]), "3 of 6 shifts"), (np.array([[0, 1], [1, 1]]), "not repeatable")):
        assert summarise(exact) == expected


@pytest.mark.parametrize("stacked", [False, True])
def test_operators_whose_shifts_are_known(stacked, rng):
    x, = draw(rng, (2, 3, 6, 8))
    some = rng.permutation(48).reshape(6, 8)
    period = np.tile(np.float32([[1, 2], [3, 4], [5, 6]]), (2, 4))              # 3 rows, 2 columns
    gain = np.float32([1, 1, 2, 2, 2, 1, 1, 2])
    for op, expected in ((np.tanh, "all"), (lambda x: x * period, "multiples of (3, 2)"),
                         (lambda x: x * gain, "all down"), (lambda x: x * some, "none"),
                         (lambda x: x * gain[:6, None], "all to the right"),
                         (lambda x: x[..., ::-1], "multiples of (1, 4)")):      # half a turn has no direction
        exact, difference = compare_shifts(op, x, stacked=stacked)
        assert summarise(exact) == expected and exact.shape == difference.shape == (6, 8)
        assert (difference[exact] == 0).all() and (difference[~exact] > 0).all()


@pytest.mark.parametrize("stacked", [False, True])
def test_a_window_looks_at_a_scene_that_moves_down_and_to_the_right(stacked):
    scene = np.arange(7.0 * 9).reshape(1, 1, 7, 9)
    seen = []
    exact, difference = compare_shifts(lambda x: seen.append(x) or x, scene, (5, 6), stacked=stacked)
    assert exact.shape == (3, 4) and exact.all() and not difference.any()
    views = np.concatenate(seen[-12:])
    np.testing.assert_array_equal(views[0, 0], scene[0, 0, 2:, 3:])
    np.testing.assert_array_equal(views[-1, 0], scene[0, 0, :5, :6])
    np.testing.assert_array_equal(views[1, 0, :, 1:], views[0, 0, :, :-1])      # the shift (0, 1)
    # a part that depends on the place in the window does not move with the scene
    exact, _ = compare_shifts(lambda x: x + np.arange(6), scene, (5, 6), stacked=stacked)
    assert summarise(exact) == "all down"


def test_all_shifted_images_in_one_batch():
    sizes = []
    compare_shifts(lambda x: sizes.append(len(x)) or x, np.ones((2, 1, 3, 4)), stacked=True)
    compare_shifts(lambda x: sizes.append(len(x)) or x, np.ones((2, 1, 3, 4)))
    assert sizes == [24] + [2] * 13


def test_the_difference_is_relative_to_the_largest_value():
    def op(x):
        return x + 0.5 * np.eye(4)[0]                   # at the left edge
    x = np.zeros((1, 1, 3, 4))
    x[..., 2] = -2
    exact, difference = compare_shifts(op, x)
    np.testing.assert_array_equal(difference, np.tile([0, 0.25, 0.25, 0.25], (3, 1)))
    np.testing.assert_array_equal(exact, difference == 0)
    assert not compare_shifts(lambda x: 0 * x, x)[1].any()


def test_bits_and_not_values():
    x = np.ones((1, 1, 1, 3))
    signs = np.array([0.0, -0.0, 0.0])
    exact, difference = compare_shifts(lambda x: x * signs, x)
    assert exact.tolist() == [[True, False, False]] and not difference.any()
    assert compare_shifts(lambda x: np.full_like(x, np.nan), x)[0].all()
    assert compare_shifts(lambda x: np.full_like(x, np.inf), x)[0].all()


def test_an_operator_that_is_not_deterministic(rng):
    exact, _ = compare_shifts(lambda x: x + rng.random(), np.ones((1, 1, 2, 2)))
    assert summarise(exact) == "not repeatable"


def exact_shifts(name, weight, x, window=None, bias=None, stacked=False):
    """Of one convolution: on the torus, or in a window without padding."""
    return compare_shifts(bitwise.layer(name, weight, bias, window is None), x, window, stacked)[0]


def test_naive_is_exact_for_all_shifts(rng):
    weight, bias, x, scene = draw(rng, (3, 2, 3, 2), (3,), (2, 2, 4, 5), (1, 2, 7, 7))
    assert exact_shifts("naive", weight, x, bias=bias).all()
    assert exact_shifts("naive", weight, scene, (5, 5)).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_direct_is_exact_for_all_shifts(shape, batch, rng):
    weight, bias, x, scene = draw(rng, shape, shape[:1], (batch, shape[1], 9, 10), (batch, shape[1], 14, 17))
    assert exact_shifts("direct", weight, x, bias=bias).all()
    assert exact_shifts("direct", weight, scene, (10, 12), bias=bias).all()
    assert exact_shifts("direct", weight, x[:1], bias=bias, stacked=True).all()


def test_toeplitz_is_exact_but_for_the_edge_of_the_torus_in_float64(rng):
    weight, x, scene = draw(rng, (4, 2, 5, 5), (2, 2, 8, 9), (2, 2, 11, 11), dtype=np.float64)
    assert summarise(exact_shifts("toeplitz", weight, x)) == "none"
    assert exact_shifts("toeplitz", weight, scene, (8, 8)).all()
    assert exact_shifts("toeplitz", weight.astype(np.float32), x.astype(np.float32)).all()


def test_winograd_is_exact_where_tiles_move_onto_tiles(few_kernels, rng):
    """With tiles of 4 x 4: only in directions in which whole tiles fill the map."""
    weight, bias = draw(rng, (6, 8, 5, 5), (6,))
    for batch in (1, 3, 16):
        for size, expected in (((8, 12), "multiples of (4, 4)"), ((10, 12), "multiples of 4 to the right"),
                               ((12, 9), "multiples of 4 down"), ((9, 10), "none")):
            x, scene = draw(rng, (batch, 8, *size), (batch, 8, size[0] + 11, size[1] + 11))
            assert summarise(exact_shifts("winograd", weight, x, bias=bias)) == expected
            window = size[0] + 4, size[1] + 4           # whose output has that size
            assert summarise(exact_shifts("winograd", weight, scene, window, bias=bias)) == expected


@pytest.mark.parametrize("name", sorted(set(algorithms()) - {"naive"}))
@pytest.mark.parametrize("batch", [1, 16])
def test_random_shifts_measured_another_way(name, batch, few_kernels, threads, rng):
    """The result for a shift, checked with np.roll and bytes, also for images that start at another place."""
    threads(1)                                          # with many small products BLAS threads only wait
    for shape, size in (((20, 8, 5, 5), (8, 8)), ((5, 20, 5, 5), (9, 10))):
        weight, bias, x = draw(rng, shape, shape[:1], (batch, shape[1], *size))
        exact = exact_shifts(name, weight, x, bias=bias)
        conv = lambda x: F.conv2d(Tensor(x), Tensor(weight), Tensor(bias), padding=2, padding_mode="circular",      # noqa
                                  algorithm=name).data
        for dy, dx in rng.integers(0, size, (12, 2)):
            same = np.roll(conv(x), (dy, dx), (2, 3)).tobytes() == conv(np.roll(x, (dy, dx), (2, 3))).tobytes()
            assert same == exact[dy, dx]
            start = np.roll(x, rng.integers(0, size, 2), (2, 3))
            if exact.all():                             # then it holds from each place to each place
                moved = conv(np.roll(start, (dy, dx), (2, 3)))
                assert np.roll(conv(start), (dy, dx), (2, 3)).tobytes() == moved.tobytes()


@pytest.mark.parametrize("name", sorted(set(algorithms()) - {"naive", "toeplitz"}))
def test_random_pairs_of_windows(name, few_kernels, rng):
    weight, bias, scene = draw(rng, (20, 8, 5, 5), (20,), (2, 8, 20, 22))
    exact = exact_shifts(name, weight, scene, (14, 16), bias=bias)
    conv = lambda x: F.conv2d(Tensor(x), Tensor(weight), Tensor(bias), algorithm=name).data
    first = conv(scene[:, :, 6:, 6:])
    for dy, dx in rng.integers(0, 7, (12, 2)):
        second = conv(scene[:, :, 6 - dy:20 - dy, 6 - dx:22 - dx])
        overlap = first[:, :, :10 - dy, :12 - dx], second[:, :, dy:, dx:]
        assert (overlap[0].tobytes() == overlap[1].tobytes()) == exact[dy, dx]
        np.testing.assert_allclose(*overlap, atol=1e-3)


def test_the_feature_maps_of_lenet():
    """A digit at two places on the canvas: the maps of the trained network with the algorithm direct."""
    digit = normalize(load("mnist5k").val_images[:1])
    setting = bitwise.lenet_setting(digit, 38, True)
    exact, _ = compare_shifts(setting.operator("direct"), setting.x, setting.window, setting.stacked)
    assert exact.shape == (11, 11) and exact.all()
    features = lenet(pretrained=True, algorithm="direct").features
    for dy, dx in ((0, 10), (10, 0), (7, 3)):
        canvas = np.full((2, 1, 38, 38), digit.min(), np.float32)
        canvas[0, 0, :28, :28] = canvas[1, 0, dy:dy + 28, dx:dx + 28] = digit[0, 0]
        first, second = (features(Tensor(image[None])).data for image in canvas)
        assert first.shape == (1, 5, 22, 22)
        np.testing.assert_array_equal(second[:, :, dy:, dx:], first[:, :, :22 - dy, :22 - dx])


def test_the_table(rng):
    """Settings with the same answers share a row; * marks a row that holds for some of its settings only."""
    weight, = draw(rng, (2, 1, 3, 3))
    settings = [bitwise.layer_setting(weight, None, rng, (4, 5)),
                bitwise.layer_setting(weight, None, rng, (4, 5), batch=3),
                bitwise.layer_setting(weight, None, rng, (4, 5), stacked=True),
                bitwise.layer_setting(np.concatenate([weight] * 2), None, rng, (4, 5)),
                bitwise.layer_setting(weight, None, rng, (13, 14), windowed=True)]
    some, every = ([[True, False]], [[0, 2e-6]]), ([[True, True]], [[0, 0]])
    answers = [(some, every), (some, None), (every, every), (some, None), (some, None)]
    measured = [{"fft": tuple(map(np.array, one)), "naive": other and tuple(map(np.array, other))}
                for one, other in answers]
    assert bitwise.table(settings, measured).startswith("""\
| domain | layer | batch | fft | naive |
| --- | --- | --- | --- | --- |
| torus 4 x 5 | 1 -> 2 | 1, 3 | none, 2e-06 | all* |
| torus 4 x 5 | 1 -> 4 | 1 | none, 2e-06 | - |
| torus 4 x 5 | 1 -> 2 | 20 | all | all |
| window 13 x 14 | 1 -> 2 | 1 | none, 2e-06 | - |

The shifts (rows down, columns to the right)""")


def test_what_is_measured(rng):
    weight, = draw(rng, (2, 1, 3, 3))
    settings = [bitwise.layer_setting(weight, None, rng, (4, 5)),
                bitwise.layer_setting(np.tile(weight, (20, 40, 1, 1)), None, rng, (4, 5), batch=16)]
    measured = bitwise.measure(settings, ["naive", "fft"])
    assert measured[0]["naive"][0].all() and measured[0]["fft"][0].shape == (4, 5)
    assert measured[1]["naive"] is None and measured[1]["fft"][1].max() < 1e-5
    names = {setting.layer for setting in bitwise.default_settings()}
    assert names == {"1 -> 20", "20 -> 40", "40 -> 40", "40 -> 5", "LeNet, conv4"}


ONES = np.ones((1, 1, 3, 4))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: compare_shifts(abs, ONES, (3, 5)), r"the window \(3, 5\) is larger than the scene \(3, 4\): take a small"),
    (lambda: compare_shifts(lambda x: x[..., 1:], ONES), r"as large as the input, \(3, 4\), not \(3, 3\): pad around"),
    (lambda: compare_shifts(abs, ONES, (3, 1)), r"map of \(3, 1\) pixels .* shifted by 0 and 3: take a larger window"),
])
def test_what_does_not_fit_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
