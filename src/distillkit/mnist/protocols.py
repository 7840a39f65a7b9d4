"""Protocols: named, complete sets of settings under which the experiments are run."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from distillkit.errors import ConfigurationError
from distillkit.mnist.models import NetworkSpec


class Training(BaseModel):
    """How a network is trained: SGD with momentum, the learning rate decaying from epoch to epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    epochs: PositiveInt = 25
    """Passes over the training cases."""
    batch_size: PositiveInt = 100
    """Cases a batch."""
    learning_rate: PositiveFloat = 0.01
    """Of the first epoch."""
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Factor on the learning rate after each epoch."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of SGD."""
    weight_decay: NonNegativeFloat = 0.0
    """Of SGD: added to the gradient, times the weight."""
    clip_norm: PositiveFloat | None = 1.0
    """Largest global norm of the gradient."""
    max_squared_norm: PositiveFloat | None = None
    """Largest squared length of a unit's incoming weights; no limit where empty."""


class Protocol(BaseModel):
    """Networks and training of teacher and student."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """What it is called on the command line."""
    description: str
    """What it is, in a sentence."""
    teacher: NetworkSpec
    """The teacher's network."""
    teacher_training: Training
    """How the teacher is trained."""
    jitter_pixels: PositiveInt
    """Largest shift of the teacher's training images, in pixels; the students' are not moved."""
    student_hidden_layers: PositiveInt
    """Hidden layers of a student, each of D units."""
    student_relu_on_logits: bool
    """Whether a ReLU follows the student's last layer."""
    student_training: Training
    """How a student is trained."""

    def student(self, hidden_units: int) -> NetworkSpec:
        """A student with D units in each hidden layer."""
        return NetworkSpec(
            hidden_units=(hidden_units,) * self.student_hidden_layers,
            relu_on_logits=self.student_relu_on_logits,
        )

    def teacher_without_dropout(self) -> NetworkSpec:
        """The teacher's network with all dropout off."""
        return self.teacher.model_copy(update={"input_dropout": 0.0, "hidden_dropout": ()})

    def with_epochs(self, epochs: int) -> Protocol:
        """The same, shorter or longer."""
        changes = {
            side: getattr(self, side).model_copy(update={"epochs": epochs})
            for side in ("teacher_training", "student_training")
        }
        return self.model_copy(update=changes)

    def settings(self) -> dict[str, Any]:
        """All that a run depends on, as plain data; the description is words."""
        return self.model_dump(mode="json", exclude={"description"})


REPORT_2025 = Protocol(
    name="report-2025",
    description="The 2025 report as its text describes it: two hidden layers, linear logits, 25 epochs "
    "(batch, clipping, input scaling and the distribution of the jitter from its code).",
    teacher=NetworkSpec(hidden_units=(1200, 1200), input_dropout=0.2, hidden_dropout=(0.5, 0.5)),
    teacher_training=Training(weight_decay=1e-4),
    jitter_pixels=2,
    student_hidden_layers=2,
    student_relu_on_logits=False,
    student_training=Training(),
)

REPORT_2025_CODE = Protocol(
    name="report-2025-code",
    description="The 2025 report as its code runs it: three hidden layers, a ReLU on the logits, and "
    "the dropout of 0.2 after the first hidden layer.",
    teacher=NetworkSpec(hidden_units=(1200, 1200, 1200), hidden_dropout=(0.2, 0.5, 0.5), relu_on_logits=True),
    teacher_training=Training(weight_decay=1e-4),
    jitter_pixels=2,
    student_hidden_layers=3,
    student_relu_on_logits=True,
    student_training=Training(),
)

PROTOCOLS = {protocol.name: protocol for protocol in (REPORT_2025, REPORT_2025_CODE)}


def protocol_named(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ConfigurationError: There is none; lists those there are.
    """
    if name not in PROTOCOLS:
        raise ConfigurationError(f"There is no protocol {name!r}; there are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
