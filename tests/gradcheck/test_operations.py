"""Every operation passes gradcheck, the catalogue is complete, and a user's function is checked."""

import sys

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, Tensor, nn, record
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.gradcheck import catalogue, check_user_function, gradcheck, run_catalogue
from minicnn.gradcheck.operations import Operation, check_operation
from minicnn.tensor.numpy_functions import recorded
from tests.recorder import Recorder

OPERATORS = {"add", "sub", "mul", "div", "pow", "neg", "matmul", "getitem", "reshape", "transpose", "sum", "mean",
             "max", "exp", "log"}
# The names in the catalogue that are not NumPy's.
OURS = {"absolute": "abs", "divide": "div", "dot": "matmul", "fabs": "abs", "float_power": "pow", "multiply": "mul",
        "negative": "neg", "power": "pow", "subtract": "sub", "amax": "max", "amin": "min"}


@pytest.mark.parametrize("operation", list(catalogue()), ids=lambda operation: operation.name)
def test_operation(operation):
    found = check_operation(operation)
    assert found.passed, found.reason
    assert found.max_error <= operation.options["rtol"]


def test_the_catalogue_has_every_operation_and_every_algorithm():
    operations = list(catalogue())
    assert {operation.kind for operation in operations} >= set(F.__all__) | OPERATORS
    assert {o.variant.partition(":")[0] for o in operations if o.kind == "conv2d"} == set(algorithms())
    names = {OURS.get(function.__name__, function.__name__) for function in recorded()}
    assert names - {operation.kind for operation in operations} == set()
    assert len({operation.name for operation in operations}) == len(operations)


def test_an_operation_that_the_catalogue_lacks_is_a_failure(monkeypatch):
    monkeypatch.setattr(F, "__all__", [*F.__all__, "brand_new"])
    monkeypatch.setattr("minicnn.gradcheck.operations.catalogue", lambda seed: [next(catalogue(seed))])
    progress = Recorder()
    results = run_catalogue(progress)
    assert progress.updates == [(0, 1, "add"), (1, 1, "")]
    assert results[0].name == "add" and results[0].passed
    assert "brand_new" in {r.name for r in results if not r.passed and "does not contain this operation" in r.reason}


def test_a_broken_operation_is_a_failure_with_its_reason():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    options = {"eps": 1, "rtol": 1e-10, "atol": 1e-12}
    broken = Operation("broken", "", lambda t: record(t.data * 2, (t,), lambda grad: (grad[0],), "broken"), (x,),
                       options)
    found = check_operation(broken)
    assert not found.passed and found.max_error is None and found.inputs == ((2, 3),)
    assert "it raised InputError: broken: vjp returned shape (3,)" in found.reason
    wrong = Operation("wrong", "", lambda t: record(t.data * 2, (t,), lambda grad: (grad,)), (x,), options)
    found = check_operation(wrong)
    assert found.name == "wrong" and found.reason.startswith("the gradient of input 0")


# A user's function.

def scale(x, y, slope=2.0):
    return x * y * slope


def product(x, y):
    return x @ y


def half_square(x):
    a = x.data
    return record(a * a, (x,), lambda grad: (grad * a,))


def raises_in_backward(x):
    return record(x.data * 2, (x,), lambda grad: (grad[0],))


def leaves_in_backward(x):
    def vjp(grad):
        raise SystemExit(0)
    return record(x.data * 2, (x,), vjp)


PAIR = (np.sin, lambda grad, x: grad * np.cos(x))


@pytest.mark.parametrize("function, shapes, used, name", [
    (scale, None, ((3, 4), (3, 4)), "scale"), (scale, [(2, 1), (5,)], ((2, 1), (5,)), "scale"),
    (product, [(2, 3), (3, 2)], ((2, 3), (3, 2)), "product"), (PAIR, None, ((3, 4),), "tuple"),
    (PAIR, [(5,)], ((5,),), "tuple"), (nn.Linear(4, 2, dtype=np.float64), None, ((3, 4),), "Linear"),
    (Tensor.exp, None, ((3, 4),), "exp")])
def test_a_function_of_the_user(function, shapes, used, name):
    found = check_user_function(function, shapes)
    assert found.passed and found.max_error < 1e-5 and found.inputs == used and found.name == name
    assert check_user_function(function, shapes, name="mine.py:f").name == "mine.py:f"


def test_a_wrong_function_of_the_user():
    found = check_user_function(half_square)
    assert not found.passed and "analytic = 0.5 x numeric everywhere" in found.reason
    found = check_user_function(raises_in_backward)
    assert not found.passed
    assert "it raised InputError: raises_in_backward: vjp returned shape (4,)" in found.reason
    found = check_user_function(leaves_in_backward)
    assert not found.passed and found.reason.startswith("it raised SystemExit: 0 (in test_operations.py, line ")


def test_the_seed_draws_the_inputs():
    seen = []
    for seed in (1, 1, 2):
        check_user_function(lambda x: (seen.append(x.data.copy()), x * 2)[1], seed=seed)
    calls = len(seen) // 3
    assert np.array_equal(seen[0], seen[calls]) and not np.array_equal(seen[0], seen[2 * calls])


def test_misuse_by_the_user():
    with pytest.raises(InputTypeError, match="number is a int: give a function of Tensors, an instance of a Module, "):
        check_user_function(3, name="number")
    with pytest.raises(InputTypeError, match="Linear is a type: give a function of Tensors"):
        check_user_function(nn.Linear)
    with pytest.raises(InputError, match="seed must be an integer of at least 0, not -1"):
        check_user_function(product, seed=-1)
    with pytest.raises(InputError, match="seed must be an integer of at least 0, not -1"):
        run_catalogue(seed=-1)
    with pytest.raises(InputError, match=r"product raised InputError: matmul.*shapes \(3, 4\), \(3, 4\); give other"):
        check_user_function(product)
    with pytest.raises(InputError, match="mine raised SystemExit: 0"):
        check_user_function(lambda x: sys.exit(0), name="mine")


def test_a_function_of_another_library_is_refused():
    """Some frameworks pass Tensors of minicnn through the forward of a Function and never run its backward."""
    base = type("Function", (), {"__module__": "chainer.function"})

    class Square(base):
        @classmethod
        def apply(cls, x):
            return x * x

        def __call__(self, x):
            return x * x

    for function in (Square.apply, Square()):
        with pytest.raises(InputTypeError, match="square belongs to chainer, so its own backward would not run"):
            check_user_function(function, name="square")
        with pytest.raises(InputTypeError, match="the function belongs to chainer, .*: check it with chainer's own"):
            gradcheck(function, Tensor(np.ones(3), requires_grad=True))


def test_shapes_of_the_wrong_kind():
    for shapes in ("3,4", [3, 4], [(2, -1)], [], 5):
        with pytest.raises(InputError, match=r"shapes must be as in \[\(3, 4\), \(4,\)\], not"):
            check_user_function(scale, shapes)


def test_the_progress_of_a_function_of_the_user():
    progress = Recorder()
    check_user_function(product, [(2, 3), (3, 2)], progress=progress)
    parts = [done / total for done, total, _ in progress.updates]
    assert parts == sorted(parts) and parts[0] == 0 and parts[-1] == 1 and len(parts) == 4 + 6 + 6 + 1


def test_what_cannot_be_checked_is_not_called_wrong():
    found = check_user_function(lambda x: x ** 0.5)
    assert (found.passed, found.checked) == (False, False)
    assert found.reason.startswith("cannot be checked: output 0 is nan at") and "eps" not in found.reason
    assert check_user_function(half_square).checked
