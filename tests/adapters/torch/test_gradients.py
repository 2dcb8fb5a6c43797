"""Gradients of PyTorch's own backward: right ones pass, wrong ones are located, and nothing is changed by looking."""

import json

import numpy as np
import pytest

from minicnn import InputError, InputTypeError, Tensor
from minicnn.gradcheck import GradcheckError, GradcheckWarning, UncheckableError, check_user_function, gradcheck

torch = pytest.importorskip("torch")
from tests.adapters.torch.functions import (  # noqa: E402
    Doubles,
    DoublesSecretly,
    KeepsOnContext,
    MarkedOutput,
    MisplacedProduct,
    OnceDifferentiable,
    Product,
    TwoOutputs,
    TwoOutputsUnmaterialized,
    function,
    reads_memory,
    square,
)
from tests.adapters.torch.test_operators import bits  # noqa: E402

nn, F = torch.nn, torch.nn.functional


def draw(*shape, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(3).normal(size=shape), dtype=dtype).requires_grad_()


class Uncopyable(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("no")

    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(x)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


class MakesTensors(nn.Linear):
    """It makes tensors of the default dtype, and converts its input to its own dtype."""

    def forward(self, x):
        return super().forward(x.to(self.weight.dtype) @ torch.eye(3)) + torch.ones(2)


def slope_inside(x):
    return x * torch.autograd.grad((x ** 3).sum(), x, create_graph=True)[0]


CLOSED = nn.Linear(3, 2)
RIGHT = {                       # object, inputs, whether it works only in float32
    "Function": (square(), [draw(3, 2)], False), "apply": (square().apply, [draw(3, 2)], False),
    "array": (square(), [np.array([[1.0, -2.0]])], False), "no dimension": (square(), [draw()], False),
    "Tensor of minicnn": (square(), [Tensor([1.0, 2.0], dtype=np.float64, requires_grad=True)], False),
    "setup_context": (Product, [draw(3), draw(2, 3)], False), "one of two": (Product, [draw(3), torch.ones(3)], False),
    "mark_dirty": (Doubles, [draw(3)], False), "in place": (nn.ReLU(inplace=True), [draw(3)], False),
    "two outputs": (TwoOutputs, [draw(3)], False), "once": (OnceDifferentiable, [draw(2)], False),
    "torch.sin": (torch.sin, [draw(3)], False), "indices": (lambda x: torch.max(x, 1), [draw(2, 3)], False),
    "dict": (lambda x: {"a": x * 2, "b": [x.sum(), None, 3]}, [draw(2)], False),
    "labels": (F.cross_entropy, [draw(3, 2), torch.tensor([0, 1, 1])], False),
    "gradient inside": (slope_inside, [draw(3)], False),
    "permuted": (square(), [draw(3, 2).detach().T.requires_grad_()], False),
    "closed over": (lambda x: CLOSED(x), [draw(2, 3)], True),
    "returns float32": (lambda x: x.float() ** 2, [draw(3)], True),
    "Linear": (nn.Linear(3, 2), [draw(2, 3)], False), "tied": (Tied(), [draw(2, 3)], False),
    "frozen": (nn.Linear(3, 2).requires_grad_(False), [draw(1, 3)], False),
    "embedding": (nn.Embedding(3, 2), [torch.tensor([0, 2])], False),
    "BatchNorm": (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), [draw(4, 3)], False),
    "conv": (nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten()), [draw(1, 1, 3, 3)], False),
    "weight norm": (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), [draw(1, 3)], False),
    "LSTM": (nn.LSTM(2, 1), [draw(2, 1, 2)], False), "dropout off": (nn.Dropout().eval(), [draw(3)], False),
    "no copy": (Uncopyable(3, 2), [draw(1, 3)], False), "makes tensors": (MakesTensors(3, 2), [draw(1, 3)], False),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.filterwarnings("ignore::minicnn.gradcheck.GradcheckWarning")
def test_right_gradients_pass_and_nothing_is_changed(name):
    func, inputs, _ = RIGHT[name]
    module = func if isinstance(func, nn.Module) else CLOSED
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    before, attributes, state = bits(module), dict(vars(module)), torch.get_rng_state()
    values = [one.detach().clone() if isinstance(one, torch.Tensor) else one for one in inputs]
    for fast in (False, True):
        assert gradcheck(func, inputs, fast_mode=fast)
    assert bits(module) == before and vars(module) == attributes
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    for one, value in zip(inputs, values, strict=True):
        assert not isinstance(one, torch.Tensor) or torch.equal(one, value) and one.grad is None


@pytest.mark.parametrize("name", [name for name in RIGHT if RIGHT[name][2]])
def test_float32_is_said(name):
    func, inputs, _ = RIGHT[name]
    with pytest.warns(GradcheckWarning, match="works only in float32 .*with steps of 4e-3 and to 1 %") as seen:
        assert gradcheck(func, inputs)
    assert seen[0].filename == __file__
    with pytest.warns(GradcheckWarning, match="float32"), pytest.raises(GradcheckError, match="analytic = 0.5 x num"):
        gradcheck(lambda x: square(lambda grad, x: grad * x).apply(x).float(), draw(3))


def test_parameters_of_float32_are_said():
    with pytest.warns(GradcheckWarning, match="'weight', parameter 'bias': float32 .*float64 copies") as seen:
        assert gradcheck(nn.Linear(3, 2), draw(1, 3))
    assert seen[0].filename == __file__


class WrongWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, dtype=torch.float64))

    def forward(self, x):
        return function(lambda w: w * 1, lambda grad, w: 3 * grad).apply(self.weight) * x


def less_mean(grad, x):
    return grad


CENTRED = function(lambda x: x - x.mean(), less_mean)
WRONG = {
    "factor": (square(lambda grad, x: grad * x), r"input 0, shape \(3,\), .*\nanalytic = 0.5 x numeric .*two uses"),
    "sign": (square(lambda grad, x: -2 * grad * x), "the sign is wrong"),
    "mean": (function(lambda x: (x * x).sum(), lambda grad, x: 2 * grad * x / 3), "a mean over 3 elements in place of"),
    "sum": (function(lambda x: (x * x).mean(), lambda grad, x: 2 * grad * x), "a sum over 3 elements in place of"),
    "one element": (square(lambda grad, x: 2 * grad * x * torch.tensor([1, 1, 1.001])), r"at its element \(2,\)"),
    "None": (square(lambda grad, x: None), r"Backward gave no gradient for this input \(None\)"),
    "zeros": (square(lambda grad, x: 0 * x), "Backward gave zeros for this input"),
    "NaN": (square(lambda grad, x: grad * np.nan), "Backward gave nan for input 0"),
    "path": (CENTRED, "Backward gives 0 for 6 of the 9 wrong entries: a way from the input to the output is forgotten"),
    "detached": (lambda x: (x * x, (x ** 3).detach()), "Output 1 carries no gradient .*but it depends on this input"),
    "marked": (MarkedOutput, r"d output 1 .*\n.*marked by mark_non_differentiable"),
    "without gradient": (lambda x: (x * x).detach(), r"Backward gave no gradient for this input \(None\)"),
    "constant": (lambda x: torch.ones(2).double(), "no input has a gradient"),
    "secret": (DoublesSecretly, "changed input 0 in place without telling autograd: call ctx.mark_dirty"),
    "context": (KeepsOnContext, "changed in place between forward and backward: .*ctx.save_for_backward"),
    "memory": (square(reads_memory), "for a cotangent that .* in memory.*contiguous"),
    "None for an output": (TwoOutputsUnmaterialized, "raised TypeError when output 0 alone is used: .*set_materialize"),
    "clipped": (square(lambda grad, x: 2 * x * grad.clamp(-1, 1)), "backward is not linear in its cotangent"),
    "squared": (square(lambda grad, x: 2 * x * grad * grad), "backward is not linear in its cotangent"),
    "guided": (square(lambda grad, x: 2 * x * grad.relu()), "backward is not linear in its cotangent"),
    "parameter": (WrongWeight(), r"parameter 'weight', .*\nanalytic = 3 x numeric"),
    "jump": (lambda x: torch.floor(3 * x + 1e-7).detach() + x - x.detach(), "is wrong at its element"),
    "small inside": (lambda x: (x.float() ** 2).double(), "computes in float32 or less inside"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_located(name):
    func, message = WRONG[name]
    with pytest.raises(GradcheckError, match=message):
        gradcheck(func, draw(3))


def test_the_place_of_a_gradient_that_was_misplaced():
    with pytest.raises(GradcheckError, match="input 1 when input 1 alone requires a gradient: .*ctx.needs_input_grad"):
        gradcheck(MisplacedProduct, (draw(3), draw(3)))
    assert gradcheck(MisplacedProduct, (draw(3), torch.ones(3)))


def test_memory_of_inputs():
    def raw(x):
        return torch.as_strided(x, x.shape, (1,)) * 2
    with pytest.raises(GradcheckError, match="another (gradient of input 0|output 0) for inputs that are not"):
        gradcheck(raw, draw(3))
    assert gradcheck(lambda x: x.view(-1) * 2, draw(3, 2))          # it raises for such inputs, so everybody sees it


def test_dropout_in_training_cannot_be_checked():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)).double()
    for fast in (False, True):
        with pytest.raises(UncheckableError, match=r"not deterministic.* 1 \(Dropout\) drops numbers at random in "
                                                   r"training: call eval\(\) on the module"):
            gradcheck(net, draw(2, 8), fast_mode=fast)
    with pytest.raises(UncheckableError, match="not deterministic"):
        gradcheck(lambda x: F.dropout(x, 0.5), draw(30))
    assert gradcheck(net.eval(), draw(1, 8), fast_mode=True)
    noisy = square(lambda grad, x: 2 * grad * x * (1 + 1e-9 * torch.rand(())))
    with pytest.raises(UncheckableError, match="backward is not deterministic"):
        gradcheck(noisy, draw(3))
    assert gradcheck(noisy, draw(3), nondet_tol=1e-6)


LAZY, META = nn.LazyLinear(2), nn.Linear(3, 2, device="meta")


@pytest.mark.parametrize(("func", "inputs", "error", "message"), [
    (torch.sin, [torch.ones(3)], InputError, "nothing to check"),
    (torch.sin, [torch.ones(3, dtype=torch.complex64).requires_grad_()], InputTypeError, "input 0 is torch.complex64"),
    (torch.fft.fft, [draw(3)], UncheckableError, "output 0 is complex128, and only real"),
    (torch.argmax, [draw(3)], InputTypeError, "must return a floating-point tensor .* not a tensor of torch.int64"),
    (lambda x: None, [draw(3)], InputTypeError, "must return a floating-point tensor .* not a NoneType"),
    (lambda x: x.bfloat16(), [draw(3)], GradcheckError, "The output is float16|float32|float16"),
    (LAZY, [draw(1, 3)], InputTypeError, "parameter 'weight' has no shape yet: call the module once"),
    (META, [draw(1, 3)], InputTypeError, "parameter 'weight' is a tensor of torch.float32, .*on meta"),
    (torch.sin, [draw(1).expand(3).detach().requires_grad_()], GradcheckError, "elements of input 0 share memory"),
    (torch.log, [(-draw(3).detach().abs()).requires_grad_()], UncheckableError, r"output 0 is nan at \(0,\)"),
    (torch.sin, [torch.tensor([np.nan]).requires_grad_()], InputError, r"input 0 is nan at \(0,\)"),
    (torch.sin, [draw(0)], InputError, "nothing to check: the output or all inputs have no elements"),
    (lambda x: x @ torch.ones(7), [draw(3)], RuntimeError, "size"),
    (lambda x: torch.relu(x), [Tensor(np.ones(1), requires_grad=True)], InputTypeError, "give tensors of PyTorch as"),
])
def test_what_cannot_be_checked(func, inputs, error, message):
    with pytest.raises(error, match=message):
        gradcheck(func, inputs)


def test_a_script_module_is_refused():
    with pytest.warns(DeprecationWarning):
        script = torch.jit.script(nn.Linear(3, 2))
    with pytest.raises(InputTypeError, match="a ScriptModule cannot be checked: give the module before"):
        gradcheck(script, draw(1, 3))


def by_trying(x):
    return torch.sin(x) @ torch.ones(4, dtype=x.dtype)


def test_a_function_without_inputs_is_tried():
    found = check_user_function(by_trying)
    assert found.passed and found.called == "called with tensors of PyTorch, and differentiated by its own backward"
    assert check_user_function(Product).inputs == ((3, 4), (3, 4)) and check_user_function(square()).passed
    assert not check_user_function(lambda x: square(lambda grad, x: grad).apply(x)).passed
    assert check_user_function(lambda x: x * x).called == ""
    with pytest.raises(InputError, match=r"raised AttributeError: .*\(in test_gradients.py, line"):
        check_user_function(lambda x: x + torch.ones(7).nothing)


MY = """
import torch
net = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Tanh()).double()
class Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]
def make():
    return net
def wrong():
    return 3
lazy = torch.nn.LazyLinear(2)
class Net(torch.nn.Linear):
    pass
"""


@pytest.mark.parametrize(("name", "status", "message"), [
    ("net", 0, ""), ("make", 0, "my.py:make makes a Module, of the class torch.nn.modules.container.Sequential"),
    ("Half", 1, ""), ("wrong", 2, "wrong returned an object of type int"), ("Net", 2, "Net is a class. Name an"),
    ("lazy", 2, "parameter 'weight' has no shape yet")])
def test_the_command_line(tmp_path, capsys, name, status, message):
    from minicnn.cli.main import main
    (tmp_path / "my.py").write_text(MY)
    assert main(["gradcheck", f"{tmp_path}/my.py:{name}", "--json"]) == status
    seen = capsys.readouterr()
    assert message in seen.err and "Traceback" not in seen.err
    if status < 2:
        (found,) = json.loads(seen.out)
        assert found["called"].startswith("called with tensors of PyTorch") and found["passed"] is (status == 0)
        assert main(["gradcheck", f"{tmp_path}/my.py:{name}", "--shape", "2,4"]) == status
        assert f"my.py:{name} was called with tensors of PyTorch" in " ".join(capsys.readouterr().out.split())


FACTORIES = """
import torch
def circular():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), torch.nn.BatchNorm2d(1))
def wrong():
    return 3
def fails():
    return 1 / 0
net = circular()
def converts(x):
    return net.eval().double()(x)
"""


@pytest.mark.parametrize(("name", "status", "message"), [
    ("circular", 0, "my.py:circular makes a Module, of the class torch.nn.modules.container.Sequential: what it"),
    ("circular", 0, "my.py:circular makes a Module: it is judged in eval mode\n"),
    ("converts", 0, ""), ("wrong", 2, "wrong returned an object of type int, not a minicnn.nn.Module"),
    ("fails", 2, "fails: ZeroDivisionError: division by zero (in my.py, line 8)")])
def test_verify_calls_a_function_that_makes_a_module(tmp_path, capsys, name, status, message):
    from minicnn.cli.main import main
    (tmp_path / "my.py").write_text(FACTORIES)
    assert main(["verify", f"{tmp_path}/my.py:{name}", "--size", "8,8", "--trials", "2"]) == status
    seen = capsys.readouterr()
    assert seen.err.count(message) == 1 or not message
    assert status == 2 or "a convolution plus a constant" in " ".join(seen.out.split())
