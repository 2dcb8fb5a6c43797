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
