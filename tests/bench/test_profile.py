"""The profile of a training step."""

import pytest

from minicnn import functional as F
from minicnn.bench import profile


def test_a_step_is_told_by_operation_and_layer():
    step = profile.ProfiledStep("im2col", 2)()
    names = list(dict.fromkeys(name for name, _, _ in step["operations"]))
    assert names[0] == "zero_grad" and names[-1] == "SGD step"
    assert "conv2d 20->40 5x5 @24x24 + relu (im2col)" in names
    assert {"max_pool2d 5x12x12", "flatten 5x6x6", "linear 180->10", "cross_entropy 10"} <= set(names)
    both = {(name, direction) for name, direction, _ in step["operations"]}
    assert all({(name, profile.FORWARD), (name, profile.BACKWARD)} <= both for name in names if "conv2d" in name)
    assert sum(seconds for _, _, seconds in step["operations"]) <= step["whole"]


def test_the_rows_and_the_rest_add_up_to_the_step():
    steps = [{"whole": 0.010, "operations": [("conv2d", profile.FORWARD, 0.002), ("conv2d", profile.BACKWARD, 0.004),
                                             ("SGD step", profile.FORWARD, 0.001)]}] * 3
    found = profile.medians_of(steps)
    assert found["step_ms"] == pytest.approx(10) and [row["name"] for row in found["rows"]] == [
        "conv2d", "SGD step", "rest: tape, checks, Python"]
    assert [row["ms"] for row in found["rows"]] == pytest.approx([6, 1, 3])
    assert sum(row["share"] for row in found["rows"]) == pytest.approx(1)
    assert found["rows"][1]["backward_ms"] is None


def test_profiling_leaves_the_engine_as_it_was():
    before = {name: getattr(F, name) for name in F.__all__}
    profile.ProfiledStep("im2col", 1)()
    assert before == {name: getattr(F, name) for name in F.__all__}
