"""The check that the results of a competitor are right."""

import json

import numpy as np
import pytest

from minicnn.bench import lenet_step, libraries, train
from minicnn.bench.worker_process import Worker
from tests.bench.strangers import DEADLY, HONEST, INCOMPLETE, WRONG_GRADIENT
from tests.recorder import Recorder


@pytest.fixture(scope="module")
def reference():
    return lenet_step.compute_reference(lenet_step.StepInputs.make(3), chunk=2)


def test_the_check_passes_the_right_results(reference):
    right = {"losses": reference.losses, "weights": reference.weights}
    assert lenet_step.judge(reference, right) == (0, None)
    assert lenet_step.judge(reference, {"logits": reference.logits.tolist()}) == (0, None)


def test_the_check_notices_wrong_results(reference):
    right = {"losses": reference.losses, "weights": reference.weights}
    for wrong, message in (({**right, "weights": reference.start}, "is off by 1.0e+00"),
                           ({**right, "losses": [2.0, 2.0]}, "its loss in step 1 is 2, not 2."),
                           ({**right, "losses": [reference.losses[0], float("nan")]}, "its loss in step 2 is nan, not"),
                           ({**right, "weights": {**reference.weights, "fc1.bias": np.zeros(9)}},
                            "its fc1.bias has shape (9,), not (10,)"),
                           ({"logits": [[0.0] * 10] * 2}, "its logits have shape (2, 10), not (3, 10)"),
                           ({"logits": (1.01 * reference.logits).tolist()}, "its logits are off by 1.0e-02")):
        assert message in lenet_step.judge(reference, wrong)[1]


def test_the_size_of_the_chunks_does_not_matter(reference):
    other = lenet_step.compute_reference(lenet_step.StepInputs.make(3))
    assert other.losses == pytest.approx(reference.losses, rel=1e-12)
    np.testing.assert_allclose(other.weights["conv1.weight"], reference.weights["conv1.weight"], rtol=1e-9)


def test_channels_last_and_back(rng):
    state = {"conv1.weight": rng.standard_normal((4, 3, 5, 2)), "conv1.bias": rng.standard_normal(4)}
    last = lenet_step.channels_last(state)
    assert last["conv1.weight"].shape == (5, 2, 3, 4)
    for name, array in lenet_step.channels_first(last).items():
        np.testing.assert_array_equal(array, state[name])


@pytest.mark.parametrize(("code", "outcome", "reason"), [
    (HONEST, "ok", None),
    (WRONG_GRADIENT, "wrong", "after 2 steps the change of its conv2.bias is off by 1.0e+00"),
    (DEADLY.replace("LAST", "1"), "failed", "its process ended with exit status 11: Segmentation fault, so to say"),
    (DEADLY.replace("LAST", "4"), "failed", "its process ended with exit status 11: Segmentation fault, so to say"),
    (INCOMPLETE, "failed", "ModuleNotFoundError: No module named 'no_such_module'"),
])
def test_a_library_is_checked_and_cannot_harm(code, outcome, reason, add_library):
    competitors = [libraries.with_algorithm("im2col"), add_library("stranger", code)]
    progress = Recorder()
    result = train.run(train.Task(True, 2, 1), competitors, 1, progress)
    shares = [done / total for done, total, _ in progress.updates]
    starts = [done for done, _, text in progress.updates if "starts" in text]
    assert starts == [0, 0] and shares == sorted(shares) and 0 < shares[-1] < 1     # no estimate at the start
    ours, stranger = json.loads(json.dumps(result))["rows"]
    assert ours["status"] == "ok" and ours["ratio"] == 1
    assert (stranger["status"], stranger["reason"]) == (outcome, reason)
    assert (stranger["median_ms"] is None) == (stranger["peak_mb"] is None) == (outcome != "ok")


@pytest.mark.parametrize("variant", ["nchw", "channels_last"])          # compiling takes a minute
@pytest.mark.parametrize("model", lenet_step.NETWORKS)
def test_torch_computes_the_same(variant, model):
    pytest.importorskip("torch")
    reference = lenet_step.compute_reference(lenet_step.StepInputs.make(4, model))
    with Worker(next(c for c in libraries.competitors(["torch"]) if c.variant == variant), 1) as worker:
        for training in (True, False):
            answer = worker.ask("open_network", variant=variant, batch_size=4, training=training, model=model)
            assert lenet_step.judge(reference, answer)[1] is None
