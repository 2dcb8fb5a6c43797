"""Networks of PyTorch of the usual kinds, small, on images of 8 x 8 pixels with 2 channels; and a whole ResNet-18."""

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
CIRCLE = {"padding": 1, "padding_mode": "circular"}


class Applied(nn.Module):
    """A function as a module, so that it has a walk."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


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


class BlurPool(nn.Module):
    """Zhang 2019: filter by 1 2 1, then every second pixel; the image repeats."""

    def __init__(self):
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("taps", (taps[:, None] * taps).expand(2, 1, 3, 3).clone())

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), self.taps, stride=2, groups=2)


class JoinedSlices(nn.Module):
    """A convolution after circular padding that slices make: a slice alone is equivariant to no shift."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3)

    def forward(self, x):
        x = torch.cat([x[:, :, -1:], x, x[:, :, :1]], 2)
        return self.conv(torch.cat([x[..., -1:], x, x[..., :1]], 3))


class UNet(nn.Module):
    """One level: down by a pool, up by F.interpolate, and the concatenation."""

    def __init__(self, mode="nearest"):
        super().__init__()
        self.down, self.inner = nn.Conv2d(2, 3, 3, **CIRCLE), nn.Conv2d(3, 3, 3, **CIRCLE)
        self.up, self.mode = nn.Conv2d(6, 2, 3, **CIRCLE), mode

    def forward(self, x):
        x = F.relu(self.down(x))
        inner = F.relu(self.inner(F.max_pool2d(x, 2)))
        corners = {"align_corners": True} if self.mode == "bilinear" else {}
        return self.up(torch.cat([x, F.interpolate(inner, scale_factor=2, mode=self.mode, **corners)], 1))


class ConvNeXt(nn.Module):
    """Liu et al. 2022: depthwise convolution, LayerNorm and two Linear on channels last, layer scale, residual."""

    def __init__(self, padding_mode="circular"):
        super().__init__()
        self.depthwise = nn.Conv2d(2, 2, 7, padding=3, groups=2, padding_mode=padding_mode)
        self.norm, self.up, self.down = nn.LayerNorm(2), nn.Linear(2, 8), nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.rand(2))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class PatchEmbedding(nn.Module):
    """The first layer of a ViT: a convolution with stride 4, and optionally an embedding of the positions."""

    def __init__(self, positions):
        super().__init__()
        self.patches = nn.Conv2d(2, 3, 4, 4)
        self.positions = nn.Parameter(torch.randn(1, 3, 2, 2)) if positions else None

    def forward(self, x):
        x = self.patches(x)
        return x if self.positions is None else x + self.positions


class Attention(nn.Module):
    """Self-attention of all pixels, as in a transformer; optionally with an embedding of the positions."""

    def __init__(self, positions):
        super().__init__()
        self.attend = nn.MultiheadAttention(2, 1, batch_first=True)
        self.positions = nn.Parameter(torch.randn(1, 64, 2)) if positions else None

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens if self.positions is None else tokens + self.positions
        return self.attend(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class Deformable(nn.Module):
    """Each pixel fetches another one, at an offset that a convolution predicts; rounded, on the torus, by gather."""

    def __init__(self):
        super().__init__()
        self.offsets = nn.Conv2d(2, 2, 3, **CIRCLE)

    def forward(self, x):
        n, c, h, w = x.shape
        dy, dx = (3 * self.offsets(x)).round().long().unbind(1)
        y, x0 = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        place = ((y + dy) % h * w + (x0 + dx) % w).reshape(n, 1, h * w).expand(n, c, h * w)
        return x.flatten(2).gather(2, place).reshape(n, c, h, w)


class Coordinates(nn.Module):
    """CoordConv (Liu et al. 2018): two channels say where a pixel is."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        y, x0 = torch.meshgrid(torch.linspace(-1, 1, 8), torch.linspace(-1, 1, 8), indexing="ij")
        places = torch.stack([y, x0]).to(x.dtype).expand(len(x), 2, 8, 8)
        return self.conv(torch.cat([x, places], 1))


class SqueezeExcite(nn.Module):
    """Hu et al. 2018: the mean of each channel decides its gain."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate = nn.Conv2d(2, 4, 3, **CIRCLE), nn.Linear(4, 4)

    def forward(self, x):
        x = self.conv(x)
        return x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, bias=False, **CIRCLE)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.conv(x).to(x.dtype)


class Classifier(nn.Module):
    """Circular convolution, ReLU, `reduce`, Linear."""

    def __init__(self, reduce, numbers, pool=1):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 3, 3, **CIRCLE), nn.Linear(numbers, 5)
        self.reduce, self.pool = reduce, pool

    def forward(self, x):
        return self.head(self.reduce(F.max_pool2d(torch.relu(self.conv(x)), self.pool)))


class BasicBlock(nn.Module):
    def __init__(self, before, after, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(after), nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    """He et al. 2016, with the layers, names and operations in place of torchvision's."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        for number, (before, after, stride) in enumerate([(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)], 1):
            setattr(self, f"layer{number}", nn.Sequential(BasicBlock(before, after, stride), BasicBlock(after, after)))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(512, 1000)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def circular(net):
    """The network with circular padding in all convolutions."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.padding_mode = "circular"
            module._reversed_padding_repeated_twice = [n for n in module.padding[::-1] for _ in range(2)]
    return net


def shear(x):
    rows = torch.tensor([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0]], dtype=x.dtype).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(rows, list(x.shape), align_corners=False), align_corners=False)
