"""What the lines say: each loss against hard labels alone, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.losses_compared.recipes import BASELINE
from distillkit.workbench.statistics.many_tests import holm
from distillkit.workbench.statistics.summaries import Comparison, Summary, paired_test, summarise

LEVEL = 0.05
Verdict = Literal["baseline", "better", "no difference shown", "worse"]


@dataclass(frozen=True)
class Found:
    """One loss over the seeds that both it and the baseline were run with."""

    name: str
    loss: Mapping[str, Any]
    """Its settings, as it was compared."""
    errors: Summary
    """Test errors."""
    differences: tuple[int, ...]
    """Its test errors less the baseline's, seed by seed; below 0 is better."""
    against: Comparison
    """The paired t test of these."""
    p: float | None
    """Of that test, corrected for the number of losses (Holm); None of one seed."""
    verdict: Verdict
    agreement: float | None
    """Mean share of test cases on which student and teacher predict the same class."""
    cpu_seconds: float
    """Mean time of a training on the processor."""
    learnt: int
    """Runs that ended with fewer errors than they began with."""
    diverged: int
    """Runs whose loss was no longer finite; all cases count as errors."""


def verdicts(lines: Sequence[Mapping[str, Any]]) -> list[Found]:
    """Every loss that has a seed in common with the baseline, the fewest errors first.

    Args:
        lines: Of students.

    Returns:
        None where there is no baseline. A verdict other than "no difference shown" has p below 0.05 after
        Holm's correction.
    """
    by_name: dict[str, dict[int, Mapping[str, Any]]] = {}
    for line in lines:
        by_name.setdefault(line["name"], {})[line["seed"]] = line
    baseline = by_name.get(BASELINE, {})
    pairs = {
        name: [(runs[seed], baseline[seed]) for seed in sorted(runs.keys() & baseline.keys())]
        for name, runs in by_name.items()
    }
    tests = {
        name: paired_test(
            [one["test_errors"] for one, _ in each], [other["test_errors"] for _, other in each]
        )
        for name, each in pairs.items()
        if each
    }
    tested = {name: test.p for name, test in tests.items() if name != BASELINE and test.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    found = [_found(name, pairs[name], test, corrected.get(name)) for name, test in tests.items()]
    return sorted(found, key=lambda one: one.errors.mean)


def _found(
    name: str,
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    against: Comparison,
    p: float | None,
) -> Found:
    runs = [one for one, _ in pairs]
    agreements = [one["teacher_agreement"] for one in runs if one["teacher_agreement"] is not None]
    verdict: Verdict = "no difference shown"
    if name == BASELINE:
        verdict = "baseline"
    elif p is not None and p < LEVEL:
        verdict = "better" if against.difference < 0 else "worse"
    return Found(
        name=name,
        loss=runs[0]["config"]["loss"],
        errors=summarise([one["test_errors"] for one in runs]),
        differences=tuple(one["test_errors"] - other["test_errors"] for one, other in pairs),
        against=against,
        p=p,
        verdict=verdict,
        agreement=summarise(agreements).mean if agreements else None,
        cpu_seconds=summarise([one["cpu_seconds"] for one in runs]).mean,
        learnt=sum(one["test_errors"] < one["test_errors_before"] for one in runs),
        diverged=sum(one["diverged"] for one in runs),
    )
