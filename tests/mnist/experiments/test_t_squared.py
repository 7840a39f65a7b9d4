"""H9: T² and the weight of the hard labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import Tensor, nn

from distillkit.mnist.experiments.gradients import GradientProbe
from distillkit.mnist.experiments.hard_weight.measure import hard_weight_errors
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.mnist.experiments.t_squared.measure import gradient_norms
from distillkit.typing import Labels, Outputs

Cases = tuple[Tensor, Tensor]


@pytest.fixture
def student() -> nn.Sequential:
    """A small untrained one, with dropout that must not act."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(784, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 10))


def test_the_lengths_are_those_of_the_closed_form(
    student: nn.Sequential, teacher: nn.Sequential, test: Cases
) -> None:
    """Of a case's logits: (softmax(z/T) − softmax(v/T)) / T, that times T², and p − y for labels."""
    images, labels = test[0][:40], test[1][:40]
    found = gradient_norms({"new": student}, teacher, images, labels, (1, 4, 1000))["students"]["new"]
    double = images.double().numpy()

    def layer(number: int, module: nn.Sequential, x: np.ndarray) -> np.ndarray:
        linear = module[number]
        return x @ linear.weight.detach().double().numpy().T + linear.bias.detach().double().numpy()

    z = layer(3, student, np.maximum(layer(0, student, double), 0))
    v = layer(3, teacher, np.maximum(layer(1, teacher, double), 0))
    for place, t in enumerate((1, 4, 1000)):
        expected = np.linalg.norm((softmax(z / t, axis=1) - softmax(v / t, axis=1)) / t, axis=1).mean()
        assert found["without_t_squared"]["logits"][place] == pytest.approx(expected, rel=1e-9)
        assert found["with_t_squared"]["logits"][place] == pytest.approx(t**2 * expected, rel=1e-9)
    hard = np.linalg.norm(softmax(z, axis=1) - np.eye(10)[labels], axis=1).mean()
    assert found["hard"]["logits"] == pytest.approx(hard, rel=1e-9)


def test_the_gradient_of_the_weights_is_that_of_finite_differences(
    teacher: nn.Sequential, test: Cases
) -> None:
    """Of the mean loss, for a loss of one's own, in every weight of a student of few."""
    torch.manual_seed(0)
    student = nn.Sequential(nn.Linear(784, 1), nn.Tanh(), nn.Linear(1, 10))
    images = test[0][:7]

    def loss(*, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        return (student.logits - 0.1).pow(2).sum(dim=-1).mean()

    gradient = GradientProbe(student, teacher, images).gradient(loss).weights
    last = student.double()[2].bias
    for place in range(10):
        values = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                last[place] += step
                values.append(
                    float(loss(student=Outputs(student(images.double())), teacher=None, labels=None))
                )
        with torch.no_grad():
            last[place] += 1e-5
        assert float(gradient[place - 10]) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-6)


def test_without_t_squared_the_gradient_falls_as_its_inverse(
    student: nn.Sequential, teacher: nn.Sequential, test: Cases
) -> None:
    """The slopes at high T are −2 and 0, and with T² the limit is that of matching logits."""
    found = gradient_norms({"new": student}, teacher, test[0], test[1])["students"]["new"]
    for key in ("logits", "weights"):
        assert found["slope"]["without_t_squared"][key] == pytest.approx(-2, abs=0.05)
        assert found["slope"]["with_t_squared"][key] == pytest.approx(0, abs=0.05)
        assert found["with_t_squared"][key][-1] == pytest.approx(found["limit"][key], rel=0.02)
    few = gradient_norms({"new": student}, teacher, test[0][:5], test[1][:5], (1, 100))
    assert few["students"]["new"]["slope"]["with_t_squared"]["logits"] is None


def test_probing_changes_neither_student_nor_teacher(
    student: nn.Sequential, teacher: nn.Sequential, test: Cases
) -> None:
    """Weights, precision, modes and gradients are as they were."""
    before = [parameter.clone() for parameter in (*student.parameters(), *teacher.parameters())]
    gradient_norms({"new": student}, teacher, test[0][:9], test[1][:9])
    after = [*student.parameters(), *teacher.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert student.training
    assert not teacher.training
    assert all(parameter.grad is None for parameter in student.parameters())


def test_students_of_each_weight_are_trained_and_counted(
    recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential
) -> None:
    """One number a weight; the weight matters; the same call gives the same numbers."""
    weights = (0.0, 0.5, 1.0)

    def call() -> dict[str, object]:
        return hard_weight_errors(teacher, recipe, train, test, seed=0, epochs=4, weights=weights).numbers

    found = call()
    assert found["weights"] == [0.0, 0.5, 1.0]
    assert found["diverged"] == [False] * 3
    assert isinstance(found["test_errors"], list)
    assert all(0 <= errors <= len(test[1]) for errors in found["test_errors"])
    assert len(set(found["test_errors"])) > 1
    assert call() == found
