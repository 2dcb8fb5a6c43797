"""The rules of the tape: order, accumulation, un-broadcasting, in-place changes, freeing, and its messages."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from minicnn import Tensor, no_grad, record
from minicnn import functional as F
from minicnn.autograd import fingerprint


def leaf(values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_diamond_adds_both_paths(rng):
    x, cotangent = leaf(rng.standard_normal(4)), rng.standard_normal(4)
    a = x * 3
    (a * a + a).backward(cotangent)
    np.testing.assert_allclose(x.grad, cotangent * 3 * (2 * 3 * x.data + 1), rtol=1e-13)


def test_tensor_used_twice_in_one_operation(rng):
    x, cotangent = leaf(rng.standard_normal(4)), rng.standard_normal(4)
    (x * x).backward(cotangent)
    np.testing.assert_allclose(x.grad, cotangent * 2 * x.data, rtol=1e-13)


def test_gradients_accumulate_over_backward_calls(rng):
    x, cotangents = leaf([1.0, 2.0]), rng.standard_normal((2, 2))
    for cotangent in cotangents:
        (x * 2).backward(cotangent)
    np.testing.assert_allclose(x.grad, 2 * cotangents.sum(0), rtol=1e-14)


def test_accumulated_gradients_share_no_memory():
    x, y = leaf([1.0]), leaf([1.0])
    (x + y).backward()
    x.grad += 10
    assert y.grad.tolist() == [1.0]


@pytest.mark.parametrize(("a", "b"), [((3, 1), (1, 4)), ((4,), (2, 3, 4)), ((), (2, 2)), ((2, 1, 3), (5, 1))])
def test_broadcast_operands_get_gradients_of_their_shape(a, b, rng):
    x, y = leaf(rng.random(a)), leaf(rng.random(b))
    out = x * y
    cotangent = rng.standard_normal(out.shape)
    out.backward(cotangent)
    full_x, full_y = np.broadcast_to(x.data, out.shape), np.broadcast_to(y.data, out.shape)
    for t, product in ((x, cotangent * full_y), (y, cotangent * full_x)):
        expected = np.zeros(t.shape)
        for index in np.ndindex(out.shape):       # one at a time, by the definition
            own = index[len(index) - t.ndim:]
            expected[tuple(0 if n == 1 else i for i, n in zip(own, t.shape, strict=True))] += product[index]
        np.testing.assert_allclose(t.grad, expected, rtol=1e-12)


def test_chain_of_100_000_operations():
    x = leaf([1.0])
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y


def test_unused_chain_of_100_000_operations_is_freed():
    y = leaf([1.0])
    for _ in range(100_000):
        y = y + 1.0
    del y


@pytest.mark.parametrize("run_backward", [False, True])
def test_graph_is_freed_without_the_cyclic_collector(run_backward):
    class Array(np.ndarray):
        pass
    gc.disable()
    try:
        x = leaf(np.ones((2, 3)))
        y = F.relu(F.linear(x, leaf(np.ones((4, 3))), leaf(np.ones(4)))).exp()
        hidden = weakref.ref(y._node.vjp)
        loss = y.sum()
        if run_backward:
            loss.backward()
            assert hidden() is None, "backward lets go of what it has used"
        gone = weakref.ref(y)
        del y, loss
        assert gone() is None and hidden() is None
    finally:
        gc.enable()


def test_second_backward_is_refused():
    loss = (leaf([1.0]) * 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="sum: backward was already run through this operation"):
        loss.backward()


def test_second_backward_through_a_shared_part_changes_nothing():
    x = leaf([1.0])
    shared = x * 2
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="mul: backward was already run"):
        (shared * 3).sum().backward()
    assert x.grad.tolist() == [2.0]


def test_input_changed_in_place_is_an_error():
    x = leaf([1.0, 2.0])
    y = x.exp()
    x.data[0] = 5
    with pytest.raises(RuntimeError, match=r"exp: input 0, shape \(2,\), was changed in place after the forward"):
        y.sum().backward()


def test_constant_changed_in_place_is_an_error():
    x, constant = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    y = x * constant
    constant[...] = constant[::-1].copy()
    with pytest.raises(RuntimeError, match="mul: input 1"):
        y.sum().backward()


@pytest.mark.parametrize(("index", "other"), [
    (np.array([0, 1]), 3), ([0, 1], 3), (np.array([True, True, False, False]), False)])
def test_an_index_changed_after_the_forward_pass_does_no_harm(index, other):
    x = leaf([1.0, 2.0, 3.0, 4.0])
    y = x[index]
    index[0] = other
    y.backward(np.array([2.0, -3.0]))
    assert x.grad.tolist() == [2.0, -3.0, 0.0, 0.0]


def test_record_wants_a_tuple_of_tensors():
    for inputs in (leaf([1.0]), (np.ones(1),)):
        with pytest.raises(TypeError, match="bad: record takes the inputs as a tuple of Tensors"):
            record(np.ones(1), inputs, lambda grad: (grad,), "bad")


def test_base_of_a_view_changed_in_place_is_an_error():
    base = np.arange(1.0, 7.0).reshape(2, 3)
    y = Tensor(base.T, requires_grad=True).log()
    base[0, 1] = 9
    with pytest.raises(RuntimeError, match="log: input 0"):
        y.sum().backward()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 5, 1023, 4096, 6001])          # bytes of a small array; whole blocks; a rest
def test_fingerprint_sees_every_element_and_every_swap(size, dtype, rng):
    x = rng.standard_normal(size).astype(dtype)
    before = fingerprint(x)
    assert fingerprint(x.copy()) == before
    for index in {0, size // 2, size - 1}:
        y = x.copy()
        y[index] = np.nextafter(y[index], dtype(9))
        assert fingerprint(y) != before
        y[index] = x[index]
        assert fingerprint(y) == before
    for step in {1, 2, 1024, 2048} & set(range(size)):
        y = x.copy()
        y[[0, step]] = y[[step, 0]]
        assert fingerprint(y) != before


def test_fingerprint_of_an_array_with_gaps_copies_the_values(rng):
    x = rng.standard_normal((130, 200))
    gaps = x[::2, 3:]
    before = fingerprint(gaps)
    x[1] = x[0, 2] = 7                            # between the values
    assert fingerprint(gaps) == before
    gaps[-1, -1] += 1
    assert fingerprint(gaps) != before


def test_result_of_an_operation_is_read_only():
    y = leaf([1.0]).exp()
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 2
    y.data.flags.writeable = True
    y.data[0] = 2
    with pytest.raises(RuntimeError, match="mul: input 0"):
        (y * y).sum().backward()


def test_item_assignment_says_why_not():
    with pytest.raises(TypeError, match="a Tensor cannot be assigned to"):
        leaf([1.0])[0] = 2


def test_no_grad_records_nothing_and_is_left_after_an_error():
    x = leaf([1.0])
    with pytest.raises(KeyError), no_grad():
        assert not (x * 2).requires_grad
        raise KeyError
    assert (x * 2).requires_grad


def test_no_grad_as_a_decorator():
    @no_grad()
    def double(x):
        return x * 2
    assert not double(leaf([1.0])).requires_grad


def test_retain_grad_and_detach():
    x = leaf([1.0, 2.0])
    y = x * 3
    z = y * 5
    y.retain_grad()
    z.backward(np.array([2.0, -3.0]))
    assert y.grad.tolist() == [10.0, -15.0]
    assert z.grad is None
    assert not y.detach().requires_grad
    assert np.shares_memory(y.detach().data, y.data)
    with pytest.raises(RuntimeError, match="retain_grad: this tensor needs no gradient"):
        y.detach().retain_grad()


def test_only_needed_gradients_are_kept():
    x, constant = leaf([1.0]), Tensor(np.array([2.0]))
    (x * constant).sum().backward()
    assert constant.grad is None


def test_backward_needs_a_cotangent_for_an_array():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(2,\) has no single gradient"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"the gradient has shape \(3,\), the tensor \(2,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="this tensor needs no gradient"):
        Tensor([1.0]).backward()


def test_backward_on_a_leaf():
    x = leaf([1.0, 2.0])
    x.backward(np.array([3.0, 4.0]))
    assert x.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(("result", "message"), [
    (lambda g: g, "bad: vjp must return a tuple with one gradient .* for each of its 1 input.*, not a ndarray"),
    (lambda g: (g, g), "not a tuple of 2"),
    (lambda g: (g[:1],), r"bad: vjp returned shape \(1,\) for an input of shape \(2,\)"),
    (lambda g: (np.ones((3, 3)),), r"bad: vjp returned shape \(3, 3\) for an input of shape \(2,\)"),
    (lambda g: (g.astype(np.float32),), "bad: vjp returned dtype float32 for an input of dtype float64"),
    (lambda g: ([1.0, 2.0],), "bad: vjp returned a list for input 0"),
])
def test_a_wrong_vjp_is_named(result, message):
    x = leaf([1.0, 2.0])
    out = record(x.data * 2, (x,), result, "bad")
    with pytest.raises((TypeError, ValueError), match=message):
        out.backward(np.ones(2))


def test_record_takes_the_callers_name():
    def my_operation(x):
        return record(x.data.copy(), (x,), lambda grad: ())
    with pytest.raises(TypeError, match="my_operation: vjp must return"):
        my_operation(leaf([1.0])).sum().backward()


def test_a_failing_vjp_leaves_all_gradients_as_they_were():
    x = leaf([1.0])
    y = record(x.data * 2, (x,), lambda grad: 1 / 0, "bad")
    with pytest.raises(ZeroDivisionError):
        (x * y).sum().backward()
    assert x.grad is None


def test_none_from_a_vjp_is_zero():
    x = leaf([1.0])
    record(np.round(x.data), (x,), lambda grad: (None,)).backward(np.full(1, 3.0))
    assert x.grad.tolist() == [0.0]


def test_mixed_precision_gives_each_input_its_own_dtype():
    x, y = leaf([1.0], np.float32), leaf([2.0])
    out = x * y
    assert out.dtype == np.float64
    out.backward(np.array([-3.0]))
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)
    assert (x.grad.tolist(), y.grad.tolist()) == ([-6.0], [-3.0])


def test_a_hook_gets_the_complete_gradient_while_backward_goes_on():
    x, w, order = leaf([1.0, 2.0]), leaf([3.0, 4.0]), []
    y = record(x.data * 2, (x,), lambda grad: (order.append("x") or grad * 2,))
    w.gradient_hook = lambda grad: order.append(grad.copy())
    (y * w + w * w).sum().backward()                                  # w is used three times
    assert len(order) == 2 and order[1] == "x"
    np.testing.assert_array_equal(order[0], [8.0, 12.0])
    np.testing.assert_array_equal(w.grad, [8.0, 12.0])


def test_the_function_of_a_hook_gives_the_gradient_at_the_end():
    x, w, order = leaf([1.0]), leaf([3.0]), []
    for each in (x, w):
        each.gradient_hook = lambda grad: order.append("hook") or (lambda: order.append("end") or 10 * grad)
    for count in (1, 2):                          # gradients add up as ever
        (x * w).sum().backward()
        assert (x.grad.tolist(), w.grad.tolist()) == ([30.0 * count], [10.0 * count])
    assert order == ["hook", "hook", "end", "end"] * 2
    x.gradient_hook = None
    x.grad = None
    x.backward(np.ones(1))                        # a leaf itself
    assert x.grad.tolist() == [1.0]


def test_a_hook_that_fails_leaves_all_gradients_as_they_were():
    for hook in (lambda grad: 1 / 0, lambda grad: lambda: 1 / 0):
        x, w = leaf([1.0]), leaf([3.0])
        w.gradient_hook = hook
        with pytest.raises(ZeroDivisionError):
            (x * w).sum().backward()
        assert x.grad is None and w.grad is None


def test_a_hook_that_returns_a_gradient_is_told():
    x = leaf([1.0])
    x.gradient_hook = lambda grad: 2 * grad
    with pytest.raises(TypeError, match="gradient_hook: a hook returns None, or a function .* not a ndarray"):
        (x * x).sum().backward()


def test_a_copy_has_no_hook():
    x = leaf([1.0])
    x.gradient_hook = lambda grad: None
    x.grad = np.ones(1)
    for other in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(leaf([1.0])))):
        assert other.gradient_hook is None and other.requires_grad
    assert copy.copy(x).grad.tolist() == [1.0]
