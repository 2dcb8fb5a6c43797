"""Bitwise equivariance of each algorithm; what is measured is measured again, another way, for random shifts."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.data import load, normalize
from minicnn.equivariance import bitwise
from minicnn.equivariance.bitwise import bitwise_shifts, bitwise_table, compare_shifts, summarise
from minicnn.models import lenet

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
                         (lambda x: x[..., ::-1], "multiples of (1, 4)")):      # half a turn has no sense of direction
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
    # what depends on the place in the window does not move along
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


# ------------------------------------------------------------------------------------------- the algorithms, measured

def test_naive_is_exact_for_all_shifts(rng):
    weight, bias, x, scene = draw(rng, (3, 2, 3, 2), (3,), (2, 2, 4, 5), (1, 2, 7, 7))
    assert bitwise_shifts("naive", weight, x, bias=bias).all()
    assert bitwise_shifts("naive", weight, scene, (5, 5)).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_direct_is_exact_for_all_shifts(shape, batch, rng):
    weight, bias, x, scene = draw(rng, shape, shape[:1], (batch, shape[1], 9, 10), (batch, shape[1], 14, 17))
    assert bitwise_shifts("direct", weight, x, bias=bias).all()
    assert bitwise_shifts("direct", weight, scene, (10, 12), bias=bias).all()
    assert bitwise_shifts("direct", weight, x[:1], bias=bias, stacked=True).all()


def test_toeplitz_is_exact_but_for_the_edge_of_the_torus_in_float64(rng):
    weight, x, scene = draw(rng, (4, 2, 5, 5), (2, 2, 8, 9), (2, 2, 11, 11), dtype=np.float64)
    assert summarise(bitwise_shifts("toeplitz", weight, x)) == "none"
    assert bitwise_shifts("toeplitz", weight, scene, (8, 8)).all()
    assert bitwise_shifts("toeplitz", weight.astype(np.float32), x.astype(np.float32)).all()


def test_winograd_is_exact_where_tiles_move_onto_tiles(few_kernels, rng):
    """With tiles of 4 x 4: where whole tiles fill the map, and in no other direction."""
    weight, bias = draw(rng, (6, 8, 5, 5), (6,))
    for batch in (1, 3, 16):
        for size, expected in (((8, 12), "multiples of (4, 4)"), ((10, 12), "multiples of 4 to the right"),
                               ((12, 9), "multiples of 4 down"), ((9, 10), "none")):
            x, scene = draw(rng, (batch, 8, *size), (batch, 8, size[0] + 11, size[1] + 11))
            assert summarise(bitwise_shifts("winograd", weight, x, bias=bias)) == expected
            window = size[0] + 4, size[1] + 4           # whose output has that size
            assert summarise(bitwise_shifts("winograd", weight, scene, window, bias=bias)) == expected


@pytest.mark.parametrize("name", sorted(set(algorithms()) - {"naive"}))
@pytest.mark.parametrize("batch", [1, 16])
def test_random_shifts_measured_another_way(name, batch, few_kernels, rng):
    """The statement for a shift, for other images, from another position, by np.roll and bytes."""
    for shape, size in (((20, 8, 5, 5), (8, 8)), ((5, 20, 5, 5), (9, 10))):
        weight, bias, x = draw(rng, shape, shape[:1], (batch, shape[1], *size))
        exact = bitwise_shifts(name, weight, x, bias=bias)
        conv = lambda x: F.conv2d(Tensor(x), Tensor(weight), Tensor(bias), padding=2, padding_mode="circular",      # noqa
                                  algorithm=name).data
        for dy, dx in rng.integers(0, size, (12, 2)):
            same = np.roll(conv(x), (dy, dx), (2, 3)).tobytes() == conv(np.roll(x, (dy, dx), (2, 3))).tobytes()
            assert same == exact[dy, dx]
            start = np.roll(x, rng.integers(0, size, 2), (2, 3))
            if exact.all():                             # then from everywhere to everywhere
                moved = conv(np.roll(start, (dy, dx), (2, 3)))
                assert np.roll(conv(start), (dy, dx), (2, 3)).tobytes() == moved.tobytes()


@pytest.mark.parametrize("name", sorted(set(algorithms()) - {"naive", "toeplitz"}))
def test_random_pairs_of_windows(name, few_kernels, rng):
    weight, bias, scene = draw(rng, (20, 8, 5, 5), (20,), (2, 8, 20, 22))
    exact = bitwise_shifts(name, weight, scene, (14, 16), bias=bias)
    conv = lambda x: F.conv2d(Tensor(x), Tensor(weight), Tensor(bias), algorithm=name).data
    first = conv(scene[:, :, 6:, 6:])
    for dy, dx in rng.integers(0, 7, (12, 2)):
        second = conv(scene[:, :, 6 - dy:20 - dy, 6 - dx:22 - dx])
        overlap = first[:, :, :10 - dy, :12 - dx], second[:, :, dy:, dx:]
        assert (overlap[0].tobytes() == overlap[1].tobytes()) == exact[dy, dx]
        np.testing.assert_allclose(*overlap, atol=1e-3)


def test_the_feature_maps_of_lenet():
    digit = normalize(load("mnist5k").val_images[:1])
    names = [name for name in algorithms() if name not in ("naive", "toeplitz")]
    records = {record.algorithm: record for record in bitwise_table([bitwise.lenet_case(digit, 38, True)], names)}
    assert records["direct"].shifts == "all" and records["direct"].exact.shape == (11, 11)
    assert all(record.largest_difference < 1e-5 for record in records.values())
    features = lambda x, name: lenet(pretrained=True, algorithm=name).features(Tensor(x)).data
    for dy, dx in ((0, 10), (10, 0), (7, 3)):           # the digit on the canvas, one image after the other
        canvas = np.full((2, 1, 38, 38), digit.min(), np.float32)
        canvas[0, 0, :28, :28] = canvas[1, 0, dy:dy + 28, dx:dx + 28] = digit[0, 0]
        first, second = (features(image[None], "direct") for image in canvas)
        assert first.shape == (1, 5, 22, 22)
        np.testing.assert_array_equal(second[:, :, dy:, dx:], first[:, :, :22 - dy, :22 - dx])


# ------------------------------------------------------------------------------------------------------- the table

def small_cases(rng):
    weight, = draw(rng, (2, 1, 3, 3))
    return [bitwise.layer_case(weight, None, rng, (4, 5)), bitwise.layer_case(weight, None, rng, (4, 5), batch=3),
            bitwise.layer_case(weight, None, rng, (4, 5), stacked=True),
            bitwise.layer_case(np.concatenate([weight] * 2), None, rng, (4, 5)),
            bitwise.layer_case(weight, np.ones(2, np.float32), rng, (13, 14), windowed=True)]


def test_the_table_says_what_was_measured(rng):
    cases = small_cases(rng)
    records = bitwise_table(cases, ["im2col", "fft"])
    assert [(r.case, r.algorithm) for r in records] == [(case, name) for case in cases for name in ("im2col", "fft")]
    for record in records:
        case = record.case
        exact, difference = compare_shifts(case.operator(record.algorithm), case.x, case.window, stacked=case.stacked)
        np.testing.assert_array_equal(record.exact, exact)
        assert record.shifts == summarise(exact) and record.largest_difference == difference.max() < 1e-5
    assert [case.batch for case in cases] == [1, 3, 20, 1, 1]
    assert [case.domain for case in cases] == ["torus 4 x 5"] * 4 + ["window 13 x 14"]
    assert cases[0].shifts == 20 and cases[-1].shifts == 121 and cases[0].products == 2 * 9 * 20


def test_by_default_the_table_takes_every_algorithm(rng):
    case = small_cases(rng)[0]
    assert [record.algorithm for record in bitwise_table([case])] == list(algorithms())


def a_record(case, name, *exact, difference=2e-6):
    exact = None if exact == (None,) else np.array([exact], bool)
    return bitwise.BitwiseRecord(name, case, exact, None if exact is None else np.where(exact, 0, difference))


def test_the_printed_table(rng, capsys):
    one, three, stacked, wide, window = small_cases(rng)
    records = [a_record(one, "fft", 1, 0), a_record(one, "naive", 1, 1), a_record(three, "fft", 1, 0, difference=1e-7),
               a_record(three, "naive", None), a_record(stacked, "fft", 1, 1), a_record(stacked, "naive", 1, 1),
               a_record(wide, "fft", 1, 0), a_record(wide, "naive", None), a_record(window, "fft", 1, 0),
               a_record(window, "naive", None)]
    bitwise.print_bitwise_table(records, markdown=True)
    table = capsys.readouterr().out
    assert table.startswith("""\
| domain | layer | batch | fft | naive |
| --- | --- | --- | --- | --- |
| torus 4 x 5 | 1 -> 2 | 1, 3 | none, 2e-06 | all* |
| torus 4 x 5 | 1 -> 4 | 1 | none, 2e-06 | - |
| torus 4 x 5 | 1 -> 2 | 20 | all | all |
| window 13 x 14 | 1 -> 2 | 1 | none, 2e-06 | - |

The shifts (rows down, columns to the right)""")
    bitwise.print_bitwise_table(records)
    printed = capsys.readouterr().out
    assert "window 13 x 14" in printed and "none, 2e-06" in printed and "*: measured" in printed


def test_layers_of_the_same_answer_are_one_row(rng, capsys):
    one, three, _, wide, window = small_cases(rng)
    answers = (one, 1, 0), (wide, 1, 0), (window, 1, 1), (three, 1, 1)
    bitwise.print_bitwise_table([a_record(case, "fft", *exact) for case, *exact in answers], markdown=True)
    rows = capsys.readouterr().out.splitlines()[2:5]
    assert rows == ["| torus 4 x 5 | 1 -> 2; 1 -> 4 | 1 | none, 2e-06 |", "| torus 4 x 5 | 1 -> 2 | 3 | all |",
                    "| window 13 x 14 | 1 -> 2 | 1 | all |"]           # the domains stay together


def test_the_default_cases():
    cases = bitwise.default_cases()
    assert len(cases) == 4 * 4 * 3 + 6
    assert {case.layer for case in cases} == {"1 -> 20", "20 -> 40", "40 -> 40", "40 -> 5", "LeNet, conv4"}
    assert {case.domain for case in cases} == {"torus 16 x 16", "torus 18 x 20", "window 36 x 36", "window 38 x 38"}
    assert {case.batch for case in cases} == {1, 16, 256, 360, 121, 81}
    assert not any(case.is_slow("im2col") for case in cases) and any(case.is_slow("naive") for case in cases)
    large = next(case for case in cases if case.layer == "40 -> 40")
    assert bitwise_table([large], ["naive"])[0].shifts == "-"


ONES = np.ones((1, 1, 3, 4))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: compare_shifts(abs, np.ones((3, 4))), r"floating and of shape \(N, C, H, W\), not float64 \(3, 4\)"),
    (lambda: compare_shifts(abs, ONES.astype(int)), r"floating and of shape .* not int64"),
    (lambda: compare_shifts(abs, ONES, (3, 5)), r"the window \(3, 5\) is larger than the scene \(3, 4\): take a small"),
    (lambda: compare_shifts(lambda x: x[..., 1:], ONES), r"as large as the input, \(3, 4\), not \(3, 3\): pad around"),
    (lambda: compare_shifts(abs, ONES, (3, 1)), r"map of \(3, 1\) pixels .* shifted by 0 and 3: take a larger window"),
    (lambda: bitwise_shifts("winograd", ONES[..., :1, :1], ONES), "kernel must be square, 2 x 2 to"),
    (lambda: bitwise_shifts("quick", ONES, ONES), "no convolution algorithm is called 'quick'"),
])
def test_what_does_not_fit_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
