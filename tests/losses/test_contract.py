"""What every loss promises, whoever wrote it: held by all that are exported and by installed plug-ins."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from distillkit import losses
from distillkit.losses import (
    DIST,
    DKD,
    MLKD,
    NKD,
    WSLD,
    ChunkedSoftTargets,
    CorrectedTeacher,
    GeneralizedJSD,
    HardLabels,
    LogitMatching,
    Loss,
    ReverseKL,
    SoftTargets,
    Standardized,
    TopKSoftTargets,
    WeightedSum,
)
from distillkit.typing import Outputs

EXAMPLES: dict[str, list[Loss]] = {
    "chunked_soft_targets": [ChunkedSoftTargets(), ChunkedSoftTargets(temperature=4, rows_at_once=2)],
    "corrected_teacher": [CorrectedTeacher(), CorrectedTeacher(loss=DKD(temperature=2))],
    "dist": [DIST(), DIST(temperature=4, inter_class_weight=1, intra_class_weight=0.5)],
    "dkd": [DKD(), DKD(temperature=1, target_weight=2, non_target_weight=0.5)],
    "generalized_jsd": [GeneralizedJSD(), GeneralizedJSD(temperature=4, teacher_share=0.1)],
    "hard_labels": [HardLabels(), HardLabels(label_smoothing=0.1)],
    "logit_matching": [LogitMatching()],
    "mlkd": [MLKD(), MLKD(temperatures=(1, 4))],
    "nkd": [NKD(), NKD(temperature=3, non_target_weight=3.5)],
    "reverse_kl": [ReverseKL(), ReverseKL(temperature=4)],
    "soft_targets": [SoftTargets(temperature=1), SoftTargets(temperature=20)],
    "standardized": [Standardized(), Standardized(loss=losses.hinton(temperature=4, hard_label_weight=0.1))],
    "top_k_soft_targets": [TopKSoftTargets(k=2), TopKSoftTargets(k=50, temperature=4)],
    "weighted_sum": [
        losses.hinton(temperature=4, hard_label_weight=0.1),
        WeightedSum(terms={"a": SoftTargets(temperature=2), "b": LogitMatching(), "c": HardLabels()}),
        WeightedSum(terms={"dist": DIST(), "hard": HardLabels()}),
        WeightedSum(terms={"wsld": WSLD(), "hard": HardLabels()}, weights={"wsld": 2.25, "hard": 1}),
    ],
    "wsld": [WSLD(), WSLD(temperature=1)],
}
ALL = [pytest.param(loss, id=repr(loss)) for examples in EXAMPLES.values() for loss in examples]


def batch(size: int = 6, classes: int = 5, sd: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of student and teacher, float64, and labels."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, size, classes, generator=generator, dtype=torch.float64) * sd
    return student, teacher, torch.randint(classes, (size,), generator=generator)


def value(loss: Loss, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """The loss of a batch."""
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=labels)


def test_every_loss_has_an_example_here() -> None:
    """A loss that is exported or installed is held to this contract."""
    exported = {
        item.kind_name()
        for item in vars(losses).values()
        if isinstance(item, type) and issubclass(item, Loss) and not inspect.isabstract(item)
    }
    assert exported | set(Loss.plugins()) == set(EXAMPLES)
    for kind, examples in EXAMPLES.items():
        assert all(example.kind_name() == kind for example in examples)


@pytest.mark.parametrize("loss", ALL)
def test_batch_size_does_not_scale_it(loss: Loss) -> None:
    """The loss of a batch is the mean of those of its examples, and a batch given twice over has the same.

    A loss that relates examples says so, and is indeed no such mean.
    """
    student, teacher, labels = batch()
    whole = value(loss, student, teacher, labels)
    singly = [value(loss, student[[i]], teacher[[i]], labels[[i]]) for i in range(len(labels))]
    if not loss.is_mean_over_examples:
        assert not torch.isclose(torch.stack(singly).mean(), whole, rtol=1e-3)
        return
    torch.testing.assert_close(torch.stack(singly).mean(), whole)
    twice = value(loss, student.repeat(2, 1), teacher.repeat(2, 1), labels.repeat(2))
    torch.testing.assert_close(twice, whole)


@pytest.mark.parametrize("loss", ALL)
def test_tokens_are_examples(loss: Loss) -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    student, teacher, labels = batch()
    by_tokens = value(loss, student.view(2, 3, 5), teacher.view(2, 3, 5), labels.view(2, 3))
    torch.testing.assert_close(by_tokens, value(loss, student, teacher, labels))


@pytest.mark.parametrize("loss", ALL)
def test_who_minimises_it_predicts_as_the_teacher(loss: Loss) -> None:
    """From nearly equal logits, with a teacher that is right, a hundred steps lead to its predictions."""
    student, teacher, _ = batch(size=12)
    labels = teacher.argmax(dim=-1)
    student = (student * 0.01).requires_grad_()
    optimizer = torch.optim.Adam([student], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        value(loss, student, teacher, labels).backward()
        optimizer.step()
    assert torch.equal(student.argmax(dim=-1), labels)


@pytest.mark.parametrize("loss", ALL)
def test_order_of_the_classes_does_not_matter(loss: Loss) -> None:
    """Renaming the classes on both sides and in the labels changes nothing, and permutes the gradient."""
    student, teacher, labels = batch()
    order = torch.tensor([3, 0, 4, 1, 2])
    plain, renamed = student.clone().requires_grad_(), student[:, order].clone().requires_grad_()
    before = value(loss, plain, teacher, labels)
    after = value(loss, renamed, teacher[:, order], order.argsort()[labels])
    torch.testing.assert_close(after, before)
    (gradient,) = torch.autograd.grad(before, plain)
    (renamed_gradient,) = torch.autograd.grad(after, renamed)
    torch.testing.assert_close(renamed_gradient, gradient[:, order])


@pytest.mark.parametrize("loss", ALL)
def test_gradient_is_right(loss: Loss) -> None:
    """Torch's finite differences confirm the gradient with respect to the student's logits.

    A loss of which a part is held fixed says so, and they indeed do not.
    """
    student, teacher, labels = batch(size=3, classes=4)
    confirmed = torch.autograd.gradcheck(
        lambda z: value(loss, z, teacher, labels),
        (student.requires_grad_(),),
        raise_exception=loss.gradient_is_of_the_value,
    )
    assert confirmed == loss.gradient_is_of_the_value


@pytest.mark.parametrize("loss", ALL)
def test_teacher_is_left_as_it_is(loss: Loss) -> None:
    """A teacher given without gradients gets none, and no input is written to."""
    student, teacher, labels = batch()
    student.requires_grad_()
    before = [tensor.detach().clone() for tensor in (student, teacher, labels)]
    value(loss, student, teacher, labels).backward()
    assert teacher.grad is None
    assert not teacher.requires_grad
    assert all(torch.equal(a, b) for a, b in zip(before, (student.detach(), teacher, labels), strict=True))


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_finite_at_extreme_logits(loss: Loss, dtype: torch.dtype) -> None:
    """Logits of ±10,000 on the wrong classes give a finite float32-or-better scalar and finite gradients."""
    student = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]], dtype=dtype).requires_grad_()
    found = value(loss, student, -student.detach(), torch.tensor([1, 0]))
    found.backward()
    assert found.shape == ()
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("loss", ALL)
def test_bfloat16_is_close(loss: Loss) -> None:
    """Logits rounded to bfloat16 cost no more than their own rounding: 4 % of the loss at most."""
    student, teacher, labels = batch(size=64)
    exact = value(loss, student, teacher, labels).item()
    rounded = value(loss, student.bfloat16(), teacher.bfloat16(), labels).item()
    assert rounded == pytest.approx(exact, rel=0.04)


@pytest.mark.parametrize("loss", ALL)
def test_autocast_changes_nothing(loss: Loss) -> None:
    """Under bfloat16 autocast, where the engine computes it, the loss and its gradient are the same bits."""
    student, teacher, labels = (each.float() if each.is_floating_point() else each for each in batch())
    plain, cast = student.clone().requires_grad_(), student.clone().requires_grad_()
    expected = value(loss, plain, teacher, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = value(loss, cast, teacher, labels)
    assert torch.equal(found, expected)
    assert torch.equal(torch.autograd.grad(found, cast)[0], torch.autograd.grad(expected, plain)[0])


@pytest.mark.parametrize("loss", ALL)
def test_contributions_add_up(loss: Loss) -> None:
    """The named contributions are scalars whose sum is the loss."""
    student, teacher, labels = batch()
    parts = loss.contributions(student=Outputs(student), teacher=Outputs(teacher), labels=labels)
    assert all(part.shape == () for part in parts.values())
    torch.testing.assert_close(torch.stack([*parts.values()]).sum(), value(loss, student, teacher, labels))


@pytest.mark.parametrize("loss", ALL)
def test_yaml_and_json_keep_it(loss: Loss) -> None:
    """It comes back equal, of its own class, with an equal hash."""
    for again in (Loss.from_yaml(loss.to_yaml()), Loss.from_json(loss.to_json())):
        assert again == loss
        assert type(again) is type(loss)
        assert hash(again) == hash(loss)


@pytest.mark.parametrize("loss", ALL)
def test_a_batch_of_one_and_one_class(loss: Loss) -> None:
    """One example with one class is certain: every loss is 0."""
    student, teacher = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    assert value(loss, student, teacher, torch.tensor([0])).item() == 0


def test_temperatures_can_be_mapped_over() -> None:
    """A temperature replaced by a tensor gives, under `vmap`, what each temperature gives one by one."""
    student, teacher, labels = batch()
    temperatures = torch.tensor([1.0, 2.0, 4.0, 20.0, 50.0], dtype=torch.float64)
    students = torch.stack([student * (1 + i) for i in range(5)])

    def one(student: Tensor, temperature: Tensor) -> Tensor:
        loss = SoftTargets(temperature=1).model_copy(update={"temperature": temperature})
        return value(loss, student, teacher, labels)

    singly = [
        value(SoftTargets(temperature=t), each, teacher, labels)
        for t, each in zip(temperatures.tolist(), students, strict=True)
    ]
    torch.testing.assert_close(torch.func.vmap(one)(students, temperatures), torch.stack(singly))
    gradients = torch.func.vmap(torch.func.grad(one))(students, temperatures)
    for number, temperature in enumerate(temperatures.tolist()):
        leaf = students[number].clone().requires_grad_()
        value(SoftTargets(temperature=temperature), leaf, teacher, labels).backward()
        assert leaf.grad is not None
        torch.testing.assert_close(gradients[number], leaf.grad)
