"""Which layers of two models a loss on features might compare, by the sizes of what they give."""

from __future__ import annotations

import math
from dataclasses import dataclass

from distillkit.workbench.compare.inspection import LayerDescription, ModelDescription

_NEAR = math.log(2)
"""Largest difference of the logarithms of two sizes, in places (height × width, tokens), that pair."""


@dataclass(frozen=True)
class LayerPair:
    """A layer of the student, and one of the teacher that it might be compared with."""

    student: LayerDescription
    teacher: LayerDescription

    @property
    def same_size(self) -> bool:
        """Whether height and width, or tokens, are equal; channels may differ."""
        return _places(self.student) == _places(self.teacher)


def suggest_pairs(student: ModelDescription, teacher: ModelDescription) -> list[LayerPair]:
    """Pairs by size: the last of the outermost layers of each size on either side, where the sizes are near.

    They are a place to begin: no rule knows which layers are worth comparing. Left out are layers that run
    more than once, and the output itself, which losses on logits compare.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit.workbench.compare.inspection import describe_model
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> found = describe_model(net, torch.zeros(2, 1, 8, 8))
        >>> [(pair.student.name, pair.teacher.name) for pair in suggest_pairs(found, found)]
        [('1', '1'), ('2', '2')]
    """
    theirs = _outermost_of_each_size(teacher)
    pairs: list[LayerPair] = []
    for one in _outermost_of_each_size(student):
        near = [(_apart(one, other), place) for place, other in enumerate(theirs)]
        distance, place = min(near, default=(math.inf, 0))
        if distance <= _NEAR:
            pairs.append(LayerPair(one, theirs[place]))
            # both go from the input to the output, so what follows is paired with what follows
            theirs = theirs[place + 1 :]
    return pairs


def _outermost_of_each_size(model: ModelDescription) -> list[LayerDescription]:
    by_name = {one.name: one for one in model.layers}
    last: dict[tuple[int, ...], LayerDescription] = {}
    for name in model.finished:
        one = by_name.get(name)
        if one is None or not one.output or one.runs != 1 or one.gives_the_answer:
            continue
        key = (len(one.output), *_places(one))
        # the first layers of a stage still have the size of the stage before: those that are deep inside
        if key not in last or one.name.count(".") <= last[key].name.count("."):
            last.pop(key, None)
            last[key] = one
    return list(last.values())


def _places(one: LayerDescription) -> tuple[int, ...]:
    """Height and width of a map, the number of tokens of a sequence, nothing of a vector."""
    shape = one.output or ()
    return shape[:1] if len(shape) == 2 else shape[1:]


def _apart(one: LayerDescription, other: LayerDescription) -> float:
    if len(one.output or ()) != len(other.output or ()):
        return math.inf
    return abs(math.log(math.prod(_places(one))) - math.log(math.prod(_places(other))))
