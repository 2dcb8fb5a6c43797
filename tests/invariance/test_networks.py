"""Networks are trained on digits in the middle and tested on moved digits."""

import json
from dataclasses import replace

import numpy as np
import pytest

from minicnn import nn
from minicnn.data import load
from minicnn.errors import InputError
from minicnn.invariance import Shifts, compare_models, comparison_table
from tests.recorder import Recorder


@pytest.fixture(scope="module")
def few():
    data = load("mnist5k")
    return replace(data, train_images=data.train_images[:1280], train_labels=data.train_labels[:1280],
                   val_images=data.val_images[:200], val_labels=data.val_labels[:200])


def test_compare_models_quickly(few):
    told = Recorder()
    found, = compare_models(["mlp"], few, epochs=2, seeds=(1, 2), images=60, reach=2, progress=told)
    again, = compare_models(["mlp"], few, epochs=2, seeds=(1, 2), images=60, reach=2)
    assert found.as_dict() == again.as_dict() and json.dumps(found.as_dict())
    assert len(found.maps) == 2 and found.shifts == Shifts(2, 28) and found.parameters == 66_790
    assert found.accuracy == pytest.approx(np.mean([[place["accuracy"] for place in m.by_distance()]
                                                    for m in found.maps], 0))
    assert found.consistency == pytest.approx(np.mean([m.consistency for m in found.maps]))
    assert [line.partition(":")[0] for line in told.notes] == ["MLP, seed 1", "MLP, seed 2", "MLP, 28x28"]
    done = [done / total for done, total, _ in told.updates]
    assert done == sorted(done) and done[-1] == pytest.approx(1) and told.updates[0][2].startswith("MLP: ")
    header, rows = comparison_table([found])
    assert header == ["network, sees", "parameters", "0 px", "1 px", "2 px", "consistency"]
    assert rows[0][:3] == ["MLP, 28x28", "66,790", f"{100 * found.accuracy[0]:.1f}"] and len(rows[0]) == len(header)


@pytest.mark.slow
def test_the_argument_of_the_article():
    """Far from the middle the MLP fails first, then the LeNet. A global pool that sees the whole canvas never fails."""
    mlp, local, framed, whole = compare_models(epochs=3, images=60)
    assert [r.shifts.view for r in (mlp, local, framed, whole)] == [28, 28, 28, 38]
    assert min(r.accuracy[0] for r in (mlp, local, framed, whole)) > 0.8
    assert mlp.accuracy[2] < local.accuracy[2] - 0.1 < framed.accuracy[2]
    assert local.accuracy[5] < framed.accuracy[5] - 0.3
    assert mlp.consistency < local.consistency < framed.consistency < whole.consistency
    assert whole.consistency > 0.97 and abs(whole.accuracy[5] - whole.accuracy[0]) < 0.03


def test_a_network_of_ones_own(few):
    def make(rng):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10, rng=rng))
    found, = compare_models({"one layer": make}, few, epochs=2, images=20, reach=1)
    assert found.title == "one layer, 28x28" and found.parameters == 7_850
    assert found.accuracy[0] > 0.5


@pytest.mark.parametrize(("options", "message"), [
    ({"models": ["vgg"]}, r"models must be some of lenet, .*, not \['vgg'\]; a mapping gives networks of your own"),
    ({"models": []}, "at least one model is needed"),
    ({"models": {}}, "at least one model is needed"),
    ({"seeds": ()}, r"at least one seed is needed, as in seeds=\(1,\)"),
    ({"images": 0}, "images must be an integer of at least 1, not 0"),
])
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match="compare_models: " + message):
        compare_models(**options)
