"""Random numbers for a part of a batch."""

import numpy as np
import pytest

from minicnn.nn import Dropout, Linear, Sequential
from minicnn.nn.utils.rows import draw_rows


@pytest.mark.parametrize("part", [slice(0, 2), slice(2, 5), slice(5, 5)])
def test_a_part_has_its_rows_of_the_whole_batch(part):
    whole, model = (Dropout(0.5, rng=np.random.default_rng(1)) for _ in range(2))
    rows = np.ones((5, 3, 4), np.float32)
    expected = [whole(rows).data[part] for _ in range(3)]
    with draw_rows(model, lambda: (5, part)):
        found = [model(rows[part]).data for _ in range(3)]
    np.testing.assert_array_equal(expected, found)
    assert whole.rng.bit_generator.state == model.rng.bit_generator.state


def test_another_draw_is_as_ever():
    model, rng = Dropout(rng=np.random.default_rng(1)), np.random.default_rng(1)
    with draw_rows(model, lambda: (9, slice(0, 3))):
        for size in ((4, 2), 3, None, ()):
            np.testing.assert_array_equal(model.rng.random(size), rng.random(size))
        assert model.rng.random((3, 1), np.float32).dtype == np.float32


def test_afterwards_the_model_has_its_generator_also_after_an_error():
    model = Sequential(Linear(2, 2), Dropout(rng=np.random.default_rng(1)))
    before = model[1].rng
    with pytest.raises(ZeroDivisionError), draw_rows(model, lambda: (1, slice(0, 1)), lambda state: 1 / 0):
        pass
    with pytest.raises(ZeroDivisionError), draw_rows(model, lambda: (1, slice(0, 1))):
        assert model[1].rng is not before
        raise ZeroDivisionError
    assert model[1].rng is before
