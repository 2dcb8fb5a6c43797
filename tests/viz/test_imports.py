"""viz draws arrays: it imports no module of the package that computes numbers."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import minicnn

PACKAGE = Path(minicnn.__file__).parent
GROUND = {"autograd", "checks", "errors", "files", "notebook", "progress"}


def imports(path):
    """The absolute names of the modules that a file imports."""
    package = ("minicnn", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ([module] if node.module else [f"{module}.{alias.name}" for alias in node.names])


def test_viz_imports_nothing_else():
    found = {name.split(".")[1] for path in (PACKAGE / "viz").glob("*.py") for name in imports(path)
             if name.startswith("minicnn.")}
    assert found <= {*GROUND, "viz"}
    assert found & GROUND                                   # the test does find imports
    of_autograd = [path.name for path in (PACKAGE / "viz").glob("*.py") if "minicnn.autograd" in imports(path)]
    assert of_autograd == ["network.py"]


def test_matplotlib_is_imported_although_its_backend_is_not_installed():
    """A notebook sets MPLBACKEND for all its child processes, also for those of another Python."""
    code = "import os, minicnn.viz, matplotlib; print(os.environ['MPLBACKEND'], matplotlib.rcParams['backend'])"
    for backend, used in (("no-such-backend", "agg"), ("svg", "svg")):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "MPLBACKEND": backend})
        assert done.stdout.split() == [backend, used], done.stderr
