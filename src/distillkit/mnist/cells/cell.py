"""Cells: one network, one loss, one transfer set; each is trained once a seed."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from distillkit.losses import HardLabels, Loss, SoftTargets
from distillkit.mnist.data.digits import BACKGROUND
from distillkit.mnist.data.pools import Pool
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import Protocol, unless
from distillkit.mnist.protocols.training import AnyTraining
from distillkit.transfer_sets import Chain, Fraction, Full, Jitter, TransferSet

TEACHER = "teacher"
MEMBERS = 10
"""Nets of an ensemble."""
_BETWEEN_STARTS = 1_000_000
"""More than anybody has seeds."""
Average = Literal["probabilities", "logits"]
AVERAGES: tuple[Average, ...] = ("probabilities", "logits")
FRACTION_KEPT = 11 / 12
"""Share of the training cases in a run that only chooses a bias: 55,000 are learnt from, 5,000 held out."""


TEST_TUNED, HELD_OUT, LABEL_FREE = "test-tuned", "held-out", "label-free"
"""How the shift of a corrected bias is chosen."""


class BiasCorrection(BaseModel):
    """Biases of the classes that a student saw too seldom, or too often, shifted after the training."""

    model_config = ConfigDict(frozen=True)

    classes: tuple[int, ...]
    held_out: bool
    """Whether the shift is also chosen on held-out training cases, which takes a run of its own."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Each way of choosing the shift gives a result of its own."""
        return (TEST_TUNED, HELD_OUT, LABEL_FREE) if self.held_out else (TEST_TUNED, LABEL_FREE)


class Cell(BaseModel):
    """One network to train, and how, apart from the seed."""

    model_config = ConfigDict(frozen=True, polymorphic_serialization=True)

    name: str
    network: NetworkSpec
    training: AnyTraining
    loss: Loss
    transfer_set: TransferSet
    has_teacher: bool
    correction: BiasCorrection | None = None
    chooses_shift_of: tuple[int, ...] = ()
    """Classes whose bias this run chooses a shift for, on the cases that its transfer set leaves out."""
    background: float = unless(BACKGROUND)
    """The value of a pixel without ink, for this network."""
    pool: Pool | None = unless(None)
    """Unlabelled images to learn from in place of the training set."""
    start: int = unless(0)
    """Which of several runs of one seed: each has other initial values and another order of the data."""
    ensemble: Average | None = unless(None)
    """The kind of average over the nets of `MEMBERS` starts that teach this one, in place of the teacher."""

    @property
    def is_member(self) -> bool:
        """Whether this is a net of an ensemble."""
        return self.start > 0

    def seed(self, seed: int) -> int:
        """The seed of initial values, order and dropout in the run of a seed."""
        return seed + _BETWEEN_STARTS * self.start

    def config(self, **more: Any) -> dict[str, Any]:
        """The whole configuration of a run as plain data, and what the caller adds."""
        settings = self.model_dump(mode="json", exclude={"correction", "has_teacher"})
        return {**settings, **more}


def teacher_cell(protocol: Protocol, seed: int, *, dropout: bool) -> Cell:
    """The teacher, on jittered images, with its dropout or without."""
    return Cell(
        name=TEACHER if dropout else "teacher-no-dropout",
        network=protocol.teacher if dropout else protocol.teacher_without_dropout(),
        training=protocol.teacher_training,
        loss=HardLabels(),
        transfer_set=Jitter(
            pixels=protocol.jitter_pixels, fill=protocol.background, shifts=protocol.jitter_shifts, seed=seed
        ),
        has_teacher=False,
        background=protocol.background,
    )


def student_cell(
    protocol: Protocol,
    hidden_units: int,
    loss: Loss,
    loss_name: str,
    *,
    transfer_set: TransferSet | None = None,
    suffix: str = "",
    correction: BiasCorrection | None = None,
) -> Cell:
    """A student with D units a layer."""
    return Cell(
        name=f"D{hidden_units}-{loss_name}{suffix}",
        network=protocol.student(hidden_units),
        training=protocol.student_training,
        loss=loss,
        transfer_set=transfer_set or Full(),
        has_teacher=not isinstance(loss, HardLabels),
        correction=correction,
        background=protocol.background,
    )


def baseline_cell(protocol: Protocol, hidden_units: int, **more: Any) -> Cell:
    """A student on hard labels alone."""
    return student_cell(protocol, hidden_units, HardLabels(), "noKD", **more)


def distilled_cell(protocol: Protocol, hidden_units: int, temperature: float, **more: Any) -> Cell:
    """A student of the protocol's loss at a temperature."""
    loss = protocol.student_loss(temperature)
    return student_cell(protocol, hidden_units, loss, f"T{temperature:g}", **more)


def pool_cell(protocol: Protocol, hidden_units: int, temperature: float, pool: Pool) -> Cell:
    """A student of the teacher's soft targets alone, on unlabelled images."""
    name = f"T{temperature:g}-{pool.images}-{pool.number}"
    cell = student_cell(protocol, hidden_units, SoftTargets(temperature=temperature), name)
    return cell.model_copy(update={"pool": pool})


def member_cells(protocol: Protocol, hidden_units: int) -> list[Cell]:
    """The nets of an ensemble: baselines that start anew."""
    baseline = baseline_cell(protocol, hidden_units)
    return [
        baseline.model_copy(update={"name": f"{baseline.name}-member-{start}", "start": start})
        for start in range(1, MEMBERS + 1)
    ]


def ensemble_student_cell(
    protocol: Protocol, hidden_units: int, temperature: float, average: Average
) -> Cell:
    """One net distilled from the ensemble."""
    cell = distilled_cell(protocol, hidden_units, temperature, suffix=f"-of-mean-{average}")
    return cell.model_copy(update={"ensemble": average})


def tuning_cell(cell: Cell, correction: BiasCorrection, seed: int) -> Cell:
    """The run that chooses a shift for `cell` on held-out cases: on eleven twelfths of each class."""
    return cell.model_copy(
        update={
            "name": f"{cell.name}-tuning",
            "transfer_set": Chain(parts=(Fraction(fraction=FRACTION_KEPT, seed=seed), cell.transfer_set)),
            "correction": None,
            "chooses_shift_of": correction.classes,
        }
    )


def held_out(labels: Tensor, seed: int) -> Tensor:
    """Which training cases `tuning_cell` and the like leave out, bool `[cases]`, on the labels' device."""
    found = torch.ones(len(labels), dtype=torch.bool)
    found[Fraction(fraction=FRACTION_KEPT, seed=seed).select(len(labels), labels)] = False
    return found.to(labels.device)
