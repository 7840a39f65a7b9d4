"""`Training`: the owner of everything that changes while a student learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer

from distillkit.engine.arguments import check_modules, check_parts, one_of, whole_number
from distillkit.engine.callbacks import Callback, Watched, callbacks_of, only_watched
from distillkit.engine.checks import check_devices, check_optimizer
from distillkit.engine.data.numbering import Numbering
from distillkit.engine.forward.compiling import CompileMode, Compiling, forward_of
from distillkit.engine.forward.precision import PrecisionName, resolve_precision
from distillkit.engine.loop.adapters import Trained, make_adapters
from distillkit.engine.loop.needs import captures_for
from distillkit.engine.loop.scheduled_loss import ScheduledLoss
from distillkit.engine.teacher.cache import TeacherCache
from distillkit.engine.teacher.policy import CachePolicy, TeacherCacheMode
from distillkit.engine.update.cuda_graphs import recorder_for
from distillkit.engine.update.fused.switch import SwitchToFused, fused_step_pays
from distillkit.engine.update.optimizers import (
    OptimizerFactory,
    Schedule,
    ScheduleFactory,
    advance,
    check_factories,
    optimizer_for,
    schedule_for,
)
from distillkit.engine.update.stepping import PlainStepping
from distillkit.engine.update.update import Update
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.transfer_sets import Full, TransferSet
from distillkit.typing import Batch, LossFn

if TYPE_CHECKING:
    import pandas as pd


class Training:
    """Everything that changes while a student learns, and the settings that say how it does.

    The optimiser and its schedule are made once, when all that is trained is there: with the training, or,
    where the loss learns something itself, with the first batch.

    Args:
        teacher: As of `Distiller`, as are all others but the last.
        watched: The `Distiller`, which callbacks are called with.

    Attributes:
        trained: Student and adapters as one module.
        scaler: Scales the loss where float16 needs it.
        epochs_done, batches_done, updates_done: Counts since the beginning, over all calls of `fit`.
        scheduled: The loss's place in its schedules, during a `fit` with such a loss.
        rows, seconds: The history of the current `fit`, and the time of each epoch.
        stopping: Whether the current epoch is the last.
    """

    def __init__(
        self,
        *,
        teacher: nn.Module | None,
        student: nn.Module,
        loss: LossFn,
        transfer_set: TransferSet | None,
        optimizer: Optimizer | OptimizerFactory | None,
        schedule: Schedule | ScheduleFactory | None,
        schedule_unit: str,
        clip_norm: float | None,
        precision: PrecisionName,
        compile: CompileMode,
        teacher_cache: TeacherCacheMode | TeacherCache,
        callbacks: Sequence[Callback],
        seed: int,
        watched: Watched,
    ) -> None:
        check_modules(teacher, student)
        check_parts(loss, transfer_set, clip_norm)
        one_of("schedule_unit", schedule_unit, ("epoch", "step"))
        self.teacher, self.student, self.loss = teacher, student, loss
        self.transfer_set: TransferSet = Full() if transfer_set is None else transfer_set
        self.device = next(student.parameters()).device
        self.captures = captures_for(loss, student=student, teacher=teacher)
        self.compiling = self.captures.compiling(Compiling(compile))
        self.recorder = recorder_for(self.device) if self.compiling.graphs else None
        self.schedule_unit, self.clip_norm = schedule_unit, clip_norm
        self.seed = whole_number("seed", seed)
        self.callbacks = callbacks_of(callbacks)
        self.teacher_cache = CachePolicy.of(teacher_cache, self.callbacks)
        self.precision = resolve_precision(precision, self.device)
        self.scaler = self.precision.scaler()
        self.trained = Trained(student, None)
        self.epochs_done = self.batches_done = self.updates_done = 0
        self.scheduled: ScheduledLoss | None = None
        self.rows: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self.stopping = False
        self._watched = watched
        self._total = self._done = 0
        self._factories = optimizer, schedule
        self._optimizer: Optimizer | None = None
        self._schedule: Schedule | None = None
        self._loaded: Mapping[str, Any] | None = None
        check_factories(optimizer, schedule)
        if not self.captures.needs.learns:
            self._make_optimizer()

    @property
    def adapters(self) -> nn.Module | None:
        """The adapters of the loss; `None` before the first batch, and of a loss that learns nothing."""
        return self.trained.adapters

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser of student and adapters.

        Raises:
            ConfigurationError: It is not made yet.
        """
        if self._optimizer is None:
            raise ConfigurationError(
                "The loss learns adapters, which the optimiser trains too, so the optimiser is made with the "
                "first batch: read it in a callback, or after fit() or step()."
            )
        return self._optimizer

    @property
    def schedule(self) -> Schedule | None:
        """The learning-rate schedule, made with the optimiser."""
        return self._schedule

    @property
    def is_made(self) -> bool:
        """Whether optimiser and adapters are there."""
        return self._optimizer is not None

    @property
    def learning_rate(self) -> float:
        """The learning rate of the optimiser's first group."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def by_step(self) -> Schedule | None:
        """The schedule, if it counts steps."""
        return self._schedule if self.schedule_unit == "step" else None

    def check_devices(self) -> None:
        """Refuse a teacher on another device than the student; raises `ConfigurationError`."""
        check_devices(self.student, self.teacher, self.device)

    def make(self, batch: Batch, numbering: Numbering | None = None) -> None:
        """Make adapters, optimiser and schedule with the first batch; later calls change nothing."""
        if self.is_made:
            return
        if isinstance(self.loss, Loss):
            self.trained.adapters = make_adapters(
                self.loss,
                batch,
                student=self.student,
                teacher=self.teacher,
                captures=self.captures,
                precision=self.precision,
                numbering=numbering,
            )
        self._make_optimizer()
        if self._loaded is not None:
            self._load_made(self._loaded)

    def begin(self, epochs: int, steps: int) -> None:
        """Begin a `fit` of so many epochs of so many steps; 0 steps where a stream does not tell."""
        if self._loaded is None or self._total - self._done != epochs:
            self.rows, self.seconds, self._total, self._done = [], [], epochs, 0
        self._loaded, self.scheduled, self.stopping = None, None, False
        if isinstance(self.loss, Loss) and self.loss.schedules():
            self.scheduled = ScheduledLoss(self.loss, total=self._total, done=self._done, steps=steps)
        self.tell("on_fit_start", epochs, steps)

    def tell(self, event: str, *arguments: Any) -> None:
        """Call one method of every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self._watched, *arguments)

    def update(self, *, steps: int | None = None, numbering: Numbering | None = None) -> Update:
        """Return what makes the updates.

        Args:
            steps: Number of steps to come, 0 of a stream that does not tell; `None` in a loop of the user's
                own, where gradients are to be seen after each.
            numbering: Numbers the examples, where the loss asks.

        Raises:
            ConfigurationError: The optimiser does not hold what is to be trained.
        """
        check_optimizer(self.optimizer, self.trained)
        parameters = [one for one in self.trained.parameters() if one.requires_grad]
        plain = PlainStepping(parameters, self.optimizer, self.precision, self.clip_norm, self.scaler)
        switch = None
        if steps is not None and self.fused_step_pays(steps):
            switch = SwitchToFused(self.student, self.optimizer, self.precision, self.clip_norm, plain)
        return Update(
            self.student,
            forward=forward_of(self.student, self.compiling, steps or 0, self.device),
            loss=self.loss,
            optimizer=self.optimizer,
            stepping=plain,
            precision=self.precision,
            scaled=self.scaler is not None,
            recorder=self.recorder,
            switch=switch,
            capture=self.captures.student,
            adapters=self.adapters,
            numbering=numbering,
        )

    def fused_step_pays(self, steps: int) -> bool:
        """Whether so many updates are worth a compiled pass, and nobody sees gradients."""
        trained = sum(one.numel() for one in self.student.parameters() if one.requires_grad)
        return only_watched(self.callbacks) and fused_step_pays(
            self.compiling, self.precision, trained, steps
        )

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Count an epoch that is trained, by its mean losses."""
        if self.schedule_unit == "epoch":
            advance(self._schedule, means["loss"])
        self.epochs_done += 1
        self._done += 1
        if self.scheduled is not None:
            self.scheduled.done += 1

    def history(self) -> pd.DataFrame:
        """Return the rows as a table, with each epoch's time in `attrs["seconds"]`."""
        # imported here for a quick start
        import pandas as pd

        history = pd.DataFrame(self.rows)
        history.attrs["seconds"] = list(self.seconds)
        return history

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on after an epoch: tensors, and plain data that JSON can hold.

        The tensors are those of the models and the optimiser, not copies, as of torch's own `state_dict`.
        """
        return {
            "student": self.student.state_dict(),
            "adapters": None if self.adapters is None else self.adapters.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self._schedule is None else self._schedule.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "epochs_done": self.epochs_done,
            "batches_done": self.batches_done,
            "updates_done": self.updates_done,
            "total": self._total,
            "done": self._done,
            "rows": list(self.rows),
            "seconds": list(self.seconds),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, in a training of the same settings.

        A `fit` of the epochs that were left goes on in the loss's schedules and in the history; a `fit` of
        another number of epochs begins both anew. Adapters are filled when they are made.
        """
        self.student.load_state_dict(state["student"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        self.epochs_done, self.batches_done = state["epochs_done"], state["batches_done"]
        self.updates_done = state["updates_done"]
        self.rows, self.seconds = list(state["rows"]), list(state["seconds"])
        self._total, self._done = state["total"], state["done"]
        self._loaded = state
        if self.is_made:
            self._load_made(state)

    def _load_made(self, state: Mapping[str, Any]) -> None:
        if self.adapters is not None:
            self.adapters.load_state_dict(state["adapters"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._schedule is not None:
            self._schedule.load_state_dict(state["schedule"])

    def _make_optimizer(self) -> None:
        optimizer, schedule = self._factories
        if isinstance(optimizer, Optimizer) and self.adapters is not None:
            if schedule is not None and not callable(schedule):
                raise ConfigurationError(
                    "The loss learns adapters, which the optimiser trains too, and this schedule was made "
                    "before there were any: pass functions, optimizer=lambda parameters: ... and "
                    "schedule=lambda optimizer: ..., which are called when both are known."
                )
            optimizer.add_param_group({"params": list(self.adapters.parameters())})
        made = optimizer_for(self.trained, optimizer, graphs=self.recorder is not None)
        self._schedule = schedule_for(made, schedule, self.schedule_unit)
        self._optimizer = made
