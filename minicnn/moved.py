"""Old names of modules and functions: those of version 0.1 still work, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

MOVED = {
    "minicnn.animation": "minicnn.moving_digit",
    "minicnn.animation.figure": "minicnn.moving_digit.figure",
    "minicnn.conv.registry": "minicnn.conv.algorithm",
    "minicnn.equivariance.comparison": "minicnn.invariance.networks",
    "minicnn.equivariance.invariance": "minicnn.invariance.maps",
    "minicnn.equivariance.placing": "minicnn.data.placement",
    "minicnn.equivariance.pools": "minicnn.invariance.pooling",
    "minicnn.equivariance.spectrum": "minicnn.equivariance.matrix.spectrum",
}


class _Moved(MetaPathFinder, Loader):
    def find_spec(self, fullname, path=None, target=None):
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec):
        module = importlib.import_module(MOVED[spec.name])
        warnings.warn(f"{spec.name} has moved to {module.__name__}", DeprecationWarning, stacklevel=2)
        self.spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self.spec               # the import under the old name has replaced it


def install() -> None:
    """Make imports of the old names work."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Moved())         # first, or a file in the new folder would be loaded twice


def renamed(module: str, names: dict[str, str]) -> Callable[[str], Any]:
    """The function `__getattr__` of a module in which objects have new names: {old name: new name}."""
    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now {module}.{names[name]}", DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[module], names[name])
    return get
