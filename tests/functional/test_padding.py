"""pad against loops over the definition, its adjoint, its memory orders and its messages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import Tensor
from minicnn import functional as F
from tests.reference import ORDERS, assert_adjoint

MODES = ("constant", "reflect", "replicate", "circular")


def place(p, n, mode):
    """The element of an axis of n that stands at p, or None."""
    if 0 <= p < n or mode == "constant":
        return p if 0 <= p < n else None
    if mode == "circular":
        return p % n
    return min(max(p, 0), n - 1) if mode == "replicate" else abs(p) if p < 0 else 2 * n - 2 - p


def by_loop(x, widths, mode, value):
    if mode == "circular":                        # cut off first
        x = x[tuple(slice(max(0, -before), n - max(0, -after)) for n, (before, after) in
                    zip(x.shape, widths, strict=True))]
        widths = [(max(0, before), max(0, after)) for before, after in widths]
    out = np.full([n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)], value, x.dtype)
    for index in np.ndindex(*out.shape):
        source = tuple(place(i - before, n, mode) for i, n, (before, _) in zip(index, x.shape, widths, strict=True))
        if None not in source:
            out[index] = x[source]
    return out


def widths_of(mode, n):
    """(before, after) of an axis of n elements that `pad` accepts."""
    most = {"reflect": n - 1, "circular": n}.get(mode, 4)
    pairs = st.tuples(st.integers(-n, most), st.integers(-n, most)).filter(lambda both: n + sum(both) >= 0)
    if mode == "circular":
        return pairs.filter(lambda both: max(*both, 0) <= n + min(both[0], 0) + min(both[1], 0))
    return pairs


@st.composite
def paddings(draw):
    shape, mode = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)), draw(st.sampled_from(MODES))
    padded = draw(st.integers(0, len(shape)))
    widths = [(0, 0)] * (len(shape) - padded) + [draw(widths_of(mode, n)) for n in shape[len(shape) - padded:]]
    return tuple(shape), mode, widths, padded


@settings(max_examples=300, deadline=None, derandomize=True)
@given(padding=paddings(), dtype=st.sampled_from([np.float32, np.float64]), value=st.sampled_from([0, -2.5, np.inf]))
def test_any_padding(padding, dtype, value):
    shape, mode, widths, padded = padding
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    flat = sum([list(both) for both in widths[::-1][:padded]], [])
    before = x.copy()
    found = F.pad(x, flat, mode, value if mode == "constant" else None)
    expected = by_loop(x, widths, mode, value)
    assert found.dtype == dtype and not np.shares_memory(found.data, x)
    np.testing.assert_array_equal(found.data, expected)
    assert_adjoint(lambda t: F.pad(t, flat, mode), x, rng, 1e-12 if dtype == np.float64 else 1e-5)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("mode", MODES)
def test_memory_orders(mode, rng):
    x, cotangent, found = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 6, 6)), []
    for order in (np.array, *ORDERS):
        t = Tensor(order(x), requires_grad=True)
        out = F.pad(t, (2, -1, 1, 1), mode)
        out.backward(order(cotangent))
        found.append((out.data, t.grad))
    for out, grad in found[1:]:
        np.testing.assert_array_equal(out, found[0][0])
        np.testing.assert_allclose(grad, found[0][1], rtol=1e-14)
    last = np.empty((3, 4, 5, 2)).transpose(3, 0, 1, 2)
    assert F.pad(last, (1, 1, 1, 1), mode).data.transpose(1, 2, 3, 0).flags.c_contiguous, "the order stays"


def test_edges_of_size():
    assert F.pad(np.array(3.0), ()).data.tolist() == 3
    assert F.pad(np.zeros((0, 3)), (1, 1)).shape == (0, 5) and F.pad(np.ones((2, 3)), (-3, 0)).shape == (2, 0)
    assert F.pad(np.zeros((2, 0)), (1, 2)).data.tolist() == [[0] * 3] * 2
    assert F.pad(np.ones((1, 1)), (4, 0), "replicate").data.tolist() == [[1] * 5]
    t = Tensor(np.ones(2), requires_grad=True)
    F.pad(t, (-1, 0)).backward([np.inf])
    assert t.grad.tolist() == [0, np.inf], "what is cut off gets 0"


def test_an_edge_that_is_copied_a_million_times():
    t = Tensor(np.ones(1, np.float32), requires_grad=True)
    F.pad(t, (1_000_000, 0), "replicate").backward(np.full(1_000_001, 0.1, np.float32))
    np.testing.assert_allclose(t.grad, [1e5], rtol=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.pad(x, 1), "pad: pad must be a tuple with two integers for each axis"),
    (lambda x: F.pad(x, (1,)), "pad: pad must be a tuple with two integers for each axis"),
    (lambda x: F.pad(x, (1, True)), "pad: pad must be a tuple with two integers for each axis"),
    (lambda x: F.pad(x, (1, 1) * 3), "has numbers for 3 axes, but the input has 2"),
    (lambda x: F.pad(x, (-2, -2)), r"cut off more than there is in the shape \(2, 3\)"),
    (lambda x: F.pad(x, (10**9, 10**9, 10**9, 0)), "which is too many numbers: pad less"),
    (lambda x: F.pad(x, (3, 0), "reflect"), "mode 'reflect' adds at most 2 elements at each end of an axis of 3"),
    (lambda x: F.pad(x, (4, 0), "circular"), "mode 'circular' adds at most 3 elements at each end of an axis of 3"),
    (lambda x: F.pad(x, (2, -2), "circular"), "mode 'circular' adds at most 1 elements at each end of an axis of 1"),
    (lambda x: F.pad(x[:, :0], (1, 0), "replicate"), "mode 'replicate' adds at most 0 elements"),
    (lambda x: F.pad(x, (1, 1), "edge"), "pad: mode must be one of 'constant', 'reflect', 'replicate', 'circular'"),
    (lambda x: F.pad(x, (1, 1), "reflect", 2), "pad: value=2 has no meaning for mode 'reflect'"),
    (lambda x: F.pad(x, (1, 1), value="0"), "pad: value must be a real number, not '0'"),
    (lambda x: F.pad(np.float32(x.data), (1, 1), value=1e300), "pad: value has 1.0e.300, which is too large"),
    (lambda x: F.pad(x, (1, 1), value=10**400), "pad: value is too large for float64"),
])
def test_what_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call(Tensor(np.ones((2, 3))))
    assert type(caught.value).__module__ == "minicnn"
