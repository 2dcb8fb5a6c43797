"""Tensor against NumPy, and its gradients against central differences with a random cotangent."""

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, StateError, Tensor
from tests.reference import assert_gradients


def positive(rng, *shape):
    return 0.5 + rng.random(shape)


OPERATIONS = {
    "add": (lambda a, b: a + b, [(2, 3), (3,)]),
    "radd": (lambda a: 2 + a, [(2, 3)]),
    "sub": (lambda a, b: a - b, [(2, 1), (3,)]),
    "rsub": (lambda a: 2 - a, [(3,)]),
    "mul": (lambda a, b: a * b, [(2, 3), (2, 1)]),
    "div": (lambda a, b: a / b, [(2, 3), (3,)]),
    "rdiv": (lambda a: 2 / a, [(3,)]),
    "neg": (lambda a: -a, [(3,)]),
    "pow": (lambda a, b: a ** b, [(2, 3), (3,)]),
    "square": (lambda a: a ** 2, [(3,)]),
    "rpow": (lambda a: 2 ** a, [(3,)]),
    "matmul": (lambda a, b: a @ b, [(2, 3), (3, 4)]),
    "batched matmul": (lambda a, b: a @ b, [(5, 2, 3), (3, 4)]),
    "broadcast matmul": (lambda a, b: a @ b, [(5, 1, 2, 3), (4, 3, 2)]),
    "vector matmul": (lambda a, b: a @ b, [(3,), (3, 4)]),
    "matmul vector": (lambda a, b: a @ b, [(2, 3), (3,)]),
    "batched matmul vector": (lambda a, b: a @ b, [(5, 2, 3), (3,)]),
    "vector batched matmul": (lambda a, b: a @ b, [(2,), (5, 2, 3)]),
    "dot": (lambda a, b: a @ b, [(3,), (3,)]),
    "index": (lambda a: a[1], [(3, 2)]),
    "slice": (lambda a: a[:, ::-2], [(3, 4)]),
    "fancy index": (lambda a: a[np.array([0, 0, 2])], [(3, 2)]),
    "mask": (lambda a: a[np.array([True, False, True])], [(3, 2)]),
    "newaxis": (lambda a: a[None, ..., 0], [(3, 2)]),
    "reshape": (lambda a: a.reshape(3, -1), [(2, 3)]),
    "reshape tuple": (lambda a: a.reshape((6,)), [(2, 3)]),
    "transpose": (lambda a: a.transpose(), [(2, 3, 4)]),
    "transpose axes": (lambda a: a.transpose(1, -1, 0), [(2, 3, 4)]),
    "T": (lambda a: a.T, [(2, 3)]),
    "sum": (lambda a: a.sum(), [(2, 3)]),
    "sum axis": (lambda a: a.sum(axis=-1), [(2, 3)]),
    "sum axes": (lambda a: a.sum(axis=(0, 2), keepdims=True), [(2, 3, 4)]),
    "mean": (lambda a: a.mean(), [(2, 3)]),
    "mean axis": (lambda a: a.mean(axis=(0, 1)), [(2, 3, 4)]),
    "max": (lambda a: a.max(), [(2, 3)]),
    "max axis": (lambda a: a.max(axis=1), [(2, 3)]),
    "max keepdims": (lambda a: a.max(axis=(0, 1), keepdims=True), [(2, 3, 4)]),
    "exp": (lambda a: a.exp(), [(2, 3)]),
    "log": (lambda a: a.log(), [(2, 3)]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradient(name, rng):
    operation, shapes = OPERATIONS[name]
    assert_gradients(operation, [positive(rng, *shape) for shape in shapes], rng)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if not n.startswith(("exp", "log"))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_is_numpys(name, dtype, rng):
    operation, shapes = OPERATIONS[name]
    arrays = [positive(rng, *shape).astype(dtype) for shape in shapes]
    before = [a.copy() for a in arrays]
    out = operation(*map(Tensor, arrays))
    if name.startswith(("sum", "mean")):          # added in float64
        np.testing.assert_array_equal(out.data, operation(*[a.astype(np.float64) for a in arrays]).astype(dtype))
    else:
        np.testing.assert_array_equal(out.data, operation(*arrays))
    assert out.dtype == dtype
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize(("name", "function"), [("exp", np.exp), ("log", np.log)])
def test_elementwise_function(name, function, rng):
    x = positive(rng, 4)
    np.testing.assert_allclose(getattr(Tensor(x), name)().data, function(x), rtol=1e-14)


def test_power_at_zero_and_of_negative_numbers():
    x = Tensor(np.array([0.0, -2.0]), requires_grad=True)
    (x ** 2).backward(np.array([5.0, -3.0]))
    assert x.grad.tolist() == [0.0, 12.0]
    y = Tensor(np.array([0.0, 3.0]), requires_grad=True)
    (y ** 0).backward(np.array([5.0, -3.0]))
    assert np.abs(y.grad).tolist() == [0.0, 0.0]


def test_max_shares_the_gradient_among_ties():
    x = Tensor([1.0, 3.0, 3.0], requires_grad=True)
    x.max().backward(-3.0)
    assert np.abs(x.grad).tolist() == [0.0, 1.5, 1.5] and x.grad[1] < 0


def test_comparisons_are_arrays_of_booleans():
    x = Tensor([1.0, 2.0])
    assert (x < 2).tolist() == [True, False]
    assert (x <= x).all() and (x >= 1).all() and (x == Tensor([1.0, 2.0])).all()
    assert (x > 1.5).tolist() == [False, True] and (x != 1).tolist() == [False, True]


def test_numpy_array_on_the_left():
    out = np.array([1.0, 2.0]) * Tensor(np.array([3.0, 4.0]), requires_grad=True)
    assert isinstance(out, Tensor) and out.data.tolist() == [3.0, 8.0]


def test_as_an_array():
    x = Tensor([1.0, 2.0])
    assert np.asarray(x) is x.data or np.shares_memory(np.asarray(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64


def test_python_numbers_do_not_change_the_dtype():
    for dtype in (np.float32, np.float64):
        assert (Tensor(np.ones(2, dtype)) * 0.1 + 1).data.tolist() == (np.ones(2, dtype) * 0.1 + 1).tolist()


def test_dtypes():
    assert Tensor([1, 2]).dtype == np.float32
    assert Tensor(np.arange(3)).dtype == np.float32
    assert Tensor(np.ones(2)).dtype == np.float64
    assert Tensor(1.5, dtype=np.float64).dtype == np.float64
    for bad in (np.ones(1, np.float16), np.ones(1, complex), np.array(["a"])):
        with pytest.raises(TypeError, match="a Tensor holds float32 or float64, not"):
            Tensor(bad)
    with pytest.raises(TypeError, match="this is a Tensor already"):
        Tensor(Tensor([1.0]))


def test_data_is_not_copied():
    array = np.ones(3)
    assert Tensor(array).data is array


def test_repr_and_conversions():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2) == "Tensor([2., 4.], made by mul)"
    assert repr(Tensor(np.ones(1))) == "Tensor([1.], dtype=float64)"
    assert float(x.sum()) == 3.0 and x.sum().item() == 3.0 and len(x) == 2 and x.numpy() is x.data


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 3\) and \(4, 5\) do not fit"):
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((4, 5)))
    with pytest.raises(ValueError, match="broadcast"):
        Tensor(np.ones(2)) + Tensor(np.ones(3))


def test_requires_grad_is_true_or_false_and_set_for_leaves_only():
    for wrong in (np.float64, "float64", 1, None):
        with pytest.raises(InputTypeError, match="requires_grad must be True or False, not"):
            Tensor([1.0], wrong)
    x = Tensor([1.0], True)
    y = x * 2
    with pytest.raises(StateError, match=r"requires_grad: this tensor was made by mul; use x\.detach\(\)"):
        y.requires_grad = False
    y.requires_grad = True
    x.requires_grad = False
    assert not (x * 2).requires_grad


@pytest.mark.parametrize("old", [0, np.float64(0), np.zeros(2, np.float32), np.zeros(2, int), Tensor([0.0, 0.0])])
def test_a_gradient_set_by_hand_is_added_to(old):
    x = Tensor(np.ones(2), requires_grad=True)
    x.grad = old
    (x * 3).sum().backward()
    assert type(x.grad) is np.ndarray and x.grad.dtype == np.float64 and x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("old", "message"), [
    (np.zeros((2, 2)), r"the tensor of shape \(2,\) has a gradient of shape \(2, 2\) already; set its grad to None"),
    (np.zeros(1), r"has a gradient of shape \(1,\)"), (np.zeros(2, complex), "not complex128"), ("a", "not <U1")])
def test_a_gradient_of_another_kind_is_refused(old, message):
    x = Tensor(np.ones(2), requires_grad=True)
    x.grad = old
    with pytest.raises((InputError, InputTypeError), match=message):
        (x * 3).sum().backward()


def test_long_products_of_float32_keep_their_digits():
    tenth, n = np.float32(0.1), 2**21
    x, y = Tensor(np.full(n, tenth), requires_grad=True), Tensor(np.full((n, 2), tenth), requires_grad=True)
    np.testing.assert_allclose((x @ x.data).data, n * float(tenth) ** 2, rtol=1e-4)
    np.testing.assert_allclose((x @ y).data, [n * float(tenth) ** 2] * 2, rtol=1e-4)
    np.testing.assert_allclose((x.reshape(1, -1) @ y)[0].data, [n * float(tenth) ** 2] * 2, rtol=1e-4)


def test_large_integers():
    x = Tensor(np.ones(1), requires_grad=True)
    assert (x * 2**70 + 2**80).data.tolist() == [2.0**70 + 2.0**80]
    with pytest.raises(InputTypeError, match="a Tensor holds float32 or float64, and this integer is too large"):
        x + 10**400
