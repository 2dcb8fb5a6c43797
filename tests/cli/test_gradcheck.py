"""`minicnn gradcheck` as a user calls it."""

import json

import pytest

from minicnn.cli.main import main

SOURCE = """
import numpy as np
import helper_beside_it
from minicnn import nn

shapes = {"product": [(2, 3), (3, 2)], "pair": [(5,)]}

def plain(x, y, factor=3.0):
    return x + factor * y

def product(x, y):
    return x @ y

wrong = (np.square, lambda grad, x: grad * x)
pair = (np.sin, lambda grad, x: grad * np.cos(x))
layer = nn.Linear(4, 2, dtype=np.float64)
number = 3
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "helper_beside_it.py").write_text("")
    return str(tmp_path / "mine.py")


@pytest.mark.parametrize(("name", "options", "used"), [
    ("plain", [], [[3, 4], [3, 4]]), ("plain", ["--shape", "2,1", "--shape", "5"], [[2, 1], [5]]),
    ("product", [], [[2, 3], [3, 2]]), ("pair", [], [[5]]), ("layer", [], [[3, 4]])])
def test_your_own(name, options, used, source, capsys):
    assert main(["gradcheck", f"{source}:{name}", *options, "--json"]) == 0
    found, = json.loads(capsys.readouterr().out)
    assert found["passed"] and found["inputs"] == used and found["name"].endswith(f"mine.py:{name}")


def test_a_wrong_gradient(source, capsys):
    assert main(["gradcheck", f"{source}:wrong"]) == 1
    assert "analytic = 0.5 x numeric everywhere" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "text"), [
    (["{source}:missing"], "mine.py has no missing; it has plain, product"),
    (["{source}:number"], "number is a int: give a function of Tensors"),
    (["{source}:not a name"], "write path/to/file.py:function"),
    (["nowhere.py:f"], "nowhere.py: there is no such file"),
    (["{source}:product", "--shape", "3,4", "--shape", "3,4"], "product raised InputError: matmul"),
])
def test_misuse_is_told_in_one_line(arguments, text, source, capsys):
    assert main(["gradcheck", *(argument.format(source=source) for argument in arguments)]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
