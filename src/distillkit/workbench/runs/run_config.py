"""`RunConfig`: a whole distillation, described."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, field_validator

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.policy import Policy
from distillkit.transfer_sets import Full, TransferSet
from distillkit.workbench.runs.data_sources import DataSource
from distillkit.workbench.runs.model_sources import ModelSource
from distillkit.workbench.runs.optimizers import AdamW, Constant, Optimizer, Schedule
from distillkit.yaml_io import load_yaml

_LARGEST_FILE = 1_000_000


class RunConfig(Policy):
    """A run file: teacher, student, data, loss and training.

    It goes to YAML and back without loss. Reading one imports nothing that it names: a function is looked up
    in the file that is named beside it (`--code`), when the run begins.

    Example:
        >>> config = RunConfig.from_yaml('''
        ... teacher: {kind: torchvision, name: resnet50, num_classes: 10, weights_file: resnet50.safetensors}
        ... student: {kind: torchvision, name: resnet18, num_classes: 10}
        ... data: {kind: torchvision, dataset: CIFAR10}
        ... loss: {kind: soft_targets, temperature: 4}
        ... epochs: 30
        ... ''')
        >>> config.optimizer
        AdamW(kind='adamw', learning_rate=0.001, betas=(0.9, 0.999), weight_decay=0.01)
        >>> RunConfig.from_yaml(config.to_yaml()) == config
        True
    """

    teacher: ModelSource | None
    """The trained model that is learnt from (several: `kind: ensemble`); null where labels alone teach."""
    student: ModelSource
    """The model that learns."""
    data: DataSource
    """The data to train on and to evaluate on."""
    loss: Loss
    """The loss that the student minimises."""
    transfer_set: TransferSet = Full()
    """Which of the training data the student sees, and in what view."""
    optimizer: Optimizer = AdamW()
    """The optimiser."""
    schedule: Schedule = Constant()
    """How the learning rate goes from epoch to epoch."""
    epochs: int = Field(ge=1)
    """Passes over the transfer set, ≥ 1."""
    batch_size: int | None = Field(default=None, ge=1)
    """Examples a batch; where null, the loader's own if the data come in one, else 128."""
    clip_norm: PositiveFloat | None = None
    """Largest global norm of the gradients, > 0; null leaves them alone."""
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """Precision of the forward pass; auto: bf16 where the hardware has it."""
    compile: Literal["auto", "on", "off", "graphs"] = "auto"
    """Whether `torch.compile` is used; auto: on a GPU with many steps ahead; graphs: CUDA graphs instead."""
    teacher_cache: Literal["auto", "on", "off"] = "auto"
    """Whether the teacher's answers are computed once; auto: where that is known to be sound."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the student's initial values, the order of the data and dropout."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that read data which are not in memory."""

    @field_validator("teacher", mode="before")
    @classmethod
    def _several_are_an_ensemble(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            raise ConfigurationError(
                "Several teachers are one ensemble: write {kind: ensemble, members: [...], average: "
                "probabilities}."
            )
        return value

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions of the code file that the run calls."""
        sides = [side for side in (self.teacher, self.student, self.data) if side is not None]
        return tuple(dict.fromkeys(function for side in sides for function in side.functions))

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights files that the run reads."""
        sides = [side for side in (self.teacher, self.student) if side is not None]
        return tuple(dict.fromkeys(file for side in sides for file in side.files))


def read_run_file(path: Path) -> RunConfig:
    """The configuration in a run file; nothing that it names is imported or opened.

    Raises:
        ConfigurationError: There is no such file, or what it holds is not a run; names the place in it.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ConfigurationError(f"{path} is larger than 1 MB, which no run file is.")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"There is no run file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The run file {path} cannot be read ({error}).") from None
    value = load_yaml(text, source=str(path))
    if not isinstance(value, dict):
        came = "nothing" if value is None else f"a {type(value).__name__}"
        raise ConfigurationError(
            f"{path} must hold a mapping (teacher, student, data, loss, epochs, ...), got {came}."
        )
    try:
        return RunConfig.from_dict(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
