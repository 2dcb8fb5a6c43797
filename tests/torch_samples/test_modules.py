"""PyTorch's own inputs of its modules, given to the layers of `minicnn.nn` with the same arguments and weights."""

import numpy as np
import pytest

from minicnn import nn

from .samples import NotCompared, as_array, assert_same, compare_gradients, convert, sequence, torch

module_db = pytest.importorskip("torch.testing._internal.common_modules").module_db
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")           # PyTorch's
MODULES = {info.module_cls.__name__: info for info in module_db if hasattr(nn, info.module_cls.__name__)}


def our_layer(kind, theirs, arguments):
    """The layer of minicnn with PyTorch's arguments and state, in float64."""
    args, kwargs = convert((arguments.args, arguments.kwargs), [])
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    if kind.endswith("Loss"):                     # its weight is an argument
        return getattr(nn, kind)(*args, **kwargs)
    ours = getattr(nn, kind)(*args, **kwargs, **({"dtype": np.float64} if state else {}))
    ours.load_state_dict(state)
    return ours


def compare(kind, info, sample, training):
    theirs = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs).double()
    ours = our_layer(kind, theirs, sample.constructor_input).train(training)
    theirs.train(training)
    pairs = []
    args, kwargs = convert((sample.forward_input.args, sample.forward_input.kwargs), pairs)
    want = theirs(*sample.forward_input.args, **sample.forward_input.kwargs)
    with np.errstate(invalid="ignore"):
        have = ours(*args, **kwargs)
        for one, other in zip(sequence(have), sequence(want), strict=True):
            assert_same(as_array(one), other.detach().numpy(), "values")
        have, want = sequence(have)[0], sequence(want)[0]
        leaves = [(tensor, x) for tensor, x in pairs if tensor.requires_grad]
        parameters = dict(ours.named_parameters())
        leaves += [(tensor, parameters[name]) for name, tensor in theirs.named_parameters()]
        compare_gradients(want, have, leaves, np.random.default_rng(0))
    state = theirs.state_dict()
    for name, array in ours.state_dict().items():
        assert_same(array, state[name].numpy(), name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", MODULES)
def test_module_inputs(kind, training):
    info, compared = MODULES[kind], 0
    torch.manual_seed(0)
    for sample in info.module_inputs_func(info, "cpu", torch.float64, True, training):
        try:
            compare(kind, info, sample, training)
            compared += 1
        except NotCompared:
            pass
        except Exception as error:
            raise AssertionError(f"{kind} {sample.constructor_input} {sample.desc}: {error}") from error
    assert compared > 0
