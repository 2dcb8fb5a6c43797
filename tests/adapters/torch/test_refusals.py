"""Operators of PyTorch that cannot be judged: a sentence says what and how to go on, never a verdict."""

import warnings

import pytest

from minicnn.cli.main import main
from minicnn.equivariance import layer_reports, verify_convolution
from minicnn.equivariance.operator import OperatorError
from minicnn.errors import InputError

from .networks import CIRCLE, Applied

torch = pytest.importorskip("torch")
nn = torch.nn
ONES = torch.ones(1, 2, 3, 3)


class Two(nn.Module):
    def forward(self, x, mask):
        return x * mask


def raises(x):
    raise RuntimeError("a broken layer")


FIXED = "its number of images or their size is fixed: it must take any number of images of the given size"
SIZE = r"\(does it need a larger size, or other channels\?\)"
BOTH = [                        # a module, the message as a whole, the message of its layers
    (lambda: Applied(raises), "raised RuntimeError for an input of shape .*: a broken layer", None),
    (Two, "raised TypeError .*missing 1 required positional argument: 'mask'",
     r"; it needs 2 inputs \(x, mask\): write a function of one image"),
    (lambda: nn.Conv2d(3, 2, 3), "raised RuntimeError .*expected input.* to have 3 channels.*" + SIZE, None),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(99, 2)), "cannot be multiplied .*" + SIZE, None),
    (lambda: nn.Conv2d(2, 2, 11), "Kernel size can't be greater than actual input size" + ".*" + SIZE, None),
    (lambda: nn.Bilinear(2, 2, 2), "raised TypeError .*input2", None),
    (lambda: nn.Embedding(9, 3), "it takes integers, and pixels are numbers in floating point: judge the part after",
     None),
    (lambda: Applied(lambda x: x.view(1, 2, 8, 8) * 2), FIXED, None),
    (lambda: Applied(lambda x: x.view(4, 2, 8, 8) * 2), FIXED, None),
    (lambda: Applied(lambda x: x.cuda()), "it wants a device that is not there: move it to the CPU", None),
    (lambda: nn.Conv2d(2, 2, 3, device="meta"), r"weight is on the device 'meta', which holds no numbers: .*to_empty",
     None),
    (lambda: nn.LazyConv2d(2, 3), r"is not initialised: its parameter weight gets a shape in the first call\. Call it",
     None),
    (lambda: Applied(torch.relu_), "the operator changed its input in place: let it work on a copy",
     "the network changed its input in place: let it work on a copy"),
    (lambda: nn.BatchNorm1d(2), "raised ValueError .*expected 2D or 3D input", None),
]


@pytest.mark.parametrize(("make", "whole", "layers"), BOTH)
@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_modules(make, whole, layers):
    net = make()
    lazy = [torch.nn.parameter.is_lazy(one) for one in net.parameters()]
    with pytest.raises(InputError, match=whole):
        verify_convolution(net, 2, (8, 8))
    with pytest.raises(InputError, match=whole):
        verify_convolution(lambda x: net(x), 2, (8, 8))
    with pytest.raises(InputError, match=layers or whole):
        layer_reports(net, 2, (8, 8))
    assert [torch.nn.parameter.is_lazy(one) for one in net.parameters()] == lazy


@pytest.mark.parametrize(("op", "message"), [
    (lambda x: torch.max(x, 1), "it must return|the operator returned"),
    (lambda x: (x, torch.relu(x)), r"returned a tuple of 2: .*choose an output, as in output=0"),
    (lambda x: {"map": x}, r"returned a dict of 1: .*choose an output, as in output='map'"),
    (lambda x: x.long(), "the operator returned int64; it must return float32 or float64"),
    (lambda x: torch.relu(x).bfloat16(), "the operator returned torch.bfloat16, whose rounding hides too much"),
    (nn.Flatten(), r"the operator returned shape \(1, 128\)"),
])
def test_outputs(op, message):
    with pytest.raises(OperatorError, match=message):
        verify_convolution(op, 2, (8, 8))


def compiled(kind):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 2, 3, **CIRCLE), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                 # torch.jit is deprecated
        return {"script": torch.jit.script, "trace": lambda one: torch.jit.trace(one, torch.zeros(1, 2, 8, 8)),
                "compile": torch.compile, "DataParallel": nn.DataParallel}[kind](net)


@pytest.mark.parametrize("kind", ["script", "trace", "compile", "DataParallel"])
@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_modules_that_were_compiled_or_wrapped(kind):
    net = compiled(kind)
    assert verify_convolution(net, 2, (8, 8), trials=2).verdict == "not linear; equivariant to all shifts"
    if kind in ("script", "trace"):
        with pytest.raises(OperatorError, match="was compiled by torch.jit, so that its layers cannot be seen"):
            layer_reports(net, 2, (8, 8))
    else:
        assert [one.name for one in layer_reports(net, 2, (8, 8), trials=1)] == ["0", "1"]


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_module():
    quantization = torch.ao.quantization
    net = nn.Sequential(quantization.QuantStub(), nn.Conv2d(2, 2, 1), quantization.DeQuantStub()).eval()
    net.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    quantization.prepare(net, inplace=True)
    net(torch.randn(4, 2, 8, 8))
    net = quantization.convert(net)
    report = verify_convolution(net, 2, (8, 8), trials=2)
    assert report.verdict.startswith("not linear") and report.dtype == "float32"
    assert [one.name for one in layer_reports(net, 2, (8, 8), "torus", trials=1)] == ["0", "1", "2"]


def test_the_command_line(tmp_path, capsys):
    (tmp_path / "my.py").write_text("import torch\nnet = torch.nn.Conv2d(3, 2, 3)\nlazy = torch.nn.LazyConv2d(2, 3)\n")
    for name, options, text in (("net", [], "(does it need a larger --size, or other --channels?)"),
                                ("net", ["--layers"], "(does it need a larger --size, or other --channels?)"),
                                ("lazy", ["--layers"], "the module is not initialised")):
        assert main(["verify", f"{tmp_path}/my.py:{name}", "--quiet", *options]) == 2
        out, err = capsys.readouterr()
        assert text in err and out == "" and err.count("\n") == 1
