"""Schedules: their values, where they may stand, and what becomes of a loss that has them."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.losses import (
    DKD,
    MLKD,
    RKD,
    CorrectedTeacher,
    HardLabels,
    LogitMatching,
    Loss,
    SoftTargets,
    Standardized,
    WeightedSum,
    hinton,
)
from distillkit.policy import Policy
from distillkit.schedules import Cosine, Linear, Schedule, WarmUp, Weight
from distillkit.typing import Outputs

FALLING = Linear(start=20, end=2)
GROWING = WarmUp(end=3, share=0.5)


@pytest.mark.parametrize("progress", [0, 0.1, 0.25, 0.3, 0.5, 0.9, 1])
def test_values_are_those_of_the_formulae(progress: float) -> None:
    """Straight lines and half a cosine over the share, and then the end, exactly."""
    done = min(progress / 0.3, 1)
    assert Linear(start=5, end=1, share=0.3).at(progress) == pytest.approx(5 - 4 * done)
    half_a_cosine = 1 + (5 - 1) * (1 + math.cos(math.pi * done)) / 2
    assert Cosine(start=5, end=1, share=0.3).at(progress) == pytest.approx(half_a_cosine)
    assert WarmUp(end=5, share=0.3).at(progress) == pytest.approx(5 * done)
    if progress >= 0.3:
        assert Linear(start=5, end=0.1, share=0.3).at(progress) == 0.1


def test_one_that_does_not_move_is_its_number() -> None:
    """From a number to itself, nothing is lost to rounding."""
    for kind in (Linear, Cosine):
        assert {kind(start=0.1, end=0.1).at(part / 7) for part in range(8)} == {0.1}


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_is_a_share(share: float) -> None:
    """In (0, 1]."""
    with pytest.raises(ConfigurationError, match="share"):
        Linear(start=1, end=2, share=share)


LOSSES = [
    SoftTargets(temperature=FALLING),
    DKD(temperature=FALLING, target_weight=GROWING),
    MLKD(temperatures=[1, FALLING]),
    Standardized(loss=CorrectedTeacher(loss=SoftTargets(temperature=FALLING))),
    WeightedSum(
        terms={"soft": SoftTargets(temperature=FALLING), "hard": HardLabels()},
        weights={"soft": GROWING, "hard": 1},
    ),
    hinton(temperature=FALLING, hard_label_weight=0.1),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_files_keep_it(loss: Loss) -> None:
    """It comes back equal from YAML, JSON and plain data, without a warning of pydantic's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = [
            Loss.from_yaml(loss.to_yaml()),
            Loss.from_json(loss.to_json()),
            Loss.from_dict(loss.to_dict()),
        ]
        assert Loss.from_json(loss.model_dump_json()) == loss
    assert all(one == loss and hash(one) == hash(loss) for one in again)
    assert [one.schedules() for one in again] == [loss.schedules()] * 3
    assert loss.schedules()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_at_is_the_loss_with_the_numbers_written_out(loss: Loss, progress: float) -> None:
    """What `at` gives computes what the same loss made from the numbers computes, to the bit."""

    def written_out(settings: Any) -> Any:
        if isinstance(settings, dict):
            if settings.get("kind") in Schedule.kinds():
                return Schedule.from_dict(settings).at(progress)
            return {name: written_out(one) for name, one in settings.items()}
        return [written_out(one) for one in settings] if isinstance(settings, list) else settings

    now, plain = loss.at(progress), Loss.from_dict(written_out(loss.to_dict()))
    assert not now.schedules()
    assert now.at(0.5) is now
    assert now.to_dict() == plain.to_dict()
    student, teacher = 3 * torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    sides: Any = {"student": Outputs(student), "teacher": Outputs(teacher), "labels": torch.arange(6) % 5}
    assert torch.equal(now(**sides), plain(**sides))


def test_names_lead_to_the_fields() -> None:
    """Through terms, wrappers and lists."""
    assert list(LOSSES[2].schedules()) == ["temperatures.1"]
    assert list(LOSSES[3].schedules()) == ["loss.loss.temperature"]
    assert LOSSES[4].schedules() == {"terms.soft.temperature": FALLING, "weights.soft": GROWING}
    assert LogitMatching().schedules() == {}


@pytest.mark.parametrize("loss", [HardLabels(), SoftTargets(temperature=4), hinton(4, 0.1)], ids=repr)
def test_one_without_schedules_is_itself(loss: Loss) -> None:
    """Nothing is copied where nothing changes."""
    assert loss.at(0.3) is loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SoftTargets(temperature=WarmUp(end=4)),
            "temperature: Input should be greater than 0, got 0.0",
        ),
        (lambda: DKD(target_weight=Linear(start=1, end=-1)), "target_weight: .* greater than or equal to 0"),
        (lambda: SoftTargets(temperature={"kind": "lineal"}), "did you mean 'linear'"),
        (
            lambda: SoftTargets(temperature={"kind": "linear", "start": 1}),
            "temperature.end: a value is required",
        ),
        (lambda: HardLabels(label_smoothing=Linear(start=0, end=1)), "label_smoothing"),
        (lambda: hinton(4, Linear(start=0, end=1)), "a schedule for each of the two"),
    ],
)
def test_what_cannot_stand_there_is_refused(make: Any, message: str) -> None:
    """Values that the number could not have, settings that are none, and fields that are no weight."""
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_values_between_the_ends_are_looked_at_too() -> None:
    """A schedule of somebody's own may go anywhere on its way."""

    class Dipping(Schedule):
        """Below 0 in the middle."""

        kind: str = "dipping"

        def at(self, progress: float) -> float:
            return 1.0 if abs(progress - 0.5) > 0.1 else -1.0

    try:
        with pytest.raises(ConfigurationError, match=r"got -1\.0"):
            SoftTargets(temperature=Dipping())
    finally:
        del Schedule._kinds["dipping"]


def test_settings_within_a_loss_are_followed_too() -> None:
    """A plug-in may keep a weight in a policy of its own."""

    class Part(Policy):
        """Settings in a box."""

        weight: Weight = 1.0

    class Boxed(Loss):
        """A loss with settings in a box."""

        kind: Literal["boxed_for_a_test"] = "boxed_for_a_test"
        part: Part

        def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Any) -> torch.Tensor:
            return self.part.weight * student.logits.square().mean()

    try:
        loss = Boxed(part=Part(weight=GROWING))
        assert loss.schedules() == {"part.weight": GROWING}
        assert loss.at(0.25) == Boxed(part=Part(weight=1.5))
    finally:
        del Loss._kinds["boxed_for_a_test"]


def test_a_term_counts_while_its_scheduled_weight_is_0() -> None:
    """The contributions have the same names at every step; a plain 0 asks for nothing, as ever."""
    loss = WeightedSum(
        terms={"soft": SoftTargets(temperature=2), "hard": HardLabels(), "none": HardLabels()},
        weights={"soft": 1, "hard": WarmUp(end=1), "none": 0},
    )
    student, teacher = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    for progress in (0, 0.05, 1):
        parts = loss.at(progress).contributions(
            student=Outputs(student), teacher=Outputs(teacher), labels=torch.arange(6) % 5
        )
        assert list(parts) == ["soft", "hard"]
        assert (parts["hard"] == 0) == (progress == 0)


def test_both_weights_of_rkd_may_begin_at_0() -> None:
    """Then the loss of the first step is 0, with gradients that are."""
    loss = RKD(layers={"a": "x"}, distance_weight=WarmUp(end=1), angle_weight=WarmUp(end=2)).at(0)
    student, teacher = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    student.requires_grad_()
    found = loss(
        student=Outputs(student, {"a": student}), teacher=Outputs(teacher, {"x": teacher}), labels=None
    )
    found.backward()
    assert found.item() == 0
    assert torch.equal(student.grad, torch.zeros(4, 3))


def test_the_schema_knows_schedules() -> None:
    """Editors are told that a number or a schedule may stand there."""
    number, schedule = SoftTargets.model_json_schema()["properties"]["temperature"]["anyOf"]
    assert number == {"type": "number", "exclusiveMinimum": 0}
    assert {"cosine", "linear", "warm_up"} <= set(schedule["properties"]["kind"]["enum"])
