"""PyTorch's names that minicnn does not have are answered by what to write instead."""

import copy
import pickle

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, nn
from minicnn import functional as F
from minicnn.tensor.torch_names import FUNCTIONS, IN_FUNCTIONAL, METHODS, MODULES


@pytest.mark.parametrize(("name", "hint"), [
    ("view", r"x\.reshape"), ("permute", r"x\.transpose"), ("unsqueeze", r"x\.expand_dims"), ("to", r"x\.astype"),
    ("cuda", "minicnn computes on the CPU"), ("relu", r"minicnn\.functional\.relu\(x\)"), ("sin", r"np\.sin\(x\)")])
def test_a_method_of_pytorch(name, hint):
    x = Tensor([1.0])
    words = f"^a Tensor has no attribute '{name}': write .*{hint}.*OPERATIONS.md"
    with pytest.raises(AttributeError, match=words) as caught:
        getattr(x, name)
    assert caught.value.name == name and not hasattr(x, name) and getattr(x, name, 3) == 3


@pytest.mark.parametrize(("name", "hint"), [("cat", r"np\.concatenate"), ("exp", r"np\.exp\(x\)"),
                                            ("clamp", r"np\.clip"), ("matmul", r"np\.matmul\(x\)")])
def test_a_function_of_pytorch(name, hint):
    with pytest.raises(AttributeError, match=f"no attribute '{name}': write {hint}.*OPERATIONS.md"):
        getattr(F, name)
    assert not hasattr(F, name)


def test_what_is_not_known_has_the_error_of_python():
    for owner in (Tensor([1.0]), nn.ReLU(), F):
        with pytest.raises(AttributeError, match="has no attribute 'colour'$") as caught:
            _ = owner.colour
        assert caught.value.name == "colour"
    with pytest.raises(ImportError, match="cannot import name 'colour'"):
        from minicnn.functional import colour  # noqa: F401


def test_a_method_of_a_module_of_pytorch():
    model = nn.Sequential(nn.ReLU())
    for name in MODULES:
        assert not hasattr(model, name)
    with pytest.raises(AttributeError, match="^Sequential has no attribute 'to': write nothing, because minicnn"):
        model.to("cpu")
    model.to = 3                                        # a module of the user's may have such a member
    assert model.to == 3


def test_an_error_inside_of_a_property_is_not_hidden():
    class Own(nn.Module):
        @property
        def width(self):
            return self.lacking
    with pytest.raises(AttributeError, match="no attribute 'lacking'"):
        _ = Own().width


def test_copies_and_pickles():
    x, model = Tensor([1.0, 2.0]), nn.Sequential(nn.Linear(2, 1))
    np.testing.assert_array_equal(copy.deepcopy(x).data, x.data)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).data, x.data)
    assert copy.deepcopy(model).state_dict().keys() == model.state_dict().keys()


def test_every_hint_names_what_is_there():
    x = Tensor([1.0])
    assert all(not hasattr(x, name) for name in METHODS) and all(not hasattr(F, name) for name in FUNCTIONS)
    assert set(F.__all__) >= IN_FUNCTIONAL
    for hint in (*METHODS.values(), *FUNCTIONS.values(), *MODULES.values()):
        word = hint.partition("(")[0].partition(";")[0]
        if word.startswith("x."):
            assert hasattr(x, word[2:]), hint
        if word.startswith("np."):
            assert hasattr(np, word[3:]), hint
        if word.startswith("model."):
            assert hasattr(nn.ReLU(), word[6:]), hint
    assert minicnn.functional is F
