"""`Distiller`: any teacher, any student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.arguments import whole_number
from distillkit.engine.callbacks import Callback
from distillkit.engine.data.batch import as_batch
from distillkit.engine.data.data_forms import as_source
from distillkit.engine.data.seeds import own_randomness
from distillkit.engine.forward.compiling import CompileMode
from distillkit.engine.forward.precision import Precision, PrecisionName
from distillkit.engine.loop.epoch import StepsOfOne, train_epoch
from distillkit.engine.loop.evaluator import Evaluator, all_logits
from distillkit.engine.loop.manual_steps import ManualSteps
from distillkit.engine.loop.preparation import Shared, prepare
from distillkit.engine.loop.training import Training
from distillkit.engine.teacher.cache import TeacherCache
from distillkit.engine.teacher.policy import TeacherCacheMode
from distillkit.engine.update.optimizers import OptimizerFactory, Schedule, ScheduleFactory
from distillkit.metrics import Evaluation
from distillkit.transfer_sets import TransferSet
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
        self.training = Training(
            teacher=teacher,
            student=student,
            loss=loss,
            transfer_set=transfer_set,
            optimizer=optimizer,
            schedule=schedule,
            schedule_unit=schedule_unit,
            clip_norm=clip_norm,
            precision=precision,
            compile=compile,
            teacher_cache=teacher_cache,
            callbacks=callbacks,
            seed=seed,
            watched=self,
        )
        self._manual_steps: ManualSteps | None = None

    @property
    def teacher(self) -> nn.Module | None:
        """The teacher, if there is one."""
        return self.training.teacher

    @property
    def student(self) -> nn.Module:
        """The student: a plain module, trained in place."""
        return self.training.student

    @property
    def loss(self) -> LossFn:
        """The loss, with its schedules; another of the same needs may be set between calls of `fit`."""
        return self.training.loss

    @loss.setter
    def loss(self, loss: LossFn) -> None:
        self.training.loss = loss

    @property
    def transfer_set(self) -> TransferSet:
        """The transfer set."""
        return self.training.transfer_set

    @property
    def adapters(self) -> nn.Module | None:
        """The adapters of the loss; `None` before the first batch, and of a loss that learns nothing."""
        return self.training.adapters

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser of student and adapters; of a loss that learns, made with the first batch."""
        return self.training.optimizer

    @property
    def schedule(self) -> Schedule | None:
        """The learning-rate schedule, made with the optimiser."""
        return self.training.schedule

    @property
    def callbacks(self) -> tuple[Callback, ...]:
        """The callbacks."""
        return self.training.callbacks

    @property
    def device(self) -> torch.device:
        """Where the student is, and the work is done."""
        return self.training.device

    @property
    def precision(self) -> Precision:
        """The precision of the forward pass, settled."""
        return self.training.precision

    @property
    def seed(self) -> int:
        """The seed of the order of the data and of dropout."""
        return self.training.seed

    @property
    def epochs_done(self) -> int:
        """Epochs trained so far, over all calls of `fit`."""
        return self.training.epochs_done

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
                `teacher_inputs` in a mapping are the teacher's, where they are not the student's.
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
        epochs = whole_number("epochs", epochs, at_least=1)
        training = self.training
        training.check_devices()
        source = as_source(train, training.device, batch_size=batch_size, num_workers=num_workers)
        test = None if evaluate_on is None else as_source(evaluate_on, training.device)
        run = prepare(training, source, test, Shared())
        steps = StepsOfOne(run, source, epochs)
        training.begin(epochs, run.steps)
        going, done = [run], 0
        while going and done < epochs:
            going = train_epoch(going, steps)
            done += 1
        steps.close()
        if run.divergence is not None:
            raise run.divergence
        return training.history()

    def step(self, batch: Any, *, progress: float | None = None) -> dict[str, Tensor]:
        """Make one update on one batch, for a training loop of your own; the teacher answers live.

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
        if self._manual_steps is None:
            self._manual_steps = ManualSteps(self.training, moved, progress)
        return self._manual_steps(moved, progress)

    def evaluate(self, data: Any) -> Evaluation:
        """Return the student's metrics on labelled data, and its agreement with the teacher if there is one.

        Where an example has labels at many positions, each position whose label is not −100 is a case.
        """
        training = self.training
        training.check_devices()
        with own_randomness(training.seed, training.device):
            source = as_source(data, training.device)
            evaluator = Evaluator(source, training.teacher, training.precision, training.teacher_cache)
            return evaluator.evaluate(training.student)

    def logits(self, data: Any) -> Tensor:
        """Return the student's logits on data with or without labels, `[cases, classes]`, float32."""
        with own_randomness(self.seed, self.device):
            return all_logits(self.student, as_source(data, self.device), self.precision)

    def stop(self) -> None:
        """Make the current epoch the last; for callbacks."""
        self.training.stopping = True

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on after an epoch: tensors, and plain data that JSON can hold.

        Student, adapters, optimiser, schedules, counts and history are in it; the teacher and the settings
        are not. The tensors are not copies, as of torch's own `state_dict`.
        """
        return self.training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, in a Distiller of the same settings.

        A `fit` of the epochs that were left goes on as if it had never stopped, to the bit on one CPU; one
        of another number begins the history and the loss's schedules anew.

        Args:
            state: As `state_dict` returned it in a callback's `on_epoch_end`, or after a `fit`.
        """
        self.training.load_state_dict(state)
