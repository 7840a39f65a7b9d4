"""A batch as a loss sees it, made to fit what the loss declares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_letters, digits

import torch
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32
from distillkit.layer_names import MEMBER_LOGITS, layers_like
from distillkit.losses import Loss
from distillkit.typing import Examples, Outputs

_WILD = re.compile(r"\*|\?|\[[^\]]+\]")
_FOUND_BY_A_PATTERN = 2


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """The outputs of both sides for a batch, and its labels."""

    student: Outputs
    teacher: Outputs
    labels: Tensor
    examples: Examples | None = None
    """Which examples these are; every second one of a data set where nothing is said."""

    def rows(self, numbers: Sequence[int]) -> Case:
        """The examples with these numbers."""
        chosen = torch.tensor(numbers)
        known = self.known()
        return Case(
            _rows(self.student, chosen),
            _rows(self.teacher, chosen),
            self.labels[chosen],
            replace(known, numbers=known.numbers[chosen]),
        )

    def cast(self, dtype: torch.dtype) -> Case:
        """In another precision."""
        return replace(self, student=_cast(self.student, dtype), teacher=_cast(self.teacher, dtype))

    def moving(self) -> Case:
        """Equal, with a student that can be given gradients."""
        said = self.student
        features = {name: _leaf(one) for name, one in said.features.items()}
        return replace(self, student=Outputs(_leaf(said.logits), features))

    def known(self) -> Examples:
        """Which examples these are."""
        return self.examples or _numbered(self.labels)

    def leaves(self) -> list[Tensor]:
        """Return the student's outputs: its logits, then its features."""
        return [self.student.logits, *self.student.features.values()]


def looks_at_layers(loss: Loss) -> bool:
    """Whether it is a loss on features."""
    return bool(loss.needs().student_layers or _teacher_layers(loss))


def case_for(loss: Loss, *, size: int = 6) -> Case:
    """Logits for a loss on logits; else the first of maps, vectors and tokens that it takes; float64."""
    if not looks_at_layers(loss):
        return logits(size=size)
    maps = maps_for(loss, size=size)
    others = (rows_for(loss, shape, size=size) for shape in [(5,), (3, 5)])
    return next((case for case in (maps, *others) if _takes(loss, case)), maps)


def small_case_for(loss: Loss) -> Case:
    """Make a case as `case_for`, of fewer numbers, where each of them is changed in turn."""
    if not looks_at_layers(loss):
        return logits(size=3, classes=4)
    maps = maps_for(loss, size=4, channels=(2, 2), sides=(2, 2))
    return maps if _takes(loss, maps) else case_for(loss, size=4)


def logits(*, size: int = 6, classes: int = 5) -> Case:
    """Logits of both sides, with labels that have nothing to do with them."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = 3 * torch.randn(2, size, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (size,), generator=generator)
    return Case(Outputs(student), Outputs(teacher), labels)


def maps_for(
    loss: Loss, *, size: int = 6, channels: tuple[int, int] = (5, 5), sides: tuple[int, int] = (4, 4)
) -> Case:
    """Maps of the layers that a loss names, each with a channel more than the one before and half its size.

    Args:
        loss: Names the layers.
        size: Examples.
        channels: Of the first layer of the student, and of the teacher.
        sides: Height and width of the first layer of the student, and of the teacher.
    """
    shapes = [
        [(channel + place, *[max(1, side // (place + 1))] * 2) for place in range(_most(loss))]
        for channel, side in zip(channels, sides, strict=True)
    ]
    return _features(loss, size, *shapes)


def rows_for(loss: Loss, shape: tuple[int, ...], *, size: int = 6) -> Case:
    """Features `[batch, numbers]` or `[batch, tokens, numbers]`, all of one shape."""
    return _features(loss, size, *[[shape] * _most(loss)] * 2)


def made(loss: Loss, case: Case) -> nn.Module | None:
    """Make what a loss learns between the sides of a case, as the Distiller does; always the same values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapters = loss.adapters(student=said(loss, case), teacher=taught(loss, case))
    return None if adapters is None else adapters.to(at_least_float32(case.student.logits).dtype)


def value(loss: Loss, case: Case, adapters: nn.Module | None) -> Tensor:
    """The loss of a batch, at the end of a training."""
    return loss.at(1)(student=said(loss, case, adapters), teacher=taught(loss, case), labels=case.labels)


def said(loss: Loss, case: Case, adapters: nn.Module | None = None) -> Outputs:
    """The student's side of a case, as the Distiller gives it to a loss."""
    return replace(case.student, adapters=adapters, examples=case.known() if loss.needs().examples else None)


def taught(loss: Loss, case: Case) -> Outputs:
    """The teacher's side; a loss that asks each of several finds two, of which one says the contrary."""
    if MEMBER_LOGITS not in loss.needs().teacher_layers:
        return case.teacher
    answer = case.teacher.logits
    member_logits = torch.stack([-answer, answer], dim=1)
    return replace(case.teacher, features={**case.teacher.features, MEMBER_LOGITS: member_logits})


def close(one: Tensor, other: Tensor) -> bool:
    """Whether they are equal but for the rounding of float64."""
    return torch.allclose(one, other, rtol=1e-7, atol=1e-7)


def layer_names(patterns: Sequence[str]) -> list[str]:
    """A layer for each name, and two for each pattern.

    Example:
        >>> layer_names(["stem", "layer*"])
        ['stem', 'layer1', 'layer2']
    """
    found = []
    for pattern in patterns:
        candidates = [_WILD.sub(sign, pattern) for sign in digits[1:] + ascii_letters]
        found += layers_like(pattern, dict.fromkeys(candidates))[:_FOUND_BY_A_PATTERN]
    return found


def paired_names(loss: Loss) -> tuple[list[str], list[str]]:
    """The layers of the student and, in the same order, of the teacher; one of a side not looked at."""
    return layer_names(loss.needs().student_layers) or ["unseen"], layer_names(_teacher_layers(loss)) or [
        "unseen"
    ]


def _teacher_layers(loss: Loss) -> list[str]:
    return [layer for layer in loss.needs().teacher_layers if layer != MEMBER_LOGITS]


def _takes(loss: Loss, case: Case) -> bool:
    try:
        value(loss, case, made(loss, case))
    except ConfigurationError:
        return False
    return True


def _most(loss: Loss) -> int:
    return max(len({*names}) for names in paired_names(loss))


def _features(loss: Loss, size: int, *shapes: Sequence[tuple[int, ...]]) -> Case:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        {
            name: torch.randn(size, *shape, generator=generator, dtype=torch.float64)
            for name, shape in zip(dict.fromkeys(names), each, strict=False)
        }
        for names, each in zip(paired_names(loss), shapes, strict=True)
    )
    return answered(student, teacher)


def answered(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Case:
    """A case of these features: the teacher is right, and says what its first layer gives."""
    answer = 5 * next(iter(teacher.values())).flatten(1)[:, :3]
    return Case(Outputs(torch.zeros_like(answer), student), Outputs(answer, teacher), answer.argmax(dim=-1))


def _rows(said: Outputs, chosen: Tensor) -> Outputs:
    return Outputs(said.logits[chosen], {name: one[chosen] for name, one in said.features.items()})


def _cast(said: Outputs, dtype: torch.dtype) -> Outputs:
    return Outputs(said.logits.to(dtype), {name: one.to(dtype) for name, one in said.features.items()})


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()


def _numbered(labels: Tensor) -> Examples:
    """Every second example of a data set, whose others are of the first three classes."""
    size = 2 * len(labels) + 6
    numbers = torch.arange(len(labels)) * 2 + 1
    of_all = (torch.arange(size) % 3).view(-1, *[1] * (labels.dim() - 1)).repeat(1, *labels.shape[1:])
    of_all[numbers] = labels
    return Examples(numbers, torch.arange(size), size, of_all)
