"""Progress of runs: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from distillkit.cli.signals import end_if_asked

_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 30.0


@dataclass
class _Running:
    """Runs that have begun as one: their epochs, when, what share of them is done, and their bar."""

    runs: list[str]
    epochs: int
    began: float
    bar: TaskID
    share: float = 0.0

    @property
    def title(self) -> str:
        """The first, and how many there are beside it."""
        more = len(self.runs) - 1
        return f"{self.runs[0]} and {more} more" if more else self.runs[0]


class RunsProgress:
    """An observer of runs (`distillkit.workbench.workers.observer.Observer`) that draws them.

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
        self._costs: dict[str, float] = {}
        self._finished: frozenset[str] = frozenset()
        self._running: dict[str, _Running] = {}
        self._runs_done, self._ahead, self._done_cost = 0, 0.0, 0.0
        self._began = time.monotonic()
        self._drawn = self._line = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def planned(self, costs: Mapping[str, float], finished: frozenset[str], at_once: int) -> None:
        """Make the bar of all runs."""
        self._costs, self._finished, self._runs_done = dict(costs), finished, len(finished)
        self._ahead = sum(cost for run, cost in costs.items() if run not in finished)
        self._began = self._line = time.monotonic()
        if finished:
            self._say(f"Going on: {len(finished)} of {len(costs)} runs were done before.")
        if self._ahead:
            ahead = len(costs) - len(finished)
            side_by_side = f", {at_once} side by side" if at_once > 1 else ""
            self._say(
                f"About {duration(self._ahead / at_once)} for {ahead} run{'s' * (ahead > 1)}{side_by_side}, "
                "an estimate from short trials on this machine."
            )
        self._all = self._bars.add_task(self._headline(), total=1.0, note="")

    def runs_started(self, runs: Sequence[str], epochs: int) -> None:
        """Begin to draw runs that go on as one stack."""
        drawn = [run for run in runs if run not in self._finished]  # others are trained for the stack's sake
        if drawn:
            bar = self._bars.add_task("", total=1.0, note="")
            running = _Running(drawn, epochs, time.monotonic(), bar)
            self._running |= dict.fromkeys(drawn, running)
            self._bars.update(bar, description=running.title)

    def step_ended(self, run: str, epoch: int, share_of_epoch: float) -> None:
        """Move the bars, ten times a second at most."""
        end_if_asked()
        running = self._running.get(run)
        if running is None:
            return
        running.share = (epoch + share_of_epoch) / running.epochs
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_SECONDS:
            self._drawn = now
            self._draw()

    def epoch_ended(self, run: str, row: Mapping[str, Any]) -> None:
        """Show the errors so far; elsewhere than on a terminal, a line every half a minute."""
        running = self._running.get(run)
        if running is None:
            return
        running.share = row["epoch"] / running.epochs
        note = f"epoch {row['epoch']}/{running.epochs} · {row['test_errors']} errors"
        self._bars.update(running.bar, note=note)
        self._draw()
        if not self._console.is_terminal and time.monotonic() - self._line > _LINE_SECONDS:
            self._line = time.monotonic()
            self._say(f"  {run}: {note} · {self._time_left()}")

    def run_ended(self, run: str, result: Mapping[str, Any]) -> None:
        """Write the run's line."""
        running = self._running.pop(run)
        running.runs.remove(run)
        if running.runs:
            self._bars.update(running.bar, description=running.title)
        else:
            self._bars.remove_task(running.bar)
        self._runs_done += 1
        self._done_cost += self._costs.get(run, 0.0)
        dead = result.get("never_predicted")
        more = f"  [yellow]never predicts {', '.join(map(str, dead))}[/]" if dead else ""
        more += "  [red]diverged[/]" if result["diverged"] else ""
        took = duration(time.monotonic() - running.began)
        # an experiment of several networks has no one number
        errors = f"{result['test_errors']:>5} errors" if "test_errors" in result else " " * 12
        self._say(f"[green]✓[/] {run:<32} {errors}  [dim]{took:>8}[/]{more}")
        self._line = time.monotonic()
        self._draw()

    def _draw(self) -> None:
        if self._all is None or self._bars.disable:
            return
        for running in self._running.values():
            self._bars.update(running.bar, completed=running.share)
        self._bars.update(
            self._all,
            description=self._headline(),
            completed=self._done() / self._ahead if self._ahead else 1.0,
            note=self._time_left(),
        )

    def _headline(self) -> str:
        return f"[bold]{self._runs_done} of {len(self._costs)} runs[/]"

    def _done(self) -> float:
        going = sum(self._costs.get(run, 0.0) * running.share for run, running in self._running.items())
        return self._done_cost + going

    def _time_left(self) -> str:
        done, elapsed = self._done(), time.monotonic() - self._began
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
