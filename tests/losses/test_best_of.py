"""The best of several teachers for each example: against a loop, and through a training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from distillkit import Distiller, Ensemble, fit_together, losses, transfer_sets
from distillkit.errors import ConfigurationError
from distillkit.functional import best_member
from distillkit.layer_names import MEMBER_LOGITS
from distillkit.losses import (
    AT,
    DIST,
    BestOf,
    CorrectedTeacher,
    HardLabels,
    SoftTargets,
    Standardized,
    WeightedSum,
)
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
MEMBERS = torch.randn(40, 3, 5, generator=GENERATOR, dtype=torch.float64) * 3
STUDENT = torch.randn(40, 5, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.randint(5, (40,), generator=GENERATOR)


def by_hand() -> tuple[Tensor, list[int]]:
    """The best member's logits of each example, and which it is, in Python alone."""
    rows, chosen = [], []
    for voices, label in zip(MEMBERS.tolist(), LABELS.tolist(), strict=True):
        wrong = [math.log(sum(map(math.exp, row))) - row[label] for row in voices]
        chosen.append(wrong.index(min(wrong)))
        rows.append(voices[chosen[-1]])
    return torch.tensor(rows, dtype=torch.float64), chosen


def outputs(mix: Tensor | None = None) -> Outputs:
    """An ensemble's, of which what it says together does not matter."""
    return Outputs(MEMBERS.mean(dim=1) if mix is None else mix, {MEMBER_LOGITS: MEMBERS})


def test_equals_a_loop() -> None:
    """The member of the lowest cross-entropy speaks, another one from example to example."""
    expected, chosen = by_hand()
    assert set(chosen) == {0, 1, 2}
    assert torch.equal(best_member(members=MEMBERS, labels=LABELS), expected)


def test_a_certain_member_and_a_class_ruled_out() -> None:
    """Logits of ±1e4 and of −∞ are compared as others; of equals the first is taken."""
    sure = torch.tensor([[[1e4, -1e4, 0.0], [1.0, 2.0, -torch.inf], [1.0, 2.0, -torch.inf]]])
    for label, best in enumerate([0, 1, 0]):
        assert torch.equal(best_member(members=sure, labels=torch.tensor([label])), sure[:, best])
    same = torch.stack([MEMBERS[:, 0], MEMBERS[:, 0] + 1], dim=1)
    # a constant a row changes no probability, but for rounding
    assert torch.equal(best_member(members=same[:, [0, 0]], labels=LABELS), MEMBERS[:, 0])


def test_each_token_has_its_own() -> None:
    """`[batch, members, tokens, classes]` gives what the tokens as one batch give."""
    tokens = MEMBERS.view(8, 5, 3, 5).movedim(2, 1)
    found = best_member(members=tokens, labels=LABELS.view(8, 5))
    assert torch.equal(found.reshape(40, 5), by_hand()[0])


@pytest.mark.parametrize("inner", [SoftTargets(temperature=4), losses.DKD(), CorrectedTeacher()], ids=repr)
def test_the_loss_inside_sees_the_best(inner: losses.Loss) -> None:
    """It is the loss with the teacher chosen by hand, whatever the ensemble says together."""
    expected = inner(student=Outputs(STUDENT), teacher=Outputs(by_hand()[0]), labels=LABELS)
    for mix in (None, torch.zeros(40, 5, dtype=torch.float64)):
        found = BestOf(loss=inner)(student=Outputs(STUDENT), teacher=outputs(mix), labels=LABELS)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_it_is_not_the_loss_of_the_best_member() -> None:
    """No single member says what the best of them say."""
    best = BestOf()(student=Outputs(STUDENT), teacher=outputs(), labels=LABELS)
    for member in range(3):
        alone = SoftTargets(temperature=4)(
            student=Outputs(STUDENT), teacher=Outputs(MEMBERS[:, member]), labels=LABELS
        )
        assert not torch.isclose(best, alone, rtol=1e-3)


def test_what_it_needs() -> None:
    """Labels, a teacher, an Ensemble: a sentence each; and shapes that belong together."""
    loss, student = BestOf(), Outputs(STUDENT)
    with pytest.raises(ConfigurationError, match="BestOf needs labels"):
        loss(student=student, teacher=outputs(), labels=None)
    with pytest.raises(ConfigurationError, match="BestOf compares the student with a teacher"):
        loss(student=student, teacher=None, labels=LABELS)
    with pytest.raises(
        ConfigurationError, match="The teacher is no Ensemble, and the loss uses the logits of each"
    ):
        loss(student=student, teacher=Outputs(STUDENT), labels=LABELS)
    with pytest.raises(ConfigurationError, match=r"got \[40, 5\] and \[40\]"):
        best_member(members=STUDENT, labels=LABELS)
    with pytest.raises(ConfigurationError, match=r"got \[40, 3, 5\] and \[20\]"):
        best_member(members=MEMBERS, labels=LABELS[:20])


def test_what_changes_the_teacher_goes_inside() -> None:
    """Around it, the change would be lost, so that is refused, in a sum and in a file too."""
    with pytest.raises(ConfigurationError, match="put Standardized inside, as in BestOf"):
        Standardized(loss=BestOf())
    nested = WeightedSum(terms={"best": BestOf(), "hard": HardLabels()})
    with pytest.raises(ConfigurationError, match="put CorrectedTeacher inside"):
        CorrectedTeacher(loss=nested)
    with pytest.raises(ConfigurationError, match="put CorrectedTeacher inside"):
        losses.Loss.from_dict({"kind": "corrected_teacher", "loss": {"kind": "best_of"}})


def test_it_promises_what_the_loss_inside_does() -> None:
    """Means, names of contributions, and the layers of both."""
    assert not BestOf().needs().whole_batch
    assert BestOf(loss=DIST()).needs().whole_batch
    assert BestOf(loss=AT(layers={"a": "members.0.x"})).needs().teacher_layers == (
        MEMBER_LOGITS,
        "members.0.x",
    )
    loss = BestOf(loss=losses.hinton(temperature=2, hard_label_weight=0.1))
    parts = loss.contributions(student=Outputs(STUDENT), teacher=outputs(), labels=LABELS)
    assert list(parts) == ["soft", "hard"]


def nets() -> tuple[Ensemble, nn.Module, tuple[Tensor, Tensor]]:
    """Two linear teachers, a student, and data."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        teachers = [nn.Linear(6, 4), nn.Linear(6, 4)]
        data = torch.randn(50, 6), torch.randint(4, (50,))
        return Ensemble(teachers, average="probabilities"), nn.Linear(6, 4), data


@pytest.mark.parametrize("labels_of", ["tensors", "a stream"])
def test_a_step_is_the_one_written_by_hand(labels_of: str) -> None:
    """`fit` on one batch moves the student as plain PyTorch does with the members chosen by hand."""
    teacher, student, (inputs, labels) = nets()
    twin = nn.Linear(6, 4)
    twin.load_state_dict(student.state_dict())
    loss = WeightedSum(terms={"best": BestOf(), "mixed": SoftTargets(temperature=2)})
    distiller = Distiller(
        teacher=teacher, student=student, loss=loss, precision="fp32",
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    )  # fmt: skip
    data = (inputs, labels) if labels_of == "tensors" else [(inputs, labels)]
    history = distiller.fit(data, epochs=1, batch_size=50 if labels_of == "tensors" else None)
    assert list(history.columns) == ["epoch", "loss", "best", "mixed", "learning_rate"]
    with torch.no_grad():
        said = [member(inputs) for member in teacher.members]
        right = torch.stack([one.softmax(-1)[torch.arange(50), labels] for one in said])
        best = torch.stack(said)[right.argmax(0), torch.arange(50)]
        together = teacher(inputs)
    out = Outputs(twin(inputs))
    value = SoftTargets(temperature=4)(student=out, teacher=Outputs(best), labels=None)
    value = value + SoftTargets(temperature=2)(student=out, teacher=Outputs(together), labels=None)
    value.backward()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter -= 0.1 * parameter.grad
    torch.testing.assert_close(student.state_dict(), twin.state_dict())
    assert history["loss"].item() == pytest.approx(value.item(), rel=1e-5)
    assert not any(part._forward_hooks for part in teacher.modules())
    assert all(part.training for part in teacher.modules())


def test_a_training_says_what_is_missing() -> None:
    """Unlabelled data, or a teacher that is no Ensemble, which is found when the Distiller is made."""
    teacher, student, data = nets()
    blind = Distiller(
        teacher=teacher, student=student, loss=BestOf(), transfer_set=transfer_sets.Unlabelled()
    )
    with pytest.raises(ConfigurationError, match="BestOf needs labels, and this transfer set has none"):
        blind.fit(data, epochs=1)
    with pytest.raises(ConfigurationError, match="The teacher is no Ensemble"):
        Distiller(teacher=nn.Linear(6, 4), student=student, loss=BestOf())


def test_the_teachers_agreement_is_with_what_they_say_together() -> None:
    """Evaluation has no best member: the student is compared with the mix."""
    teacher, student, data = nets()
    distiller = Distiller(teacher=teacher, student=student, loss=BestOf())
    found = distiller.evaluate(data)
    with torch.no_grad():
        same = (student(data[0]).argmax(-1) == teacher(data[0]).argmax(-1)).double().mean().item()
    assert found.teacher_agreement == pytest.approx(same)


def test_a_stack_trains_them_one_by_one() -> None:
    """With the numbers of `fit`."""
    histories = []
    for together in (True, False):
        teacher, student, data = nets()
        other = nn.Linear(6, 4)
        other.load_state_dict({name: -one for name, one in student.state_dict().items()})
        made = [Distiller(teacher=teacher, student=one, loss=BestOf()) for one in (student, other)]
        histories.append(
            fit_together(made, data, epochs=1, stack_size=2)
            if together
            else [one.fit(data, epochs=1) for one in made]
        )
    for one, other in zip(*histories, strict=True):
        assert one.equals(other)
