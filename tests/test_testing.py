"""`check_loss` lets right losses pass and says what is wrong with others."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch

from distillkit.losses import DIST, DKD, ChunkedSoftTargets, HardLabels, LogitMatching, Loss, hinton
from distillkit.testing import check_loss


@pytest.mark.parametrize(
    "loss",
    [
        DIST(),
        DKD(),
        ChunkedSoftTargets(),
        HardLabels(),
        LogitMatching(),
        hinton(temperature=4, hard_label_weight=0.1),
    ],
    ids=repr,
)
def test_losses_of_distillkit_pass(loss: Loss) -> None:
    """Also one that relates examples, and one of several contributions."""
    check_loss(loss)


@pytest.fixture
def wrong() -> type[Loss]:
    """A class of losses that are as wrong as their field says."""

    class Wrong(Loss):
        """As wrong as its field says."""

        kind: Literal["wrong_for_a_test"] = "wrong_for_a_test"
        how: str

        @property
        def is_mean_over_examples(self) -> bool:
            """A lie, in one case."""
            return self.how != "says that it is no mean"

        @property
        def gradient_is_of_the_value(self) -> bool:
            """Likewise."""
            return self.how != "says that a part is fixed"

        def contributions(self, **sides: Any) -> dict[str, torch.Tensor]:
            """Twice the loss, in one case."""
            parts = super().contributions(**sides)
            return {**parts, "again": parts[self.kind]} if self.how == "adds more" else parts

        def __call__(self, *, student: Any, teacher: Any, labels: Any) -> torch.Tensor:
            """The squared distance, somehow."""
            z, v = student.logits, teacher.logits
            if self.how == "writes":
                v.copy_(v - v.mean(dim=-1, keepdim=True))
            if self.how != "keeps 16 bits":
                z, v = (one.float() if one.dtype.itemsize < 4 else one for one in (z, v))
            if self.how == "rounds":
                z = z.float()
            each = (z - v).square().sum(dim=-1)
            if self.how == "hides a part":
                each = each * each.detach()
            if self.how == "looks at the first class":
                each = each + z[..., 0]
            if self.how == "overflows":
                each = (each / 100).exp()
            if self.how == "sums":
                return each.sum()
            return each if self.how == "is no scalar" else each.mean()

    return Wrong


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("sums", "average over the batch"),
        ("is no scalar", "must be a scalar, and has the shape [6]"),
        ("says that it is no mean", "and it is one"),
        ("says that a part is fixed", "the loss says that it is not"),
        ("hides a part", "its gradient is not that of its value"),
        ("rounds", "its gradient is not that of its value"),
        ("looks at the first class", "another order"),
        ("writes", "writes to its inputs"),
        ("keeps 16 bits", "is computed in torch.float16"),
        ("overflows", "not finite"),
        ("adds more", "do not add up"),
    ],
)
def test_what_is_wrong_is_said(wrong: type[Loss], how: str, told: str) -> None:
    """In one sentence that begins with the loss."""
    with pytest.raises(AssertionError) as caught:
        check_loss(wrong(how=how))
    assert str(caught.value).startswith("Wrong(kind='wrong_for_a_test', how=")
    assert told in str(caught.value)


def test_a_class_that_files_do_not_know() -> None:
    """A field that is written in a way that is not read."""

    class Forgetful(LogitMatching):
        """Loses a setting on the way."""

        kind: Literal["forgetful_for_a_test"] = "forgetful_for_a_test"  # type: ignore[assignment]
        how: str

        def to_dict(self) -> dict[str, Any]:
            """Something else."""
            return {"kind": self.kind, "how": "otherwise"}

    with pytest.raises(AssertionError, match="came back from a file as Forgetful"):
        check_loss(Forgetful(how="well"))
