"""The section of the report with every run of every cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distillkit.mnist.judging.evidence import Evidence, Result
from distillkit.mnist.reporting.tables import TUNED, stamped, table
from distillkit.workbench.statistics.summaries import summarise
from distillkit.workbench.statistics.writing import mean_and_spread


def cells_section(evidence: Evidence) -> str:
    """Test errors of every seed, with the other metrics as means; nothing is left out.

    Args:
        evidence: the runs.

    Returns:
        The section; empty without runs.
    """
    if not evidence.cells:
        return ""
    rows = []
    for name, by_seed in evidence.cells.items():
        runs = list(by_seed.values())
        summary = summarise([float(run["test_errors"]) for run in runs])
        rows.append(
            [
                name + (f" ({TUNED})" if any(run["tuned_on_test"] for run in runs) else ""),
                f"{mean_and_spread(summary.mean, summary.sd)} ({summary.n})",
                ", ".join(_errors(run) for run in runs),
                _mean(runs, "nll", 4),
                _mean(runs, "ece", 4),
                _mean(runs, "teacher_agreement", 4),
            ]
        )
    heads = ["cell", "test errors: mean ± sd (n)", "by seed", "NLL", "calibration error", "teacher agreement"]
    words = "Errors of 10,000, seeds ascending; * a run that never predicts some class, † one that diverged."
    return "\n\n".join([stamped("Every run", evidence), words, table(heads, rows, numbers=[1, 3, 4, 5])])


def _errors(run: Result) -> str:
    return f"{run['test_errors']}{'*' * bool(run['never_predicted'])}{'†' * bool(run['diverged'])}"


def _mean(runs: Sequence[Mapping[str, Any]], key: str, digits: int) -> str:
    values = [run[key] for run in runs if run.get(key) is not None]
    return f"{sum(values) / len(values):.{digits}f}" if values else ""
