"""Layer, group and instance normalization: loops as oracle, the whole range of a dtype, hidden rows, messages."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from tests.functional.test_normalization import assert_near, exact
from tests.reference import ORDERS, assert_gradients


def by_loops(x, rows, eps):
    """Each of the slices `rows` of x normalized by itself."""
    out = np.empty_like(x)
    for row in rows:
        part = x[row]
        mean = sum(part.ravel().tolist()) / part.size
        var = sum((v - mean) ** 2 for v in part.ravel().tolist()) / part.size
        out[row] = (part - mean) / (var + eps) ** 0.5
    return out


CASES = {                       # operation of (x, weight, bias), shape of the weight, slices of x (3, 4, 2, 5)
    "layer_norm of images": (lambda x, w, b: F.layer_norm(x, (4, 2, 5), w, b, 0.3), (4, 2, 5), list(np.ndindex(3))),
    "layer_norm of rows": (lambda x, w, b: F.layer_norm(x, 5, w, b, 0.3), (5,), list(np.ndindex(3, 4, 2))),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b, 0.3), (4, 1, 1),
                   [(n, slice(2 * g, 2 * g + 2)) for n, g in np.ndindex(3, 2)]),
    "group_norm, one group": (lambda x, w, b: F.group_norm(x, 1, w, b, 0.3), (4, 1, 1), list(np.ndindex(3))),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=0.3), (4, 1, 1),
                      list(np.ndindex(3, 4))),
}


@pytest.mark.parametrize("name", CASES)
def test_values_against_loops_in_every_memory_order(name, rng):
    operation, shape, rows = CASES[name]
    x, w, b = rng.normal(3, 2, (3, 4, 2, 5)), rng.standard_normal(shape), rng.standard_normal(shape)
    right = by_loops(x, rows, 0.3) * w + b
    parameters = [a.ravel() if shape == (4, 1, 1) else a for a in (w, b)]
    slopes = []
    for order in [lambda a: a, *ORDERS]:
        given = order(x)
        tensors = [Tensor(a, requires_grad=True) for a in (given, *parameters)]
        out = operation(*tensors)
        np.testing.assert_allclose(out.data, right, rtol=1e-12, atol=1e-13)
        out.backward(np.cos(np.arange(x.size)).reshape(x.shape))
        np.testing.assert_array_equal(given, x)
        slopes.append([t.grad for t in tensors])
    for other in slopes[1:]:
        for one, two in zip(other, slopes[0], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)
    assert_gradients(operation, [x[:2, :, :, :3] if shape == (4, 1, 1) else x[:1], *parameters], rng)
    np.testing.assert_allclose(operation(x.astype(np.float32), None, None).data, by_loops(x, rows, 0.3), rtol=2e-5,
                               atol=1e-6)
    assert operation(x.astype(np.float32), None, None).dtype == np.float32


@pytest.mark.filterwarnings("ignore:overflow")           # where the right number is too large for the dtype
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_whole_range(dtype, rng):
    """The weights are all the same here, so that each row is a channel of batch_norm."""
    top = 37 if dtype == np.float32 else 307
    for power in (-top, -top // 2 - 4, 0, top // 2 + 4, top):
        for weight in (-top // 2, 0, top // 2):
            for slope in (-top // 2, 0, top - 2):
                x, g = ((rng.standard_normal(5) * 10.0 ** e).astype(dtype) for e in (power, slope))
                w, b = dtype(10.0 ** weight), dtype(0.5 * 10.0 ** weight)
                (out, dx, _, _), n = exact(x, float(w), float(b), g, 1e-5), 5
                for operation, shape in ((lambda x, w, b, n=n: F.layer_norm(x, n, w, b), (1, n)),
                                         (lambda x, w, b: F.group_norm(x, 1, w, b), (1, n))):
                    tensors = [Tensor(a, requires_grad=True) for a in (
                        x.reshape(shape), np.full(n, w, dtype), np.full(n, b, dtype))]
                    y = operation(*tensors)
                    y.backward(g.reshape(shape))
                    for ours, (numbers, size) in zip((y.data, tensors[0].grad), (out, dx), strict=True):
                        assert_near(ours, numbers, size)
                    np.testing.assert_array_equal(tensors[2].grad, g)


def test_rows_of_different_sizes_do_not_disturb_each_other(rng):
    x = rng.standard_normal((4, 6))
    alone = F.layer_norm(x, 6).data
    x[0] *= 2.0 ** 1000
    x[1, 0], x[2, 3] = np.nan, np.inf
    t = Tensor(x, requires_grad=True)
    out = F.layer_norm(t, 6)
    np.testing.assert_allclose(out.data[0], alone[0], rtol=1e-4)            # the eps counts less
    assert np.isnan(out.data[1:3]).all()
    np.testing.assert_allclose(out.data[3], alone[3], rtol=1e-14)
    cotangent = np.where(np.arange(4)[:, None] == 3, rng.standard_normal(6), 0.0)
    out.backward(cotangent)
    assert not t.grad[:3].any() and np.isfinite(t.grad).all()               # hidden rows get 0


def test_sums_of_millions_of_float32():
    x = np.where(np.arange(2_000_000) % 2, 1000.1, 999.9).astype(np.float32)
    b = Tensor(np.zeros(1, np.float32), requires_grad=True)
    out = F.instance_norm(x.reshape(1, 1, -1), bias=b)
    np.testing.assert_allclose(np.abs(out.data), 1, rtol=1e-3)
    out.backward(np.full(out.shape, 0.1, np.float32))
    np.testing.assert_allclose(b.grad, 200_000, rtol=1e-6)


@pytest.mark.parametrize(("operation", "shape"), [
    (lambda x, w: F.layer_norm(x, 3, w), (0, 3)), (lambda x, w: F.layer_norm(x, (3, 0), np.ones((3, 0))), (2, 3, 0)),
    (lambda x, w: F.group_norm(x, 3, w), (0, 3, 2)), (lambda x, w: F.group_norm(x, 3, w), (2, 3, 0)),
    (lambda x, w: F.instance_norm(x, weight=w), (0, 3, 2, 2)), (lambda x, w: F.instance_norm(x, weight=w), (2, 3, 0)),
])
def test_nothing(operation, shape):
    x, w = Tensor(np.ones(shape), requires_grad=True), Tensor(np.ones(3), requires_grad=True)
    out = operation(x, w)
    out.backward(np.ones(shape))
    assert out.shape == x.grad.shape == shape and (w.grad is None or not w.grad.any())


def test_one_value_is_its_own_mean():
    x = Tensor(np.array([[3.0], [1e300]]), requires_grad=True)
    out = F.layer_norm(x, 1, [2.0], [5.0])
    out.backward(np.ones((2, 1)))
    assert out.data.tolist() == [[5], [5]] and not x.grad.any()
    assert F.group_norm(np.ones((2, 3)), 3).data.tolist() == [[0] * 3] * 2


def test_instance_norm_moves_the_running_statistics(rng):
    x, mean, var = rng.standard_normal((5, 3, 4, 2)), np.full(3, 2.0), np.full(3, 3.0)
    out = F.instance_norm(x, mean, var, momentum=0.25)
    np.testing.assert_array_equal(out.data, F.instance_norm(x).data)
    np.testing.assert_allclose(mean, 0.75 * 2 + 0.25 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(var, 0.75 * 3 + 0.25 * x.var((2, 3), ddof=1).mean(0))
    before = mean.copy(), var.copy()
    out = F.instance_norm(x, mean, var, use_input_stats=False)
    np.testing.assert_array_equal(out.data, F.batch_norm(x, mean, var).data)
    F.instance_norm(x[:0], mean, var)
    np.testing.assert_array_equal((mean, var), before)
    mean, var = np.zeros(3), np.zeros(3)
    F.instance_norm(x * 2.0 ** 500, mean, var, momentum=1.0)
    np.testing.assert_allclose(mean / 2.0 ** 500, x.mean((0, 2, 3)))
    np.testing.assert_allclose(var / 2.0 ** 1000, x.var((2, 3), ddof=1).mean(0))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.layer_norm(x, 3), r"layer_norm: the input has shape \(2, 4, 6\), and must end in normalized_shape"),
    (lambda x: F.layer_norm(x, ()), "layer_norm: normalized_shape must be an integer or a tuple of integers"),
    (lambda x: F.layer_norm(x, (4.0, 6)), "layer_norm: normalized_shape must be an integer or a tuple of integers"),
    (lambda x: F.layer_norm(x, 6, np.ones(1)), r"layer_norm: weight must have shape \(6,\), that of normalized_shape"),
    (lambda x: F.layer_norm(x, 6, bias=np.ones((1, 6))), r"layer_norm: bias must have shape \(6,\)"),
    (lambda x: F.layer_norm(x, 6, eps=0), "layer_norm: eps must be a number above 0, not 0"),
    (lambda x: F.group_norm(x, 3), "group_norm: num_groups=3 must divide the 4 channels"),
    (lambda x: F.group_norm(x, 0), "group_norm: num_groups must be an integer of at least 1, not 0"),
    (lambda x: F.group_norm(x, 2, eps=-1), "group_norm: eps must be a number above 0"),
    (lambda x: F.group_norm(x[0, 0], 1), r"group_norm: the input must have shape \(N, C, ...\), not \(6,\)"),
    (lambda x: F.group_norm(x[:1, :, 0], 4), "group_norm: a group needs more than one value"),
    (lambda x: F.group_norm(x, 2, np.ones(2)), r"group_norm: weight must have shape \(4,\), one number for each chan"),
    (lambda x: F.instance_norm(x[:, :, 0]), "instance_norm: a channel needs more than one pixel"),
    (lambda x: F.instance_norm(x[0, 0]), r"instance_norm: the input must have shape \(N, C, ...\)"),
    (lambda x: F.instance_norm(x, use_input_stats=False), "instance_norm: use_input_stats=False needs running_mean"),
    (lambda x: F.instance_norm(x, use_input_stats=1), "instance_norm: use_input_stats must be True or False"),
    (lambda x: F.instance_norm(x, np.zeros(4)), "instance_norm: running_var is missing"),
    (lambda x: F.instance_norm(x, np.zeros(3), np.ones(4)), r"instance_norm: running_mean must have shape \(4,\)"),
    (lambda x: F.instance_norm(x, momentum=None), "instance_norm: momentum must be a number, not None"),
    (lambda x: F.instance_norm(x, bias=np.ones(2)), r"instance_norm: bias must have shape \(4,\)"),
])
def test_what_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call(Tensor(np.ones((2, 4, 6))))
    assert type(caught.value).__module__ == "minicnn"
