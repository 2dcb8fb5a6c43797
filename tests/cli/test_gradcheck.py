"""`minicnn gradcheck` as a user calls it."""

import json

import pytest

from minicnn.cli import gradcheck
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
    (["mine.py:number"], "mine.py:number is a int: name a function of Tensors, a Module (an object, not its class)"),
    (["mine.py:not a name"], "write path/to/file.py:function"), (["nowhere.py:f"], "nowhere.py: there is no such file"),
    (["mine.py:leaves"], "mine.py:leaves raised SystemExit"), (["mine.py:leaves"], "(in mine.py, line 15)"),
    (["mine.py:product", "--shape", "3,4", "--shape", "3,4"], "product raised InputError: matmul"),
    (["mine.py:plain", "--shape", "0,3"], "argument --shape: in '0,3': each must be an integer of at least 1, not '0'"),
    (["--shape", "3"], "--shape has no effect without FILE.py:FUNCTION"),
    (["--seed", "-1"], "argument --seed: must be an integer of at least 0, not '-1'")])
def test_misuse_is_told_in_one_line(arguments, text, refused):
    assert text in refused("gradcheck", *arguments)


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
