"""The knowledge of the teacher beyond the right answer (§2): its soft targets, by image and by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    """The soft targets of some digits, the versions of one digit that look like two others, and the means.

    Only digits that the teacher gets right are chosen.

    Args:
        teacher: The trained teacher.
        cases: Which digits are shown, the test cases as a rule.
        temperatures: At which the soft targets are shown, ascending.
        digit: The class whose versions are told apart, the paper's 2.
        lookalikes: The two classes that they are likened to, its 3 and 7.
        shown: How many versions that look most like each of the two.

    Returns:
        `temperatures`, `digit`, `lookalikes`; `plain` and `torn`, of each class the digit of the middlemost
        runner-up (the highest probability of a wrong class at T = 1) and that of the highest, the latter most
        torn first; `versions`, for each lookalike the likest digits first; `means`, the mean soft targets of
        each class at the highest temperature, `[class][class]`. A digit has its `number` among the cases,
        `label`, `pixels` (784 of 0 to 255, 255 is ink), and `soft_targets`, `[temperature][class]`.

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §2: one version of a 2 may
        have a probability of 10⁻⁶ of being a 3 and 10⁻⁹ of being a 7, another the other way round.
    """
    images, labels = cases[0].cpu(), cases[1].cpu()
    darkest, lightest = float(images.max()), float(images.min())
    logits = answers(teacher, cases[0]).cpu().double()  # not every device has float64
    right = logits.argmax(dim=-1) == labels

    def described(number: int) -> dict[str, Any]:
        return {
            "number": number,
            "label": int(labels[number]),
            "pixels": _shades((images[number] - lightest) / (darkest - lightest)),
            "soft_targets": [(logits[number] / t).softmax(dim=-1).tolist() for t in temperatures],
        }

    first, second = lookalikes
    versions = (right & (labels == digit)).nonzero().flatten()
    likeness = logits[versions, first] - logits[versions, second]
    falling = versions[likeness.argsort(descending=True, stable=True)].tolist()
    runners_up = logits.softmax(dim=-1).scatter(1, labels[:, None], 0.0).amax(dim=-1)
    by_class = [
        members[runners_up[members].argsort(stable=True)].tolist()
        for label in sorted(set(labels[right].tolist()))
        for members in [(right & (labels == label)).nonzero().flatten()]
    ]
    torn = sorted((members[-1] for members in by_class), key=lambda case: float(runners_up[case]))
    return {
        "temperatures": [float(t) for t in temperatures],
        "digit": digit,
        "lookalikes": [first, second],
        "plain": [described(members[len(members) // 2]) for members in by_class],
        "torn": [described(number) for number in reversed(torn)],
        "versions": [[described(number) for number in likest[:shown]] for likest in (falling, falling[::-1])],
        "means": _class_means((logits / max(temperatures)).softmax(dim=-1), labels),
    }


def _class_means(soft_targets: Tensor, labels: Tensor) -> list[list[float] | None]:
    """The mean soft targets of each class; null where there is no case of it."""
    classes = range(soft_targets.shape[-1])
    return [
        soft_targets[labels == label].mean(dim=0).tolist() if (labels == label).any() else None
        for label in classes
    ]


def _shades(image: Tensor) -> list[int]:
    shades: list[int] = (image.flatten() * 255).round().int().tolist()
    return shades
