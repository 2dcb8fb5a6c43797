"""Arrays that change between forward and backward are found: any bit, any order, in every operation of a Tensor."""

import numpy as np
import pytest

from minicnn import StateError, Tensor
from minicnn import functional as F
from minicnn.autograd import EXACT, fingerprint

SIZES = [1, 7, EXACT // 8, EXACT // 8 + 1, EXACT // 8 + 3333, 100_000]
CHANGES = {                     # in place
    "all signs": lambda x, rng: np.negative(x, out=x),
    "two signs": lambda x, rng: x.__setitem__([0, -1], -x[[0, -1]]),
    "signs at random": lambda x, rng: np.multiply(x, rng.choice([-1, 1], x.shape).astype(x.dtype), out=x),
    "reversed": lambda x, rng: x.__setitem__(slice(None), x[::-1].copy()),
    "sorted": lambda x, rng: x.sort(),
    "shuffled": lambda x, rng: rng.shuffle(x),
    "two swapped": lambda x, rng: x.__setitem__([0, -1], x[[-1, 0]]),
    "rolled": lambda x, rng: x.__setitem__(slice(None), np.roll(x, 1)),
    "blocks swapped": lambda x, rng: x.__setitem__(slice(None), np.roll(x, 1024)),
    "scaled by 2": lambda x, rng: np.multiply(x, 2, out=x),
    "constant": lambda x, rng: x.fill(1.5),
    "same sum": lambda x, rng: x.__setitem__([0, -1], [x[0] + 1, x[-1] - 1]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CHANGES)
def test_fingerprint_sees_every_change(name, size, dtype, rng):
    x = rng.integers(1, 9, size).astype(dtype) if name == "same sum" else rng.standard_normal(size).astype(dtype)
    before, old = fingerprint(x), x.copy()
    CHANGES[name](x, rng)
    assert (fingerprint(x) == before) == np.array_equal(x.view(np.uint8), old.view(np.uint8))


@pytest.mark.parametrize("size", [5, EXACT // 8 + 1024])
def test_fingerprint_sees_every_bit(size, rng):
    x = rng.standard_normal(size)
    words, before = x.view(np.uint64), fingerprint(x)
    for index in (0, size // 2, size - 1):
        for bit in range(64):
            words[index] ^= np.uint64(1 << bit)
            assert fingerprint(x) != before
            words[index] ^= np.uint64(1 << bit)
    for bit in range(64):                         # the same bit of pairs, whose differences could cancel
        first, second = rng.integers(0, size, 2)
        if first != second:
            words[[first, second]] ^= np.uint64(1 << bit)
            assert fingerprint(x) != before
            words[[first, second]] ^= np.uint64(1 << bit)
    x[0] = 0.0
    zero = fingerprint(x)
    x[0] = -0.0
    assert fingerprint(x) != zero


def test_fingerprint_does_not_depend_on_luck(rng):
    """Random pairs of changed signs, of which no one may cancel."""
    x = rng.standard_normal(EXACT // 4)
    before = fingerprint(x)
    for _ in range(300):
        chosen = rng.choice(len(x), rng.integers(2, 9), replace=False)
        x[chosen] *= -1
        assert fingerprint(x) != before
        x[chosen] *= -1
    assert fingerprint(x) == before


@pytest.mark.parametrize("view", [
    lambda x: x.T, lambda x: x[::-1], lambda x: x[:, ::2], lambda x: x[3], lambda x: x[:, None, 5], lambda x: x[2:3, 3],
    lambda x: np.asfortranarray(x)], ids=range(7))
def test_views_and_single_numbers(view, rng):
    base = rng.standard_normal((64, 700))
    x = np.asarray(view(base))
    before = fingerprint(x)
    for index in [(0,) * x.ndim, tuple(n - 1 for n in x.shape)]:
        x[index] *= -1
        assert fingerprint(x) != before
        x[index] *= -1
    assert fingerprint(x) == before
    repeated = np.broadcast_to(base[0], (4, 700))
    before = fingerprint(repeated)
    base[0, 5] *= -1
    assert fingerprint(repeated) != before


MASK = np.array([True, False, True])
OPERATIONS = {                  # functions of a leaf (4, 3) and of a constant array (4, 3)
    "add": lambda x, c: x + c, "sub": lambda x, c: c - x, "mul": lambda x, c: x * c, "div": lambda x, c: c / x,
    "pow": lambda x, c: x ** c, "rpow": lambda x, c: c ** x, "matmul": lambda x, c: x.T @ c, "exp": lambda x, c:
    (x + c).exp(), "log": lambda x, c: (x * c).log(), "where": lambda x, c: np.where(MASK, x, c), "stack": lambda x, c:
    np.stack([x, c]), "concatenate": lambda x, c: np.concatenate([c, x]), "sqrt": lambda x, c: np.sqrt(x * c),
    "tanh": lambda x, c: np.tanh(x - c), "max": lambda x, c: (x * c).max(0), "getitem": lambda x, c: (x * c)[1:],
    "linear": lambda x, c: F.linear(x, c), "mse_loss": lambda x, c: F.mse_loss(x, c),
    "cross_entropy": lambda x, c: F.cross_entropy(x, np.array([0, 2, 1, 1]), c[0]) + (x * c).sum(),
    "relu": lambda x, c: F.relu(x - c),
    "batch_norm": lambda x, c: F.batch_norm(x, None, None, c[0], c[1], training=True),
    "square": lambda x, c: np.square(x * c), "abs": lambda x, c: abs(x - c), "sum": lambda x, c: (x * c).sum(),
}


@pytest.mark.parametrize("which", ["leaf", "constant", "view of the leaf"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_finds_a_changed_input(name, which, rng):
    values, constant = 1 + rng.random((4, 3)), 1 + rng.random((4, 3))
    leaf = Tensor(values, requires_grad=True)
    out = OPERATIONS[name](leaf, constant)
    array = {"leaf": values, "constant": constant, "view of the leaf": values.reshape(3, 4).T}[which]
    old = array.copy()
    array[:2] = array[1::-1].copy()               # a permutation: every sum stays
    with pytest.raises(StateError, match=r"input \d, shape .*, was changed in place after the forward pass"):
        out.backward(np.ones(out.shape))
    assert leaf.grad is None
    array[...] = old


def test_a_reversed_image_is_found():
    x = Tensor(np.random.default_rng(0).random((2, 1, 28, 28)), requires_grad=True)
    y = (x * x).sum()
    x.data[...] = x.data[:, :, ::-1].copy()
    with pytest.raises(StateError, match="mul: input 0"):
        y.backward()


def test_a_part_of_a_constant_is_watched_through_its_view():
    base, w = np.arange(12.0).reshape(3, 4), Tensor(np.ones(4), requires_grad=True)
    out = w * Tensor(base)[1]
    base[1, 2] += 1
    with pytest.raises(StateError, match="mul: input 1"):
        out.sum().backward()


def test_a_changed_and_restored_array_is_no_change():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x * x
    x.data[1] = 5
    x.data[1] = 1
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
