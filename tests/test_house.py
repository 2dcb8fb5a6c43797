"""Which package may import which, and how large a file, a function and a folder may be."""

import ast
import inspect
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "minicnn").rglob("*.py"))
LINES, FUNCTION_LINES, FOLDER, PARAMETERS = 350, 60, 15, 12
ONLY = {                        # library: the files that may import it
    "matplotlib": r"minicnn/viz/", "argparse": r"minicnn/cli/", "rich": r"minicnn/progress/",
    "llvmlite": r"minicnn/conv/(kernels|runtime)/", "pooch": r"minicnn/data/",
    "onnx": r"minicnn/(interop|adapters/onnx)/", "onnxruntime": r"minicnn/adapters/onnx/",
    "mpi4py": r"minicnn/(cli/|conv/runtime/threads\.py|data/once\.py)",
}


def levels():
    """The lines of the plan in the README, from the ground up. The packages in one line do not import each other."""
    text = (ROOT / "README.md").read_text()
    plan = re.search(r"from the ground up.*?```\n(.*?)```", text, re.DOTALL).group(1)
    return [re.split(r"\s{2,}", line)[0].split(", ") for line in plan.strip().splitlines()]


def imports(path):
    """(line, module) of every import in a file, also inside of functions. Relative names are made absolute."""
    package = path.with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            base = [*package[:len(package) - node.level + 1]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if node.module is None:
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def package_of(module):
    """The first name below `minicnn`, as in "conv" for minicnn.conv.layout. For `minicnn` itself "minicnn"."""
    return (module.split(".") + ["minicnn"])[1] if module.startswith("minicnn") else None


def functions(path):
    return [node for node in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_every_package_stands_in_the_plan_of_the_readme():
    named = [name for line in levels() for name in line]
    packages = {path.with_suffix("").parts[1] for path in FILES} - {"__init__", "__main__", "moved"}
    assert sorted(named) == sorted(packages)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_follow_the_plan(path):
    own = path.with_suffix("").parts[1]
    if own in ("__init__", "__main__", "moved"):
        return
    level = {name: i for i, line in enumerate(levels()) for name in line}
    wrong = [f"{path}:{line} imports {module}" for line, module in imports(path)
             if (other := package_of(module)) and other != own
             and (other == "minicnn" and own not in ("cli", "bench") or level.get(other, 0) >= level[own])]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=str)
def test_each_library_has_its_importers(path):
    wrong = [f"{path}:{line} imports {module}" for line, module in imports(path)
             if (where := ONLY.get(module.split(".")[0])) and not re.match(where, path.as_posix())]
    assert not wrong


def test_there_is_no_circle_of_files():
    known = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in FILES}
    graph = {}
    for path in FILES:
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        top = [node.lineno for node in ast.parse((ROOT / path).read_text()).body
               if isinstance(node, (ast.Import, ast.ImportFrom))]
        graph[name] = {module for line, module in imports(path) if line in top and module in known and module != name
                       and not name.startswith(module + ".")}
    done, walked = set(), []

    def walk(name):
        assert name not in walked, f"a circle: {' -> '.join([*walked[walked.index(name):], name])}"
        if name not in done:
            walked.append(name)
            for other in sorted(graph[name]):
                walk(other)
            done.add(walked.pop())
    for name in graph:
        walk(name)


def test_files_and_folders_are_small():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    texts = [ROOT / name for name in listed if name.endswith((".py", ".js", ".css", ".html", ".md"))]
    long = {str(path): lines for path in texts if path.exists() and (lines := path.read_text().count("\n")) > LINES}
    folders = {str((ROOT / name).parent) for name in listed}
    full = {folder: count for folder in folders if folder != str(ROOT) and
            (count := sum(path.name != "__init__.py" for path in Path(folder).glob("*.py"))) > FOLDER}
    assert long == {} and full == {}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_functions_are_small(path):
    for node in functions(path):
        text = ast.get_docstring(node)
        lines = node.end_lineno - node.lineno + 1 - (len(text.splitlines()) if text else 0)
        inner = sum(child.end_lineno - child.lineno + 1 for child in node.body if isinstance(child, ast.FunctionDef))
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        positional = len(names) - (names[:1] in (["self"], ["cls"]))
        assert lines - inner <= FUNCTION_LINES and positional <= PARAMETERS, f"{path}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_public_signatures_have_types(path):
    if any(part.startswith("_") and part != "__init__.py" for part in path.parts):
        return
    tree = ast.parse((ROOT / path).read_text())
    public = [(node, False) for node in tree.body if isinstance(node, ast.FunctionDef)]
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")):
        public += [(node, not any(ast.unparse(d) == "staticmethod" for d in node.decorator_list))
                   for node in cls.body if isinstance(node, ast.FunctionDef)]
    bare = []
    for node, is_method in public:
        if node.name.startswith("_") and node.name != "__init__" or any("intrinsic" in ast.unparse(d)
                                                                        for d in node.decorator_list):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs][1 if is_method else 0:]
        missing = [a.arg for a in arguments if a.annotation is None]
        if node.returns is None and node.name != "__init__":
            missing.append("return")
        if missing:
            bare.append(f"{path}:{node.lineno} {node.name}: {', '.join(missing)}")
    assert not bare


def test_no_file_names_a_place_of_one_machine():
    listed = subprocess.run(["git", "ls-files", "*.py", "*.md", "*.cfg", "*.toml", "*.yaml", ".ci/run"], cwd=ROOT,
                            capture_output=True, text=True).stdout.split()
    pattern = r"(?<![\w.])/(?:work|root|home|Users|tmp|var)/\w"
    assert not [name for name in listed if re.search(pattern, (ROOT / name).read_text())]


def test_the_version_stands_once():
    import minicnn
    assert inspect.getsource(minicnn).count(minicnn.__version__) == 1
    assert f"version: {minicnn.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {minicnn.__version__}" in (ROOT / "CHANGELOG.md").read_text()
