"""The derivation, step by step."""

import numpy as np
import pytest

from minicnn.equivariance import OperatorError, derivation
from minicnn.equivariance.proof import STEPS
from minicnn.nn import Conv2d, ReLU


def test_every_step_of_a_convolution_holds(rng):
    conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular", dtype=np.float64, rng=rng)
    found = derivation(conv, rng.standard_normal((2, 6, 5)))
    assert found.breaks is None
    assert [step.holds for step in found.steps] == [True] * len(STEPS)
    assert str(found).count("ok  ") == len(STEPS)
    np.testing.assert_allclose(found.steps[0].value, found.steps[-1].value, atol=1e-12)


def test_integers_agree_exactly_up_to_the_fourier_transform(rng):
    f = rng.integers(-9, 10, (5, 6))
    found = derivation(lambda f: 3 * np.roll(f, 1, 2) - f, f)
    assert [step.difference for step in found.steps[:-1]] == [0.0] * (len(STEPS) - 1)


@pytest.mark.parametrize(("op", "step"), [
    (ReLU(), "linearity"), (np.square, "linearity"), (lambda f: f[..., ::-1], "equivariance"),
    (lambda f: f * np.arange(6.0), "equivariance"), (Conv2d(1, 1, 3, padding=1, dtype=np.float64), "equivariance"),
], ids=["relu", "square", "mirror", "gain", "zero padding"])
def test_what_is_none_breaks_at_its_step(op, step, rng):
    assert derivation(op, rng.standard_normal((6, 6))).breaks == step


def test_derivation_of_nothing():
    found = derivation(lambda f: f + 1.0, np.zeros((3, 4)))
    assert found.breaks is None
    with pytest.raises(ValueError, match="not finite"):
        derivation(np.abs, np.full((3, 4), np.nan))
    for image, message in ((np.full((2, 2), 1j), "must have real numbers as pixels, not complex128"),
                           (np.full((2, 2), "a"), "must have real numbers as pixels, not <U1"),
                           (np.full((3, 3), 1e308), r"sums of pixels up to 1.0e\+308 overflow: give a darker image"),
                           (np.ma.masked_equal(np.eye(2), 0), "masked")):
        with pytest.raises((ValueError, TypeError), match=message):
            derivation(lambda f: f, image)


def test_derivation_refuses_what_it_cannot_do(rng):
    with pytest.raises(OperatorError, match="keep the size"):
        derivation(Conv2d(1, 1, 3, dtype=np.float64), rng.standard_normal((6, 6)))
    with pytest.raises(ValueError, match=r"shape \(C, H, W\) or \(H, W\)"):
        derivation(np.abs, np.zeros((1, 1, 4, 4)))
