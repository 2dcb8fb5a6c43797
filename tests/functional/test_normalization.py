"""Batch normalization: its running statistics and its messages. Its gradients are in test_gradients."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F


def test_batch_norm_moves_the_running_statistics(rng):
    x = rng.standard_normal((8, 3, 2, 2))
    mean, var = np.zeros(3), np.ones(3)
    F.batch_norm(Tensor(x), mean, var, training=True)
    np.testing.assert_allclose(mean, 0.1 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(var, 0.9 + 0.1 * x.var((0, 2, 3), ddof=1))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.batch_norm(x, None, None), "batch_norm: evaluation needs running_mean"),
    (lambda x: F.batch_norm(x[:1, :, :1, :1], None, None, training=True), "batch_norm: training needs more than one"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 2, 6, 6)), requires_grad=True))
