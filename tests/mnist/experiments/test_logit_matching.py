"""H10: matching logits as the limit of a high temperature."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import Tensor, nn

from distillkit.mnist.experiments.logit_matching.measure import gradient_distances, uncentred_logit_matching
from distillkit.mnist.experiments.logit_matching_students.measure import student_distances
from distillkit.mnist.experiments.recipe import Recipe
from distillkit.typing import Outputs

Cases = tuple[Tensor, Tensor]
TEMPERATURES = (1, 10, 1000)


class Says(nn.Module):
    """Gives the same logits whatever it is shown."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.from_numpy(logits))

    def forward(self, inputs: Tensor) -> Tensor:
        """The logits, in the precision of its parameters."""
        return self.logits * 1


@pytest.fixture
def logits() -> tuple[np.ndarray, np.ndarray]:
    """Of a student and a teacher on 6 cases of 5 classes, neither of mean 0."""
    generator = np.random.default_rng(1)
    return generator.normal(2.0, 3.0, (6, 5)), generator.normal(-4.0, 6.0, (6, 5))


def test_distances_are_those_of_the_closed_forms(logits: tuple[np.ndarray, np.ndarray]) -> None:
    """T (q − p) against (z − v) / N with the means off and on, in numpy."""
    z, v = logits
    found = gradient_distances({"s": Says(z)}, Says(v), torch.zeros(6, 1), TEMPERATURES)["students"]["s"]
    limits = {"uncentred": (z - v) / 5}
    limits["centred"] = limits["uncentred"] - limits["uncentred"].mean(axis=1, keepdims=True)
    for name, limit in limits.items():
        for place, t in enumerate(TEMPERATURES):
            soft = t * (softmax(z / t, axis=1) - softmax(v / t, axis=1))
            distance = np.linalg.norm(soft - limit) / np.linalg.norm(limit)
            cosine = (soft * limit).sum() / np.linalg.norm(soft) / np.linalg.norm(limit)
            assert found[name]["logits"]["relative_l2"][place] == pytest.approx(distance, rel=1e-8)
            assert found[name]["logits"]["cosine"][place] == pytest.approx(cosine, rel=1e-8)


def test_centred_the_distance_falls_as_one_over_t_and_uncentred_it_stays(
    logits: tuple[np.ndarray, np.ndarray],
) -> None:
    """What is left is the share along (1, …, 1), by Pythagoras."""
    z, v = logits
    students = {"as they are": Says(z), "shifted": Says(z - (z - v).mean(axis=1, keepdims=True))}
    found = gradient_distances(students, Says(v), torch.zeros(6, 1), (1e3, 1e4, 1e6))["students"]
    near, far, _ = found["as they are"]["centred"]["logits"]["relative_l2"]
    assert near / far == pytest.approx(10, rel=0.05)
    floor = found["as they are"]["floor"]
    across = np.linalg.norm((z - v) - (z - v).mean(axis=1, keepdims=True)) / np.linalg.norm(z - v)
    assert floor == pytest.approx(np.sqrt(1 - across**2), rel=1e-9)
    assert found["as they are"]["uncentred"]["logits"]["relative_l2"][-1] == pytest.approx(floor, rel=1e-6)
    # the means being equal, nothing is left
    assert found["shifted"]["floor"] == pytest.approx(0, abs=1e-12)
    for key in ("logits", "weights"):
        shifted = found["shifted"]["uncentred"][key]["relative_l2"]
        assert shifted == pytest.approx(found["shifted"]["centred"][key]["relative_l2"])


def test_the_uncentred_loss_is_half_a_mean_square_and_keeps_its_precision() -> None:
    """Held against numpy; float64 stays, and half precision is raised before the difference."""
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(4, 3)), generator.normal(size=(4, 3))

    def value(dtype: torch.dtype) -> Tensor:
        return uncentred_logit_matching(
            student=Outputs(torch.from_numpy(student).to(dtype)),
            teacher=Outputs(torch.from_numpy(teacher).to(dtype)),
            labels=None,
        )

    assert value(torch.float64).item() == pytest.approx(((student - teacher) ** 2).mean() / 2, rel=1e-12)
    assert [value(one).dtype for one in (torch.float64, torch.float32, torch.bfloat16)] == [
        torch.float64, torch.float32, torch.float32,
    ]  # fmt: skip


def test_students_come_nearer_as_the_temperature_rises(
    recipe: Recipe, train: Cases, test: Cases, teacher: nn.Sequential
) -> None:
    """The reference is at 0 from itself, T = 1000 nearer than T = 1 and than another seed; JSON takes it."""
    found = student_distances(teacher, recipe, train, test, seed=0, epochs=5, temperatures=(1, 1000)).numbers
    students = found["students"]
    assert list(students) == ["matching", "T=1", "T=1000", "uncentred", "twin"]
    matching = students["matching"]
    assert (matching["agreement"], matching["relative_l2"]) == (1.0, 0.0)
    assert matching["kl"] == pytest.approx(0, abs=1e-12)
    for measure in ("kl", "relative_l2"):
        assert students["T=1000"][measure] < students["T=1"][measure]
        assert students["T=1000"][measure] < students["twin"][measure]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
