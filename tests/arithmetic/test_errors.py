"""Zero-sized and 0-d arrays; axes, shapes and indices that do not exist have messages of minicnn."""

import numpy as np
import pytest

from minicnn import MinicnnError, Tensor


def leaf(shape):
    return Tensor(np.ones(shape), requires_grad=True)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.sum(2), "sum: axis 2 does not exist; there are 2 axes, from -2 to 1"),
    (lambda x: x.mean((0, -2)), r"mean: axis \(0, -2\) names an axis twice"),
    (lambda x: x.max(0.5), r"max: axis must be an integer, a tuple of integers or None, not 0\.5"),
    (lambda x: x.sum(True), "sum: axis must be an integer"),
    (lambda x: np.tile(x, np.array(0.5)), r"tile: reps must be an integer of at least 0, not array\(0\.5\)"),
    (lambda x: np.tile(x, (10**20, 1)), r"tile: the result would have the shape \(2\d+, 3\), which is too many"),
    (lambda x: np.repeat(x, 10**15), r"repeat: the result would have the shape \(6\d+,\), which is too many numbers"),
    (lambda x: np.repeat(x, [[1, 2], [3]]), "repeat: repeats must be an array, and this list is none"),
    (lambda x: np.split(x, np.array(0.5)), "split: give the number of parts, or a list of the places at which to"),
    (lambda x: np.array_split(x, 10**20), "array_split: 100000000000000000000 parts are more than 16777216"),
    (lambda x: np.where([[True, False], [True]], x, 0), "where: the condition must be an array, and this list is none"),
    (lambda x: x.sum(0, 1), "sum: keepdims must be True or False, not 1"),
    (lambda x: x.mean(0, np.ones(2)), "mean: keepdims must be True or False"),
    (lambda x: np.max(x, 0, keepdims="no"), "max: keepdims must be True or False, not 'no'"),
    (lambda x: np.concatenate([x, x], ()), r"concatenate: axis must be an integer, not \(\)"),
    (lambda x: np.stack([x, x], (0, 1)), r"stack: axis must be an integer, not \(0, 1\)"),
    (lambda x: np.swapaxes(x, 0, 10**30), "swapaxes: .* too large"),
    (lambda x: x.sum().sum(1), "sum: axis 1 does not exist; a single number has only axis 0"),
    (lambda x: x.transpose(0), r"transpose: axes \(0,\) must name each of the 2 axes of shape \(2, 3\) once"),
    (lambda x: x.transpose(0, 0), "transpose: axis .* names an axis twice"),
    (lambda x: x.transpose(0, 2), "transpose: axis 2 does not exist"),
    (lambda x: x.reshape(4), r"reshape: 6 elements of shape \(2, 3\) cannot have the shape \(4,\)"),
    (lambda x: x.reshape(-1, -1), r"reshape: .* shape \(-1, -1\): give integers"),
    (lambda x: x.reshape((2.0, 3)), "reshape: 6 elements"),
    (lambda x: x.reshape(None), "reshape: 6 elements"),
    (lambda x: x[7], "getitem: index 7 is out of bounds .*; the tensor has shape"),
    (lambda x: x[0, 0, 0], "getitem: too many indices"),
    (lambda x: x["a"], "getitem: only integers, slices"),
    (lambda x: x @ 2.0, r"matmul: shapes \(2, 3\) and \(\) do not fit"),
    (lambda x: x @ x, r"matmul: shapes \(2, 3\) and \(2, 3\) do not fit"),
    (lambda x: x + np.ones(2), r"add: shapes \(2, 3\) and \(2,\) do not broadcast"),
    (lambda x: np.ones(2) / x, r"div: shapes \(2,\) and \(2, 3\) do not broadcast"),
    (lambda x: x ** np.ones((4, 1)), "pow: shapes .* do not broadcast"),
    (lambda x: x[:0].max(), "max: there is no largest element along axis None"),
    (lambda x: x[:, :0].max(1), r"max: there is no largest element along axis 1 of shape \(2, 0\)"),
])
def test_messages(call, message):
    with pytest.raises(MinicnnError, match=message):
        call(leaf((2, 3)))


EMPTY = {
    "arithmetic": lambda x: (x + 1) * x / 2 - x ** 2, "exp": lambda x: x.exp().log(), "matmul": lambda x: x @ x.T,
    "matmul of length 0": lambda x: x.T @ x, "sum": lambda x: x.sum(), "sum 0": lambda x: x.sum(0), "mean": lambda x:
    x.mean(1), "max": lambda x: x.max(1), "reshape": lambda x: x.reshape(3, -1), "slice": lambda x: x[:, 1:], "fancy":
    lambda x: x[np.array([], int)], "transpose": lambda x: x.T, "stack": lambda x: np.stack([x, x]),
    "concatenate": lambda x: np.concatenate([x, x], 1), "sqrt": np.sqrt, "tanh": np.tanh, "abs": abs,
}


@pytest.mark.parametrize("name", EMPTY)
def test_zero_images(name):
    x = leaf((0, 3))
    out = EMPTY[name](x)
    out.backward(np.ones(out.shape))
    assert x.grad.shape == (0, 3)


def test_the_mean_of_nothing_is_nan_and_its_sum_is_0():
    assert np.isnan(leaf((0, 3)).mean().item()) and leaf((0, 3)).sum().item() == 0
    assert leaf((0, 3)).mean(0).shape == (3,) and np.isnan(leaf((0, 3)).mean(0).data).all()


@pytest.mark.parametrize("axis", [None, 0, -1, (0,), ()])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_a_single_number_has_axis_0(name, axis):
    x = leaf(())
    out = getattr(x, name)(axis, keepdims=True)
    out.backward(-3.0)
    assert out.shape == () and x.grad.shape == () and x.grad == -3
