"""The overhaul of feature distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from distillkit.functional import margin_distance
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.needs import Needs
from distillkit.typing import Outputs


class OFD(DistanceLoss):
    """Squared distance of features before their ReLU, without what it takes away on both sides.

    The teacher's are cut off below at a margin, and where the student is below a target that is not above 0,
    it is let be; the formula is at `functional.margin_distance`. The losses of the pairs are added. Name
    layers that a ReLU follows, such as the batch normalisations at the ends of stages.

    Learnt beside the student is a 1 × 1 convolution with batch normalisation to the teacher's channels. The
    margin of a channel is the mean of its negative values over all batches so far, which the paper allows
    beside an estimate from the teacher's batch normalisation; its code has the latter. Maps of two sizes are
    averaged to the smaller one.

    Batch normalisation looks across the examples of a batch, so the loss is not the mean of theirs.

    The authors' code adds an example's squares instead of averaging them, halves the weight from each stage
    to the one above it, and multiplies by 1/1000 (1/10,000 for ImageNet), beside `HardLabels`. Averages are
    such a halving where a stage has half the numbers of the one above.

    Example:
        >>> OFD(layers={"layer4.1.bn2": "layer4.2.bn3"})
        OFD(kind='ofd', layers={'layer4.1.bn2': 'layer4.2.bn3'})

    Reference:
        Heo, Kim, Yun, Park, Kwak, Choi, A Comprehensive Overhaul of Feature Distillation, ICCV 2019.
    """

    kind: Literal["ofd"] = "ofd"

    def needs(self) -> Needs:
        """Return that it relates the examples of a batch, by batch normalisation, beside the rest."""
        return replace(super().needs(), whole_batch=True)

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """A connection for each pair."""
        pairs = self.pairs_of_maps(student, teacher)
        return nn.ModuleList([_Connection(one.shape[1], other.shape[1]) for one, other in pairs])

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of the student's maps, in the teacher's channels, from the teacher's."""
        connected, margin = adapter(student, teacher)
        return margin_distance(student=connected, teacher=teacher, margin=margin)


class _Connection(nn.Module):
    """The student's maps in the teacher's channels, and the margins of these."""

    negative_sums: Tensor
    negatives: Tensor

    def __init__(self, channels: int, of_teacher: int) -> None:
        super().__init__()
        self.convert = nn.Sequential(
            nn.Conv2d(channels, of_teacher, 1, bias=False), nn.BatchNorm2d(of_teacher)
        )
        self.register_buffer("negative_sums", torch.zeros(of_teacher))
        self.register_buffer("negatives", torch.zeros(of_teacher))

    def forward(self, maps: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The maps, and a margin ≤ 0 for each channel, to which these maps of the teacher are counted."""
        with torch.no_grad():
            below = teacher.clamp(max=0).to(self.negative_sums)
            self.negative_sums += below.sum(dim=(0, 2, 3))
            self.negatives += (below < 0).sum(dim=(0, 2, 3))
            margin = self.negative_sums / self.negatives.clamp(min=1)
        return self.convert(maps), margin
