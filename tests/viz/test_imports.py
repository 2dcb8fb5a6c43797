"""viz draws arrays: it imports no module of the package that computes numbers."""

import ast
from pathlib import Path

import minicnn

PACKAGE = Path(minicnn.__file__).parent
GROUND = {"autograd", "checks", "errors", "files", "progress"}


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
