"""Progress of one training: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from distillkit import Callback, Watched
from distillkit.cli.signals import end_if_asked

_REDRAW_SECONDS = 0.1


class TrainingProgress(Callback):
    """Draws a training.

    Args:
        console: Where to draw.
        quiet: Draw nothing.
    """

    only_watches = True

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("models and data", total=None, note="")
        self._epochs, self._steps, self._epochs_done, self._drawn = 1, 0, 0, 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_fit_start(self, distiller: Watched, epochs: int, steps: int) -> None:
        """Begin the bar."""
        self._epochs, self._steps = epochs, steps
        self._bar.update(self._task, description=f"epoch 1/{epochs}", total=float(epochs))

    def on_step_end(self, distiller: Watched, step: int) -> None:
        """Move the bar, ten times a second at most."""
        end_if_asked()
        now = time.monotonic()
        if now - self._drawn < _REDRAW_SECONDS or not self._steps:
            return
        self._drawn = now
        self._bar.update(self._task, completed=self._epochs_done + step / self._steps)

    def on_epoch_end(self, distiller: Watched, row: Mapping[str, Any]) -> None:
        """Show the loss and the errors so far."""
        self._epochs_done += 1
        note = f"loss {row['loss']:.4g} · {row['test_errors']} errors"
        if row["shared_errors"] is not None:
            note += f", {row['shared_errors']} of them the teacher's too"
        following = min(self._epochs_done + 1, self._epochs)
        self._bar.update(
            self._task,
            completed=float(self._epochs_done),
            description=f"epoch {following}/{self._epochs}",
            note=note,
        )
        if not self._quiet and not self._console.is_terminal:
            self._console.print(f"epoch {self._epochs_done}/{self._epochs} · {note}")
