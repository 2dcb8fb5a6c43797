"""Several ranks end with the weights of one, and send no byte too much."""

import numpy as np
import pytest

RELATIVE = {"float64": 1e-12, "float32": 1e-5}


@pytest.fixture
def weights(program, tmp_path):
    """The arrays after fifty steps on n ranks."""
    def weights(n):
        program(n, "fifty_steps.py", tmp_path / "weights.npz")
        with np.load(tmp_path / "weights.npz") as found:
            return dict(found)
    return weights


def test_the_weights_do_not_depend_on_the_number_of_ranks(weights):
    one, *others = [weights(n) for n in (1, 2, 3, 4)]
    for found in others:
        for name, array in one.items():
            np.testing.assert_allclose(found[name], array, rtol=0, atol=RELATIVE[name.split()[0]] * np.abs(array).max())
    again = weights(3)
    assert all(np.array_equal(array, again[name]) for name, array in others[1].items())
    assert any(not np.array_equal(array, again[name]) for name, array in one.items())   # they did share the work
