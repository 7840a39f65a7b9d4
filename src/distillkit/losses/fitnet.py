"""Hints: what a layer of the teacher gives, to be regressed from a layer of the student."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from distillkit.functional import hint_regression
from distillkit.losses.distance_loss import DistanceLoss
from distillkit.losses.regressors import of_one_size, regressor
from distillkit.typing import Outputs


class FitNet(DistanceLoss):
    """Half the mean squared distance of the teacher's features from a regression on the student's.

    ‖u − r(v)‖² / 2 over the number of features, summed over the pairs of layers; v is the student's, u the
    teacher's, and r is learnt beside the student: a 1 × 1 convolution for maps, a linear layer otherwise.
    Maps of two sizes are averaged to the smaller one first.

    The paper has one pair of layers, the middle ones, and two stages: hints alone, then `hinton` from there;
    its regressor is a convolution that also meets the size, or a fully connected layer. Much published code
    adds the terms instead, with weight 100 on the mean square, which is 200 here.

    Example:
        >>> FitNet(layers={"layer2": "layer2"})
        FitNet(kind='fitnet', layers={'layer2': 'layer2'})

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio, FitNets: Hints for Thin Deep Nets, ICLR 2015: hints.
    """

    kind: Literal["fitnet"] = "fitnet"

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """A regressor for each pair."""
        return nn.ModuleList(
            [regressor(one.shape, other.shape) for one, other in self.pairs(student, teacher)]
        )

    def distance(self, student: Tensor, teacher: Tensor, adapter: Any) -> Tensor:
        """Return the distance of the regressed student from the teacher."""
        student, teacher = of_one_size(student, teacher)
        return hint_regression(student=adapter(student), teacher=teacher)
