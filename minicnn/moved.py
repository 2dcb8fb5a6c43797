"""Modules that version 0.1 named in its README and examples: the old name still imports, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

MOVED = {
    "minicnn.animation": "minicnn.moving_digit",
    "minicnn.animation.figure": "minicnn.moving_digit.figure",
    "minicnn.conv.registry": "minicnn.conv.algorithm",
    "minicnn.equivariance.comparison": "minicnn.invariance.networks",
    "minicnn.equivariance.invariance": "minicnn.invariance.maps",
    "minicnn.equivariance.placing": "minicnn.data.placement",
    "minicnn.equivariance.pools": "minicnn.invariance.pooling",
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
        module.__spec__ = self.spec               # importing under the old name has put another one in its place


def install() -> None:
    """Let the old names be imported."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Moved())         # first: else a file of the new folder is loaded a second time
