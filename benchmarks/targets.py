"""What was aimed at, and what the results say of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tables import number, table
from benchmarks.timing import ratio

Results = Mapping[str, Mapping[str, Any]]
"""The `results` of each benchmark that has some, by its name."""


@dataclass(frozen=True)
class Target:
    """A bound on a number of the results; the number is read where it is there."""

    what: str
    bound: float
    of: Callable[[Results], float]
    at_most: bool = False
    unit: str = "×"

    def row(self, results: Results) -> list[str]:
        """The target, the bound, the number and whether it is kept."""
        sign = "≤" if self.at_most else "≥"
        aim = f"{sign} {number(self.bound)} {self.unit}"
        try:
            value = self.of(results)
        except (KeyError, IndexError, StopIteration, ValueError):
            return [self.what, aim, "not measured yet", ""]
        kept = (operator.le if self.at_most else operator.ge)(value, self.bound)
        return [self.what, aim, f"{number(value)} {self.unit}", "yes" if kept else "**no**"]


def show(results: Results) -> str:
    """The table of the page, and what was tried."""
    rows = [target.row(results) for target in TARGETS]
    tried = Path(__file__).with_name("tried.md").read_text(encoding="utf-8")
    return f"{table(('What', 'Aim', 'Measured (median)', 'Reached'), rows)}\n\n{tried.rstrip()}"


def _way(results: Results, name: str, benchmark: str = "one-student") -> float:
    return float(results[benchmark]["ways"][name]["times_faster_an_epoch"]["median"])


def _fit(results: Results, benchmark: str = "one-student") -> str:
    """The faster of `fit`'s precisions."""
    names: list[str] = [name for name in results[benchmark]["ways"] if name.startswith("Distiller.fit")]
    return max(names, key=lambda name: _way(results, name, benchmark))


def _over(results: Results, others: Callable[[str], bool]) -> float:
    """`fit` over the fastest of the other ways."""
    ways = results["one-student"]["ways"]
    other = max((name for name in ways if others(name)), key=lambda name: _way(results, name))
    rounds = "seconds_an_epoch_by_round"
    return ratio(ways[other][rounds], ways[_fit(results)][rounds])["median"]


def _step(results: Results) -> float:
    """Percent that `step` costs more where a step takes about a millisecond."""
    sizes = results["step-overhead"]["sizes"]
    near = min(sizes, key=lambda size: abs(size["milliseconds_by_hand"]["median"] - 1))
    return 100 * (float(near["step_over_by_hand"]["median"]) - 1)


def _errors_more(results: Results) -> float:
    """The upper end of the interval of the difference; ten errors are the tolerance of the ledger."""
    return float(results["precision"]["difference"]["interval"][1])


def _stack(results: Results) -> float:
    rows: Iterator[Mapping[str, Any]] = iter(results["stack"]["rows"])
    row = next(
        row for row in rows if (row["hidden_units"], row["students"], row["one_order"]) == (30, 30, True)
    )
    return float(row["times_faster"]["median"])


def _limit(results: Results, batch: int, precision: str) -> float:
    cases: Iterator[Mapping[str, Any]] = iter(results["limit"]["cases"])
    case = next(case for case in cases if (case["batch"], case["precision"]) == (batch, precision))
    return 100 * float(case["share_of_limit"]["median"])


def _gpu(results: Results, part: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = results["gpu"][part]["results"]
    return found


_SWEEP, _LONG = "The whole sweep", "Hinton's teacher, 3,000 epochs"
TARGETS = (
    Target("`fit` over the tutorial loop", 6, lambda all_of: _way(all_of, _fit(all_of))),
    Target("`fit` in float32 over the tutorial loop", 4, lambda all_of: _way(all_of, "Distiller.fit, fp32")),
    Target(
        "`fit` over the expert's loop",
        1,
        lambda all_of: _over(all_of, lambda name: name.startswith("by hand")),
    ),
    Target("`step` over its lines by hand, at 1 ms a step", 2, _step, at_most=True, unit="% more"),
    Target(
        "A jittered teacher epoch over the tutorial's",
        5,
        lambda all_of: _way(all_of, _fit(all_of, "jittered-teacher"), "jittered-teacher"),
    ),
    Target(
        "The sweep over tutorial loops", 12, lambda all_of: float(all_of["sweep"]["times_faster"]["median"])
    ),
    Target("30 students of 30 units over one by one", 8, _stack),
    Target(
        "A seed more, of the first",
        1,
        lambda all_of: float(all_of["sweep"]["ten_seeds"]["a_seed_more_over_the_first"]["median"]),
        at_most=True,
    ),
    Target("bfloat16 beside float32, errors more", 10, _errors_more, at_most=True, unit="(upper 95 % bound)"),
    Target(
        "`fit` over the fastest peer, fed from memory",
        2,
        lambda all_of: _over(all_of, lambda name: name.endswith(", from memory")),
    ),
    Target(
        "`fit` over the fastest peer, fed by a loader",
        5,
        lambda all_of: _over(all_of, lambda name: name.endswith(", loader")),
    ),
    Target("Share of the limit, fp32, batch 100", 60, lambda all_of: _limit(all_of, 100, "fp32"), unit="%"),
    Target("Share of the limit, fp32, batch 512", 60, lambda all_of: _limit(all_of, 512, "fp32"), unit="%"),
    Target("Share of the limit, bf16, batch 100", 60, lambda all_of: _limit(all_of, 100, "bf16"), unit="%"),
    Target("Share of the limit, bf16, batch 512", 60, lambda all_of: _limit(all_of, 512, "bf16"), unit="%"),
    Target(
        "On a GPU: the whole sweep, after compilation",
        10,
        lambda all_of: float(_gpu(all_of, _SWEEP)["seconds"]["again"]),
        at_most=True,
        unit="s",
    ),
    Target(
        "On a GPU: ten seeds of it",
        60,
        lambda all_of: float(_gpu(all_of, _SWEEP)["seconds"]["ten seeds"]),
        at_most=True,
        unit="s",
    ),
    Target(
        "On a GPU: 3,000 epochs of Hinton's teacher",
        5,
        lambda all_of: float(_gpu(all_of, _LONG)["seconds_in_all"]) / 60,
        at_most=True,
        unit="min",
    ),
)
