"""Numbers, text, iteration, truth, copies and dtypes of Tensors, as NumPy has them."""

import copy
import math
import pickle

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, StateError, Tensor
from minicnn import functional as F


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_is_printed_and_converted(dtype):
    loss = leaf(1.2, dtype)
    assert f"{loss:.2f}" == "1.20" and f"{loss}" == f"{loss.data}" and f"{loss:8.1e}" == " 1.2e+00"
    assert f"{loss:5.1f}" == "  1.2"
    assert int(loss) == 1 and round(loss) == 1 and round(loss, 1) == 1.2 and complex(loss) == complex(loss.data)
    assert float(loss) == loss.item() == float(loss.data) and math.floor(loss) == 1 and bool(loss)
    assert type(round(loss)) is int and not bool(leaf(0.0)) and float(leaf([[2.5]])) == 2.5


@pytest.mark.parametrize(("convert", "message"), [
    (float, r"float\(\) takes a tensor with one element, and this one has shape \(2,\)"), (int, r"int\(\) takes"),
    (complex, r"complex\(\) takes"), (round, r"round\(\) takes"), (lambda x: f"{x:.2f}", r"the format '\.2f' is for"),
    (bool, r"the truth of a tensor of shape \(2,\) is ambiguous: use \(x > 0\)\.any\(\)"),
    (lambda x: x.item(), "item: a tensor of shape .* has 2 elements, not one"),
    (lambda x: len(x[0]), r"a tensor of shape \(\) is a single number and has no len"),
    (lambda x: list(x[0]), r"shape \(\) is a single number; there is nothing to iterate"),
])
def test_many_elements_are_no_number(convert, message):
    with pytest.raises((InputError, InputTypeError), match=message):
        convert(leaf([1.0, 2.0]))


def test_a_float_is_no_index():
    for use in (lambda x: [1, 2][x], lambda x: range(x), lambda x: np.zeros(3)[x]):
        with pytest.raises((TypeError, IndexError)):
            use(Tensor(1.0))


def test_iteration_and_membership():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    rows = list(x)
    assert [r.data.tolist() for r in rows] == x.data.tolist()
    (rows[1] * 2).sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0], [2.0, 2.0]]
    assert 3.0 in x and 9.0 not in x and Tensor(4.0) in x and len(x) == 2
    assert (np.nan in leaf([np.nan])) == (np.nan in np.array([np.nan]))


def test_copies_and_pickles_of_leaves():
    x = leaf([1.0, 2.0])
    x.grad = np.array([3.0, 4.0])
    for twin in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert twin.data.tolist() == [1.0, 2.0] and twin.grad.tolist() == [3.0, 4.0] and twin.requires_grad
    assert not np.shares_memory(copy.deepcopy(x).data, x.data) and copy.copy(x).data is x.data
    for function in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(StateError, match=r"this tensor was made by mul, and its history cannot be copied; copy x"):
            function(x * 2)


OPERATORS = [lambda a, b: a + b, lambda a, b: b + a, lambda a, b: a - b, lambda a, b: b - a, lambda a, b: a * b,
             lambda a, b: a / b, lambda a, b: b / a, lambda a, b: a ** b, lambda a, b: b ** a]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_take_the_dtype_of_the_tensor(operator, dtype):
    x = np.array([1.5, 2.5], dtype)
    for number in (3, True, 0.1, np.float64(0.1), np.int64(3), np.uint8(20), np.bool_(True), np.float16(0.5)):
        out = operator(leaf(x, dtype), number)
        assert out.dtype == dtype
        np.testing.assert_array_equal(out.data, operator(x, dtype(number)))


@pytest.mark.parametrize("operator", OPERATORS[:6])
def test_arrays_are_exact_or_promoted(operator):
    for dtype in (np.float32, np.float64):
        x = np.array([2.0, 4.0], dtype)
        for other in (np.array([3, 5]), np.array([3, 200], np.uint8), np.array([True, True]), [3, 5], [0.1, 0.7],
                      np.array([0.5, 3], np.float16), np.array([[-3], [7]], np.int16)):
            out = operator(leaf(x, dtype), other)
            assert out.dtype == dtype
            np.testing.assert_array_equal(out.data, operator(x, np.asarray(other).astype(dtype)))
        for other in (np.array([16777217, 3]), np.array([0.1, 1e300]), np.array([2**40 + 1, -2**24 - 1])):
            out = operator(leaf(x, dtype), other)
            assert out.dtype == np.float64        # float32 does not hold them
            np.testing.assert_array_equal(out.data, operator(x, other.astype(np.float64)))


@pytest.mark.parametrize("other", [1j, None, "a", np.longdouble(1), np.array([1j]), np.array(["a"]), [[1], [1, 2]],
                                   10**400, object()], ids=lambda v: type(v).__name__)
def test_other_operands_are_refused(other):
    for operator in (lambda a, b: a + b, lambda a, b: b * a):
        with pytest.raises(InputTypeError, match="a Tensor holds"):
            operator(leaf([1.0]), other)


def test_the_dtype_of_new_tensors():
    assert Tensor([np.ones(2), np.ones(2)]).dtype == np.float64 and Tensor([Tensor(np.ones(2))]).dtype == np.float64
    assert Tensor([np.float32(1)]).dtype == np.float32 and Tensor([1.0]).dtype == np.float32
    assert Tensor(np.ones(2, ">f8")).data.dtype.isnative
    with pytest.raises(InputError, match=r"float32 does not hold these integers exactly: choose dtype=np\.float64"):
        Tensor(np.array([16777217]))
    assert Tensor(np.array([16777217]), dtype=np.float64).item() == 16777217 and Tensor(2**24).item() == 2**24
    with pytest.raises(InputTypeError, match="not 'nonsense'"):
        Tensor(1.0, dtype="nonsense")
    with pytest.raises(InputTypeError, match="an array of numbers, and this list is none"):
        Tensor([1, [2]])


def test_gradients_are_arrays():
    x = leaf(2.0)
    for _ in range(2):                            # set, then added to
        ((x * x) + x + x.sum()).backward()
        assert type(x.grad) is np.ndarray and x.grad.shape == () and x.grad.dtype == np.float64
    y = leaf([1.0, 2.0], np.float32)
    F.relu(y.sum() * y.max() + y[0]).backward()
    assert type(y.grad) is np.ndarray and y.grad.dtype == np.float32
    for cotangent in (np.array([1j, 0]), "a"):
        with pytest.raises(InputTypeError, match="a Tensor holds float32 or float64, not"):
            (y * 2).backward(cotangent)
