"""Each adapter has all that the protocol names, with as many parameters; mypy compares the types."""

import inspect

import pytest

from minicnn.adapters import ADAPTERS
from minicnn.adapters.gradients import DIFFERENTIATORS
from minicnn.adapters.protocol import Adapter, Differentiator


@pytest.mark.parametrize(("protocol", "adapter"), [
    *((Adapter, one) for one in ADAPTERS), *((Differentiator, one) for one in DIFFERENTIATORS)],
    ids=lambda one: one.__name__.rpartition("minicnn.")[2])
def test_an_adapter_has_all_members(protocol, adapter):
    assert not [name for name in protocol.__annotations__ if not hasattr(adapter, name)]
    methods = {name: one for name, one in vars(protocol).items() if inspect.isfunction(one) and name[0] != "_"}
    assert len(methods) >= 6
    for name, method in methods.items():
        own = inspect.signature(getattr(adapter, name))
        assert len(own.parameters) == len(inspect.signature(method).parameters) - 1, name      # without self
