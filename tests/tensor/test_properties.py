"""Every operation of a Tensor against NumPy, on arrays of all shapes, strides, memory orders and dtypes.

`MINICNN_PROPERTY_EXAMPLES=500 pytest tests/tensor/test_properties.py --hypothesis-seed=1` is a long run.
"""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn.autograd import unbroadcast

EXAMPLES = settings(max_examples=int(os.environ.get("MINICNN_PROPERTY_EXAMPLES", 60)), deadline=None,
                    database=None)
DTYPES = st.sampled_from([np.float32, np.float64])


@st.composite
def arrays(draw, shape=None, least=0):
    """Positive numbers in an array of any memory order: permuted, reversed, with gaps, repeated or read-only."""
    shape = draw(st.lists(st.integers(least, 4), max_size=4).map(tuple)) if shape is None else shape
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, -1, 2, -2, 0])) for _ in shape]
    lengths = [1 if step == 0 else n * abs(step) for n, step in zip(shape, steps, strict=True)]
    base = (0.25 + 4 * rng.random([lengths[a] for a in order])).astype(draw(DTYPES))
    view = base.transpose(np.argsort(order)) if order else base
    parts = tuple([slice(None) if step == 0 else slice(None, None, step) for step in steps])
    view = np.broadcast_to(view[parts], shape)
    if draw(st.booleans()) and view.flags.writeable:
        view.flags.writeable = False
    return view


@st.composite
def pairs(draw):
    """Two arrays that broadcast; some of them share their memory."""
    x = draw(arrays())
    if draw(st.integers(0, 4)) == 0:
        return x, x[::-1] if x.ndim and draw(st.booleans()) else x
    shape = tuple([draw(st.sampled_from([1, n])) for n in x.shape][draw(st.integers(0, x.ndim)):])
    y = draw(arrays(shape))
    return (x, y) if draw(st.booleans()) else (y, x)


def check(operation, function, inputs, backward=None):
    """Values and dtype of NumPy; a gradient of the shape and dtype of each input; inputs unchanged."""
    before = [a.copy() for a in inputs]
    tensors = [Tensor(a, requires_grad=True) for a in inputs]
    with np.errstate(all="ignore"):
        out, expected = operation(*tensors), np.asarray(function(*inputs))
        assert out.shape == expected.shape and out.dtype == expected.dtype
        np.testing.assert_allclose(out.data, expected, rtol=1e-6 if out.dtype == np.float32 else 1e-14)
        rng = np.random.default_rng(0)
        cotangent = rng.standard_normal(out.shape).astype(out.dtype)
        kept = cotangent.copy()
        out.backward(cotangent)
    np.testing.assert_array_equal(cotangent, kept)
    for i, (tensor, array, old) in enumerate(zip(tensors, inputs, before, strict=True)):
        np.testing.assert_array_equal(array, old)
        assert type(tensor.grad) is np.ndarray and tensor.grad.shape == array.shape and tensor.grad.dtype == array.dtype
        assert tensor.grad.flags.writeable and not any(np.shares_memory(tensor.grad, a) for a in inputs)
        if backward is not None:
            right = backward(cotangent.astype(float), *[np.asarray(a, np.float64) for a in inputs])[i]
            if right.shape != array.shape:
                right = unbroadcast(np.broadcast_to(right, out.shape), array.shape)
            tolerance = 2e-4 if np.float32 in [a.dtype for a in inputs] else 1e-11
            np.testing.assert_allclose(tensor.grad, right, rtol=tolerance, atol=tolerance)


BINARY = [                      # the operation; its gradients in float64
    (lambda x, y: x + y, lambda g, x, y: (g, g)), (lambda x, y: x - y, lambda g, x, y: (g, -g)),
    (lambda x, y: x * y, lambda g, x, y: (g * y, g * x)), (lambda x, y: x / y, lambda g, x, y: (g / y, -g * x / y**2)),
    (np.maximum, lambda g, x, y: (g * ((x > y) + (x == y) / 2), g * ((x < y) + (x == y) / 2))),
    (np.minimum, lambda g, x, y: (g * ((x < y) + (x == y) / 2), g * ((x > y) + (x == y) / 2))),
    (lambda x, y: np.clip(x, y, None), lambda g, x, y: (g * (x >= y), g * (x < y))),
    (lambda x, y: x ** y, lambda g, x, y: (g * y * x ** (y - 1), g * x ** y * np.log(x))),
    (lambda x, y: np.where(np.broadcast_to([[True], [False]], (2, 1))[:, 0].any(), x, y), lambda g, x, y: (g, 0 * g)),
]
UNARY = [
    (lambda x: -x, lambda g, x: (-g,)), (abs, lambda g, x: (g * np.sign(x),)), (np.exp, lambda g, x: (g * np.exp(x),)),
    (np.log, lambda g, x: (g / x,)), (np.sqrt, lambda g, x: (g / (2 * np.sqrt(x)),)),
    (np.square, lambda g, x: (2 * g * x,)), (np.tanh, lambda g, x: (g / np.cosh(x) ** 2,)),
    (np.reciprocal, lambda g, x: (-g / x ** 2,)), (lambda x: x ** 2, lambda g, x: (2 * g * x,)),
    (lambda x: 2 ** x, lambda g, x: (g * 2 ** x * np.log(2),)), (lambda x: 3 - x, lambda g, x: (-g,)),
    (lambda x: 1 / x, lambda g, x: (-g / x ** 2,)), (lambda x: x.reshape(-1), lambda g, x: (g.reshape(x.shape),)),
    (lambda x: x.T, lambda g, x: (g.T,)), (lambda x: x[...], lambda g, x: (g,)),
    (lambda x: x[None], lambda g, x: (g[0],)), (np.expm1, lambda g, x: (g * np.exp(x),)),
    (np.log1p, lambda g, x: (g / (1 + x),)), (np.sin, lambda g, x: (g * np.cos(x),)), (np.cos, lambda g, x: (
        -g * np.sin(x),)), (np.sign, lambda g, x: (0 * g,)), (np.flip, lambda g, x: (np.flip(g),)),
    (np.ravel, lambda g, x: (g.reshape(x.shape),)), (lambda x: np.roll(x, 2), lambda g, x: (np.roll(g, -2),)),
    (lambda x: np.tile(x, 2), lambda g, x: (sum(np.split(g, 2, -1)).reshape(x.shape),)),
    (lambda x: np.repeat(x, 3), lambda g, x: (g.reshape(*x.shape, 3).sum(-1),)),
]


@EXAMPLES
@given(st.sampled_from(BINARY), pairs())
def test_two_operands(case, inputs):
    check(case[0], case[0], inputs, case[1])


@EXAMPLES
@given(st.sampled_from(UNARY), arrays())
def test_one_operand(case, x):
    check(case[0], case[0], [x], case[1])


@EXAMPLES
@given(arrays(), st.sampled_from(["sum", "mean", "max", "min"]), st.booleans(), st.data())
def test_reductions(x, name, keepdims, data):
    least = 0 if name == "sum" else 1
    axes = [a for a in range(x.ndim) if x.shape[a] >= least]
    chosen = data.draw(st.lists(st.sampled_from(axes), unique=True) if axes else st.just([]))
    axis = tuple(a - x.ndim if data.draw(st.booleans()) else a for a in chosen)
    function = lambda a: getattr(a.astype(np.float64), name)(axis=axis, keepdims=keepdims).astype(a.dtype)
    count = np.prod([x.shape[a] for a in axis]) if name == "mean" else 1

    def backward(g, x):
        g = g if keepdims else np.expand_dims(g, tuple(a % x.ndim for a in axis)) if axis else g
        extreme = name in ("max", "min") and x.size
        mask = x == getattr(x, name)(axis=axis, keepdims=True) if extreme else np.ones(x.shape)
        return (np.broadcast_to(g, x.shape) * mask / (mask.sum(axis=axis, keepdims=True) if extreme else count),)
    check(lambda t: getattr(t, name)(axis, keepdims), function, [x], backward if x.size else None)


@st.composite
def indices(draw, shape):
    """An index of NumPy that fits: integers, slices, arrays of integers with repetitions, masks."""
    if draw(st.integers(0, 5)) == 0:
        return np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.5
    index = []
    for n in shape[:draw(st.integers(0, len(shape)))]:
        one = st.integers(-n, n - 1)
        index.append(draw(st.one_of(st.slices(n), one, st.lists(one, min_size=3, max_size=3)) if n else st.slices(n)))
    return tuple(index + ([...] if draw(st.booleans()) else []))


@EXAMPLES
@given(arrays(), st.data())
def test_indices(x, data):
    index = data.draw(indices(x.shape))

    def backward(g, x):
        full = np.zeros(x.shape)
        np.add.at(full, index, g)
        return (full,)
    check(lambda a: a[index], lambda a: a[index], [x], backward)


@EXAMPLES
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.data())
def test_matmul(n, k, m, data):
    batch = data.draw(st.sampled_from([((), ()), ((2,), ()), ((), (2,)), ((3, 1), (1, 2)), ((2,), (2,)), ((0,), (1,))]))
    x, y = data.draw(arrays((*batch[0], n, k))), data.draw(arrays((*batch[1], k, m)))
    x, y = x[..., 0, :] if n == 1 and not batch[0] else x, y[..., 0] if m == 1 and not batch[1] else y
    check(lambda a, b: a @ b, lambda a, b: a @ b, [x, y])
    tensors = Tensor(x.astype(float), requires_grad=True), Tensor(y.astype(float), requires_grad=True)
    out = tensors[0] @ tensors[1]
    direction = [np.random.default_rng(1).standard_normal(t.shape) for t in tensors]
    g = np.random.default_rng(2).standard_normal(out.shape)
    out.backward(g)
    expected = (g * (direction[0] @ tensors[1].data + tensors[0].data @ direction[1])).sum()
    np.testing.assert_allclose(sum((t.grad * d).sum() for t, d in zip(tensors, direction, strict=True)), expected,
                               rtol=1e-9, atol=1e-9)


@EXAMPLES
@given(st.lists(arrays((2, 3)), min_size=1, max_size=4), st.sampled_from([0, 1, -1]),
       st.sampled_from(["stack", "concatenate"]))
def test_joined_arrays(parts, axis, name):
    join = getattr(np, name)

    def backward(g, *parts):
        return tuple(np.moveaxis(g, axis, 0)) if name == "stack" else np.split(g, len(parts), axis)
    check(lambda *ts: join(ts, axis), lambda *ts: join(ts, axis), parts, backward)


OPERATIONS = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (2 + abs(b)),
    lambda a, b: np.tanh(a) * b,
    lambda a, b: (a * 0.3).exp() + b.sum(-1, keepdims=True), lambda a, b: np.sqrt(3 + a * a) - b[:, ::-1],
    lambda a, b: np.where(b.data > a.data, a, b), lambda a, b: np.concatenate([a, b])[1:3], lambda a, b: a @ (b.T @ a),
    lambda a, b: (1 + a * a) ** (0.5 * b), lambda a, b: a.mean(0) + b, lambda a, b: b.max(1, keepdims=True) + a,
    lambda a, b: b[np.array([0, 0])] * a, lambda a, b: np.stack([a, b]).sum(0), lambda a, b: (2 + np.tanh(a)).log() + b,
]


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=8),
       st.integers(0, 2**32 - 1))
def test_random_expressions_against_finite_differences(program, seed):
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((2, 2, 3))

    def run(x, y):
        values = [x, y]
        for operation, i, j in program:
            result = operation(values[i % len(values)], values[j % len(values)])
            values.append(np.tanh(result * 0.5))      # keeps the numbers near 1
        return values[-1].sum() + values[-2][0, 0]
    tensors = [Tensor(a, requires_grad=True) for a in start]
    run(*tensors).backward()
    directions = rng.standard_normal(start.shape)
    analytic = sum((t.grad * d).sum() for t, d in zip(tensors, directions, strict=True) if t.grad is not None)
    value = lambda h: run(*[Tensor(a + h * d) for a, d in zip(start, directions, strict=True)]).item()
    estimates = [(value(h) - value(-h)) / (2 * h) for h in (1e-4, 1e-5, 1e-6)]
    error = min(abs(e - analytic) for e in estimates)
    assert error <= 1e-4 * (1 + abs(analytic)), (analytic, estimates)
