"""Witnesses, and reports as JSON and as text."""

import json

import numpy as np
import pytest

from minicnn import functional as F
from minicnn.equivariance import Witness, verify_convolution
from minicnn.equivariance.witness import distinct


@pytest.mark.parametrize("op", [
    F.relu, np.square, lambda f: f[..., ::-1], lambda f: f * np.arange(16.0), F.tanh,
], ids=["relu", "square", "mirror", "gain", "tanh"])
def test_witness_is_small_verifies_itself_and_goes_to_json(op):
    report = verify_convolution(op)
    for witness in report.witnesses.values():
        assert witness.error > witness.tolerance
        assert sum(np.count_nonzero(f) for f in witness.inputs) <= 2
        back = Witness.from_dict(json.loads(json.dumps(witness.to_dict())))
        assert str(back) == str(witness) and back.error == witness.error
        assert back.holds(op)
        assert not back.holds(lambda f: f * 1.0)


def test_report_goes_to_json_and_to_text():
    report = verify_convolution(F.relu, size=(6, 6))
    record = json.loads(json.dumps(report.to_dict()))
    assert record["convolution"] is False
    assert record["lattice"] == [1, 1]
    assert "FAIL L(a f) = a L(f)" in str(report)
    assert "witness: L(-1 f) = -1 L(f) is broken at" in str(report)


def test_a_witness_shows_the_digits_that_differ():
    report = verify_convolution(lambda f: f * np.where(np.arange(16) == 3, 1 + 1e-7, 1))
    text = str(report.witnesses["convolution"])
    assert "1.0000001 against 1 (error 1.0e-07)" in text or "-1.0000001 against -1 (error 1.0e-07)" in text
    assert distinct(1 / 3, 1 / 3) == ("0.333333", "0.333333")


def test_a_small_kernel_is_printed():
    text = str(verify_convolution(lambda f: 2 * f - np.roll(f, 1, 3)))
    assert "  h: 1 output channel, 1 input channel, 1 x 2 pixels, the origin at (0, 0)\n     2  -1" in text
    large = str(verify_convolution(lambda f: sum(np.roll(f, n, 3) for n in range(6))))
    assert large.endswith("1 x 6 pixels, the origin at (0, 0)")
    several = str(verify_convolution(lambda f: np.concatenate([f, 2 * f], 1)))
    assert several.endswith("h: 2 output channels, 1 input channel, 1 x 1 pixels, the origin at (0, 0)")


def test_all_basis_vectors_are_a_proof_only_for_a_linear_operator():
    report = verify_convolution(lambda f: np.clip(f, -1e9, 1e9), exhaustive=True)
    assert "all basis vectors tried: proved if the operator is linear)" in str(report).splitlines()[0]
    assert report.proof and report.to_dict()["proof_if"] == "the operator is linear"
    refuted = verify_convolution(lambda f: f * np.arange(16.0), exhaustive=True)
    assert "all basis vectors tried)" in str(refuted) and "proved" not in str(refuted)
