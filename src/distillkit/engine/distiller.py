"""`Distiller`: any teacher, any student."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.callbacks import Callback, tell
from distillkit.engine.checks import check_devices
from distillkit.engine.data.batch import as_batch
from distillkit.engine.data.data_forms import as_source
from distillkit.engine.data.numbering import numbering_for
from distillkit.engine.data.seeds import epoch_seed, own_randomness
from distillkit.engine.data.selection import select
from distillkit.engine.data.views import viewed
from distillkit.engine.forward.compiling import CompileMode
from distillkit.engine.forward.precision import PrecisionName, resolve_precision
from distillkit.engine.loop.adapters import meet
from distillkit.engine.loop.epoch import train_epoch
from distillkit.engine.loop.evaluator import Evaluator, all_logits
from distillkit.engine.loop.manual_steps import OwnLoop
from distillkit.engine.loop.needs import captures_for
from distillkit.engine.loop.scheduled_loss import course_for
from distillkit.engine.settings import (
    OptimizerFactory,
    Schedule,
    ScheduleFactory,
    callbacks_of,
    check_modules,
    check_parts,
    one_of,
    optimizer_for,
    schedule_for,
    whole_number,
)
from distillkit.engine.teacher.cache import TeacherCache
from distillkit.engine.teacher.signal import (
    TeacherCacheMode,
    cache_for,
    refuse_unsound_cache,
    teacher_signal,
)
from distillkit.engine.update.cuda_graphs import recorder_for
from distillkit.engine.update.update import update_for
from distillkit.metrics import Evaluation
from distillkit.transfer_sets import Full, TransferSet
from distillkit.typing import LossFn

if TYPE_CHECKING:
    import pandas as pd


class Distiller:
    """Trains a student on a loss, a transfer set and, for most losses, a teacher.

    The student is trained in place and stays the plain module that it was. The teacher runs in evaluation
    mode without gradients and is given back as it came. Both must be on one device; that is where the work is
    done. What a loss learns itself, such as a regressor between layers of other sizes, is made with the first
    batch and trained like the student: it is in `adapters`, and no part of the student.

    Examples may have a label at each of many positions, `[batch, ..., classes]` and `[batch, ...]`: tokens,
    pixels. Those whose label is −100 then count for no loss.

    Args:
        teacher: Any module that gives logits, an `Ensemble`, or `None` for a loss on labels alone.
        student: Any module that gives logits of the same classes.
        loss: A `Loss`, or any callable as `distillkit.typing.LossFn` describes.
        transfer_set: Which examples, with or without labels, in what view. `fit` uses it.
        optimizer: One that holds the student's parameters, or a function that makes one from them; fused
            AdamW with a learning rate of 0.001 where none is given.
        schedule: A learning-rate schedule on that optimiser, or a function that makes one.
        schedule_unit: What the schedule counts, `"epoch"` or `"step"`.
        clip_norm: Largest global norm of the gradients, > 0; `None` leaves them alone.
        precision: Of the forward pass: `"auto"`, `"fp32"`, `"tf32"`, `"bf16"` or `"fp16"`.
        compile: Whether `torch.compile` is used: `"auto"`, where it pays; `"on"` or `"off"`; or `"graphs"`,
            on a GPU: not compiled, but whole updates recorded as CUDA graphs, for small networks. Gradients
            are nothing that a callback can see where updates are recorded, or compiled (see `Callback`).
        teacher_cache: Whether the teacher's answers are computed once: `"auto"` where that is known to be
            sound (tensors, the same view each time), `"on"` for a data set that you vouch for, `"off"` never;
            or a `TeacherCache` that several Distillers share, otherwise as `"auto"`.
        callbacks: What is called as the training goes.
        seed: Of the order of the data and of dropout: same seed, same history, to the bit, on one CPU.

    Raises:
        ConfigurationError: An argument cannot be used; says what was expected, what came and what to do.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit import Distiller, losses
        >>> _ = torch.manual_seed(0)
        >>> x, y = torch.randn(64, 4), torch.randint(3, (64,))
        >>> distiller = Distiller(
        ...     teacher=nn.Linear(4, 3),
        ...     student=nn.Linear(4, 3),
        ...     loss=losses.hinton(temperature=4, hard_label_weight=0.1),
        ... )
        >>> history = distiller.fit((x, y), epochs=2, batch_size=16)
        >>> list(history.columns)
        ['epoch', 'loss', 'soft', 'hard', 'learning_rate']
    """

    def __init__(
        self,
        *,
        teacher: nn.Module | None,
        student: nn.Module,
        loss: LossFn,
        transfer_set: TransferSet | None = None,
        optimizer: Optimizer | OptimizerFactory | None = None,
        schedule: Schedule | ScheduleFactory | None = None,
        schedule_unit: str = "epoch",
        clip_norm: float | None = None,
        precision: PrecisionName = "auto",
        compile: CompileMode = "auto",
        teacher_cache: TeacherCacheMode | TeacherCache = "auto",
        callbacks: Sequence[Callback] = (),
        seed: int = 0,
    ) -> None:
        check_modules(teacher, student)
        check_parts(loss, transfer_set, clip_norm)
        one_of("compile", compile, ("auto", "on", "off", "graphs"))
        self.teacher, self.student, self.loss = teacher, student, loss
        self.transfer_set: TransferSet = Full() if transfer_set is None else transfer_set
        self.device = next(student.parameters()).device
        self.captures = captures_for(loss, student=student, teacher=teacher)
        self.compile = self.captures.compile_mode(compile)
        self.recorder = recorder_for(self.device) if self.compile == "graphs" else None
        self.optimizer = optimizer_for(student, optimizer, recorded=self.recorder is not None)
        self.schedule = schedule_for(self.optimizer, schedule, schedule_unit)
        self.given, self.met = (optimizer, schedule), False
        self.adapters: nn.Module | None = None
        self.schedule_unit, self.clip_norm = schedule_unit, clip_norm
        self.seed = whole_number("seed", seed)
        self.callbacks = callbacks_of(callbacks)
        self.teacher_cache = cache_for(teacher_cache, self.callbacks)
        self.precision = resolve_precision(precision, self.device)
        self.epochs_done = 0
        self._own_loop: OwnLoop | None = None
        self.stopping = False

    def fit(
        self,
        train: Any,
        *,
        epochs: int,
        batch_size: int | None = None,
        evaluate_on: Any = None,
        num_workers: int = 0,
    ) -> pd.DataFrame:
        """Train the student on the transfer set.

        Args:
            train: `(inputs, labels)` or inputs as tensors, a mapping of tensors, a `Dataset`, a `DataLoader`,
                or another repeatable iterable of batches. Each example may have a weight ≥ 0: `(inputs,
                labels, weights)`, or `example_weights` in a mapping; the loss of a batch is Σ w · l / Σ w.
            epochs: Passes over the transfer set, ≥ 1.
            batch_size: Examples a batch; 128 where neither you nor a loader says. The last batch may be
                smaller.
            evaluate_on: Labelled data in any of these forms, evaluated after every epoch.
            num_workers: Processes that read a `Dataset`.

        Returns:
            The history, one row an epoch: `epoch` (from 1), `loss` and its contributions (means over the
            steps), `learning_rate`, the loss's scheduled numbers, both at the epoch's first step, and the
            metrics of `evaluate_on`. `history.attrs["seconds"]` has each epoch's time.

        Raises:
            ConfigurationError: Data, models or settings do not fit together.
            DivergenceError: The loss is no longer finite; names the step, the terms and the likely causes.
        """
        # imported here for a quick start
        import pandas as pd

        epochs = whole_number("epochs", epochs, at_least=1)
        check_devices(self.student, self.teacher, self.device)
        source = as_source(train, self.device, batch_size=batch_size, num_workers=num_workers)
        refuse_unsound_cache(self.teacher_cache, source, self.transfer_set, capture=self.captures.teacher)
        with own_randomness(self.seed, self.device):
            selected = select(source, self.transfer_set)
            evaluator = None if evaluate_on is None else self._evaluator(evaluate_on)
            signal = None
            if self.teacher is not None:
                signal = teacher_signal(
                    self.teacher,
                    source,
                    selected=selected,
                    transfer_set=self.transfer_set,
                    precision=self.precision,
                    cache=self.teacher_cache,
                    capture=self.captures.teacher,
                )
            numbers = numbering_for(self.captures, source, selected, self.transfer_set, self.device)
            if self.captures and not self.met:
                some = source.batches(None if selected is None else selected[:2])
                meet(self, next(iter(viewed(some, self.transfer_set, epoch=0)), None), numbers)
        steps = 0 if selected is None else -(-len(selected) // source.batch_size)
        update = update_for(self, steps=steps * epochs, numbering=numbers)
        course = course_for(self.loss, epochs=epochs, steps=steps)
        self.stopping = False
        tell(self, "on_fit_start", epochs, steps)
        rows: list[dict[str, Any]] = []
        seconds: list[float] = []
        for _ in range(epochs):
            began = time.perf_counter()
            with own_randomness(epoch_seed(self.seed, self.epochs_done), self.device):
                row = train_epoch(self, update, source, selected, signal, course)
                if evaluator is not None:
                    row |= evaluator.evaluate(self.student).numbers()
            seconds.append(time.perf_counter() - began)
            rows.append({"epoch": self.epochs_done, **row})
            tell(self, "on_epoch_end", rows[-1])
            if self.stopping:
                break
        update.close()
        history = pd.DataFrame(rows)
        history.attrs["seconds"] = seconds
        return history

    def step(self, batch: Any, *, progress: float | None = None) -> dict[str, Tensor]:
        """One update on one batch, for a training loop of your own; the teacher answers live.

        The loop is yours: so are the student's mode (`student.train()`), the seed and the schedule.

        Args:
            batch: `(inputs, labels)`, also with weights, inputs alone, or a mapping, on any device.
            progress: The share of your training that is done, in [0, 1], for a loss that follows schedules; 0
                where you do not say.

        Returns:
            The loss's contributions by name, scalars without gradients, on the device.

        Raises:
            ConfigurationError: On the first batch: models, batch and settings do not fit together. Or there
                is a transfer set, which only `fit` can use.
        """
        moved = as_batch(batch, self.device)
        if self._own_loop is None:
            self._own_loop = OwnLoop(self, moved, progress)
        return self._own_loop(moved, progress)

    def evaluate(self, data: Any) -> Evaluation:
        """The student's metrics on labelled data, and its agreement with the teacher if there is one.

        Where an example has labels at many positions, each position whose label is not −100 is a case.
        """
        check_devices(self.student, self.teacher, self.device)
        with own_randomness(self.seed, self.device):
            return self._evaluator(data).evaluate(self.student)

    def logits(self, data: Any) -> Tensor:
        """The student's logits on data with or without labels, `[cases, classes]`, float32."""
        with own_randomness(self.seed, self.device):
            return all_logits(self.student, as_source(data, self.device), self.precision)

    def stop(self) -> None:
        """Make the epoch in hand the last; for callbacks."""
        self.stopping = True

    def _evaluator(self, data: Any) -> Evaluator:
        return Evaluator(as_source(data, self.device), self.teacher, self.precision, self.teacher_cache)
