"""The verifier on random operators: it accepts and rejects each one correctly."""

import numpy as np
import pytest

from minicnn.equivariance.verifier import verify_convolution
from tests.equivariance.generated_operators import KINDS, make

SEEDS = 5


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_generated(kind, dtype):
    for seed in range(SEEDS):
        made = make(kind, seed, dtype)
        report = verify_convolution(made.op, made.in_channels, made.size, made.domain, dtype)
        found = report.affine, report.convolution, bool(report)
        assert found == (made.affine, made.convolution, made.convolution), f"{made.name}: {report}"
        assert report.deterministic, made.name
        if not made.convolution:
            assert report.witness.holds(made.op), f"{made.name}: {report}"
        if made.lattice is not None:
            assert report.lattice == made.lattice, f"{made.name}: {report}"
        if made.pixel is not None:
            assert [tuple(p) for p in np.argwhere(report.failing)] == [made.pixel], f"{made.name}: {report}"
