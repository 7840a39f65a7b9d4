"""What the teacher knows beyond the right answer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import Tensor, nn

from distillkit.mnist.experiments.answers import answers
from distillkit.mnist.experiments.dark_knowledge.measure import dark_knowledge

Cases = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def found(teacher: nn.Sequential, test: Cases) -> dict[str, Any]:
    """Of the small teacher and the 200 test cases."""
    return dark_knowledge(teacher, test, shown=3)


def digits_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every digit that is shown."""
    return [*found["plain"], *found["torn"], *(one for versions in found["versions"] for one in versions)]


def test_soft_targets_and_pixels_are_those_of_the_case(
    found: dict[str, Any], teacher: nn.Sequential, test: Cases
) -> None:
    """Recomputed with SciPy from the number of the case; only digits that the teacher gets right."""
    logits = answers(teacher, test[0]).double().numpy()
    for digit in digits_of(found):
        own = logits[digit["number"]]
        assert digit["label"] == int(test[1][digit["number"]]) == own.argmax()
        for temperature, soft_targets in zip((1, 4, 20), digit["soft_targets"], strict=True):
            assert np.allclose(soft_targets, softmax(own / temperature))
        pixels = torch.tensor(digit["pixels"], dtype=torch.float32)
        assert torch.allclose(pixels / 255 * 2 - 1, test[0][digit["number"]], atol=1e-6)


def test_versions_are_those_of_the_extreme_ratios(
    found: dict[str, Any], teacher: nn.Sequential, test: Cases
) -> None:
    """No other two that the teacher gets right is more like a 3 rather than a 7, or the reverse."""
    p = softmax(answers(teacher, test[0]).double().numpy(), axis=1)
    twos = [n for n in range(len(p)) if test[1][n] == 2 and p[n].argmax() == 2]
    ranked = sorted(twos, key=lambda n: p[n, 3] / p[n, 7])
    threes, sevens = ([one["number"] for one in versions] for versions in found["versions"])
    assert threes == ranked[::-1][:3]
    assert sevens == ranked[:3]


def test_the_torn_digit_of_a_class_has_its_highest_runner_up(
    found: dict[str, Any], teacher: nn.Sequential, test: Cases
) -> None:
    """One a class, the most torn first; the plain one lies in the middle."""
    p = softmax(answers(teacher, test[0]).double().numpy(), axis=1)
    runner_up = np.sort(p, axis=1)[:, -2]
    right = p.argmax(axis=1) == test[1].numpy()
    values = [runner_up[one["number"]] for one in found["torn"]]
    assert values == sorted(values, reverse=True)
    for digit in found["torn"]:
        assert runner_up[digit["number"]] == runner_up[right & (test[1].numpy() == digit["label"])].max()
    for digit in found["plain"]:
        own = runner_up[right & (test[1].numpy() == digit["label"])]
        assert abs(int((own < runner_up[digit["number"]]).sum()) - len(own) // 2) <= 1


def test_the_means_are_over_all_cases_of_a_class(
    found: dict[str, Any], teacher: nn.Sequential, test: Cases
) -> None:
    """Right or wrong, at the highest temperature; null for a class without cases; JSON takes it all."""
    soft = softmax(answers(teacher, test[0]).double().numpy() / 20, axis=1)
    for label in range(10):
        assert np.allclose(found["means"][label], soft[test[1].numpy() == label].mean(axis=0))
    twos = test[1] == 2
    assert dark_knowledge(teacher, (test[0][twos], test[1][twos]))["means"][3] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_pixels_are_ink_whatever_the_scale(
    teacher: nn.Sequential, test: Cases, found: dict[str, Any]
) -> None:
    """A teacher of images in [0, 1] has the same digits to show."""
    first = nn.Sequential(Doubled(), *teacher)
    again = dark_knowledge(first, ((test[0] + 1) / 2, test[1]), shown=3)
    assert [one["pixels"] for one in digits_of(again)] == [one["pixels"] for one in digits_of(found)]


class Doubled(nn.Module):
    """From [0, 1] to [−1, 1]."""

    def forward(self, inputs: Tensor) -> Tensor:
        """2x − 1."""
        return 2 * inputs - 1
