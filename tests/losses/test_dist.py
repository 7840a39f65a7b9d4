"""Relations against NumPy's correlations, what leaves them as they are, and where there are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import relation_distance
from distillkit.losses import DIST
from distillkit.typing import Outputs

STUDENT, TEACHER = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
INTER = DIST(inter_class_weight=1, intra_class_weight=0)
INTRA = DIST(inter_class_weight=0, intra_class_weight=1)


def value(loss: DIST, student: Tensor, teacher: Tensor) -> Tensor:
    """The loss of a batch, which needs no labels."""
    return loss(student=Outputs(student), teacher=Outputs(teacher), labels=None)


def correlations(student: Tensor, teacher: Tensor, temperature: float) -> tuple[float, float]:
    """Mean Pearson correlations over rows and over columns, each pair by `numpy.corrcoef`."""
    q, p = (student / temperature).softmax(-1).numpy(), (teacher / temperature).softmax(-1).numpy()
    rows = [np.corrcoef(q[i], p[i])[0, 1] for i in range(q.shape[0])]
    columns = [np.corrcoef(q[:, j], p[:, j])[0, 1] for j in range(q.shape[1])]
    return float(np.mean(rows)), float(np.mean(columns))


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 2.0), (1.0, 0.0), (0.0, 1.0), (0.5, 3.0)])
def test_equals_numpys_correlations(temperature: float, beta: float, gamma: float) -> None:
    """β (1 − mean correlation of rows) + γ (1 − mean correlation of columns), without T²."""
    inter, intra = correlations(STUDENT, TEACHER, temperature)
    loss = DIST(temperature=temperature, inter_class_weight=beta, intra_class_weight=gamma)
    expected = beta * (1 - inter) + gamma * (1 - intra)
    assert value(loss, STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)


def test_rows_may_be_shifted_and_scaled() -> None:
    """Probabilities of each row times a number above 0 plus another leave the relation of classes perfect."""
    scale = torch.linspace(0.1, 0.9, 6, dtype=torch.float64)[:, None]
    smoothed = (scale * TEACHER.softmax(-1) + (1 - scale) / 5).log()
    assert value(INTER, smoothed, TEACHER).item() == pytest.approx(0, abs=1e-12)
    assert value(INTRA, smoothed, TEACHER).item() > 1e-3


def test_smoothed_alike_both_relations_are_perfect() -> None:
    """Label smoothing of all rows by one number is a shift and a scaling of rows and of columns."""
    smoothed = (0.3 * TEACHER.softmax(-1) + 0.7 / 5).log()
    assert value(DIST(), smoothed, TEACHER).item() == pytest.approx(0, abs=1e-12)
    assert value(DIST(), TEACHER + 7, TEACHER).item() == pytest.approx(0, abs=1e-12)


def test_opposite_sides_are_as_far_as_can_be() -> None:
    """With two classes swapped, every correlation is −1: the loss is 2 (β + γ)."""
    teacher = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    loss = DIST(inter_class_weight=1.5, intra_class_weight=2.0)
    assert value(loss, teacher.flip(-1), teacher).item() == pytest.approx(7.0, rel=1e-6)


def test_a_batch_given_twice_over_is_the_same() -> None:
    """Correlations do not change where every example is there twice."""
    twice = value(DIST(), STUDENT.repeat(2, 1), TEACHER.repeat(2, 1))
    torch.testing.assert_close(twice, value(DIST(), STUDENT, TEACHER))


def test_a_batch_of_one_relates_classes_alone() -> None:
    """One example has no relation of examples: that part is 0."""
    assert value(INTRA, STUDENT[:1], TEACHER[:1]).item() == 0
    assert value(INTER, STUDENT[:1], TEACHER[:1]).item() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_does_not_vary(dtype: torch.dtype) -> None:
    """A teacher without variation teaches nothing; a student's without it is 1 away, and not moved."""
    flat = torch.full((6, 5), 0.3, dtype=dtype)  # no power of two: its mean is rounded
    student = STUDENT.to(dtype).clone().requires_grad_()
    taught_nothing = value(DIST(), student, flat)
    assert taught_nothing.item() == 0
    assert not torch.autograd.grad(taught_nothing, student)[0].any()
    flat.requires_grad_()
    undecided = value(DIST(), flat, TEACHER.to(dtype))
    assert undecided.item() == pytest.approx(4.0)
    assert not torch.autograd.grad(undecided, flat)[0].any()


def test_unlikely_classes_are_related_too() -> None:
    """Columns of probabilities near 1e-12 have in float32 the correlation that they have in float64."""
    student, teacher = STUDENT.clone(), TEACHER.clone()
    student[:, 0], teacher[:, 0] = student[:, 0] / 3 - 30, teacher[:, 0] / 3 - 30
    assert teacher.softmax(-1)[:, 0].max() < 1e-11
    exact = 1 - correlations(student, teacher, 1)[1]
    assert value(INTRA, student, teacher).item() == pytest.approx(exact, rel=1e-9)
    assert value(INTRA, student.float(), teacher.float()).item() == pytest.approx(exact, rel=1e-4)


def test_tokens_are_examples() -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    torch.testing.assert_close(
        value(DIST(), STUDENT.view(2, 3, 5), TEACHER.view(2, 3, 5)), value(DIST(), STUDENT, TEACHER)
    )


def test_a_class_that_both_rule_out_is_finite() -> None:
    """−∞ on both sides is a column without variation, which counts 0, and has no gradient."""
    masked = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    wider = torch.cat([STUDENT, masked], dim=-1).requires_grad_()
    wider_teacher = torch.cat([TEACHER, masked], dim=-1)
    found = value(INTRA, wider, wider_teacher)
    torch.testing.assert_close(found, value(INTRA, STUDENT, TEACHER) * 5 / 6)
    (gradient,) = torch.autograd.grad(value(DIST(), wider, wider_teacher), wider)
    assert gradient.isfinite().all()
    assert not gradient[:, 5].any()


def test_what_it_needs() -> None:
    """A teacher, logits of one shape, T above 0; and it says that it relates examples."""
    with pytest.raises(ConfigurationError, match="DIST compares the student with a teacher"):
        DIST()(student=Outputs(STUDENT), teacher=None, labels=None)
    with pytest.raises(ConfigurationError, match="one shape"):
        value(DIST(), STUDENT, TEACHER[:, :1])
    with pytest.raises(ConfigurationError, match=r"^temperature: "):
        DIST(temperature=0)
    assert DIST().needs().whole_batch
    with pytest.raises(TypeError, match="positional"):
        relation_distance(STUDENT, TEACHER)  # type: ignore[misc, call-arg]
