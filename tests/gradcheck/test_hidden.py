"""gradcheck never passes what it cannot see: tiny, hidden and foreign gradients, and results that have none."""

import sys
import types

import numpy as np
import pytest

from minicnn import InputTypeError, Tensor, nn, record
from minicnn.gradcheck import GradcheckError, UncheckableError, check_user_function, gradcheck
from tests.gradcheck.functions import leaf


def of(function, slope):
    def op(x):
        a = x.data
        return record(function(a), (x,), lambda grad: (grad * slope(a),), "op")
    return op


SIN = of(np.sin, np.cos)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e-12, 1e-8, 1.0, 1e8, 1e100])
def test_the_size_of_a_gradient_does_not_matter(size, fast):
    assert gradcheck(of(lambda a: np.sin(a) * size, lambda a: np.cos(a) * size), leaf([0.3, 1.0]), fast_mode=fast)
    for wrong in (-1, 0, 1.001):
        with pytest.raises(GradcheckError, match="is wrong at its element"):
            gradcheck(of(lambda a: np.sin(a) * size, lambda a, w=wrong: w * np.cos(a) * size), leaf([0.3, 1.0]),
                      fast_mode=fast)


def test_a_tiny_output_beside_a_large_one():
    tiny = of(lambda a: np.sin(a) * np.array([1, 1e-12]), lambda a: np.cos(a) * np.array([1, -1e-12]))
    with pytest.raises(GradcheckError, match=r"wrong at its element \(1,\)"):
        gradcheck(tiny, leaf([0.3, 1.0]))


@pytest.mark.parametrize("at", [1e5, 1e8, -3e6, 1e-9, 1e-20])
def test_steps_fit_large_and_small_arguments(at):
    assert gradcheck(SIN, leaf([at]))
    with pytest.raises(GradcheckError):
        gradcheck(of(np.sin, lambda a: -np.cos(a)), leaf([at]))
    if at > 0:
        assert gradcheck(of(np.log, lambda a: 1 / a), leaf([at]))
        assert gradcheck(of(np.sqrt, lambda a: 0.5 / np.sqrt(a)), leaf([at]))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_what_rounding_hides_cannot_be_judged(slope, fast):
    with pytest.raises(UncheckableError, match="cannot judge the gradient of input 0.*rounding hides"):
        gradcheck(of(lambda a: a + 1e16, lambda a: 0 * a + slope), leaf([1.0]), fast_mode=fast)
    found = check_user_function(of(lambda a: a + 1e16, lambda a: 0 * a + slope))
    assert not found.passed and not found.checked and found.reason.startswith("cannot be checked: cannot judge")


@pytest.mark.parametrize(("pair", "message"), [
    ((lambda x: x * 1j, lambda grad, x: grad), "output 0 is complex128, and only real"),
    ((lambda x: np.floor(x).astype(int), lambda grad, x: grad), "output 0 is int64, and only real"),
    ((lambda x: x > 0, lambda grad, x: grad), "output 0 is bool, and only real"),
    ((lambda x: None, lambda grad, x: grad), "output 0 is None, and only real"),
    ((lambda x: [x, x], lambda grad, x: grad), "output 0 is a list, and only real"),
    ((lambda x: x * np.inf, lambda grad, x: grad), "output 0 is inf"),
    ((lambda x: 1 * x, lambda grad, x: grad * 1j), "the gradient of input 0 is of complex128"),
    ((lambda x: 1 * x, lambda grad, x: grad.astype(int)), "the gradient of input 0 is of int64"),
    ((lambda x: 1 * x, lambda grad, x: grad * np.nan), "Backward gave nan for input 0"),
    ((lambda x: 1 * x, lambda grad, x: grad + np.inf), "Backward gave inf for input 0")])
def test_results_without_a_gradient_are_refused(pair, message):
    for fast in (False, True):
        with pytest.raises(GradcheckError, match=message):
            gradcheck(pair, np.array([0.5, 2.0]), fast_mode=fast)


def test_a_module_with_buffers_only():
    class Moves(nn.Module):
        buffers = ("seen",)

        def __init__(self):
            self.seen = np.zeros(2)

        def forward(self, x):
            out = x * np.array([2.0, 3.0])
            self.seen += 1
            return out
    model = Moves()
    assert gradcheck(model, leaf([1.0, 2.0]))
    assert model.seen.tolist() == [0, 0]
    normal = nn.BatchNorm2d(2, affine=False, dtype=np.float64)
    assert gradcheck(normal, leaf(np.arange(16.0).reshape(2, 2, 2, 2) ** 2))
    assert normal.running_mean.tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_random_directions_find_one_wrong_entry_of_many(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((60, 50))
    wrong = matrix.copy()
    wrong[rng.integers(60), rng.integers(50)] += 0.1
    pair = lambda x: matrix @ x, lambda grad, x: wrong.T @ grad
    with pytest.raises(GradcheckError, match="is wrong at its element"):
        gradcheck(pair, rng.standard_normal(50), fast_mode=True)


def fake_framework(name):
    """A module of that name with a function that works on anything, as torch.autograd.Function.apply does."""
    space = {"__name__": f"{name}.autograd.function"}
    exec("def apply(x, *more):\n    return x * x\nclass Function:\n    def __call__(self, x):\n        return x * x",
         space)
    return space


@pytest.mark.parametrize("name", ["keras", "mygrad", "tensorflow", "mxnet", "paddle", "tinygrad"])
def test_functions_of_other_frameworks_are_refused_wherever_they_are_called(name):
    space = fake_framework(name)
    apply, layer = space["apply"], space["Function"]()

    class Net(nn.Module):
        def forward(self, x):
            return layer(x)
    for function in (apply, lambda x: apply(x), lambda x: layer(x) + 1, Net(), lambda x: apply([x][0], {"a": x})):
        with pytest.raises(InputTypeError, match=f"belongs to {name}, so its own backward would not run"):
            gradcheck(function, leaf([1.0, 2.0]))
        with pytest.raises(InputTypeError, match=f"belongs to {name}, so its own backward would not run"):
            check_user_function(function)


def package(monkeypatch, name, source, **more):
    """An imported package of that name."""
    module = types.ModuleType(name)
    module.__path__ = []
    vars(module).update(more)
    exec(source, vars(module))
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.mark.parametrize("sign", ["def grad(f): pass", "def no_grad(): pass", "class GradientTape: pass"])
def test_a_framework_that_nobody_knows_is_refused(monkeypatch, sign):
    """It differentiates, and does not use minicnn."""
    name = f"own_framework_{len(sign)}"
    own = package(monkeypatch, name, f"{sign}\ndef tanh(x): return x * x")
    with pytest.raises(InputTypeError, match=f"the function calls a function that belongs to {name}, so its own"):
        gradcheck(lambda x: own.tanh(x) * 2, leaf([1.0, 2.0]))
    with pytest.raises(InputTypeError, match=f"belongs to {name}"):
        check_user_function(own.tanh)


def test_packages_that_use_minicnn_or_do_not_differentiate_are_no_frameworks(monkeypatch):
    ours = package(monkeypatch, "net_on_minicnn", "def grad(f): pass\ndef double(x): return x * 2", nn=nn)
    tools = package(monkeypatch, "plain_tools", "def pipe(x, f, g):\n    return g(f(x))")
    assert gradcheck(lambda x: tools.pipe(x, ours.double, lambda y: y * y), leaf([1.0, 2.0]))


class Square:
    """A user's function with a backward of its own, which is wrong."""

    calls = 0

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        return x * x

    def backward(self, grad):
        self.calls += 1
        return grad * 17


class SquareLayer(nn.Module):
    def forward(self, x):
        return x * x

    def backward(self, grad):
        return grad * 17


class Function:
    """As torch.autograd.Function: the forward pass of a subclass runs on anything."""

    @classmethod
    def apply(cls, *inputs):
        return cls.forward(None, *inputs)


class SquareFunction(Function):
    @staticmethod
    def forward(context, x):
        return x * x

    @staticmethod
    def backward(context, grad):
        return grad * 17


class Value:
    """As micrograd's: a number with a graph of its own."""

    def __init__(self, data):
        self.data, self.grad = data, 0

    def __mul__(self, other):
        return Value(self.data * other.data)

    def backward(self):
        self.grad = 17


class CustomVjp:
    """As jax.custom_vjp: the rule is an attribute of the instance."""

    def __init__(self, function):
        self.function = function

    def defvjp(self, bwd):
        self.bwd = bwd

    def __call__(self, x):
        return self.function(x)


def with_rule():
    function = CustomVjp(lambda x: x * x)
    function.defvjp(lambda grad: grad * 17)
    return function


@pytest.mark.parametrize(("function", "name"), [
    (Square(), "Square.backward"), (lambda x: Square()(x) + 1, "Square.backward"),
    (SquareLayer(), "SquareLayer.backward"), (nn.Sequential(nn.ReLU(), SquareLayer()), "SquareLayer.backward"),
    (SquareFunction.apply, "SquareFunction.backward"), (lambda x: SquareFunction.apply(x), "SquareFunction.backward"),
    (lambda x: (Value(x) * Value(x)).data, "Value.backward"), (with_rule(), "CustomVjp.bwd"),
    (lambda x: with_rule()(x), "CustomVjp.bwd")])
def test_a_backward_that_does_not_run_is_not_called_right(function, name):
    for fast in (False, True):
        with pytest.raises(InputTypeError, match=f"{name} is defined but was not called"):
            gradcheck(function, leaf([1.0, 2.0]), fast_mode=fast)
    with pytest.raises(InputTypeError, match=f"{name} is defined but was not called"):
        check_user_function(function)


def test_a_backward_that_runs_is_checked():
    class Recorded(Square):
        def __init__(self, factor):
            self.factor = factor

        def forward(self, x):
            a = x.data
            return record(a * a, (x,), lambda grad: (self.backward(grad, a),))

        def backward(self, grad, a):
            return self.factor * grad * a
    assert gradcheck(Recorded(2), leaf([1.0, 2.0]))
    with pytest.raises(GradcheckError, match="is wrong at its element"):
        gradcheck(Recorded(3), leaf([1.0, 2.0]))


def test_an_input_that_requires_a_gradient_elsewhere_is_refused():
    class Foreign:
        requires_grad = True
    with pytest.raises(InputTypeError, match="input 1 requires a gradient, but is a .*Foreign: give Tensors"):
        gradcheck(lambda x, y: x * 2, (leaf([1.0]), Foreign()))


@pytest.mark.parametrize("function", [
    lambda x: Tensor(np.ones(2)), lambda x: Tensor(np.sign(x.data)), lambda x: x.detach() * 0,
    (lambda x: np.ones(2), lambda grad, x: None)])
@pytest.mark.parametrize("fast", [False, True])
def test_a_result_that_does_not_depend_on_the_tape_is_not_called_right(function, fast):
    given = np.array([1.0, 2.0]) if isinstance(function, tuple) else leaf([1.0, 2.0])
    with pytest.raises(GradcheckError, match="no input has a gradient, so there is nothing to compare"):
        gradcheck(function, given, fast_mode=fast)


@pytest.mark.parametrize(("function", "size"), [(lambda x: x[:0], 2), (lambda x: x * 2, 0), (lambda x: x.sum(), 0)])
@pytest.mark.parametrize("fast", [False, True])
def test_no_elements_are_nothing_to_check(function, size, fast):
    with pytest.raises(ValueError, match="nothing to check: the output or all inputs have no elements"):
        gradcheck(function, leaf(np.ones(size)), fast_mode=fast)


def test_a_compiled_function_of_torch_is_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(InputTypeError, match="belongs to torch"):
        gradcheck(lambda x: torch.relu(x), leaf([1.0, 2.0]))
    fine = lambda x: record(torch.from_numpy(x.data.copy()).exp().numpy(), (x,), lambda grad: (
        grad * torch.from_numpy(x.data.copy()).exp().numpy(),))
    assert gradcheck(fine, leaf([1.0, 2.0]))              # torch works on arrays, and its derivative is checked


def test_a_function_around_one_of_torch_is_refused_tensors_of_minicnn():
    torch = pytest.importorskip("torch")

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad
    for function in (lambda x: Square.apply(x), lambda x: 2 * Square.apply(x * 3)):
        with pytest.raises(InputTypeError, match="belongs to torch, .*: give tensors of PyTorch as inputs"):
            gradcheck(function, Tensor(np.ones(3), requires_grad=True))
