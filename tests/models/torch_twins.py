"""The networks of minicnn.models as one writes them in PyTorch, with the same names in their state dicts."""

import torch
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(out_channels))

    def forward(self, x):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, in_channels=1, num_classes=10, widths=(32, 64), blocks=(3, 3)):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 5, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages, before = [], widths[0]
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = nn.Sequential(BasicBlock(before, width, 2 if i else 1),
                                  *(BasicBlock(width, width) for _ in range(count - 1)))
            setattr(self, f"layer{i + 1}", stage)
            self.stages.append(f"layer{i + 1}")
            before = width
        self.fc = nn.Linear(before, num_classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


def double_convolution(in_channels, out_channels):
    layers = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, in_channels=1, out_channels=1, widths=(16, 32, 64)):
        super().__init__()
        self.encoder = nn.ModuleList(double_convolution(a, b) for a, b in zip((in_channels, *widths), widths,
                                                                              strict=False))
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, width, 2, 2) for below, width in pairs)
        self.decoder = nn.ModuleList(double_convolution(2 * width, width) for _, width in pairs)
        self.last = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        multiple = 2 ** len(self.up)
        x = nn.functional.pad(x, (0, -width % multiple, 0, -height % multiple), "replicate")
        beside = [self.encoder[0](x)]
        for convolutions in self.encoder[1:]:
            beside.append(convolutions(self.pool(beside[-1])))
        x = beside.pop()
        for up, convolutions in zip(self.up, self.decoder, strict=True):
            x = convolutions(torch.cat([beside.pop(), up(x)], 1))
        return self.last(x)[:, :, :height, :width]
