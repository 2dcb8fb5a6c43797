"""The catalogue of known operators, and facts from theory about some of them."""

import numpy as np

from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.equivariance import verify_convolution
from minicnn.equivariance.known_operators import catalogue, run_catalogue
from tests.recorder import Recorder


def test_the_catalogue(known_operator_outcomes):
    outcomes = known_operator_outcomes
    assert [outcome.name for outcome in outcomes] == [entry.name for entry in catalogue()]
    assert [outcome.name for outcome in outcomes if not outcome.right] == []
    names = {outcome.name for outcome in outcomes}
    assert {f"valid conv by {name}, float32" for name in algorithms()} <= names
    refuted = [o for o in outcomes if o.report.witness and not o.report]
    assert len(refuted) > 20
    for outcome in refuted:
        assert outcome.report.witness.holds(outcome.entry.op), outcome.name


def test_the_catalogue_tells_its_progress(monkeypatch):
    first, progress = catalogue()[:1], Recorder()
    monkeypatch.setattr("minicnn.equivariance.known_operators.catalogue", lambda: first)
    outcome, = run_catalogue(progress)
    assert progress.updates == [(0, 1, first[0].name), (1, 1, "")]
    assert outcome.to_dict()["right"] is True
    assert outcome.seconds > 0


def test_a_wrong_expectation_is_noticed(known_operator_outcomes):
    """An outcome can be wrong: with the expectation of another operator it is."""
    outcomes = {outcome.name: outcome for outcome in known_operator_outcomes}
    relu, identity, pool = outcomes["ReLU"], outcomes["identity"], outcomes["max pool 2/2"]
    for one, other in ((relu, identity), (identity, relu), (relu, pool)):
        assert not type(one)(other.entry, one.report, 0.0).right


def test_the_median_is_homogeneous_and_blind_to_impulses(known_operator_outcomes):
    report, = (outcome.report for outcome in known_operator_outcomes if outcome.name == "3x3 median")
    passed = {check.name: check.passed for check in report.checks}
    assert passed["homogeneity"]
    assert not passed["additivity"]
    assert not report.impulse_response.values.any()


def test_the_square_answers_an_impulse_with_an_impulse(known_operator_outcomes):
    report, = (outcome.report for outcome in known_operator_outcomes if outcome.name == "square")
    assert report.impulse_response.kernel.tolist() == [[[[1.0]]]]
    assert not report.affine


def test_relu_is_the_identity_on_non_negative_images(rng):
    f = rng.random((2, 1, 8, 8))
    np.testing.assert_array_equal(F.relu(f).data, f)
    assert not verify_convolution(F.relu).linear
