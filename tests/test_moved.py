"""Old module names, which the README and examples of version 0.1 used, can still be imported."""

import importlib
import sys

import pytest

from minicnn.moved import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_the_old_name_gives_the_module_at_its_new_place(old, new):
    names = [name for name in MOVED if name == old or old.startswith(name + ".")]
    for name in names:
        sys.modules.pop(name, None)
    spec = importlib.import_module(new).__spec__
    with pytest.warns(DeprecationWarning, match="has moved to minicnn"):
        module = importlib.import_module(old)
    assert module is sys.modules[new] and module.__spec__ is spec and module.__name__ == new


def test_the_old_name_of_a_function_still_works():
    from minicnn import equivariance
    with pytest.warns(DeprecationWarning, match="check_equivariance is now minicnn.equivariance.assert_equivariant"):
        assert equivariance.check_equivariance is equivariance.assert_equivariant
    with pytest.raises(AttributeError, match="module 'minicnn.equivariance' has no attribute 'nothing'"):
        equivariance.nothing                            # noqa: B018


def test_every_name_of_the_package_is_imported_when_it_is_used():
    import minicnn
    for name in minicnn.__all__:
        assert name in dir(minicnn) and getattr(minicnn, name).__name__.rpartition(".")[2] == name
    with pytest.raises(AttributeError, match="module 'minicnn' has no attribute 'nothing'"):
        minicnn.nothing                                 # noqa: B018
