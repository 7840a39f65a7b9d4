"""`check_loss` lets right losses pass and says what is wrong with others."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from pydantic import Field

from distillkit import testing
from distillkit.errors import ConfigurationError
from distillkit.losses import (
    DIST,
    DKD,
    SP,
    FeatureLoss,
    FitNet,
    HardLabels,
    LogitMatching,
    Loss,
    Needs,
    hinton,
)
from distillkit.testing import check_loss, checks_for, examples_of


@pytest.mark.parametrize(
    "loss",
    [
        DIST(),
        DKD(),
        HardLabels(),
        LogitMatching(),
        hinton(temperature=4, hard_label_weight=0.1),
        FitNet(layers={"layer[34]": "stages.?"}),
        SP(layers={"pool": "pool"}),
    ],
    ids=repr,
)
def test_losses_of_distillkit_pass(loss: Loss) -> None:
    """Also those that relate examples, have several contributions, or look at layers."""
    check_loss(loss)


@pytest.fixture
def wrong() -> type[Loss]:
    """A class of losses that are as wrong as their field says."""

    class Wrong(Loss):
        """As wrong as its field says."""

        kind: Literal["wrong_for_a_test"] = "wrong_for_a_test"
        how: str

        def needs(self) -> Needs:
            """A lie, in one case."""
            return Needs(whole_batch=self.how == "says that it is no mean")

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
            if self.how == "leads away":
                each = -each
            if self.how == "weighs tokens":
                each = each * each.shape[-1]
            if self.how == "looks at the first example":
                each = each + each[:1]
            if self.how == "is coarse":
                each = each * (1.1 if student.logits.dtype == torch.bfloat16 else 1)
            if self.how == "multiplies":
                each = ((z - v) @ torch.eye(z.shape[-1], dtype=z.dtype)).square().sum(dim=-1)
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


@pytest.mark.parametrize(
    ("how", "check", "told"),
    [
        ("looks at the first example", testing.ignores_the_order_of_examples, "order of the examples"),
        ("weighs tokens", testing.takes_tokens, "its rows are the tokens of several examples"),
        ("leads away", testing.leads_to_the_teachers_answer, "does not lead to what the teacher"),
        ("is coarse", testing.is_close_in_bfloat16, "where what it sees is rounded to bfloat16"),
        ("multiplies", testing.ignores_autocast, "is another number under autocast"),
        ("is not centred", testing.is_0_for_one_class, "is 9 where there is one class"),
    ],
)
def test_a_promise_by_itself(wrong: type[Loss], how: str, check: testing.Check, told: str) -> None:
    """Each can be called alone, and all of them are among those that `check_loss` calls."""
    loss = wrong(how=how)
    assert check in checks_for(loss)
    with pytest.raises(AssertionError, match=told):
        check(loss)


@pytest.fixture
def wrong_on_features() -> type[FeatureLoss]:
    """A class of losses on features that are as wrong as their field says."""

    class WrongOnFeatures(FeatureLoss):
        """As wrong as its field says."""

        kind: Literal["wrong_on_features_for_a_test"] = "wrong_on_features_for_a_test"
        how: str

        def __call__(self, *, student: Any, teacher: Any, labels: Any) -> torch.Tensor:
            """The mean squared distance, somehow."""
            return sum(
                self._of(*(one.float() if one.dtype.itemsize < 4 else one for one in pair))
                for pair in self.pairs(student, teacher)
            )

        def _of(self, s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            if self.how == "asks for a height":
                return (s.mean(dim=3)[:, 0] - t.mean(dim=3)[:, 0]).square().mean()
            if self.how == "compares means":
                return (s.mean() - t.mean()).square()
            if s.shape != t.shape:
                raise ConfigurationError("Features must be of one shape.")
            if self.how == "takes lengths":
                return s.flatten(1).norm(dim=1).mean() / s.flatten(1).norm(dim=1).max()
            if self.how == "divides by differences":
                return ((s - t).square().mean() / (s[0] - s[1]).square().mean()).sqrt()
            found = (s - t).square().mean()
            return found + 1 if self.how == "ends at 1" else found

    return WrongOnFeatures


@pytest.mark.parametrize(
    ("how", "check", "told"),
    [
        ("asks for a height", testing.explains_other_shapes, "raise a ConfigurationError with a sentence"),
        ("asks for a height", testing.explains_vectors_and_tokens, r"of features \[6, 7\] it says Index"),
        ("compares means", testing.refuses_other_examples, "six examples of the student with five"),
        ("takes lengths", testing.is_finite_for_extreme_features, "not finite for features of up to ±0 in"),
        ("divides by differences", testing.is_finite_for_equal_examples, "a batch of equal examples"),
        ("ends at 1", testing.is_0_for_equal_layers, "is 2 where the layers of both sides agree"),
        ("ends at 1", testing.can_be_learnt, "after three hundred steps that minimise it"),
    ],
)
def test_a_promise_on_features(
    wrong_on_features: type[FeatureLoss], how: str, check: testing.Check, told: str
) -> None:
    """As of those on logits."""
    loss = wrong_on_features(layers={"a": "x", "b": "y"}, how=how)
    assert check in checks_for(loss)
    with pytest.raises(AssertionError, match=told) as caught:
        check(loss)
    assert str(caught.value).startswith("WrongOnFeatures(kind=")


def test_layers_of_the_shape_that_a_loss_takes() -> None:
    """Vectors for one that refuses maps in a sentence; it is held to all the rest with them."""

    class OfVectors(FeatureLoss):
        """The mean squared distance of vectors."""

        kind: Literal["of_vectors_for_a_test"] = "of_vectors_for_a_test"

        def __call__(self, *, student: Any, teacher: Any, labels: Any) -> torch.Tensor:
            """The sum over the pairs."""
            total = torch.zeros(())
            for pair in self.pairs(student, teacher):
                s, t = (one.float() if one.dtype.itemsize < 4 else one for one in pair)
                if s.dim() != 2 or s.shape != t.shape:
                    raise ConfigurationError("Features must be [batch, numbers], of one shape.")
                total = total + (s - t).square().mean()
            return total

    check_loss(OfVectors(layers={"a": "x", "b": "y"}))


def test_examples_are_those_that_the_fields_say() -> None:
    """All of the longest list; a shorter one begins again."""

    class Shown(LogitMatching):
        """Two fields without a default."""

        kind: Literal["shown_for_a_test"] = "shown_for_a_test"  # type: ignore[assignment]
        share: float = Field(gt=0, examples=[0.1, 0.5, 0.9])
        steps: int = Field(examples=[1, 2])

    assert [(one.share, one.steps) for one in examples_of(Shown)] == [(0.1, 1), (0.5, 2), (0.9, 1)]
    assert examples_of(LogitMatching) == [LogitMatching()]


def test_a_field_without_default_and_examples_is_an_error(wrong: type[Loss]) -> None:
    """That says what to write."""
    with pytest.raises(ConfigurationError, match=r"Wrong has no default for 'how' .* how: .* = Field\(exam"):
        examples_of(wrong)


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
