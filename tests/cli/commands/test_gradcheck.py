"""`minicnn gradcheck` as a user calls it."""

import json

import pytest

from minicnn.cli.commands import gradcheck
from minicnn.gradcheck.operations import OperationResult

SOURCE = """
import numpy as np
import helper_beside_it
from minicnn import nn

shapes = {"product": [(2, 3), (3, 2)], "pair": [(5,)]}

def plain(x, y, factor=3.0):
    return x + factor * y

def product(x, y):
    return x @ y

def leaves(x):
    raise SystemExit(0)

def loud(x):
    print("printed by the function")
    return x * x

def root(x):
    return x ** 0.5

def noise(x):
    return x * np.random.default_rng().random()

def tells(x):
    import warnings
    warnings.warn("a word of mine")
    return x

wrong = (np.square, lambda grad, x: grad * x)
pair = (np.sin, lambda grad, x: grad * np.cos(x))
layer = nn.Linear(4, 2, dtype=np.float64)
number = 3
"""


@pytest.fixture(autouse=True)
def source(folder):
    (folder / "mine.py").write_text(SOURCE)
    (folder / "helper_beside_it.py").write_text("")


@pytest.mark.parametrize(("name", "options", "used"), [
    ("plain", [], [[3, 4], [3, 4]]), ("plain", ["--shape", "2,1", "--shape", "5"], [[2, 1], [5]]),
    ("product", [], [[2, 3], [3, 2]]), ("pair", [], [[5]]), ("layer", [], [[3, 4]]), ("loud", [], [[3, 4]])])
def test_your_own(name, options, used, run):
    status, out, _ = run("gradcheck", f"mine.py:{name}", *options, "--json")
    found, = json.loads(out)
    assert status == 0 and found["passed"] and found["inputs"] == used and found["name"] == f"mine.py:{name}"


def test_a_function_of_a_module(run):
    assert run("gradcheck", "minicnn.functional:relu")[0] == 0


def test_a_wrong_gradient(run):
    status, out, _ = run("gradcheck", "mine.py:wrong")
    assert status == 1 and "analytic = 0.5 x numeric everywhere" in " ".join(out.split()) and "WRONG" in out


@pytest.mark.parametrize(("arguments", "text"), [
    (["mine.py:missing"], "mine.py has no missing; it has plain, product"),
    (["mine.py:number"], "mine.py:number is a int: name a function of Tensors, a Module, or a pair"),
    (["minicnn.nn:Linear"], "minicnn.nn:Linear is a class. Name an instance, as in net = Linear()"),
    (["mine.py:not a name"], "write path/to/file.py:function"), (["nowhere.py:f"], "nowhere.py: there is no such file"),
    (["mine.py:leaves"], "mine.py:leaves raised SystemExit"), (["mine.py:leaves"], "(in mine.py, line 15)"),
    (["mine.py:product", "--shape", "3,4", "--shape", "3,4"], "product raised InputError: matmul"),
    (["mine.py:product", "--shape", "3,4", "--shape", "3,4"], "(3, 4), (3, 4); give other shapes with --shape"),
    (["mine.py:plain", "--shape", "0,3"], "argument --shape: in '0,3': each must be an integer of at least 1, not '0'"),
    (["--shape", "3"], "--shape has no effect without FILE.py:FUNCTION"),
    (["--seed", "-1"], "argument --seed: must be an integer of at least 0, not '-1'")])
def test_misuse_is_told_in_one_line(arguments, text, refused):
    assert text in refused("gradcheck", *arguments)


@pytest.mark.parametrize("shapes", ['{"f": "3,4"}', '{"f": [3, 4]}', '{"f": 5}', "7", '{"f": [(2, -1)]}', '{"f": []}',
                                    '{"f": [(3, 0)]}', "[(3, 4)]"])
def test_wrong_shapes_in_the_file(shapes, refused, folder):
    (folder / "mine.py").write_text(f"shapes = {shapes}\ndef f(x):\n    return x\n")
    line = refused("gradcheck", "mine.py:f")
    told = shapes.replace('"', "'")
    assert line == f'minicnn gradcheck: error: mine.py: `shapes` must be as in {{"f": [(3, 4), (4,)]}}, not {told}'


def test_a_file_where_shapes_is_something_else(run, folder):
    (folder / "mine.py").write_text("def shapes():\n    return 3\ndef f(x):\n    return x\n")
    assert run("gradcheck", "mine.py:f")[0] == 0


def test_shapes_that_are_too_large(refused):
    line = refused("gradcheck", "mine.py:loud", "--shape", "200,200")
    assert "mine.py:loud: the Jacobian has 1,600,000,000 entries (40,000 outputs, 40,000 inputs)" in line
    assert line.endswith(", more than 10,000,000; give other shapes with --shape")


@pytest.mark.parametrize(("name", "reason"), [
    ("root", "cannot be checked: output 0 is nan at"),
    ("noise", "cannot be checked: the function is not deterministic")])
def test_a_function_that_cannot_be_checked(name, reason, run):
    status, out, _ = run("gradcheck", f"mine.py:{name}")
    text = " ".join(out.split())
    assert status == 1 and reason in text and "WRONG" not in out and "not checked" in text
    assert "nondet_tol" not in out and "eps" not in out.replace("steps", "")
    found, = json.loads(run("gradcheck", f"mine.py:{name}", "--json")[1])
    assert not found["passed"] and not found["checked"] and found["reason"].startswith(reason)


@pytest.mark.filterwarnings("default")
def test_warnings_are_lines(run):
    status, _, err = run("gradcheck", "mine.py:tells")
    assert status == 0 and err.startswith("minicnn gradcheck: warning: a word of mine (in mine.py, line ")
    assert "warnings.warn" not in err and "UserWarning" not in err


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_the_table_fits(columns, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    results = [OperationResult("conv2d direct: memory order (C, H, W, N)", ((4, 2, 5, 2), (3, 2, 3, 2), (3,)), 1.2e-9,
                               True, "", 0.0123),
               OperationResult("softplus", (), None, False, "the catalogue does not contain this operation", 0.0)]
    monkeypatch.setattr("minicnn.gradcheck.run_catalogue", lambda progress, seed: results)
    status, out, _ = run("gradcheck")
    assert status == 1 and max(map(len, out.splitlines())) <= columns
    assert {"ok", "WRONG", "softplus", "conv2d", "softplus:"} <= set(out.split())


def test_every_column_has_a_rank_but_name_and_verdict():
    assert [column.title for column in gradcheck.COLUMNS if column.rank == 0] == ["operation", "verdict"]
