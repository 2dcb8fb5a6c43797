"""`keep` is np.where with 0, bit for bit."""

import numpy as np
import pytest

from minicnn.arithmetic import keep

ODD = [0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan, 5e-324, 1e-45, 3e38]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (len(ODD), 3, 2)])
@pytest.mark.parametrize("order", [lambda x: x, lambda x: x.T, lambda x: np.asfortranarray(x), lambda x: x[::-1][::1]
                                   if x.ndim else x])
def test_bit_for_bit(dtype, shape, order, rng):
    with np.errstate(over="ignore", under="ignore"):
        values = order(rng.choice(np.array(ODD).astype(dtype), shape).astype(dtype).reshape(shape))
    where = rng.random(values.shape) < 0.5
    found = keep(values, np.asarray(where))
    assert found.dtype == values.dtype and found.shape == values.shape
    assert found.tobytes() == np.where(where, values, 0).astype(dtype).tobytes()


def test_the_memory_order_is_that_of_the_values(rng):
    values = rng.standard_normal((4, 5, 6, 7)).transpose(3, 0, 1, 2)
    assert keep(values, values > 0).strides == values.strides
