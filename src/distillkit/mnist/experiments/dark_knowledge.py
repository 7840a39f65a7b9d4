"""What the teacher knows beyond the right answer (§2): its soft targets, by image and by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distillkit.mnist.experiments.answers import answers
from distillkit.mnist.experiments.recipe import Cases

TEMPERATURES = (1.0, 4.0, 20.0)


def dark_knowledge(
    teacher: nn.Module,
    cases: Cases,
    *,
    temperatures: Sequence[float] = TEMPERATURES,
    digit: int = 2,
    lookalikes: tuple[int, int] = (3, 7),
    shown: int = 6,
) -> dict[str, Any]:
    """The soft targets of telling digits, the versions of one digit that look like two others, and the means.

    Only digits that the teacher gets right are chosen. Of each class but `digit` the telling one is the one
    whose soft targets at the middle temperature have the highest entropy.

    Args:
        teacher: The trained teacher.
        cases: Which digits are shown, the test cases as a rule; pixels in [−1, 1].
        temperatures: At which the soft targets are shown, ascending.
        digit: The class whose versions are told apart, the paper's 2.
        lookalikes: The two classes that they are likened to, its 3 and 7.
        shown: How many versions that look most like each of the two, and how many telling digits.

    Returns:
        `temperatures`, `digit`, `lookalikes`; `telling`, digits by falling entropy, and `versions`, a list
        of digits for each lookalike, the likest first; `means`, the mean soft targets of each class at the
        highest temperature, `[class][class]`. A digit has its `number` among the cases, `label`, `pixels`
        (784 of 0 to 255, 255 is ink), and `soft_targets`, `[temperature][class]`.

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2: one version of a 2 may
        have a probability of 10⁻⁶ of being a 3 and 10⁻⁹ of being a 7, another the other way round.
    """
    images, labels = cases
    logits = answers(teacher, images).double()
    right = logits.argmax(dim=-1) == labels

    def described(number: int) -> dict[str, Any]:
        return {
            "number": number,
            "label": int(labels[number]),
            "pixels": _shades(images[number]),
            "soft_targets": [(logits[number] / t).softmax(dim=-1).tolist() for t in temperatures],
        }

    first, second = lookalikes
    versions = (right & (labels == digit)).nonzero().flatten()
    likeness = logits[versions, first] - logits[versions, second]
    falling = versions[likeness.argsort(descending=True, stable=True)].tolist()
    middle = (logits / temperatures[len(temperatures) // 2]).softmax(dim=-1)
    return {
        "temperatures": [float(t) for t in temperatures],
        "digit": digit,
        "lookalikes": [first, second],
        "telling": [
            described(number) for number in _telling(middle, labels, right & (labels != digit), shown)
        ],
        "versions": [[described(number) for number in likest[:shown]] for likest in (falling, falling[::-1])],
        "means": _class_means((logits / max(temperatures)).softmax(dim=-1), labels),
    }


def _telling(soft_targets: Tensor, labels: Tensor, allowed: Tensor, shown: int) -> list[int]:
    """Of each class the allowed case of the highest entropy, by falling entropy."""
    entropy = torch.special.entr(soft_targets).sum(dim=-1).masked_fill(~allowed, -1.0)
    each = [
        int(torch.where(labels == label, entropy, -1.0).argmax())
        for label in sorted(set(labels[allowed].tolist()))
    ]
    return sorted(each, key=lambda number: float(entropy[number]), reverse=True)[:shown]


def _class_means(soft_targets: Tensor, labels: Tensor) -> list[list[float] | None]:
    """The mean soft targets of each class; null where there is no case of it."""
    classes = range(soft_targets.shape[-1])
    return [
        soft_targets[labels == label].mean(dim=0).tolist() if (labels == label).any() else None
        for label in classes
    ]


def _shades(image: Tensor) -> list[int]:
    shades: list[int] = ((image.flatten() + 1) / 2 * 255).round().int().tolist()
    return shades
