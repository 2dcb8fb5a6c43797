"""linear, flatten and dropout."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F


def test_dropout(rng):
    x = Tensor(np.ones((100, 100)), requires_grad=True)
    out = F.dropout(x, 0.25, rng=rng)
    assert set(np.unique(out.data)) == {0.0, 1 / 0.75}
    assert (out.data == 0).mean() == pytest.approx(0.25, abs=0.02)
    cotangent = rng.standard_normal(x.shape)
    out.backward(cotangent)
    np.testing.assert_array_equal(x.grad, cotangent * out.data)
    assert F.dropout(x, 0.25, training=False) is x
    assert not F.dropout(x, 1.0, rng=rng).data.any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.linear(x, Tensor(np.ones((2, 3)))), r"linear: the input has shape \(2, 2, 6, 6\), the weight"),
    (lambda x: F.flatten(x, 3, 1), "flatten: cannot join the axes 3 to 1"),
    (lambda x: F.dropout(x, 1.5), "dropout: p must be between 0 and 1, not 1.5"),
    (lambda x: F.dropout(x), "dropout: give rng="),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))
