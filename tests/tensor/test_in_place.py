"""x += y and x[i] = y change the tensor, or say what to write instead."""

import operator

import numpy as np
import pytest

from minicnn import InputError, StateError, Tensor, no_grad

CHANGES = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow]
PLAIN = {operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
         operator.itruediv: operator.truediv, operator.ipow: operator.pow}


def leaf(values=(1.0, 2.0), dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_a_step_of_gradient_descent_under_no_grad_moves_the_parameter():
    p = leaf()
    array, other_name = p.data, p
    (p * p).sum().backward()
    with no_grad():
        p -= 0.25 * p.grad
    assert p is other_name and p.data is array and array.tolist() == [0.5, 1.0]
    assert p.requires_grad and p.is_leaf and p.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("other", [2, 0.5, np.float32(3), np.array([2.0, 3.0]), [3, 4], Tensor([2.0, 4.0])], ids=repr)
def test_in_place_operators_have_numpys_values(change, other):
    for x in (Tensor(np.array([1.0, 2.0])), leaf()):
        with no_grad():
            y = change(x, other)
        assert y is x
        np.testing.assert_array_equal(x.data, PLAIN[change](np.array([1.0, 2.0]), np.asarray(other)))


@pytest.mark.parametrize("change", CHANGES)
def test_a_leaf_outside_of_no_grad_is_refused(change):
    p = leaf()
    with pytest.raises(StateError, match=r"x .{1,2}= y: x is a leaf that requires a gradient.*`with minicnn.no_grad"):
        change(p, 2.0)
    assert p.data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("change", CHANGES)
def test_a_recorded_change_has_the_gradient_of_the_operation(change, rng):
    cotangent = rng.standard_normal(2)

    def run(function):
        x, w = leaf((1.5, 2.5)), leaf((0.5, 3.0))
        y = x * 3
        alias = y
        y = function(y, w)
        assert function is not change or y is alias
        (y * y).backward(cotangent)
        return y.data, x.grad, w.grad
    for ours, expected in zip(run(change), run(PLAIN[change]), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_every_name_of_a_tensor_sees_a_recorded_change():
    w = leaf()
    hidden = [w * 1, w * 2]
    for h in hidden:
        h += w
    np.stack(hidden).sum().backward()
    assert w.grad.tolist() == [5.0, 5.0]


def test_a_sum_of_losses():
    w, total = leaf(), 0
    for factor in (1.0, 2.0, 3.0):
        total += (w * factor).sum()
    total.backward()
    assert w.grad.tolist() == [6.0, 6.0]
    start = Tensor(np.zeros(2))
    start += w
    start.sum().backward()
    assert w.grad.tolist() == [7.0, 7.0]


def test_retain_grad_follows_the_change():
    y = leaf() * 2
    y.retain_grad()
    y *= leaf((3.0, 4.0))
    (y * 5).backward(np.array([1.0, -1.0]))
    assert y.grad.tolist() == [5.0, -5.0]


def test_a_part_of_another_tensor_is_refused_where_it_would_not_change():
    rows, w = leaf(np.ones((3, 2))) * 2, leaf()
    with pytest.raises(StateError, match=r"x \+= y: x is a part of another array or tensor"):
        for row in rows:
            row += w
    with pytest.raises(StateError, match=r"x \+= y: x is a part of another array or tensor"):
        np.split(rows, 3)[1].__iadd__(w)
    with pytest.raises(StateError, match=r"x is a part of another array or tensor.*np\.stack"):
        row = Tensor(np.zeros((3, 2)))[0]
        row += w
    x = Tensor(np.zeros((3, 2)))
    for row in x:                                 # nothing is recorded: NumPy's views change
        row += np.array([1.0, 2.0])
    assert x.data.tolist() == [[1.0, 2.0]] * 3


def test_results_that_backward_needs_are_refused():
    y = leaf() * 2
    with no_grad(), pytest.raises(StateError, match=r"x \+= y: the array of this tensor is read-only.*use x = x \+ y"):
        y += 1
    with no_grad(), pytest.raises(StateError, match=r"x\[i\] = y: the array of this tensor is read-only"):
        y[0] = 1


def test_a_parameter_changed_under_no_grad_before_backward_is_found():
    p = leaf()
    y = p * p
    with no_grad():
        p += 1
    with pytest.raises(StateError, match="mul: input 0"):
        y.sum().backward()


@pytest.mark.parametrize(("x", "y"), [
    (Tensor(np.ones(2)), np.ones((3, 2))), (Tensor(np.ones((2, 1))), np.ones((2, 3))),
    (Tensor(np.ones(2)), np.ones(3))])
def test_another_shape_is_refused(x, y):
    with pytest.raises(InputError, match=r"x \+= y: the result of shapes .* does not have the shape of x: write x = x"):
        x += y
    hidden = leaf(np.ones(2)) * 1
    with pytest.raises(InputError, match=r"x \*= y: the result has shape \(3, 2\)"):
        hidden *= np.ones((3, 2))


def test_another_dtype():
    x = Tensor(np.ones(2, np.float32))
    x += np.ones(2)
    assert x.dtype == np.float32 and x.data.tolist() == [2.0, 2.0]
    hidden = leaf(dtype=np.float32) * 1
    with pytest.raises(InputError, match="the result has shape .* and float64, x has .* and float32"):
        hidden += leaf()


def test_elements_are_assigned_where_nothing_is_recorded():
    p = leaf()
    with pytest.raises(TypeError, match=r"a Tensor cannot be assigned to.*inside of `with minicnn.no_grad"):
        p[0] = 2
    with no_grad():
        p[0] = 7
        p[1:] -= 1.5
    assert p.data.tolist() == [7.0, 0.5]
    x = Tensor(np.zeros((2, 2)))
    x[np.array([True, False])] = Tensor(np.array([1.0, 2.0]))
    assert x.data.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    with pytest.raises(TypeError, match=r"np\.where, np\.stack or np\.concatenate"):
        x[0] = p * 2
    with pytest.raises(TypeError, match="a Tensor cannot be assigned to"):
        x[0] = [p[0], p[1]]
    with pytest.raises(IndexError, match=r"x\[i\] = y: index 5 is out of bounds.*shape \(2, 2\)"):
        x[5] = 1
    with pytest.raises(InputError, match=r"x\[i\] = y: could not broadcast"):
        x[0] = np.ones(3)


def test_matmul_in_place():
    x = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))
    x @= np.array([[0.0, 1.0], [1.0, 0.0]])
    assert x.data.tolist() == [[2.0, 1.0], [4.0, 3.0]]
    with pytest.raises(InputError, match=r"x @= y: the result of shapes \(2, 2\) and \(2,\)"):
        x @= np.ones(2)
