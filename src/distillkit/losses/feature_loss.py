"""The root of the losses that compare layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._features import refuse_no_maps
from distillkit.layer_names import layers_like, no_such_layer
from distillkit.losses.base import Loss
from distillkit.losses.needs import Needs
from distillkit.typing import Outputs


class FeatureLoss(Loss):
    """A loss that compares layers of the student with layers of the teacher.

    A sum over pairs of layers is a `DistanceLoss`. Any other is a class with a `kind` and a `__call__`, which
    asks `pairs` for what the layers gave.

    Example:
        >>> from typing import Literal
        >>> class Apart(FeatureLoss):
        ...     kind: Literal["apart"] = "apart"
        ...     def __call__(self, *, student, teacher, labels):
        ...         return sum((s - t).square().mean() for s, t in self.pairs(student, teacher))
        >>> Apart(layers={"layer*": "stages.*"})
        Apart(kind='apart', layers={'layer*': 'stages.*'})
    """

    kind: str
    layers: dict[str, str] = Field(
        min_length=1, examples=[{"layer3": "stages.3", "layer4": "stages.4"}, {"layer*": "stages.*"}]
    )
    """Module names, student's layer to teacher's; patterns as `layer*` pair what they find, in order."""

    def needs(self) -> Needs:
        """Return that it looks at both sides of `layers`, beside the rest."""
        return replace(
            super().needs(),
            student_layers=tuple(self.layers),
            teacher_layers=tuple(self.layers.values()),
        )

    def pairs(self, student: Outputs, teacher: Outputs | None) -> list[tuple[Tensor, Tensor]]:
        """Return the features of the paired layers, the student's beside the teacher's, each `[batch, ...]`.

        Raises:
            ConfigurationError: There is no teacher, or a layer or its counterpart is missing.
        """
        taught = self.teachers(teacher).features
        pairs = []
        for of_student, of_teacher in self.layers.items():
            left = _names(of_student, student.features, "The student")
            right = _names(of_teacher, taught, "The teacher")
            if len(left) != len(right):
                raise ConfigurationError(
                    f"Layers are paired in order, and {of_student!r} are {len(left)} of the student "
                    f"({', '.join(left)}), {of_teacher!r} {len(right)} of the teacher ({', '.join(right)}): "
                    "list the pairs one by one, and use a second loss for a layer that is in two pairs."
                )
            pairs += [(student.features[one], taught[other]) for one, other in zip(left, right, strict=True)]
        return pairs

    def pairs_of_maps(self, student: Outputs, teacher: Outputs | None) -> list[tuple[Tensor, Tensor]]:
        """`pairs`, of which each side is `[batch, channels, height, width]`.

        Raises:
            ConfigurationError: As `pairs`; or some are no maps.
        """
        pairs = self.pairs(student, teacher)
        for one, other in pairs:
            refuse_no_maps(one, other)
        return pairs


def _names(pattern: str, features: Mapping[str, object], who: str) -> list[str]:
    names = layers_like(pattern, features)
    if not names:
        raise no_such_layer(pattern, features, f"Among what was taken, {who.lower()}")
    return names
