"""Witnesses, and reports as JSON and as text."""

import json

import numpy as np
import pytest

from minicnn import functional as F
from minicnn.equivariance import Witness, verify_convolution


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
