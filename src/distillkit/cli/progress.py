"""What a person sees while runs go on: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 30.0


class RunsProgress:
    """An observer of runs (`distillkit.experiments.observer.Observer`) that draws them.

    Args:
        console: Where to draw; bars where it is a terminal, lines where it is not.
        quiet: Draw nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._all: TaskID | None = None
        self._run: TaskID | None = None
        self._costs: dict[str, float] = {}
        self._runs_done, self._ahead, self._done_before_this_run = 0, 0.0, 0.0
        self._share = 0.0
        self._epochs, self._began, self._run_began = 1, time.monotonic(), 0.0
        self._drawn = self._line = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def planned(self, costs: Mapping[str, float], finished: frozenset[str]) -> None:
        """Make the bar of all runs."""
        self._costs, self._runs_done = dict(costs), len(finished)
        self._ahead = sum(cost for run, cost in costs.items() if run not in finished)
        self._began = self._line = time.monotonic()
        if finished:
            self._say(f"Going on: {len(finished)} of {len(costs)} runs were done before.")
        self._all = self._bars.add_task(self._headline(), total=1.0, note="")
        self._run = self._bars.add_task("", total=1.0, note="", visible=False)

    def run_started(self, run: str, epochs: int) -> None:
        """Begin the bar of the run."""
        self._epochs, self._share, self._run_began = epochs, 0.0, time.monotonic()
        if self._run is not None:
            self._bars.update(self._run, description=run, completed=0.0, note="", visible=True)

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """Move the bars, ten times a second at most."""
        now = time.monotonic()
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        self._share = (epoch + share_of_epoch) / self._epochs
        self._draw(run)

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """Show the errors so far; elsewhere than on a terminal, a line every half a minute."""
        self._share = row["epoch"] / self._epochs
        note = f"epoch {row['epoch']}/{self._epochs} · {row['test_errors']} errors"
        if self._run is not None:
            self._bars.update(self._run, note=note)
        self._draw(run)
        if not self._console.is_terminal and time.monotonic() - self._line > _LINE_SECONDS:
            self._line = time.monotonic()
            self._say(f"  {run}: {note} · {self._time_left(run)}")

    def run_ended(self, run: str, result: Mapping[str, Any]) -> None:
        """Write the run's line."""
        self._runs_done += 1
        self._done_before_this_run += self._costs.get(run, 0.0)
        self._share = 0.0
        dead = result["never_predicted"]
        more = f"  [yellow]never predicts {', '.join(map(str, dead))}[/]" if dead else ""
        more += "  [red]diverged[/]" if result["diverged"] else ""
        took = duration(time.monotonic() - self._run_began)
        self._say(f"[green]✓[/] {run:<32} {result['test_errors']:>5} errors  [dim]{took:>8}[/]{more}")
        self._line = time.monotonic()
        self._draw(run)

    def _draw(self, run: str) -> None:
        if self._all is None or self._run is None or self._bars.disable:
            return
        self._bars.update(self._run, completed=self._share)
        done = self._done(run)
        self._bars.update(
            self._all,
            description=self._headline(),
            completed=done / self._ahead if self._ahead else 1.0,
            note=self._time_left(run),
        )

    def _headline(self) -> str:
        return f"[bold]{self._runs_done} of {len(self._costs)} runs[/]"

    def _done(self, run: str) -> float:
        return self._done_before_this_run + self._share * self._costs.get(run, 0.0)

    def _time_left(self, run: str) -> str:
        done, elapsed = self._done(run), time.monotonic() - self._began
        if done <= 0 or elapsed < 1:
            return ""
        return f"{duration(elapsed * (self._ahead - done) / done)} left"

    def _say(self, line: str) -> None:
        if not self._quiet:
            self._bars.console.print(line, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(8.2), duration(200), duration(7500)
        ('8 s', '3 min 20 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
