"""Operators of PyTorch as they stand: the right verdict and lattice, and nothing changed by looking."""

import copy

import numpy as np
import pytest

from minicnn.equivariance import EquivarianceError, assert_equivariant, impulse_response, verify_convolution
from minicnn.equivariance.layerwise import layer_reports, network_report
from minicnn.equivariance.operator import OperatorError

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
CIRCLE = {"padding": 1, "padding_mode": "circular"}
CONVOLUTION, CONSTANT = "a convolution", "a convolution plus a constant"
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)


class Block(nn.Module):
    """A residual block."""

    def __init__(self, stride=1, **options):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(2, 2, 3, stride, **options), nn.BatchNorm2d(2)
        self.conv2, self.norm2 = nn.Conv2d(2, 2, 3, 1, **options), nn.BatchNorm2d(2)
        self.short = nn.Conv2d(2, 2, 1, stride)

    def forward(self, x):
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + self.short(x))


class FourierLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.rand(8, 5))

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.gain, s=x.shape[2:])


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, 2, 8, 8))

    def forward(self, x):
        return x + self.table


def shear(x):
    rows = torch.tensor([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0]], dtype=x.dtype).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(rows, list(x.shape), align_corners=False), align_corners=False)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of PyTorch that wait for work on images of 8 x 8 only disturb."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


KNOWN = {                       # operator, start of the verdict, lattice
    "circular": (lambda: nn.Conv2d(2, 3, 3, **CIRCLE), CONSTANT, ALL),
    "no bias": (lambda: nn.Conv2d(2, 3, 3, bias=False, **CIRCLE), CONVOLUTION, ALL),
    "zeros": (lambda: nn.Conv2d(2, 3, 3, padding=1), "not a convolution at the border, (1, 1, 1, 1)", NONE),
    "reflect": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), "not a convolution at the border", NONE),
    "replicate": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate"), "not a convolution at the", NONE),
    "same": (lambda: nn.Conv2d(2, 3, 3, padding="same", padding_mode="circular"), CONSTANT, ALL),
    "stride": (lambda: nn.Conv2d(2, 3, 3, stride=2, **CIRCLE), "not a convolution, but every 2 x 2-th pixel", TWO),
    "dilation": (lambda: nn.Conv2d(2, 3, 3, padding=2, dilation=2, padding_mode="circular"), CONSTANT, ALL),
    "groups": (lambda: nn.Conv2d(2, 4, 3, groups=2, **CIRCLE), CONSTANT, ALL),
    "1x1": (lambda: nn.Conv2d(2, 3, 1), CONSTANT, ALL),
    "transposed": (lambda: nn.ConvTranspose2d(2, 3, 2, stride=2, bias=False),
                   "not a convolution, but one after 2 x 2 upsampling with zeros", ALL),
    "batch norm": (lambda: nn.BatchNorm2d(2).eval(), CONVOLUTION, ALL),
    "batch norm in training": (lambda: nn.BatchNorm2d(2), "not an operator on single images", None),
    "instance norm": (lambda: nn.InstanceNorm2d(2), "not linear; equivariant to all shifts", ALL),
    "group norm": (lambda: nn.GroupNorm(1, 2), "not linear; equivariant to all shifts", ALL),
    "layer norm": (lambda: nn.LayerNorm([2, 8, 8]), "not linear; equivariant to all shifts", ALL),
    "relu": (lambda: nn.ReLU(), "not linear; equivariant to all shifts", ALL),
    "max pool": (lambda: nn.MaxPool2d(2), "not linear; equivariant to multiples of 2 down", TWO),
    "average pool": (lambda: nn.AvgPool2d(2), "not a convolution, but every 2 x 2-th pixel of one", TWO),
    "lp pool": (lambda: nn.LPPool2d(2, 2), "not linear; equivariant to multiples of 2", TWO),
    "global pool": (lambda: nn.AdaptiveAvgPool2d(1), "not a convolution", None),
    "adaptive max": (lambda: nn.AdaptiveMaxPool2d(4), "not linear; equivariant to multiples of 2", TWO),
    "block": (lambda: Block(**CIRCLE).eval(), "not linear; equivariant to all shifts", ALL),
    "block with zeros": (lambda: Block(padding=1).eval(), "not linear; equivariant to no shift", NONE),
    "block with stride": (lambda: Block(2, **CIRCLE).eval(), "not linear; equivariant to multiples of 2", TWO),
    "nearest": (lambda: nn.Upsample(scale_factor=2), "not a convolution, but one after 2 x 2 upsampling", ALL),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), "not a convolution at the border", NONE),
    "corners": (lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "linear", NONE),
    "bicubic": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), "not a convolution at the border", NONE),
    "fourier": (lambda: FourierLayer(), CONVOLUTION, ALL),
    "positions": (lambda: Positions(), "not a convolution, but one plus an image that is not constant", NONE),
    "dropout": (lambda: nn.Dropout(), "not deterministic", None),
    "dropout off": (lambda: nn.Dropout().eval(), CONVOLUTION, ALL),
    "grid_sample": (lambda: shear, "linear", NONE),
    "function": (lambda: lambda x: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), torch.ones(2, 2, 3, 3).to(x)),
                 CONVOLUTION, ALL),
    "torch.relu": (lambda: torch.relu, "not linear; equivariant to all shifts", ALL),
    "flip": (lambda: lambda x: x.flip(3), "linear; equivariant to all shifts down, multiples of 4", (1, 4)),
    "only float32": (lambda: lambda x: F.conv2d(x, torch.ones(2, 2, 1, 1)), CONVOLUTION, ALL),
}


def bits(module):
    """All that a module could change, as values that can be compared."""
    state = {name: (value.dtype, value.numpy().tobytes()) for name, value in module.state_dict().items()}
    grads = [None if one.grad is None else one.grad.numpy().tobytes() for one in module.parameters()]
    return state, grads, [one.training for one in module.modules()], [id(one) for one in module.parameters()]


@pytest.mark.parametrize("name", KNOWN)
def test_the_verdict_and_nothing_is_changed(name):
    torch.manual_seed(0)
    make, verdict, lattice = KNOWN[name]
    op = make()
    module = op if isinstance(op, nn.Module) else nn.Identity()
    before, state = bits(module), torch.get_rng_state()
    report = verify_convolution(op, 2, (8, 8), trials=3)
    assert report.verdict.startswith(verdict), report
    assert lattice is None or report.lattice == lattice, report
    assert report.dtype == ("float32" if name == "only float32" else "float64")
    assert bits(module) == before and torch.equal(torch.get_rng_state(), state) and torch.is_grad_enabled()
    if name != "flip":
        assert report.headline.endswith("; called with tensors of PyTorch)")


def test_a_function_around_a_module_leaves_the_module_as_it_was():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, **CIRCLE), nn.BatchNorm2d(2), nn.Dropout(0.5))
    net[0].weight.grad = torch.ones_like(net[0].weight)
    before, state = bits(net), torch.get_rng_state()

    def op(x):
        return net.train()(x)
    assert verify_convolution(op, size=(8, 8), trials=2).verdict.startswith("not deterministic")
    assert bits(net) == before and torch.equal(torch.get_rng_state(), state)


def test_the_other_functions_take_them():
    conv = nn.Conv2d(2, 3, 3, **CIRCLE)
    h = impulse_response(conv, 2, (8, 8))
    assert np.allclose(h.kernel, conv.weight.detach().numpy()[..., ::-1, ::-1], atol=1e-15) and h.origin == (1, 1)
    assert len(assert_equivariant(conv, 2, (8, 8), shifts=[(1, 0), (0, 3)])) == 2
    with pytest.raises(EquivarianceError, match=r"not equivariant .*the first layer that is not equivariant is 1 "):
        assert_equivariant(nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 1, 1)), 1, (8, 8))


LAYERS = [                      # network, the name of the first layer that breaks, the reason
    (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()), "0", "its zero padding of width (1, 1) makes"),
    (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, **CIRCLE), nn.ReLU(), nn.MaxPool2d(2)), "2", "its stride (2, 2)"),
    (lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 3, 2, **CIRCLE)), "1", "its stride (2, 2)"),
    (lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), "Conv2d", "its reflect padding of width (1, 1)"),
    (lambda: nn.Sequential(nn.ReLU(), nn.Dropout()), "1", "it drops numbers at random in training: call eval()"),
    (lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(1)), "1", "in training it uses the other images of the batch"),
    (lambda: nn.Sequential(Positions(), nn.ReLU()), "0 / add", "it uses a tensor (1, 2, 8, 8) with a value for each"),
]


@pytest.mark.parametrize(("make", "name", "why"), LAYERS)
def test_the_first_layer_that_breaks_equivariance(make, name, why):
    torch.manual_seed(0)
    net = make()
    before = bits(net)
    found = layer_reports(net, 2 if name == "0 / add" else 1, (8, 8), "torus", trials=2)
    first = next(one for one in found if not one.report.equivariant)
    assert first.name == name and first.reason.startswith(why)
    assert bits(net) == before and not any(one._forward_hooks for one in net.modules())


def test_layers_after_the_last_image():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    report = network_report(net, 1, (8, 8), "window", trials=2)
    assert [one.name for one in report.layers] == ["0"] and [one.name for one in report.after] == ["1", "2"]


def test_the_command_line(tmp_path, capsys):
    from minicnn.cli.main import main
    (tmp_path / "my.py").write_text("import torch\nnet = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2))\n")
    assert main(["verify", f"{tmp_path}/my.py:net", "--layers", "--size", "8,8", "--quiet"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "first layer that breaks equivariance: 1 MaxPool2d why: its stride (2, 2) keeps only shifts" in out


class Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("a broken layer")


@pytest.mark.parametrize(("op", "message"), [
    (lambda: Raises(), "the operator raised RuntimeError for an input of shape .*: a broken layer"),
    (lambda: nn.Conv2d(3, 2, 3), "the operator raised RuntimeError .*expected input.* to have 3 channels"),
    (lambda: nn.Bilinear(2, 2, 2), "the operator raised TypeError .*input2"),
    (lambda: lambda x: torch.max(x, 1), "it must return|the operator returned"),
    (lambda: lambda x: (x, torch.relu(x)), r"returned a tuple of 2: .*choose an output, as in output=0"),
    (lambda: lambda x: torch.relu_(x), "the operator changed its input in place: let it work on a copy"),
    (lambda: nn.Conv2d(2, 2, 3, device="meta"), "the operator raised"),
    (lambda: nn.Flatten(), r"the operator returned shape \(1, 128\)"),
])
def test_what_cannot_be_judged(op, message):
    with pytest.raises(OperatorError, match=message):
        verify_convolution(op(), 2, (8, 8))


def test_a_module_that_cannot_be_copied_is_called_itself():
    class Once(nn.Conv2d):
        def __deepcopy__(self, memo):
            raise RuntimeError("no")
    net = Once(1, 1, 3, **CIRCLE)
    before = bits(net)
    report = verify_convolution(net, size=(8, 8), trials=2)
    assert report.verdict == CONSTANT and report.dtype == "float32" and bits(net) == before
    assert copy.copy(net) is not net
