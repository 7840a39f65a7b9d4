"""Training them: a teacher a seed, and of it a student by each loss, a line in a file for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from benchmarks.losses_compared.networks import STUDENT_CHANNELS, TEACHER_CHANNELS, network
from benchmarks.losses_compared.recipes import BATCH_SIZE, recipe_of
from distillkit import Distiller, Ensemble
from distillkit.errors import ConfigurationError, DivergenceError
from distillkit.losses import HardLabels, Loss
from distillkit.mnist.data.digits import MnistData
from distillkit.transfer_sets import Fraction, Full, TransferSet
from distillkit.workbench import config_id, environment, write_atomically
from distillkit.workbench.results.lines import append_line, cut_torn_line, read_lines
from distillkit.workbench.results.only_writer import only_writer
from distillkit.workbench.results.store import RESULTS

TEACHER = "teacher"
"""The name of a teacher's line."""
_APART = 1000
"""Between the seeds of the initial values of students that learn together."""
_SIDE = 28


@dataclass(frozen=True)
class Training:
    """How a network is trained: AdamW, its learning rate along half a cosine to 0."""

    channels: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    fraction: float
    """Share of the training cases of each class."""


@dataclass(frozen=True)
class Plan:
    """Both trainings; no loss has one of its own."""

    teacher: Training = Training(TEACHER_CHANNELS, 3, 128, 0.003, 1.0)
    student: Training = Training(STUDENT_CHANNELS, 20, BATCH_SIZE, 0.04, 0.05)


def compare(
    losses: Mapping[str, Loss],
    data: MnistData,
    folder: Path,
    *,
    seeds: int,
    command: str,
    plan: Plan | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Train what is not in the folder's results yet; each run is on the disk as it ends.

    Args:
        losses: By name, as `compared` gives them.
        data: MNIST; the test set is only counted on.
        folder: Gets `results.jsonl`, and the teachers' weights, for when the command is given again.
        seeds: 0 to N − 1; of the initial values, the student's training cases and the order.
        command: Written into each line.
        plan: The trainings; the page's by default.
        say: Told of each run.

    Raises:
        ConfigurationError: The folder is in use, damaged, or a teacher in it was trained elsewhere.
    """
    plan = plan or Plan()
    with only_writer(folder):
        file = folder / RESULTS
        cut_torn_line(file)
        done = {line["id"]: line for line in read_lines(file)}
        bench = _Bench(data, plan, command, folder)

        def keep(line: dict[str, Any]) -> None:
            done[line["id"]] = line
            append_line(file, line)
            say(_told(line))

        for seed in range(seeds):
            for name, config in run_configs(losses, plan, data.sha256, seed).items():
                if name == TEACHER or config_id(config, seed) in done:
                    continue
                teachers = [bench.teacher(each, done, keep) for each in _teachers_of(name, seed)]
                keep(bench.student(name, losses[name], seed, config, teachers))


def run_configs(
    losses: Mapping[str, Loss], plan: Plan, data_sha256: str, seed: int
) -> dict[str, dict[str, Any]]:
    """By name what decides a run's numbers, beside its seed and the machine; the teacher's too.

    Args:
        losses: By name.
        plan: The trainings.
        data_sha256: Of the data.
        seed: That of the teacher.
    """
    shared = {"data": data_sha256, "precision": "fp32"}
    teacher: dict[str, Any] = {**shared, "training": _plain(plan.teacher), "loss": HardLabels().to_dict()}
    configs = {TEACHER: teacher}
    for name, loss in losses.items():
        taught_by = [config_id(teacher, each) for each in _teachers_of(name, seed)]
        configs[name] = {
            **shared,
            "training": _plain(plan.student),
            "teacher": taught_by[0] if len(taught_by) == 1 else taught_by,
            "loss": loss.to_dict(),
            **({"students": recipe_of(name).students} if recipe_of(name).students > 1 else {}),
        }
    return configs


def _teachers_of(name: str, seed: int) -> range:
    """The seeds of the teachers of a loss's student: its own, and those after it where it has several."""
    return range(seed, seed + recipe_of(name).teachers)


class _Bench:
    """What all runs of a call share."""

    def __init__(self, data: MnistData, plan: Plan, command: str, folder: Path) -> None:
        self._plan, self._command, self._folder = plan, command, folder
        self._train = _images(data.train_images), data.train_labels
        self._test = _images(data.test_images), data.test_labels
        self._sha256 = data.sha256
        self._teachers: dict[int, nn.Module] = {}

    def teacher(
        self, seed: int, done: Mapping[str, Mapping[str, Any]], keep: Callable[[dict[str, Any]], None]
    ) -> nn.Module:
        """The teacher of a seed: its kept weights, or trained; its line is kept if there is none yet."""
        if seed in self._teachers:
            return self._teachers[seed]
        config = run_configs({}, self._plan, self._sha256, seed)[TEACHER]
        known = done.get(config_id(config, seed))
        file = self._folder / "teachers" / f"{config_id(config, seed)}.safetensors"
        teacher = network(self._plan.teacher.channels, seed)
        if known is not None and file.exists():
            teacher.load_state_dict(load_file(file))
        else:
            line = self._trained(TEACHER, self._plan.teacher, HardLabels(), seed, config, [teacher], None)
            if known is not None and line["test_errors"] != known["test_errors"]:
                raise ConfigurationError(
                    f"The teacher of seed {seed} made {known['test_errors']} errors, and trained again it "
                    f"makes {line['test_errors']}: bring {file.name}, or write to an --out of its own."
                )
            write_atomically(file, save(teacher.state_dict()))
            if known is None:
                keep(line)
        self._teachers[seed] = teacher
        return teacher

    def student(
        self, name: str, loss: Loss, seed: int, config: dict[str, Any], teachers: Sequence[nn.Module]
    ) -> dict[str, Any]:
        """A student's line."""
        training = self._plan.student
        students = [
            network(training.channels, seed + _APART * place) for place in range(recipe_of(name).students)
        ]
        return self._trained(name, training, loss, seed, config, students, _as_one(teachers))

    def _trained(
        self,
        name: str,
        training: Training,
        loss: Loss,
        seed: int,
        config: dict[str, Any],
        students: Sequence[nn.Module],
        teacher: nn.Module | None,
    ) -> dict[str, Any]:
        some = Full() if training.fraction == 1 else Fraction(fraction=training.fraction, seed=seed)
        steps = self._steps(some, training)
        distiller = _distiller(_as_one(students), teacher, loss, some, training, steps, seed)
        first = Distiller(teacher=teacher, student=students[0], loss=HardLabels(), precision="fp32")
        before = first.evaluate(self._test).test_errors
        began, began_cpu = time.perf_counter(), time.process_time()
        diverged = False
        try:
            distiller.fit(self._train, epochs=training.epochs, batch_size=training.batch_size)
        except DivergenceError:
            diverged = True
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
        after = None if diverged else first.evaluate(self._test)
        cases = len(self._test[1])
        return {
            "id": config_id(config, seed),
            "name": name,
            "seed": seed,
            "cases": cases,
            "test_errors_before": before,
            # who says nothing gets nothing right
            "test_errors": cases if after is None else after.test_errors,
            "teacher_agreement": None if after is None else after.teacher_agreement,
            "diverged": diverged,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu_seconds, 2),
            "command": self._command,
            "environment": environment(torch.device("cpu"), "fp32"),
            "config": config,
        }

    def _steps(self, some: TransferSet, training: Training) -> int:
        cases = len(some.select(len(self._train[1]), self._train[1]))
        return training.epochs * -(-cases // training.batch_size)


def _distiller(
    student: nn.Module,
    teacher: nn.Module | None,
    loss: Loss,
    some: TransferSet,
    training: Training,
    steps: int,
    seed: int,
) -> Distiller:
    return Distiller(
        teacher=teacher,
        student=student,
        loss=loss,
        transfer_set=some,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=training.learning_rate),
        schedule=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
        schedule_unit="step",
        precision="fp32",
        compile="off",
        seed=seed,
    )


def _as_one(networks: Sequence[nn.Module]) -> nn.Module:
    return networks[0] if len(networks) == 1 else Ensemble(networks, average="probabilities")


def _images(rows: Tensor) -> Tensor:
    return rows.view(-1, 1, _SIDE, _SIDE)


def _plain(training: Training) -> dict[str, Any]:
    return {**asdict(training), "channels": list(training.channels)}


def _told(line: Mapping[str, Any]) -> str:
    how = ", diverged" if line["diverged"] else ""
    return (
        f"seed {line['seed']} {line['name']}: {line['test_errors_before']} → {line['test_errors']} test "
        f"errors{how} ({line['seconds']:.0f} s)"
    )
