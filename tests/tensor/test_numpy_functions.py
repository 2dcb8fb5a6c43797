"""NumPy's functions, operators of arrays, and arrays of Tensors: a gradient, or an error that says what to write."""

import operator

import numpy as np
import pytest

from minicnn import InputTypeError, Tensor, no_grad
from minicnn.tensor.numpy_functions import CONSTANT, recorded
from tests.reference import assert_gradients

MATRIX, OTHER = np.array([[0.5, 2.0, 1.5], [3.0, 0.25, 1.0]]), np.array([[1.5, 0.5, 2.5], [2.0, 3.0, 0.75]])
ARGUMENTS = {                   # function: how it is called with two Tensors
    np.sum: [lambda x, y: np.sum(x), lambda x, y: np.sum(x, axis=(0,), keepdims=True), lambda x, y: np.sum(x, 1)],
    np.mean: [lambda x, y: np.mean(x, axis=-1)], np.max: [lambda x, y: np.max(x, axis=0)],
    np.amax: [lambda x, y: np.amax(x)],
    np.reshape: [lambda x, y: np.reshape(x, (3, 2))], np.ravel: [lambda x, y: np.ravel(x)],
    np.transpose: [lambda x, y: np.transpose(x), lambda x, y: np.transpose(x, (1, 0))],
    np.moveaxis: [lambda x, y: np.moveaxis(x, 0, -1)], np.swapaxes: [lambda x, y: np.swapaxes(x, 0, 1)],
    np.expand_dims: [lambda x, y: np.expand_dims(x, (0, 2))],
    np.squeeze: [lambda x, y: np.squeeze(x[:, :1]), lambda x, y: np.squeeze(x[None], 0)],
    np.concatenate: [lambda x, y: np.concatenate([x, y]), lambda x, y: np.concatenate((x, y, x), axis=-1),
                     lambda x, y: np.concatenate([x, OTHER], 1), lambda x, y: np.concatenate([x, y[0]], axis=None),
                     lambda x, y: np.concatenate([x, [1, 2], 3.0], None)],
    np.stack: [lambda x, y: np.stack([x, y]), lambda x, y: np.stack([x, y, OTHER], axis=-1)],
    np.where: [lambda x, y: np.where(MATRIX > 1, x, y), lambda x, y: np.where([True, False, True], x, 0.0)],
    np.min: [lambda x, y: np.min(x, axis=0)], np.amin: [lambda x, y: np.amin(x)],
    np.var: [lambda x, y: np.var(x), lambda x, y: np.var(x, (0, 1), ddof=1.5, keepdims=True)],
    np.std: [lambda x, y: np.std(x, 1), lambda x, y: np.std(x, axis=-1, ddof=1)],
    np.prod: [lambda x, y: np.prod(x), lambda x, y: np.prod(x, (1,), keepdims=True)],
    np.cumsum: [lambda x, y: np.cumsum(x), lambda x, y: np.cumsum(x, axis=-1)],
    np.broadcast_to: [lambda x, y: np.broadcast_to(x, (2, 2, 3)), lambda x, y: np.broadcast_to(x[:1], shape=(4, 3))],
    np.flip: [lambda x, y: np.flip(x), lambda x, y: np.flip(x, (0, -1)), lambda x, y: np.flip(x, axis=1)],
    np.roll: [lambda x, y: np.roll(x, -4), lambda x, y: np.roll(x, (1, 2), axis=(0, 1)), lambda x, y: np.roll(x, 2, 1),
              lambda x, y: np.roll(x, (1, 1), 1), lambda x, y: np.roll(x, 1, (0, 1))],
    np.repeat: [lambda x, y: np.repeat(x, 2), lambda x, y: np.repeat(x, [2, 0, 1], axis=1),
                lambda x, y: np.repeat(x, 3, -2), lambda x, y: np.repeat(x, [2], 1)],
    np.tile: [lambda x, y: np.tile(x, 2), lambda x, y: np.tile(x, (2, 1, 3)), lambda x, y: np.tile(x, (2, 0))],
    np.clip: [lambda x, y: np.clip(x, 0.7, 2.2), lambda x, y: np.clip(x, y, None), lambda x, y: np.clip(x, None, 1.2),
              lambda x, y: np.clip(x, y[0], y[1] + 0.1), lambda x, y: np.clip(np.full((2, 3), 1.3), x, y),
              lambda x, y: np.clip(x, a_min=[0.6], a_max=9)],
    np.einsum: [lambda x, y: np.einsum("ij,kj->ik", x, y), lambda x, y: np.einsum("ij->j", x),
                lambda x, y: np.einsum("ij,ij,kj", x, y, OTHER), lambda x, y: np.einsum("...j,...j->...", x, y[:1])],
    np.split: [lambda x, y: np.split(x, 3, axis=1)[1], lambda x, y: np.split(x, [1], 0)[0],
               lambda x, y: np.split(x, (2, 1), 1)[2], lambda x, y: sum(np.split(x, 3, 1))],
    np.array_split: [lambda x, y: np.array_split(x, 2, axis=1)[0], lambda x, y: np.array_split(x, 4, 1)[2]],
    np.dot: [lambda x, y: np.dot(x, y.T), lambda x, y: np.dot(MATRIX[0], y[0]), lambda x, y: np.dot(x, 2.0)],
    np.matmul: [lambda x, y: np.matmul(x, y.T), lambda x, y: MATRIX.T @ y],
}
CALLS = [(function, call) for function in recorded() for call in ARGUMENTS.get(
    function, [lambda x, y, f=function: f(x)] if getattr(function, "nin", 2) == 1 else [
        lambda x, y, f=function: f(x, y), lambda x, y, f=function: f(OTHER, x), lambda x, y, f=function: f(x, 2)])]


@pytest.mark.parametrize(("function", "call"), CALLS, ids=[f"{f.__name__}{i}" for i, (f, _) in enumerate(CALLS)])
def test_recorded_functions_have_numpys_values_and_right_gradients(function, call, rng):
    uses_y = call(MATRIX, OTHER) is not None
    tensors = Tensor(MATRIX, requires_grad=True), Tensor(OTHER, requires_grad=True)
    out = call(*tensors)
    assert isinstance(out, Tensor) and out.requires_grad and uses_y
    np.testing.assert_allclose(out.data, call(MATRIX, OTHER), rtol=1e-15)
    assert_gradients(lambda x, y: call(x, y) + 0 * (x.sum() + y.sum()), [MATRIX, OTHER], rng)
    assert not call(Tensor(MATRIX), Tensor(OTHER)).requires_grad
    with no_grad():
        assert not call(*tensors).requires_grad


def every_function_of_numpy():
    skipped = {"save", "savez", "savez_compressed", "savetxt", "printoptions", "real_if_close"}     # files, ...
    return [(name, function) for name, function in vars(np).items() if name not in skipped and (
        isinstance(function, np.ufunc) or type(function).__name__ == "_ArrayFunctionDispatcher")]


def outcomes(function):
    """What the calls f(x), f(x, x), f([x, x]), ... give that NumPy understands."""
    x = Tensor(MATRIX, requires_grad=True)
    mask = MATRIX > 1
    for args in ((x,), (x, x), ([x, x],), (x, 1), (x, 1, 1), (MATRIX, x), (x, (3, 2)), (x, mask), (mask, x, x)):
        try:
            with np.errstate(all="ignore"):
                yield args, function(*args)
        except Exception as error:
            yield args, error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "function"), every_function_of_numpy(), ids=[n for n, _ in every_function_of_numpy()])
def test_no_function_of_numpy_drops_a_gradient(name, function):
    for args, result in outcomes(function):
        if function in CONSTANT or isinstance(result, Exception):
            continue
        for value in result if isinstance(result, (tuple, list)) else (result,):
            detached = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fc"
            assert not detached, f"np.{name}{tuple(type(a).__name__ for a in args)} gives numbers without a gradient"


def leaf(values=(1.0, 2.0)):
    return Tensor(np.array(values), requires_grad=True)


@pytest.mark.parametrize("build", [
    lambda x: np.array([x, x]), lambda x: np.asarray(x), lambda x: np.array([[x], [x]]), lambda x: np.ones(2).dot(x),
    lambda x: np.array([1.0, x[0]]), lambda x: Tensor([x, x]), lambda x: Tensor([x[0], x[1]]),
    lambda x: operator.setitem(np.zeros(2), slice(None), x),
    lambda x: np.random.default_rng(0).permutation(x), lambda x: np.ma.array(x),
])
def test_an_array_of_tensors_is_refused(build):
    with pytest.raises(InputTypeError, match=r"would drop the gradient: write x\.data or x\.detach\(\) .* np\.stack"):
        build(leaf())
    with no_grad():
        build(leaf())                             # nothing is recorded here, so nothing is dropped
    build(Tensor(np.ones(2)))


@pytest.mark.parametrize("change", [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow])
def test_in_place_operators_of_an_array(change):
    with pytest.raises(InputTypeError, match=r"which an array cannot hold: write a = a \+ x in place of a \+= x"):
        change(np.array([3.0, 4.0]), leaf())
    array = np.array([3.0, 4.0])
    assert change(array, Tensor(np.array([1.0, 2.0]))) is array
    assert array.tolist() == change(np.array([3.0, 4.0]), np.array([1.0, 2.0])).tolist()


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: np.pad(x, 1), r"np\.pad of a Tensor that requires a gradient .*: use minicnn\.functional\.pad"),
    (lambda x: np.hsplit(x, 2), r"np\.hsplit .* use np\.split"),
    (lambda x: np.clip(x, 0, 1, out=np.ones(2)), r"np\.clip: the result requires a gradient"),
    (lambda x: np.var(x, 0, np.float64), r"np\.var of a Tensor takes only the arguments a, axis, ddof, keepdims"),
    (lambda x: np.einsum("i->", x, optimize=True), r"np\.einsum of a Tensor takes only the arguments subscripts, ope"),
    (lambda x: np.linalg.norm(x), r"np\.linalg\.norm of a Tensor .* minicnn\.record.*use x\.data or x\.detach\(\)"),
    (lambda x: np.add.reduce(x), r"np\.add\.reduce of a Tensor"),
    (lambda x: np.sum(x, dtype=np.float64), r"np\.sum of a Tensor takes only the arguments a, axis, keepdims"),
    (lambda x: np.exp(x, out=np.zeros(2)), r"np\.exp: the result requires a gradient"),
])
def test_refusals_name_what_to_call(call, message):
    with pytest.raises(InputTypeError, match=message):
        call(leaf())
    with no_grad():
        call(leaf())


def test_functions_without_a_derivative_give_arrays():
    x = leaf((1.0, np.nan))
    assert np.isnan(x).tolist() == [False, True] and np.argmax(leaf()) == 1 and np.shape(x) == (2,)
    assert np.array_equal(leaf(), [1, 2]) and np.allclose(leaf(), leaf()) and np.where(leaf() > 1)[0].tolist() == [1]
    assert type(np.ones(2) < x) is np.ndarray


def test_a_concatenated_branch_trains(rng):
    """The case of a user who joins the input and a layer's output with NumPy."""
    weight = Tensor(rng.standard_normal((2, 3)), requires_grad=True)
    x = rng.standard_normal((4, 2))
    out = np.concatenate([Tensor(x), Tensor(x) @ weight], axis=1)
    out.backward(cotangent := rng.standard_normal((4, 5)))
    np.testing.assert_allclose(weight.grad, x.T @ cotangent[:, 2:], rtol=1e-13)


def test_what_where_hides_gets_no_gradient_whatever_the_cotangent():
    x, y = leaf(), leaf()
    np.where([True, False], x, y).backward(np.array([np.nan, np.inf]))
    np.testing.assert_array_equal(x.grad, [np.nan, 0])
    np.testing.assert_array_equal(y.grad, [0, np.inf])


def test_a_condition_changed_after_the_forward_pass_does_no_harm():
    condition, x = np.array([True, False]), leaf()
    out = np.where(condition, x, 0.0)
    condition[:] = True
    out.backward(np.array([2.0, 3.0]))
    assert x.grad.tolist() == [2.0, 0.0]


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: np.concatenate([x, x[None]]), r"concatenate: the shapes \(2,\), \(1, 2\) must"),
    (lambda x: np.stack([x, x[:1]]), r"stack: the shapes \(2,\), \(1,\) must agree"),
    (lambda x: np.stack([x, x], 3), "stack: axis must be from -2 to 1 for 2 axes, not 3"),
    (lambda x: np.where(np.ones(3), x, x), r"where: shapes \(3,\), \(2,\) and \(2,\) do not broadcast"),
    (lambda x: np.squeeze(x, 0), r"squeeze: axis 0 of shape \(2,\) does not have length 1"),
    (lambda x: np.expand_dims(x, 5), "expand_dims: axis 5 is out of bounds"),
    (lambda x: np.moveaxis(x, 0, 4), "moveaxis: .*axis 4 is out of bounds"),
    (lambda x: np.dot(x, np.ones((2, 2, 2))), r"dot: shapes \(2,\) and \(2, 2, 2\)"),
])
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call(leaf())
