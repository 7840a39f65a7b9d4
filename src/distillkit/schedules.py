"""Schedules: weights and temperatures of a loss that change as the training goes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from distillkit.policy import Policy

_Share = Annotated[float, Field(gt=0, le=1)]
_TRIED = 100
"""In how many parts of the training a schedule's values are tried when it is put into a loss."""


class Schedule(Policy):
    """A number that depends on how far the training is, for any weight or temperature of a loss.

    It stands where the number would. `Distiller` asks before each step; `Loss.at` asks for you.

    Another kind is one class; in a package of yours, its entry point is in the group
    `distillkit.loss_schedules`.

    Example:
        >>> from distillkit.losses import SoftTargets
        >>> class Halving(Schedule):
        ...     kind: Literal["halving"] = "halving"
        ...     def at(self, progress):
        ...         return 8.0 if progress < 0.5 else 4.0
        >>> SoftTargets(temperature=Halving()).at(0.75)
        SoftTargets(kind='soft_targets', temperature=4.0)
    """

    family: ClassVar[str] = "distillkit.loss_schedules"

    @abstractmethod
    def at(self, progress: float) -> float:
        """The number where a share `progress` of all steps is done, in [0, 1]."""


class Linear(Schedule):
    """From one number to another in equal steps, and then the other.

    Example:
        >>> [Linear(start=20, end=1).at(progress) for progress in (0, 0.5, 1)]
        [20.0, 10.5, 1.0]
    """

    kind: Literal["linear"] = "linear"
    start: float
    """The number at the first step."""
    end: float
    """The number when the share is over, and from then on."""
    share: _Share = 1.0
    """Over which share of all steps it changes, in (0, 1]."""

    def at(self, progress: float) -> float:
        """The number where a share `progress` of all steps is done."""
        return _between(self.start, self.end, min(progress / self.share, 1.0))


class Cosine(Schedule):
    """From one number to another along half a cosine, slowly at both ends, and then the other.

    Example:
        >>> [round(Cosine(start=0, end=1).at(progress), 3) for progress in (0, 0.25, 0.5, 0.75, 1)]
        [0.0, 0.146, 0.5, 0.854, 1.0]
    """

    kind: Literal["cosine"] = "cosine"
    start: float
    """The number at the first step."""
    end: float
    """The number when the share is over, and from then on."""
    share: _Share = 1.0
    """Over which share of all steps it changes, in (0, 1]."""

    def at(self, progress: float) -> float:
        """The number where a share `progress` of all steps is done."""
        done = min(progress / self.share, 1.0)
        return _between(self.start, self.end, (1 - math.cos(math.pi * done)) / 2)


class WarmUp(Schedule):
    """From 0 to a number in equal steps, and then that number; for weights, since no temperature is 0.

    Example:
        >>> [WarmUp(end=8, share=0.25).at(progress) for progress in (0, 0.125, 0.25, 1)]
        [0.0, 4.0, 8.0, 8.0]
    """

    kind: Literal["warm_up"] = "warm_up"
    end: float
    """The number when the share is over, and from then on."""
    share: _Share = 0.1
    """Over which share of all steps it grows, in (0, 1]."""

    def at(self, progress: float) -> float:
        """The number where a share `progress` of all steps is done."""
        return _between(0.0, self.end, min(progress / self.share, 1.0))


def _between(start: float, end: float, done: float) -> float:
    # exact at both ends
    return float(end) if done == 1 else start + (end - start) * done


class _MayBeScheduled:
    """Marks a field that holds a number, or a `Schedule` of which every value may stand there.

    To a type checker the field is a number: who computes with it does so in a loss that `Loss.at` gave.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A number as ever, or a schedule, whose values are looked at as numbers of the field."""
        return core_schema.no_info_wrap_validator_function(
            _number_or_schedule,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The number's, or a schedule's."""
        a_schedule = {
            "title": Schedule.__name__,
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": Schedule.kinds()}},
            "required": ["kind"],
        }
        return {"anyOf": [handler(schema), a_schedule]}


Weight = Annotated[float, Field(ge=0), _MayBeScheduled()]
"""The type of a loss's field that is a weight ≥ 0, or a schedule of it."""
Temperature = Annotated[float, Field(gt=0), _MayBeScheduled()]
"""The type of a loss's field that is a temperature > 0, or a schedule of it."""


def _number_or_schedule(value: Any, number: Callable[[Any], Any]) -> Any:
    if not isinstance(value, (Schedule, Mapping)):
        return number(value)
    schedule = Schedule.model_validate(value)
    for part in range(_TRIED + 1):
        number(schedule.at(part / _TRIED))
    return schedule


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, Schedule) else value
