"""Looking changes nothing: a function that only looks at a model leaves all as it was, also after an error."""

import contextlib
import warnings

import numpy as np
import pytest

from minicnn import Tensor, autograd, nn
from minicnn.equivariance import (
    assert_equivariant,
    derivation,
    impulse_response,
    layer_reports,
    verify_convolution,
)
from minicnn.gradcheck import check_user_function, gradcheck
from minicnn.models import lenet
from minicnn.moving_digit import scene
from minicnn.nn.summary import summarize
from minicnn.training import evaluate
from minicnn.viz import network


class Meddler(nn.Module):
    """A layer that changes everything that it can reach whenever it runs, and then perhaps raises."""

    buffers = ("seen",)

    def __init__(self, rng, raises):
        self.raises, self.rng, self.seen = raises, rng, np.zeros(3, np.float32)
        self.weight = nn.Parameter(np.ones(1, np.float32))
        self.normal, self.drop = nn.BatchNorm2d(1), nn.Dropout(0.5, rng=rng).eval()
        self.normal.running_mean[:] = 5

    def forward(self, x):
        out = self.normal(x) * 1.0
        self.seen[0] += 1
        self.seen = self.seen + 1
        self.rng.random(3)
        np.random.rand(2)                                               # noqa: NPY002
        np.set_printoptions(precision=1)
        np.seterr(all="raise")
        warnings.simplefilter("ignore")
        self.weight.data[...] += 1
        self.weight.grad = np.ones(1, np.float32)
        self.weight.requires_grad = False
        self.drop.train()
        self.training = not self.training
        if self.raises:
            raise KeyError("as asked")
        return out


def state_of(model):
    return ([(m.training, "training" in vars(m)) for _, m in model.named_modules()],
            {name: array.tobytes() for name, array in model.state_dict().items()},
            [(id(p.data), id(p.grad), p.requires_grad) for p in model.parameters()],
            [None if p.grad is None else p.grad.tobytes() for p in model.parameters()],
            [str(g.bit_generator.state) for m in [m for _, m in model.named_modules()]
             for g in vars(m).values() if isinstance(g, np.random.Generator)],
            str(np.random.get_state()), str(np.get_printoptions()), str(np.geterr()),       # noqa: NPY002
            list(warnings.filters), autograd.grad_enabled())


IMAGE = np.random.default_rng(0).standard_normal((4, 4))
IMAGES, LABELS = np.zeros((4, 8, 8), np.uint8), np.zeros(4, int)
X = Tensor(np.random.default_rng(1).standard_normal((2, 1, 3, 3)), requires_grad=True)
LOOKING = {
    "summarize": lambda m: summarize(m, (2, 1, 8, 8)),
    "evaluate": lambda m: evaluate(nn.Sequential(m, nn.Flatten()), IMAGES, LABELS),
    "verify_convolution": lambda m: verify_convolution(m, size=(6, 6), trials=1),
    "verify_convolution of a function": lambda m: verify_convolution(
        lambda f: m(Tensor(f)).data, size=(6, 6), trials=1),
    "assert_equivariant": lambda m: assert_equivariant(m, size=(6, 6)),
    "impulse_response": lambda m: impulse_response(m, size=(6, 6)),
    "derivation": lambda m: derivation(m, IMAGE),
    "layer_reports": lambda m: layer_reports(nn.Sequential(m), size=(6, 6), trials=1),
    "gradcheck": lambda m: gradcheck(m, X),
    "gradcheck of a function": lambda m: gradcheck(lambda x: m(x), X),
    "check_user_function": lambda m: check_user_function(m, [(2, 1, 3, 3)]),
    "fast gradcheck": lambda m: gradcheck(m, X, fast_mode=True),
}


@pytest.mark.filterwarnings("ignore:gradcheck")
@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("name", LOOKING)
def test_looking_changes_nothing(name, raises):
    model = nn.Sequential(Meddler(np.random.default_rng(3), raises))
    before = state_of(model)
    with contextlib.suppress(Exception):                    # the verdict does not matter here
        LOOKING[name](model)
    assert state_of(model) == before


def test_the_meddler_meddles():
    model = nn.Sequential(Meddler(np.random.default_rng(3), False))
    before, filters, printing, floats = state_of(model), list(warnings.filters), np.get_printoptions(), np.geterr()
    legacy = np.random.get_state()                                                          # noqa: NPY002
    model(Tensor(np.ones((2, 1, 3, 3), np.float32)))
    after = state_of(model)
    warnings.filters[:] = filters
    np.set_printoptions(**printing)
    np.seterr(**floats)
    np.random.set_state(legacy)                                                             # noqa: NPY002
    assert [a == b for a, b in zip(before, after, strict=True)][:-1] == [False] * (len(before) - 1)


def test_pictures_and_the_animation_change_nothing():
    from matplotlib.figure import Figure
    model = lenet(pretrained=True).train()
    model.conv1.eval()
    before = state_of(model)
    network.filters(model.conv1.weight.data, Figure().subplots())
    scene.Scene.compute(model, digits=(3,))
    assert state_of(model) == before


def test_batch_norm_keeps_its_statistics_after_ten_summaries(rng):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.BatchNorm2d(2), nn.Dropout(0.5).eval())
    model[1].running_mean[:] = 5
    for _ in range(10):
        summarize(model, (2, 1, 8, 8))
    assert model[1].running_mean.tolist() == [5, 5] and (model.training, model[2].training) == (True, False)
