"""Knowledge review."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillkit.functional import hierarchical_distance
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.losses.needs import Needs
from distillkit.typing import Labels, Outputs

_WIDEST = 512


class ReviewKD(FeatureLoss):
    """Each of the teacher's layers from the student's at that depth and all deeper ones.

    From the deepest pair to the first, the student's maps are narrowed to a common width, mixed with what
    came from below by an attention that is learnt, and widened to the teacher's channels; there they are
    compared on several grids (`functional.hierarchical_distance`). The losses of the levels are added.
    `layers` are named from shallow to deep. The mixing is learnt beside the student: 1 × 1 and 3 × 3
    convolutions with batch normalisation, of the width of the student's deepest layer, at most 512.

    Batch normalisation looks across the examples of a batch, so the loss is not the mean of theirs.

    The authors' code pairs the ends of all stages, the averaged last maps among them, and for CIFAR-100 lets
    a weight of 0.6 to 8 grow over the first 20 epochs, beside `HardLabels`. It brings the student's maps to
    the teacher's size; here both are averaged to the smaller one.

    Example:
        >>> ReviewKD(layers={"layer*": "layer*"})
        ReviewKD(kind='review_kd', layers={'layer*': 'layer*'})

    Reference:
        Chen, Liu, Zhao, Jia, Distilling Knowledge via Knowledge Review, CVPR 2021, §3.
    """

    kind: Literal["review_kd"] = "review_kd"

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, by batch normalisation, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """A mixing for each pair, from shallow to deep."""
        pairs = self.pairs_of_maps(student, teacher)
        width = min(_WIDEST, pairs[-1][0].shape[1])
        return nn.ModuleList(
            [
                _Mixing(one.shape[1], width, other.shape[1], mixes=place < len(pairs) - 1)
                for place, (one, other) in enumerate(pairs)
            ]
        )

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        pairs = self.pairs(student, teacher)
        each = []
        deeper: Tensor | None = None
        mixings = list(self.learnt(student).children())
        for mixing, (one, other) in zip(reversed(mixings), reversed(pairs), strict=True):
            reviewed, deeper = mixing(one, deeper)
            each.append(hierarchical_distance(student=reviewed, teacher=other))
        return torch.stack(each).sum()


class _Mixing(nn.Module):
    """A layer's maps with those from deeper layers, for the teacher's layer and for the next one up."""

    def __init__(self, channels: int, width: int, of_teacher: int, *, mixes: bool) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
        self.widen = nn.Sequential(
            nn.Conv2d(width, of_teacher, 3, padding=1, bias=False), nn.BatchNorm2d(of_teacher)
        )
        self.attend = nn.Sequential(nn.Conv2d(2 * width, 2, 1), nn.Sigmoid()) if mixes else None

    def forward(self, maps: Tensor, deeper: Tensor | None) -> tuple[Tensor, Tensor]:
        """Maps of the teacher's channels, and of the common width."""
        own: Tensor = self.narrow(maps)
        if self.attend is not None and deeper is not None:
            deeper = F.interpolate(deeper, size=own.shape[-2:], mode="nearest")
            shares = self.attend(torch.cat([own, deeper], dim=1))
            own = own * shares[:, :1] + deeper * shares[:, 1:]
        return self.widen(own), own
