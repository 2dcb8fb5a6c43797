"""Fixtures of the tests of convolution."""

import pytest

from minicnn.conv import algorithm as module
from minicnn.conv import algorithms, register


@pytest.fixture
def added(monkeypatch):
    """`register`, undone afterwards."""
    monkeypatch.setattr(module, "_registered", algorithms())
    module._choose.cache_clear()
    yield register
    module._choose.cache_clear()
