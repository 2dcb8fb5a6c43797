"""Pools under shifts, on a bar with known numbers and on feature maps, checked with np.roll alone."""

import numpy as np
import pytest

from minicnn.data import load
from minicnn.errors import InputError
from minicnn.invariance import Shifts, compare_pools
from minicnn.invariance.pooling import HALVING, MOVES, blurred_bar, on_torus, torus_change, window_change
from tests.recorder import Recorder


def roll_pool(name, x):
    """The pools on the torus, made with np.roll alone."""
    taps = {"max-pool, blur-pool 3": [1, 2, 1], "max-pool, blur-pool 4": [1, 3, 3, 1]}
    four = [np.roll(x, (-i, -j), (-2, -1)) for i in (0, 1) for j in (0, 1)]
    if name == "average-pool":
        return np.mean(four, 0)[..., ::2, ::2]
    if name == "global max-pool":
        return x.max((-2, -1), keepdims=True)
    out = np.max(four, 0)
    for axis in (-2, -1) if name in taps else ():
        out = sum(t * np.roll(out, 1 - i, axis) for i, t in enumerate(taps[name])) / sum(taps[name])
    return out[..., ::2, ::2]


@pytest.mark.parametrize("name", HALVING)
def test_pools_on_the_torus(name, rng):
    x = rng.standard_normal((2, 3, 12, 10))
    np.testing.assert_allclose(on_torus(HALVING[name], x), roll_pool(name, x), rtol=1e-12, atol=1e-14)
    for by in [*MOVES, (4, -6), (-1, 3)]:
        even = by[0] % 2 == by[1] % 2 == 0
        change = torus_change(HALVING[name], x, by)
        assert change == 0 if even or name == "global max-pool" else change > 0.1, by


def test_blurring_helps_a_bar():
    change = {name: torus_change(pool, blurred_bar(), (1, 1)) for name, pool in HALVING.items()}
    expected = {"max-pool": 0.3989, "max-pool, blur-pool 3": 0.3608, "max-pool, blur-pool 4": 0.3503}
    for name, value in expected.items():
        assert change[name] == pytest.approx(value, abs=5e-5)
        x = blurred_bar()
        still, moved = (roll_pool(name, array) for array in (x, np.roll(x, (1, 1), (-2, -1))))
        assert change[name] == pytest.approx(np.linalg.norm(moved - still) / np.linalg.norm(still), rel=1e-12)


def test_pools_on_features_of_the_trained_lenet():
    told = Recorder()
    rows = compare_pools(load("mnist5k").val_images[:8], progress=told)
    assert [done for done, _, _ in told.updates] == [0, *range(1, 16)] and told.updates[-1][1] == 15
    assert len(rows) == 3 * len(HALVING) and len({row.of for row in rows}) == 3
    assert "shifted in a circle" in rows[5].of and str(Shifts(2, 64)) in rows[-1].of
    assert all(row.even == 0 for row in rows)
    for start in (0, 5, 10):
        odd = {row.pool: row.odd for row in rows[start:start + 5]}
        assert odd["global max-pool"] == 0
        assert odd["max-pool"] > odd["max-pool, blur-pool 3"] > odd["max-pool, blur-pool 4"] > 0.1


def test_windows_are_compared_without_their_edges(rng):
    x = rng.standard_normal((1, 2, 26, 26))
    for name, pool in HALVING.items():
        if name == "global max-pool":
            continue
        assert window_change(pool, x[..., 2:24, 2:24], x[..., :22, 2:24], (2, 0)) == 0
        assert window_change(pool, x[..., 2:24, 2:24], x[..., 1:23, 2:24], (1, 0)) > 0.1


def test_maps_that_have_no_torus_are_refused():
    with pytest.raises(InputError, match="on_torus: maps of 5x4 pixels; a stride of 2 needs multiples of it"):
        on_torus(HALVING["max-pool"], np.zeros((1, 1, 5, 4)))
