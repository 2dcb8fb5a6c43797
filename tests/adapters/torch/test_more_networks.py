"""Networks of less usual kinds: the first step that breaks, its reason, and the lattice, as derived by hand."""

import pytest

from minicnn.equivariance.layerwise import NotJudged, network_report

from .networks import CIRCLE, Applied

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)


class Net(nn.Module):
    """`function(self, x)` with modules as attributes."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.function(self, x)


def parity(x):
    rows, columns = x.shape[2:]
    mask = ((torch.arange(rows)[:, None] + torch.arange(columns)) % 2).to(x)
    return torch.where(mask.bool(), x, -x)


def row_by_row(x):
    out = torch.empty_like(x)
    for i in range(x.shape[2]):
        out[:, :, i] = x[:, :, i - 1].relu()
    return out + 1


def windows(net, x):
    """Attention inside of windows of 4 x 4."""
    n, c, h, w = x.shape
    tokens = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
    tokens = net.attend(tokens, tokens, tokens)[0]
    return tokens.view(n, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


def neighbours(x):
    """Each pixel as a mean of its 3 x 3 neighbours, weighted by likeness."""
    n, c, h, w = x.shape
    near = F.unfold(F.pad(x, (1, 1, 1, 1), mode="circular"), 3).view(n, c, 9, h, w)
    weight = (near * x[:, :, None]).sum(1, keepdim=True).softmax(2)
    return (near * weight).sum(2)


def along_rows(net, x):
    n, c, h, w = x.shape
    rows = net.inner(x.permute(0, 2, 1, 3).reshape(n * h, c, w))
    return rows.reshape(n, h, c, w).permute(0, 2, 1, 3)


def recurrent(net, x):
    n, c, h, w = x.shape
    return net.inner(x.permute(0, 2, 3, 1).reshape(n * h, w, c))[0].reshape(n, h, w, c).permute(0, 3, 1, 2)


def by_heads(net, x):
    query, key, value = net.inner(x).flatten(2).chunk(3, 1)
    return x + (value @ (query.transpose(1, 2) @ key).softmax(-1).transpose(1, 2)).view_as(x)


def low_frequencies(x):
    kept = torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1))[..., 2:6, 2:6]
    return torch.fft.ifft2(torch.fft.ifftshift(kept, dim=(-2, -1))).real


KNOWN = {                       # network, the first step that breaks, the start of its reason, the lattice at the end
    "grouped and dilated": (lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=2, dilation=2, groups=2, padding_mode="circular"), nn.GELU(),
        nn.Conv2d(4, 2, 3, padding="same", dilation=3, padding_mode="circular")), None, "", ALL),
    "transposed": (lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1), "ConvTranspose2d",
                   "at the border of its output the pixels of the opposite side are missing: before it, pad", NONE),
    "transposed without overlap": (lambda: nn.ConvTranspose2d(2, 2, 2, stride=2), "ConvTranspose2d",
                                   "its stride (2, 2) makes the phases of the output differ", ALL),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d(4), "AdaptiveAvgPool2d", "its windows depend on the size of the image, "
                 "and step over several pixels: filter, and pool with a stride", TWO),
    "down by area": (lambda: Applied(lambda x: F.interpolate(x, scale_factor=0.5, mode="area")), "F.interpolate",
                     "it makes the image smaller, and keeps only shifts by multiples of 2: filter before it", TWO),
    "mirrored pixels before": (lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(2, 2, 3)), "1 Conv2d",
                               "0 ReflectionPad2d: it pads reflection at the border", NONE),
    "parity": (lambda: Applied(parity), "torch.where", "it uses a tensor (8, 8) with a value for each position", TWO),
    "row by row": (lambda: Applied(row_by_row), None, "", ALL),
    "windows": (lambda: Net(windows, attend=nn.MultiheadAttention(2, 1, batch_first=True)), "reshape",
                "it moves pixels by their places into other rows and columns, as a partition into windows", (4, 4)),
    "neighbours": (lambda: Applied(neighbours), None, "", ALL),
    "along rows": (lambda: Net(along_rows, inner=nn.Conv1d(2, 2, 3, **CIRCLE)), None, "", ALL),
    "recurrent": (lambda: Net(recurrent, inner=nn.LSTM(2, 2, batch_first=True)), "reshape",
                  "inner LSTM: it reads the positions from one side", (1, None)),
    "attention by hand": (lambda: Net(by_heads, inner=nn.Conv2d(2, 6, 1)), None, "", ALL),
    "low frequencies": (lambda: Applied(low_frequencies), "real", "", TWO),
    "group norm": (lambda: nn.Sequential(nn.GroupNorm(1, 2), nn.SiLU(inplace=True), nn.Conv2d(2, 2, 3, **CIRCLE)), None,
                   "", ALL),
    "shared": (lambda: nn.Sequential(*3 * [nn.Conv2d(2, 2, 3, **CIRCLE)]), None, "", ALL),
    "rotated": (lambda: Net(lambda net, x: sum(torch.rot90(net.inner(torch.rot90(x, k, (2, 3))), -k, (2, 3))
                                               for k in range(4)), inner=nn.Conv2d(2, 2, 3, **CIRCLE)), None, "", ALL),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_first_step_that_breaks_equivariance(name):
    torch.manual_seed(0)
    make, title, why, lattice = KNOWN[name]
    found = network_report(make(), 2, (8, 8), "torus", trials=1)
    assert (found.first and found.first.title) == title, found
    assert found.layers[-1].report.lattice == lattice and not found.after
    if title:
        assert found.first.reason.startswith(why)


def test_four_axes_at_the_end_that_are_no_image_of_that_size():
    """The magnitudes of a spectrum are invariant, and 8 x 5 of them fit no torus of 8 x 8."""
    found = network_report(Applied(lambda x: torch.fft.rfft2(x).abs()), 2, (8, 8), "torus", trials=1)
    assert found.steps == [] and [one.invariant for one in found.after] == [False, True]
    last = network_report(Applied(lambda x: x.permute(2, 3, 0, 1).contiguous()), 2, (8, 8), "torus", trials=1)
    assert all(isinstance(one, NotJudged) for one in (*last.steps, *last.after))


def test_an_image_with_channels_last_that_is_known_at_the_end_only():
    net = Applied(lambda x: x.mean(3).flip(2).unsqueeze(3))
    found = network_report(net, 3, (4, 8), "torus", layout="nhwc", trials=1)
    assert [isinstance(one, NotJudged) for one in found.steps] == [True, True, False]
    assert found.first.name == "unsqueeze" and found.first.report.lattice == (1, 4)
    assert found.first.reason.startswith("flip: it mirrors the image")


@pytest.mark.parametrize(("net", "why"), [
    (lambda: nn.Conv2d(2, 2, 3, **CIRCLE), "it pads with the pixels of the opposite side of the image"),
    (lambda: nn.CircularPad2d(1), "it pads with the pixels of the opposite side of the image: judge it on the torus"),
    (lambda: Applied(lambda x: F.pad(x, (1, 1, 1, 1), mode="circular")), "it pads with the pixels of the opposite"),
    (lambda: nn.InstanceNorm2d(2), "its statistics are those of all pixels, and a shift moves pixels in and out"),
    (lambda: nn.GroupNorm(1, 2), "its statistics are those of all pixels")])
def test_what_only_the_torus_keeps(net, why):
    torch.manual_seed(0)
    assert network_report(net(), 2, (12, 12), "window", trials=1).first.reason.startswith(why)
    on_torus = network_report(net(), 2, (12, 12), "torus", trials=1) if "pads" not in why else None
    assert on_torus is None or on_torus.first is None
