"""Protocols: named, complete sets of settings under which the experiments are run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from distillkit.errors import ConfigurationError
from distillkit.losses import HardLabels, SoftTargets, WeightedSum, hinton
from distillkit.mnist.data.digits import BACKGROUND
from distillkit.mnist.protocols.learning_rates import MomentumRamp, WarmUpAndFall
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.training import AnyTraining, DecayingSgd, Scheduled
from distillkit.workbench.runs.optimizers import AdamW, Sgd


def unless(default: object) -> Any:
    """A field that is left out of what is written while it is `default`.

    What was added after the first results were published keeps their runs' identities that way.
    """
    return Field(default=default, exclude_if=lambda value: value == default)


class Protocol(BaseModel):
    """Networks and training of teacher and student."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """The name on the command line."""
    description: str
    """The description, in a sentence."""
    teacher: NetworkSpec
    """The teacher's network."""
    teacher_training: AnyTraining
    """How the teacher is trained."""
    jitter_pixels: PositiveInt
    """Largest shift of the teacher's training images, in pixels; the students' are not moved."""
    student_hidden_layers: PositiveInt
    """Hidden layers of a student, each of D units."""
    student_relu_on_logits: bool
    """Whether a ReLU follows the student's last layer."""
    student_training: AnyTraining
    """How a student is trained."""
    hard_label_weight: Annotated[float, Field(ge=0, le=1)] | None = unless(None)
    """Weight w of the hard labels in (1 − w) · soft + w · hard; the plain sum of both where empty."""
    background: float = unless(BACKGROUND)
    """The value of a pixel without ink, < 1; one full of ink is 1."""
    jitter_shifts: Literal["uniform", "rounded"] = unless("rounded")
    """How the shifts are drawn: see `distillkit.transfer_sets.Jitter`."""

    def student(self, hidden_units: int) -> NetworkSpec:
        """A student with D units in each hidden layer."""
        return NetworkSpec(
            hidden_units=(hidden_units,) * self.student_hidden_layers,
            relu_on_logits=self.student_relu_on_logits,
        )

    def student_loss(self, temperature: float) -> WeightedSum:
        """Return the loss of a distilled student at a temperature."""
        if self.hard_label_weight is not None:
            return hinton(temperature, self.hard_label_weight)
        return WeightedSum(terms={"soft": SoftTargets(temperature=temperature), "hard": HardLabels()})

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
    teacher_training=DecayingSgd(weight_decay=1e-4),
    jitter_pixels=2,
    student_hidden_layers=2,
    student_relu_on_logits=False,
    student_training=DecayingSgd(),
)

REPORT_2025_CODE = Protocol(
    name="report-2025-code",
    description="The 2025 report as its code runs it: three hidden layers, a ReLU on the logits, and "
    "the dropout of 0.2 after the first hidden layer.",
    teacher=NetworkSpec(hidden_units=(1200, 1200, 1200), hidden_dropout=(0.2, 0.5, 0.5), relu_on_logits=True),
    teacher_training=DecayingSgd(weight_decay=1e-4),
    jitter_pixels=2,
    student_hidden_layers=3,
    student_relu_on_logits=True,
    student_training=DecayingSgd(),
)

_RAMPED_SGD = Scheduled(
    epochs=3000,
    batch_size=100,
    clip_norm=None,
    optimizer=Sgd(learning_rate=1.0),
    schedule=MomentumRamp(first=0.5, last=0.99, ramp_epochs=500, learning_rate_decay=0.998),
)

HINTON_2015 = Protocol(
    name="hinton-2015",
    description="The original settings, as far as they are known: 3,000 epochs, a momentum that rises to "
    "0.99, and for the teacher a limit on the length of the incoming weights.",
    teacher=NetworkSpec(hidden_units=(1200, 1200), input_dropout=0.2, hidden_dropout=(0.5, 0.5)),
    teacher_training=_RAMPED_SGD.model_copy(update={"max_squared_norm": 15.0}),
    jitter_pixels=2,
    jitter_shifts="uniform",
    student_hidden_layers=2,
    student_relu_on_logits=False,
    # at the teacher's rate the students of T² times the soft loss diverge within an epoch
    student_training=_RAMPED_SGD.model_copy(update={"optimizer": Sgd(learning_rate=0.1)}),
    hard_label_weight=0.1,
    background=0.0,
)

MODERN = Protocol(
    name="modern",
    description="The same networks and rules (teacher regularised and jittered, students not) with AdamW, a "
    "learning rate that rises and falls, and 400 epochs of the teacher, 60 of a student.",
    teacher=NetworkSpec(hidden_units=(1200, 1200), input_dropout=0.2, hidden_dropout=(0.5, 0.5)),
    teacher_training=Scheduled(
        epochs=400,
        batch_size=512,
        clip_norm=None,
        optimizer=AdamW(learning_rate=2e-3, weight_decay=0.05),
        schedule=WarmUpAndFall(warm_up=0.05),
    ),
    jitter_pixels=2,
    jitter_shifts="uniform",
    student_hidden_layers=2,
    student_relu_on_logits=False,
    student_training=Scheduled(
        epochs=60,
        batch_size=256,
        clip_norm=None,
        optimizer=AdamW(learning_rate=3e-3, weight_decay=0.0),
        schedule=WarmUpAndFall(warm_up=0.05),
    ),
    hard_label_weight=0.05,
)

PROTOCOLS = {protocol.name: protocol for protocol in (REPORT_2025, REPORT_2025_CODE, HINTON_2015, MODERN)}
REPORT_PROTOCOLS = (REPORT_2025.name, REPORT_2025_CODE.name)
"""The protocols of the 2025 report."""
LONG_PROTOCOLS = (HINTON_2015.name, MODERN.name)
"""The protocols of the paper, with its regularisation and with long trainings."""


def protocol_named(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ConfigurationError: There is none; lists those there are.
    """
    if name not in PROTOCOLS:
        raise ConfigurationError(f"There is no protocol {name!r}; there are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
