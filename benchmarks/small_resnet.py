"""A ResNet small enough for a CPU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class SmallResNet(nn.Module):
    """A stem and three basic blocks, of 16, 32 and 64 channels, for images of 32 x 32 in ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(BasicBlock(16, 16), _halving(16, 32), _halving(32, 64))
        self.classes = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `[batch, 3, height, width]`."""
        features = self.blocks(self.stem(images))
        logits: Tensor = self.classes(F.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits


def _halving(before: int, after: int) -> BasicBlock:
    """A block that halves the image."""
    shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after))
    return BasicBlock(before, after, stride=2, downsample=shortcut)
