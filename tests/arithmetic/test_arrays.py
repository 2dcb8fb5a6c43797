"""NumPy's array operations of Tensors: sizes 0 and 1, memory orders, ties, kinks, NaN, and messages."""

import numpy as np
import pytest
from scipy import special

from minicnn import InputError, InputTypeError, MinicnnError, Tensor, no_grad
from minicnn import functional as F
from tests.reference import assert_gradients

NAN, INF = np.nan, np.inf

ANY_SHAPE = {                   # ours, NumPy's, both of any array
    "abs": (Tensor.abs, np.abs), "sign": (Tensor.sign, np.sign), "sqrt": (lambda x: x.sqrt(), np.sqrt),
    "expm1": (np.expm1,) * 2, "log1p": (np.log1p,) * 2, "sin": (np.sin,) * 2, "cos": (np.cos,) * 2,
    "erf": (special.erf,) * 2, "clip": (lambda x: x.clip(0.5, 1.5), lambda x: x.clip(0.5, 1.5)),
    "maximum": (lambda x: np.maximum(x, 0.7),) * 2, "minimum": (lambda x: np.minimum(x, 0.7),) * 2,
    "flip": (lambda x: x.flip(), np.flip), "roll": (lambda x: x.roll(2), lambda x: np.roll(x, 2)),
    "ravel": (Tensor.ravel, np.ravel), "squeeze": (Tensor.squeeze, np.squeeze),
    "expand_dims": (lambda x: x.expand_dims(-1), lambda x: np.expand_dims(x, -1)),
    "broadcast_to": (lambda x: x.broadcast_to((2, *x.shape)), lambda x: np.broadcast_to(x, (2, *x.shape))),
    "repeat": (lambda x: x.repeat(2), lambda x: np.repeat(x, 2)), "tile": (lambda x: x.tile((2, 1)),
                                                                           lambda x: np.tile(x, (2, 1))),
    "repeat 0 times": (lambda x: x.repeat(0), lambda x: np.repeat(x, 0)), "tile 0 times": (
        lambda x: x.tile(0), lambda x: np.tile(x, 0)),
    "cumsum": (lambda x: x.cumsum(), np.cumsum), "prod": (lambda x: x.prod(), np.prod),
    "var": (lambda x: x.var(()), lambda x: x * 0), "einsum": (lambda x: np.einsum("...->...", x),) * 2,
    "logsumexp": (lambda x: x.logsumexp(), lambda x: np.logaddexp.reduce(x, None, initial=-INF)),
    "swapaxes": (lambda x: x.swapaxes(0, -1) if x.ndim else x, lambda x: x.swapaxes(0, -1) if x.ndim else x),
    "stack": (lambda x: np.stack([x, x], -1),) * 2,
    "concatenate": (lambda x: np.concatenate([x, x], None),) * 2,
    "array_split": (lambda x: np.array_split(x, 2)[0] if x.ndim else x,) * 2,
}


def memory_orders(array):
    """The same array in C order, in another order of axes, with gaps, and with negative strides."""
    yield array
    order = tuple(range(array.ndim))[::-1]
    yield array.transpose(order).copy().transpose(order)
    wide = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
    part = wide[(*[slice(1, 2 * n + 1, 2) for n in array.shape], ...)]
    part[...] = array
    yield part
    yield np.flip(np.flip(array).copy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (0, 1, 2), (1, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize("name", ANY_SHAPE)
def test_any_shape_and_memory_order(name, shape, dtype, rng):
    ours, numpys = ANY_SHAPE[name]
    array = np.asarray(0.25 + 2 * rng.random(shape), dtype)
    expected, grads = np.asarray(numpys(array.astype(np.float64))), []
    for view in memory_orders(array):
        before, x = view.copy(), Tensor(view, requires_grad=True)
        out = ours(x)
        assert (out.shape, out.dtype) == (expected.shape, dtype)
        np.testing.assert_allclose(out.data, expected, rtol=1e-6 if dtype == np.float32 else 1e-13)
        if out is x:
            continue
        cotangent = np.random.default_rng(0).standard_normal(out.shape).astype(dtype)
        out.backward(cotangent)
        assert (x.grad.shape, x.grad.dtype) == (shape, dtype) and x.grad.flags.writeable
        assert not np.shares_memory(x.grad, view) and not np.shares_memory(x.grad, cotangent)
        np.testing.assert_array_equal(view, before)
        grads.append(x.grad)
    for grad in grads[1:]:
        np.testing.assert_allclose(grad, grads[0], rtol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("name", sorted(set(ANY_SHAPE) - {"repeat 0 times", "tile 0 times"}))
def test_gradients(name, rng):
    assert_gradients(ANY_SHAPE[name][0], [0.83 + 0.1 * rng.permutation(24).reshape(2, 3, 4)], rng)


@pytest.mark.parametrize("axis", [0, 1, (2, 0), (0, 1, 2), ()])
@pytest.mark.parametrize("name", ["prod", "var", "std", "logsumexp", "min"])
def test_gradients_along_every_axis(name, axis, rng):
    if name == "std" and axis == ():
        return                                    # constant 0
    assert_gradients(lambda x: getattr(x, name)(axis), [0.83 + 0.1 * rng.permutation(24).reshape(2, 3, 4)], rng)


def test_gradients_of_a_million_repetitions_are_added_in_float64():
    for operation in (lambda x: x.repeat(10**6, 0), lambda x: x.tile((10**6, 1)), lambda x: x.broadcast_to((10**6, 2))):
        x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
        out = operation(x)
        out.backward(np.full(out.shape, 0.1, np.float32))
        np.testing.assert_allclose(x.grad, 1e5, rtol=1e-7)


def gradient(operation, *values, cotangent=None):
    tensors = [Tensor(np.array(v, np.float64), requires_grad=True) for v in values]
    out = operation(*tensors)
    out.backward(np.ones(out.shape) if cotangent is None else np.array(cotangent, np.float64))
    grads = [t.grad for t in tensors]
    return grads[0] if len(grads) == 1 else grads


@pytest.mark.parametrize(("function", "x", "y", "dx", "dy"), [
    (np.maximum, [1, 2, 2, -0.0], [2, 1, 2, 0.0], [0, 1, 0.5, 0.5], [1, 0, 0.5, 0.5]),
    (np.minimum, [1, 2, 2, INF], [2, 1, 2, INF], [1, 0, 0.5, 0.5], [0, 1, 0.5, 0.5]),
    (np.maximum, [NAN, 1, NAN], [1, NAN, NAN], [1, 1, 1], [1, 1, 1]),
])
def test_ties_of_two_operands_share_the_gradient(function, x, y, dx, dy):
    np.testing.assert_array_equal(gradient(function, x, y), [dx, dy])
    a, b = (Tensor(np.array(v, np.float64), requires_grad=True) for v in (x, y))
    function(a, b).backward(np.full(len(x), NAN))            # what is hidden gets 0 also from a cotangent of NaN
    np.testing.assert_array_equal(a.grad == 0, np.array(dx) == 0)


def test_clip_gives_the_gradient_to_the_element_or_to_its_bound():
    x = [-2.0, -1.0, 0.5, 1.0, 3.0, NAN]
    dx, low, high = gradient(lambda x, low, high: np.clip(x, low, high), x, -1.0, 1.0)
    assert (dx.tolist(), low, high) == ([0, 1, 1, 1, 0, 0], 1, 1)
    dx, low, high = gradient(lambda x, low, high: np.clip(x, low, high), [0.0, 2.0, 4.0], 3.0, 1.0)     # low > high
    assert (dx.tolist(), low, high) == ([0, 0, 0], 0, 3)
    assert gradient(lambda x: x.clip(0, 1), [-1.0, 0.5], cotangent=[NAN, 2]).tolist() == [0, 2]
    same = Tensor(np.ones(2))
    clipped = np.clip(same, None, None)
    assert not np.shares_memory(clipped.data, same.data) and clipped.data.tolist() == [1, 1]
    assert Tensor(np.ones(1, np.float32)).clip(0, 0.5).dtype == np.float32
    assert np.clip(Tensor(np.ones(1, np.float32)), np.zeros(1), 0.5).dtype == np.float64


def test_astype_and_tolist():
    x = Tensor(np.array([1.0, 1e300]), requires_grad=True)
    out = x.astype(np.float32)
    assert out.dtype == np.float32 and out.tolist() == [1.0, INF] and Tensor(2.0).tolist() == 2.0
    out.backward(np.array([2, 3], np.float32))
    assert x.grad.dtype == np.float64 and x.grad.tolist() == [2, 3]
    same = Tensor(np.ones(1, np.float32))
    assert not np.shares_memory(same.astype("float32").data, same.data)


@pytest.mark.parametrize(("values", "expected"), [
    ([3, 1, 1], [0, 0.5, 0.5]), ([INF, INF], [0.5, 0.5]), ([1, NAN, 3], [0, 1, 0]), ([0.0, -0.0], [0.5, 0.5])])
def test_ties_and_nan_share_the_gradient_of_min(values, expected):
    for axis in (None, 0):
        assert gradient(lambda x, a=axis: x.min(a), values).tolist() == expected


def test_positions_are_arrays_of_integers():
    x = Tensor(np.array([[1.0, 3.0, 3.0], [NAN, 0.0, 5.0]]), requires_grad=True)
    assert (x.argmax(), x.argmin()) == (3, 3) and x.argmax(1).tolist() == [1, 0] and x.argmin(0).tolist() == [1, 1, 0]
    assert x.argmax(1, True).shape == (2, 1) and x.argmax(keepdims=True).shape == (1, 1)
    assert type(x.argmin()) is np.ndarray and x.argmin().dtype == np.intp and Tensor(2.0).argmax(-1) == 0


def test_products_with_zeros_are_exact():
    assert gradient(Tensor.prod, [2.0, 3.0, 0.0]).tolist() == [0, 0, 6]
    assert gradient(Tensor.prod, [2.0, 0.0, 0.0]).tolist() == [0, 0, 0]
    assert gradient(lambda x: x.prod(1), [[0.0, 5.0], [-2.0, 3.0]]).tolist() == [[5, 0], [3, -2]]
    assert gradient(Tensor.prod, [0.0, INF]).tolist() == [INF, 0]
    assert gradient(lambda x: x.prod(0), [[0.0, NAN], [7.0, 1.0]], cotangent=[1, 0]).tolist() == [[7, 0], [0, 0]]
    assert Tensor(np.ones((0, 2))).prod(0).data.tolist() == [1, 1]


def test_the_standard_deviation_of_equal_elements_has_the_gradient_0():
    for value in (0.1, 1e300, 1e-310, -1 / 3):
        x = np.full((2, 7), value)
        assert gradient(lambda x: x.std(1), x).tolist() == [[0] * 7] * 2
        assert (Tensor(x).std(1).data == 0).all() and (Tensor(x).var().data == 0).all()
    assert gradient(Tensor.var, [5.0]) == [0] and gradient(Tensor.std, 5.0) == 0
    for function in (F.var, F.std):               # one element, of which PyTorch subtracts one
        assert np.isnan(function(np.array([5.0])).data) and np.isnan(gradient(function, [5.0])).all()
        assert gradient(lambda x, f=function: f(x, 1), [[5.0], [6.0]], cotangent=[0, 1])[0] == 0
    assert np.isnan(Tensor(np.ones((2, 0))).var(1).data).all() and np.isnan(Tensor(np.ones(0)).std().data)
    assert np.isinf(Tensor(np.arange(3.0)).var(ddof=3).data) and np.isinf(Tensor(np.arange(3.0)).var(ddof=4).data)


def test_logsumexp_at_the_ends():
    assert F.logsumexp(np.array([-INF, -INF]), 0).item() == -INF and F.logsumexp(np.array([INF, 1.0]), 0).item() == INF
    assert gradient(Tensor.logsumexp, [-INF, -INF]).tolist() == [0, 0]
    assert gradient(Tensor.logsumexp, [-INF, 2.0]).tolist() == [0, 1]
    np.testing.assert_array_equal(gradient(Tensor.logsumexp, [3.0, INF, 1e200]), [0, NAN, 0])      # as PyTorch
    assert np.isnan(gradient(Tensor.logsumexp, [3.0, -INF, NAN])).all()
    assert gradient(Tensor.logsumexp, [1e16, 1e16]).tolist() == [0.5, 0.5]
    assert Tensor(np.ones((3, 0))).logsumexp(1).data.tolist() == [-INF] * 3
    assert np.isnan(Tensor(np.array([NAN, 1.0])).logsumexp().data)


@pytest.mark.parametrize("subscripts, shapes", [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ba", [(2, 3)]), ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]), ("iij->ji", [(2, 2, 3)]), ("ij->", [(2, 3)]), (" i j -> j i ", [(2, 3)]), ("->", [()]),
    (",i->i", [(), (3,)]), ("ij,ij->ij", [(2, 3), (2, 3)]), ("ij,ij->", [(2, 3), (2, 3)]),
    ("i,j,k->kji", [(2,), (3,), (4,)]),
    ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]), ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
    ("...,...", [(2, 3), (3,)]),
    ("i...->...", [(2, 3, 4)]), ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 4)]), ("ij,j->i", [(2, 3), (1,)]),
    ("ij,kj->ik", [(1, 3), (2, 3)]), ("ii,ij->j", [(2, 2), (2, 3)]), ("ab,cd->ac", [(2, 3), (4, 2)]),
    ("ii,ij->j", [(1, 1), (2, 3)]), ("bhqd,bhkd->bhqk", [(
        1, 2, 3, 2), (1, 2, 4, 2)]),
])
def test_einsum(subscripts, shapes, rng):
    arrays = [rng.standard_normal(shape) for shape in shapes]
    out = np.einsum(subscripts, *[Tensor(a, requires_grad=True) for a in arrays])
    np.testing.assert_allclose(out.data, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-14)
    assert_gradients(lambda *ts: np.einsum(subscripts, *ts), arrays, rng)


@pytest.mark.parametrize("subscripts, shapes", [("i,i->i", [(0,), (0,)]), ("ij,jk->ik", [(2, 0), (0, 3)]), ("ii", [(
    0, 0)]), ("ij,jk->ik", [(0, 2), (2, 3)]), ("ij->", [(3, 0)])])
def test_einsum_of_nothing(subscripts, shapes):
    arrays = [np.ones(shape) for shape in shapes]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    out = np.einsum(subscripts, *tensors)
    np.testing.assert_array_equal(out.data, np.einsum(subscripts, *arrays))
    out.backward(np.ones(out.shape))
    assert [t.grad.shape for t in tensors] == shapes and not any(t.grad.any() for t in tensors)


def test_an_einsum_without_a_sum_hides_as_a_product_does():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = np.array([np.inf, 3.0])
    np.einsum("i,i->i", x, y)[1:].backward(np.array([5.0]))
    assert x.grad.tolist() == [0, 15]
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.einsum("i,i->i", Tensor(np.zeros(1)), np.array([np.inf])).data).all()


def test_a_tensor_as_condition():
    condition = Tensor(np.array([1.0, 0.0]), requires_grad=True)
    assert np.where(condition, np.ones(2), np.zeros(2)).tolist() == [1, 0]


def test_einsum_of_float32_adds_in_pieces_of_float64():
    x = np.full(2**22, 0.1, np.float32)
    out = np.einsum("i,i->", Tensor(x, requires_grad=True), x)
    np.testing.assert_allclose(out.data, 2**22 * float(np.float32(0.1)) ** 2, rtol=1e-5)
    assert out.dtype == np.float32


def test_parts_are_views_that_the_tape_joins(rng):
    x = Tensor(rng.standard_normal((5, 4)), requires_grad=True)
    parts = np.array_split(x, 3)
    assert [p.shape for p in parts] == [(2, 4), (2, 4), (1, 4)] and type(parts) is list
    np.concatenate(parts[::-1]).backward(cotangent := rng.standard_normal((5, 4)))
    np.testing.assert_array_equal(x.grad, np.concatenate([cotangent[3:], cotangent[1:3], cotangent[:1]]))
    with no_grad():
        assert not np.split(x, [1, -1])[1].requires_grad


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.min(2), "min: axis 2 does not exist; there are 2 axes, from -2 to 1"),
    (lambda x: x[:0].min(), "min: there is no smallest element along axis None"),
    (lambda x: x.argmax((0, 1)), r"argmax: axis must be an integer, not \(0, 1\)"),
    (lambda x: x[:0].argmin(), r"argmin: there is no element along axis None of shape \(0, 3\)"),
    (lambda x: x.argmax(0, 1), "argmax: keepdims must be True or False, not 1"),
    (lambda x: x.var(5), "var: axis 5 does not exist"),
    (lambda x: x.std(0, ddof="a"), "std: ddof must be a number, not"),
    (lambda x: x.var(keepdims=0), "var: keepdims must be True or False"),
    (lambda x: F.var(x, 0, correction=None), "var: correction must be a number, not None"),
    (lambda x: F.std(x, 0, keepdim=1), "std: keepdim must be True or False"),
    (lambda x: F.logsumexp(x, None), "logsumexp: dim must be an integer or a tuple of integers, not None"),
    (lambda x: F.logsumexp(x, 0, 1), "logsumexp: keepdim must be True or False, not 1"),
    (lambda x: x.logsumexp(3), "logsumexp: axis 3 does not exist"), (lambda x: x.prod((0, 0)), "prod: axis .* twice"),
    (lambda x: x.prod(0, "yes"), "prod: keepdims must be True or False"),
    (lambda x: x.cumsum((0, 1)), r"cumsum: axis must be an integer, not \(0, 1\)"),
    (lambda x: np.maximum(x, np.ones(2)), r"maximum: shapes \(2, 3\) and \(2,\) do not broadcast"),
    (lambda x: np.minimum(np.ones(2), x), r"minimum: shapes \(2,\) and \(2, 3\) do not broadcast"),
    (lambda x: x.clip(np.ones(2)), r"clip: shapes \(2, 3\) and \(2,\) do not broadcast"),
    (lambda x: np.clip(x, "a", 1), "a Tensor holds float32 or float64"),
    (lambda x: x.astype(int), "astype: dtype must be float32 or float64, not <class 'int'>"),
    (lambda x: x.astype(None), "astype: dtype must be float32 or float64, not None"),
    (lambda x: x.squeeze(0), r"squeeze: axis 0 of shape \(2, 3\) does not have length 1"),
    (lambda x: x.expand_dims(7), "expand_dims: axis 7 is out of bounds"),
    (lambda x: x.broadcast_to((3, 2)), r"broadcast_to: an array of shape \(2, 3\) cannot have the shape \(3, 2\)"),
    (lambda x: x.broadcast_to((-1, 3)), r"broadcast_to: .* \(-1, 3\): give a tuple of integers"),
    (lambda x: x.swapaxes(0, 2), "swapaxes: .*out of bounds.*; the tensor has shape"),
    (lambda x: x.moveaxis(0, (0, 1)), r"moveaxis: .*; the tensor has shape \(2, 3\)"),
    (lambda x: x.flip(2), "flip: axis 2 does not exist"),
    (lambda x: x.roll(1.5), "roll: shift must be an integer, not"),
    (lambda x: x.roll((1, 2, 3), (0, 1)), "roll: there are 3 shifts for 2 axes: give one shift, or one for each"),
    (lambda x: x.roll(1, 2), "roll: axis must be from -2 to 1 for 2 axes, not 2"),
    (lambda x: x.sum().roll(1, 0), "roll: a single number has no axis 0: give no axis"),
    (lambda x: x.repeat(-1), "repeat: repeats must be an integer of at least 0, or a list of them, not -1"),
    (lambda x: x.repeat(1.5), "repeat: repeats must be an integer"), (lambda x: x.repeat([[1]]), "repeat: repeats m"),
    (lambda x: x.repeat([1, 2, 3], 0), "repeat: there are 3 repeats for 2 elements: give one, or one for each"),
    (lambda x: x.repeat(2, 5), "repeat: axis must be from -2 to 1 for 2 axes, not 5"),
    (lambda x: x.tile((2, -1)), "tile: reps must be an integer of at least 0, not -1"),
    (lambda x: np.split(x, 2, 1), "split: axis 1 of length 3 cannot be divided into 2 equal parts: use np.array_split"),
    (lambda x: np.split(x, 0), "split: the number of parts must be an integer of at least 1, not 0"),
    (lambda x: np.split(x, "ab"), "split: give the number of parts, or a list of the places at which to divide, not"),
    (lambda x: np.array_split(x, [1.5]), "array_split: a place at which to divide must be an integer, not 1.5"),
    (lambda x: np.array_split(x, 2, 4), "array_split: axis must be from -2 to 1 for 2 axes, not 4"),
    (lambda x: np.split(x.sum(), 1), "split: a single number cannot be divided"),
    (lambda x: np.einsum(x, [0, 1]), "einsum: the subscripts must be a string such as 'ij,jk->ik', not"),
    (lambda x: np.einsum("i!", x), "einsum: 'i!' in 'i!' must consist of letters and at most one '...'"),
    (lambda x: np.einsum("i......", x), "einsum: 'i......' in .* at most one"),
    (lambda x: np.einsum("ij,jk", x), "einsum: 'ij,jk' is for 2 operands, and there are 1"),
    (lambda x: np.einsum("i", x), r"einsum: 'i' in 'i' does not name the axes of an operand of shape \(2, 3\): give"),
    (lambda x: np.einsum("ij->ii", x), "einsum: each letter of the result 'ii' must be in an operand, and only once"),
    (lambda x: np.einsum("ij->k", x), "einsum: each letter of the result 'k' must be in an operand"),
    (lambda x: np.einsum("ij,jk", x, x), "einsum: 'j' in 'ij,jk' has the lengths 3 and 2"),
    (lambda x: np.einsum("...,...", x, np.ones(2)), r"einsum: '\.\.\.' in .* has the lengths 3 and 2"),
    (lambda x: np.einsum("ii", x[:1]), r"einsum: 'i' names axes of different lengths of an operand of shape \(1, 3\)"),
])
def test_messages(call, message):
    with pytest.raises(MinicnnError, match=message):
        call(Tensor(np.ones((2, 3)), requires_grad=True))


def test_one_bound_twice_is_refused():
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        with pytest.raises((InputTypeError, InputError, ValueError), match="min"):
            np.clip(Tensor(np.ones(2), requires_grad=True), 0, min=1)
        assert np.clip(Tensor(np.array([3.0, 1.0]), requires_grad=True), max=2).data.tolist() == [2, 1]
