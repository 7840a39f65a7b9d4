"""The overhaul of feature distillation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from distillkit.functional import margin_distance
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.typing import Labels, Outputs


class OFD(FeatureLoss):
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

    @property
    def is_mean_over_examples(self) -> bool:
        """No: batch normalisation relates the examples of a batch."""
        return False

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """A connection for each pair."""
        pairs = self.pairs_of_maps(student, teacher)
        return nn.ModuleList([_Connection(one.shape[1], other.shape[1]) for one, other in pairs])

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at."""
        each = []
        for connect, (one, other) in zip(
            self.learnt(student).children(), self.pairs(student, teacher), strict=True
        ):
            connected, margin = connect(one, other)
            each.append(margin_distance(student=connected, teacher=other, margin=margin))
        return torch.stack(each).sum()


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
