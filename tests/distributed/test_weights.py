"""Several ranks end with the weights of one, and send no byte too much."""

import numpy as np
import pytest

RELATIVE = {"float64": 1e-12, "float32": 1e-5}


def weights(folder, n):
    with np.load(folder / f"weights{n}.npz") as found:
        return dict(found)


@pytest.mark.slow
def test_the_weights_do_not_depend_on_the_number_of_ranks(program, tmp_path):
    program(4, "fifty_steps.py", tmp_path / "weights", 1, 2, 3, 4)
    one, *others = [weights(tmp_path, n) for n in (1, 2, 3, 4)]
    for found in others:
        for name, array in one.items():
            np.testing.assert_allclose(found[name], array, rtol=0, atol=RELATIVE[name.split()[0]] * np.abs(array).max())
    program(3, "fifty_steps.py", tmp_path / "weights", 3)
    again = weights(tmp_path, 3)
    assert all(np.array_equal(array, again[name]) for name, array in others[1].items())
    assert any(not np.array_equal(array, again[name]) for name, array in one.items())   # they did share the work
