"""Every operation of the engine passes gradcheck, and no operation is left out; the user's own files."""

import numpy as np
import pytest

from minicnn import Tensor, record
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.gradcheck import catalogue, check_user_function, run_catalogue
from minicnn.gradcheck.operations import Case, run_case

OPERATORS = {"add", "sub", "mul", "div", "pow", "neg", "matmul", "getitem", "reshape", "transpose", "sum", "mean",
             "max", "exp", "log", "tanh", "sigmoid"}


@pytest.mark.parametrize("case", list(catalogue()), ids=lambda case: case.name)
def test_operation(case):
    found = run_case(case)
    assert found.passed, found.reason
    assert found.max_error <= case.options["rtol"]


def test_every_operation_and_algorithm_has_a_case():
    cases = list(catalogue())
    assert {case.operation for case in cases} >= set(F.__all__) | OPERATORS
    assert {case.variant.partition(":")[0] for case in cases if case.operation == "conv2d"} == set(algorithms())
    assert len({case.name for case in cases}) == len(cases)


def test_an_operation_without_a_case_is_a_failure(monkeypatch):
    monkeypatch.setattr(F, "__all__", [*F.__all__, "brand_new"])
    monkeypatch.setattr("minicnn.gradcheck.operations.catalogue", lambda seed: [next(catalogue(seed))])
    seen = []
    records = run_catalogue(seen.append)
    assert seen == records and records[0].name == "add" and records[0].passed
    assert "brand_new" in {r.name for r in records if not r.passed and "no case checks this operation" in r.reason}


def test_a_broken_operation_is_a_failed_record():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    options = {"eps": 1, "rtol": 1e-10, "atol": 1e-12}
    broken = Case("broken", "", lambda t: record(t.data * 2, (t,), lambda grad: (grad[0],), "broken"), (x,), options)
    found = run_case(broken)
    assert not found.passed and found.max_error is None and found.inputs == ((2, 3),)
    assert "broken: vjp returned shape (3,)" in found.reason
    found = run_case(Case("wrong", "", lambda t: record(t.data * 2, (t,), lambda grad: (grad,)), (x,), options))
    assert found.name == "wrong" and found.reason.startswith("the gradient of input 0")


SOURCE = """
import numpy as np
import helper_beside_it
from minicnn import nn, record

shapes = {"product": [(2, 3), (3, 2)], "pair": [(5,)]}

def plain(x, y, slope=2.0):
    return x * y * slope

def product(x, y):
    return x @ y

def wrong(x):
    a = x.data
    return record(a * a, (x,), lambda grad: (grad * a,))

def raises_in_backward(x):
    return record(x.data * 2, (x,), lambda grad: (grad[0],))

pair = (np.sin, lambda grad, x: grad * np.cos(x))
layer = nn.Linear(4, 2, dtype=np.float64)
number = 3
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "helper_beside_it.py").write_text("")
    return tmp_path / "mine.py"


@pytest.mark.parametrize("name, shapes, used", [
    ("plain", None, ((3, 4), (3, 4))), ("plain", [(2, 1), (5,)], ((2, 1), (5,))), ("product", None, ((2, 3), (3, 2))),
    ("pair", None, ((5,),)), ("layer", None, ((3, 4),))])
def test_a_function_of_the_user(source, name, shapes, used):
    found = check_user_function(f"{source}:{name}", shapes)
    assert found.passed and found.max_error < 1e-5 and found.inputs == used and found.name.endswith(name)


def test_a_wrong_function_of_the_user(source):
    found = check_user_function(f"{source}:wrong")
    assert not found.passed and "analytic = 0.5 x numeric everywhere" in found.reason
    found = check_user_function(f"{source}:raises_in_backward")
    assert not found.passed
    assert "backward raised InputError: raises_in_backward: vjp returned shape (4,)" in found.reason


@pytest.mark.parametrize("name, message", [
    ("missing", r"mine\.py has no missing; it has plain, product, wrong"),
    ("number", "is a int: name a function of Tensors"),
    ("not a name", "write path/to/file.py:function"),
])
def test_misuse_by_the_user(source, name, message):
    with pytest.raises(ValueError, match=message):
        check_user_function(f"{source}:{name}")


def test_files_and_shapes_that_do_not_fit(source, tmp_path):
    with pytest.raises(ValueError, match=r"raised InputError: matmul.*inputs of shapes \(3, 4\), \(3, 4\); .*--shape"):
        check_user_function(f"{source}:product", [(3, 4), (3, 4)])
    with pytest.raises(ValueError, match=r"nowhere\.py: there is no such file"):
        check_user_function(f"{tmp_path}/nowhere.py:f")
    with pytest.raises(ValueError, match="write path/to/file.py:function"):
        check_user_function("mine.py")
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(ValueError, match=r"broken\.py does not run: ZeroDivisionError"):
        check_user_function(f"{tmp_path}/broken.py:f")
