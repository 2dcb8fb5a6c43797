"""Networks of PyTorch step by step: the first that breaks equivariance, its reason, and the invariance after it."""

import random
from collections import Counter

import numpy as np
import pytest

from minicnn.adapters.torch.walk import TorchWalk
from minicnn.equivariance import layer_reports, verify_convolution
from minicnn.equivariance.layerwise import network_report
from minicnn.equivariance.network import passes
from minicnn.equivariance.operator import OperatorError, layer_operators

from .networks import (
    CIRCLE,
    Applied,
    Attention,
    Autocast,
    Block,
    BlurPool,
    Classifier,
    ConvNeXt,
    Coordinates,
    Deformable,
    FourierLayer,
    JoinedSlices,
    PatchEmbedding,
    Positions,
    ResNet18,
    SqueezeExcite,
    UNet,
    circular,
    shear,
)
from .test_operators import bits

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)


FIRST = {                       # network, the first step that breaks and its reason, the lattice of the last image
    "zeros": (lambda: nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()), "0 Conv2d",
              "its zero padding of width (1, 1) makes", NONE),
    "pool": (lambda: nn.Sequential(nn.Conv2d(2, 2, 3, **CIRCLE), nn.ReLU(), nn.MaxPool2d(2)), "2 MaxPool2d",
             "its stride (2, 2) keeps only shifts by multiples of it: filter before", TWO),
    "stride": (lambda: nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 3, 2, **CIRCLE)), "1 Conv2d",
               "its stride (2, 2)", TWO),
    "reflect": (lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), "Conv2d",
                "its reflect padding of width (1, 1)", NONE),
    "dropout": (lambda: nn.Sequential(nn.ReLU(), nn.Dropout()), "1 Dropout",
                "it drops numbers at random in training: call eval()", None),
    "batch norm": (lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2)), "1 BatchNorm2d",
                   "in training it uses the other images of the batch", None),
    "positions": (lambda: nn.Sequential(Positions(), nn.ReLU()), "0 / add",
                  "it uses a tensor (1, 2, 8, 8) with a value for each position", NONE),
    "block": (lambda: Block(**CIRCLE).eval(), None, "", ALL),
    "block with zeros": (lambda: Block(padding=1).eval(), "conv1 Conv2d", "its zero padding of width (1, 1)", NONE),
    "block with stride": (lambda: Block(2, **CIRCLE).eval(), "conv1 Conv2d", "its stride (2, 2)", TWO),
    "fourier": (FourierLayer, None, "", ALL),
    "blur pool": (BlurPool, "F.conv2d", "its stride (2, 2)", TWO),
    "U-Net": (UNet, "F.max_pool2d", "its stride (2, 2)", TWO),
    "corners": (lambda: Applied(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)),
                "F.interpolate", "align_corners=True stretches the image by (m - 1) / (n - 1)", NONE),
    "bilinear": (lambda: Applied(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")), "F.interpolate",
                 "it interpolates, and repeats the pixels at the border", NONE),
    "ConvNeXt": (ConvNeXt, None, "", ALL),
    "ConvNeXt with zeros": (lambda: ConvNeXt("zeros"), "depthwise Conv2d", "its zero padding of width (3, 3)", NONE),
    "patches": (lambda: PatchEmbedding(False), "patches Conv2d", "its stride (4, 4)", (4, 4)),
    "patches with positions": (lambda: PatchEmbedding(True), "patches Conv2d", "its stride (4, 4)", NONE),
    "attention": (lambda: Attention(False), None, "", ALL),
    "attention with positions": (lambda: Attention(True), "reshape", "add: it uses a tensor (1, 64, 2) with a", NONE),
    "deformable": (Deformable, None, "", ALL),
    "coordinates": (Coordinates, "torch.cat", "it uses a tensor (5, 2, 8, 8) with a value for each position", NONE),
    "squeeze and excite": (SqueezeExcite, None, "", ALL),
    "autocast": (Autocast, None, "", ALL),
    "slices": (lambda: Applied(lambda x: torch.relu(x)[:, :, ::2]), "[:, :, ::2]", "its step 2 keeps only", (2, 1)),
    "roll": (lambda: Applied(lambda x: torch.roll(x, (1, 2), (2, 3)) + 1), None, "", ALL),
    "flip": (lambda: Applied(lambda x: torch.flip(x, (3,))), "torch.flip", "it mirrors the image", (1, 4)),
    "turn": (lambda: Applied(lambda x: x.transpose(2, 3)), "transpose", "it turns the image", NONE),
    "pad": (lambda: Applied(lambda x: F.pad(x, (1, 1, 1, 1))[:, :, 2:, 2:]), "[:, :, 2:, 2:]",
            "F.pad: its zero padding of width (1, 1, 1, 1) makes", NONE),
    "shear": (lambda: Applied(shear), "F.grid_sample", "it samples the image at places that are fixed", NONE),
    "write": (lambda: Applied(lambda x: x.clone().index_fill_(2, torch.tensor([0]), 0)), "index_fill",
              "it writes at fixed places of the image", (None, 1)),
    "rows": (lambda: Applied(lambda x: torch.ones(8, 8).tril().to(x) @ x), "matmul", "its matrix treats", (None, 1)),
    "sum": (lambda: Applied(lambda x: x.cumsum(3)), "cumsum", "it counts from one side of the image", (1, None)),
    "joined slices": (JoinedSlices, None, "", ALL),
    "a pool after joined slices": (lambda: nn.Sequential(JoinedSlices(), nn.MaxPool2d(2)), "1 MaxPool2d",
                                   "its stride (2, 2) keeps only", TWO),
    "padded pool": (lambda: nn.MaxPool2d(3, 1, 1), "MaxPool2d", "its padding of width 1 makes pixels at the border: "
                    "use a pool without padding; before it, pad with F.pad(..., mode='circular') on the torus", NONE),
    "padding layer": (lambda: nn.Sequential(nn.ReflectionPad2d(4), nn.ReLU()), "0 ReflectionPad2d",
                      "it pads reflection at the border: pad with F.pad(..., mode='circular')", NONE),
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_step_that_breaks_equivariance(name):
    torch.manual_seed(0)
    make, title, why, lattice = FIRST[name]
    net = make()
    before = bits(net)
    found = network_report(net, 2, (8, 8), "torus", trials=2)
    assert (found.first and found.first.title) == title, found
    assert found.layers[-1].report.lattice == lattice
    if title:
        assert found.first.reason.startswith(why)
    assert bits(net) == before and not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())


def test_a_part_that_a_later_step_mends():
    found = network_report(JoinedSlices(), 2, (8, 8), "torus", trials=2)
    assert [(one.name, one.report.equivariant, one.mended, one.breaks) for one in found.layers] == [
        ("[:, :, -1:]", False, True, False), ("[:, :, :1]", False, True, False), ("conv", True, False, False)]
    assert str(found.layers[0]).endswith("; a later step mends it") and "mends" not in str(found.layers[2])
    assert found.to_list()[0]["mended"] is True


def test_functions_of_zeros_into_which_pixels_were_written():
    def written(x):
        room = torch.zeros(len(x), 2, 8, 8)
        room[:, :, :, :] = x
        return torch.relu(room) + 1
    found = network_report(Applied(written), 2, (8, 8), "torus", trials=1)
    assert [one.name for one in found.layers] == ["[:, :, :, :] =", "torch.relu", "add"] and found.first is None


def plain(up_to, domain, trials):
    """Each layer by itself: the network runs again for each."""
    report = verify_convolution(up_to, 2, (8, 8), domain, up_to.walk.dtype, trials=trials)
    return report.verdict, report.lattice, report.equivariant, report.affine, report.convolution, report.deterministic


@pytest.mark.parametrize(("name", "domain", "dtype"), [
    ("patches with positions", "torus", "float32"), ("dropout", "torus", "float64"), ("zeros", "plane", "float64"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        ("block with stride", "torus", "float64"), ("block with zeros", "window", "float32"),
        ("U-Net", "torus", "float32"), ("ConvNeXt", "plane", "float64")))])
def test_shared_passes_give_the_results_of_the_plain_way(name, domain, dtype):
    torch.manual_seed(0)
    net = FIRST[name][0]()
    expected = [plain(layer.up_to, domain, 2) for layer in layer_operators(net, 2, (8, 8), dtype) if layer.up_to]
    reports = [one.report for one in layer_reports(net, 2, (8, 8), domain, dtype, trials=2)]
    assert [(one.verdict, one.lattice, one.equivariant, one.affine, one.convolution, one.deterministic)
            for one in reports] == expected


def test_the_number_of_passes_does_not_grow_with_the_layers(monkeypatch):
    def passes_of(depth):
        counted = Counter()
        original = TorchWalk._pass
        monkeypatch.setattr(TorchWalk, "_pass", lambda self, *a: counted.update(["pass"]) or original(self, *a))
        net = nn.Sequential(nn.ReLU(), *[nn.Hardtanh(0, 3) for _ in range(depth)])
        layer_reports(net, 1, (8, 8), "torus", trials=2)
        monkeypatch.setattr(TorchWalk, "_pass", original)
        return counted["pass"]
    few = passes_of(1)
    assert passes_of(9) == few > 30


def test_layers_are_grouped_so_that_their_outputs_fit_into_memory(monkeypatch):
    torch.manual_seed(0)
    net = UNet()
    expected = [one.report.verdict for one in layer_reports(net, 2, (8, 8), "torus", trials=2)]
    layers = [layer for layer in layer_operators(net, 2, (8, 8), "float32") if layer.up_to]
    assert len(passes.groups(layers, 4)) == 1
    monkeypatch.setattr(passes, "MEMORY", 4 * passes.HELD * 4 * 64)
    assert 1 < len(passes.groups(layers, 4)) < len(layers)
    assert [one.report.verdict for one in layer_reports(net, 2, (8, 8), "torus", trials=2)] == expected


class Steps(nn.Module):
    """Functions of many kinds, in place and not, and a function that PyTorch does not see."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.inner = nn.Sequential(Applied(lambda x: Doubled.apply(x)), Applied(doubled_by_numpy))

    def forward(self, x):
        x = x * 2
        x = self.relu(x)
        x += 1
        x = F.pad(x, (1, 1, 1, 1), mode="circular")[:, :, 1:-1, 1:-1].contiguous()
        x = 1 - self.inner(x)
        self.unused = torch.arange(3.0) * 2
        return torch.cat(x.chunk(2, 1)[::-1], dim=1)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x


def doubled_by_numpy(x):
    return torch.from_numpy(2 * x.numpy())


def test_the_names_of_steps_and_their_outputs():
    walk = TorchWalk(Steps(), "float64", "cpu")
    steps = walk.steps((2, 2, 4, 4))
    assert [step.name for step in steps] == [
        "mul", "relu", "add", "F.pad", "[:, :, 1:-1, 1:-1]", "inner.0 / mul", "inner.1", "sub", "chunk", "torch.cat"]
    assert steps[3].kind == "F.pad(pad=(1, 1, 1, 1), mode='circular')" and steps[1].kind == "ReLU(inplace=True)"
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    found = walk.outputs(x, range(10))
    assert np.array_equal(found[0], 2 * x)              # as it was before ReLU worked in place
    assert np.array_equal(found[1], np.maximum(2 * x, 0))
    assert np.array_equal(found[2], found[1] + 1) and np.array_equal(found[4], found[2])
    assert np.array_equal(found[9], (1 - 4 * found[2])[:, ::-1]) and found[3].shape == (3, 2, 6, 6)
    assert list(walk.outputs(x, [2])) == [2]


def test_layouts():
    steps = TorchWalk(ConvNeXt(), "float32", "cpu").steps((2, 2, 8, 8))
    assert [step.shape for step in steps] == 3 * [(2, 2, 8, 8)] + 2 * [(2, 8, 8, 8)] + 4 * [(2, 2, 8, 8)]
    assert [step.layout.name for step in steps] == ["NCHW"] + 6 * ["NHWC"] + 2 * ["NCHW"]
    last, = layer_reports(nn.Linear(3, 2), 3, (4, 4), "torus", layout="nhwc", trials=1)
    assert last.report.verdict == "a convolution plus a constant"


def test_a_network_that_takes_other_steps_for_other_images():
    net = Applied(lambda x: torch.relu(x) if x.abs().max() < 1 else torch.tanh(x))
    with pytest.raises(OperatorError, match=r"took other steps for other images \(torch.tanh instead of torch.relu\)"):
        layer_reports(net, 1, (4, 4), "torus", trials=1)


@pytest.mark.parametrize(("reduce", "numbers", "pool", "invariant", "verdict", "why"), [
    (lambda x: x.mean((2, 3)), 3, 1, [True, True], "invariant to all shifts: largest change", ""),
    (lambda x: x.amax((2, 3)), 3, 1, [True, True], "invariant to all shifts", ""),
    (lambda x: x.mean((2, 3)), 3, 2, [True, True], "invariant to shifts by multiples of 2 down, 2 across", ""),
    (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), 3, 2, [True, True, True], "invariant to shifts by", ""),
    (lambda x: torch.flatten(x, 1), 48, 2, [False, False],
     "not invariant to shifts by multiples of 2 down, 2 across: the shift", "it treats each position in its own way"),
])
def test_the_invariance_after_the_last_image(reduce, numbers, pool, invariant, verdict, why):
    torch.manual_seed(0)
    found = network_report(Classifier(reduce, numbers, pool), 2, (8, 8), "torus", trials=2)
    assert [step.invariant for step in found.after] == invariant
    assert found.after[-1].verdict.startswith(verdict) and found.after[0].reason.startswith(why)
    assert found.after[-1].change <= found.after[-1].largest * (1e-6 if invariant[0] else 10)
    assert found.after[-1].shift in found.after[-1].shifts and found.after[-1].lattice == (pool, pool)
    assert found.to_list()[-1]["layer"] == "head" and found.to_list()[-1]["verdict"] == found.after[-1].verdict


def test_without_a_lattice_small_shifts_are_tried():
    net = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = network_report(net, 2, (8, 8), "torus", trials=2)
    assert [step.invariant for step in found.after] == [False, False]
    assert found.after[0].verdict.startswith("not invariant to shifts by a few pixels (up to its last image")
    assert found.after[0].reason.startswith("it uses all pixels, also those that a shift changes at the border")


def test_a_whole_network_without_images():
    found = network_report(nn.Sequential(nn.Flatten(), nn.Dropout()), 1, (4, 4), "torus", trials=2)
    assert found.layers == [] and found.first is None
    assert [step.invariant for step in found.after] == [False, False]
    assert found.after[1].verdict.startswith("not deterministic")


@pytest.mark.slow
def test_a_resnet():
    torch.manual_seed(0)
    found = network_report(ResNet18().eval(), 3, (64, 64), "torus", trials=1)
    assert len(found.layers) == 20 + 20 + 17 + 8 + 1 and found.steps == found.layers      # conv, norm, ReLU, add, pool
    assert found.first.title == "conv1 Conv2d"
    assert found.first.reason.startswith("its zero padding of width (3, 3) makes pixels at the border: use padding")
    assert "its stride (2, 2) keeps only shifts by multiples of it" in found.first.reason
    assert {one.report.lattice for one in found.layers} == {NONE}
    assert [step.name for step in found.after] == ["avgpool", "torch.flatten", "fc"]
    assert not any(step.invariant for step in found.after)


@pytest.mark.slow
def test_a_resnet_with_circular_padding():
    torch.manual_seed(0)
    net = circular(ResNet18().eval())
    net.maxpool = nn.Identity()                         # its padding has no circular mode
    found = network_report(net, 3, (32, 32), "torus", trials=1)
    assert found.first.title == "conv1 Conv2d" and found.first.reason.startswith("its stride (2, 2)")
    lattices = [one.report.lattice[0] for one in found.layers]
    assert lattices == sorted(lattices) and sorted(set(lattices)) == [2, 4, 8, 16]
    assert [step.invariant for step in found.after] == [True, True, True]


class Nosy(nn.Module):
    """It changes what it can, draws from all generators, and fails at the end."""

    def __init__(self, error):
        super().__init__()
        self.conv, self.norm, self.error = nn.Conv2d(1, 1, 3, **CIRCLE), nn.BatchNorm2d(1), error
        self.conv.weight.grad = torch.ones_like(self.conv.weight)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        x = self.norm(self.conv(x)) + torch.rand(1) + random.random() + np.random.rand()        # noqa: NPY002
        self.calls += 1
        self.conv.weight.data.mul_(-0.0)
        self.conv.weight.grad += 1
        self.conv.weight.requires_grad_(False)
        self.eval()
        if self.error and self.calls > 2:
            raise self.error
        return x

    def __deepcopy__(self, memo):
        raise RuntimeError("no copy, so that the module itself is called")


@pytest.mark.parametrize("function", [
    lambda net: verify_convolution(net, 1, (4, 4), trials=1), lambda net: layer_reports(net, 1, (4, 4), trials=1),
    lambda net: verify_convolution(lambda x: net(x), 1, (4, 4), trials=1)])
@pytest.mark.parametrize("error", [None, RuntimeError("no"), KeyboardInterrupt()])
def test_nothing_is_changed_also_by_an_operator_that_raises(function, error):
    net = Nosy(error).train()
    with torch.no_grad():
        net.conv.weight[0, 0, 0] = torch.tensor([-0.0, 0.0, float("nan")])
    state = lambda: (bits(net), torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist(),
                     torch.is_grad_enabled(), [one.requires_grad for one in net.parameters()])     # noqa: NPY002
    before = state()
    with pytest.raises((OperatorError, KeyboardInterrupt, AssertionError)):
        function(net)
        assert not error                                # then there is nothing to raise
        raise AssertionError
    assert state() == before
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())


def test_the_command_line(tmp_path, capsys):
    from minicnn.cli.main import main
    (tmp_path / "my.py").write_text(
        "from torch import nn\nnet = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Unflatten(1, (1, 8, 8)), "
        "nn.MaxPool2d(2), nn.Flatten())\n")
    assert main(["verify", f"{tmp_path}/my.py:net", "--layers", "--size", "8,8", "--quiet"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "0 ReLU: not linear; equivariant to all shifts 1 Flatten: not judged, because its output is no image" in out
    assert "first layer that breaks equivariance: 3 MaxPool2d why: its stride (2, 2) keeps only shifts" in out
    assert "after the last image: 4 Flatten: not invariant to shifts by multiples of 2 down, 2 across: the shift" in out
