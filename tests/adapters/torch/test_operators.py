"""Operators of PyTorch as they stand: the right verdict and lattice, and nothing changed by looking."""

import copy
from functools import partial

import numpy as np
import pytest

from minicnn.equivariance import EquivarianceError, assert_equivariant, impulse_response, verify_convolution

from .networks import (
    CIRCLE,
    Attention,
    Autocast,
    Block,
    BlurPool,
    ConvNeXt,
    Coordinates,
    Deformable,
    FourierLayer,
    PatchEmbedding,
    Positions,
    SqueezeExcite,
    UNet,
    shear,
)

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
CONVOLUTION, CONSTANT = "a convolution", "a convolution plus a constant"
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)


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
    "area": (lambda: partial(F.interpolate, scale_factor=0.5, mode="area"), "not a convolution, but every", TWO),
    "nearest-exact": (lambda: nn.Upsample(scale_factor=3, mode="nearest-exact"), "not a convolution, but one", ALL),
    "to a half": (lambda: partial(F.interpolate, scale_factor=0.5, mode="bilinear"), "not a convolution, but", TWO),
    "ceil mode": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=False), "not a convolution at the border", NONE),
    "unfold": (lambda: nn.PixelUnshuffle(2), "not a convolution, but every 2 x 2-th pixel of one", TWO),
    "grid_sample": (lambda: shear, "linear", NONE),
    "blur pool": (lambda: BlurPool(), "not a convolution, but every 2 x 2-th pixel of one", TWO),
    "U-Net": (lambda: UNet(), "not linear; equivariant to multiples of 2", TWO),
    "U-Net with corners": (lambda: UNet("bilinear"), "not linear; equivariant to no shift", NONE),
    "ConvNeXt": (lambda: ConvNeXt(), "not linear; equivariant to all shifts", ALL),
    "ConvNeXt with zeros": (lambda: ConvNeXt("zeros"), "not linear; equivariant to no shift", NONE),
    "patches": (lambda: PatchEmbedding(False), "not a convolution, but every 4 x 4-th pixel of one plus", (4, 4)),
    "patches with positions": (lambda: PatchEmbedding(True), "not a convolution, but every 4 x 4-th pixel of", NONE),
    "attention": (lambda: Attention(False), "not linear; equivariant to all shifts", ALL),
    "attention with positions": (lambda: Attention(True), "not linear; equivariant to no shift", NONE),
    "deformable": (lambda: Deformable(), "not linear; equivariant to all shifts", ALL),
    "coordinates": (lambda: Coordinates(), "not a convolution, but one plus an image that is not constant", NONE),
    "squeeze and excite": (lambda: SqueezeExcite(), "not linear; equivariant to all shifts", ALL),
    "autocast, which leaves float64": (lambda: Autocast(), CONVOLUTION, ALL),
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


def test_a_module_in_training_mode_is_named():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, **CIRCLE), nn.Dropout(0.5))
    hint = "; module 1 (Dropout) is in training mode: call eval()"
    assert verify_convolution(net, size=(8, 8), trials=2).verdict.endswith(hint)
    assert verify_convolution(net.eval(), size=(8, 8), trials=2).convolution


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_copy_of_a_module_with_few_bits_is_told(kind):
    report = verify_convolution(nn.Conv2d(1, 2, 3, **CIRCLE).to(kind), size=(8, 8), trials=2)
    name = str(kind).removeprefix("torch.")
    assert report.convolution and report.dtype == "float64"
    assert report.called == f"called with tensors of PyTorch, a float64 copy of the {name} module"
    assert "copy" not in verify_convolution(nn.Conv2d(1, 2, 3), size=(8, 8), trials=2, domain="window").called


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


def test_a_module_that_cannot_be_copied_is_called_itself():
    class Once(nn.Conv2d):
        def __deepcopy__(self, memo):
            raise RuntimeError("no")
    net = Once(1, 1, 3, **CIRCLE)
    before = bits(net)
    report = verify_convolution(net, size=(8, 8), trials=2)
    assert report.verdict == CONSTANT and report.dtype == "float32" and bits(net) == before
    assert copy.copy(net) is not net
