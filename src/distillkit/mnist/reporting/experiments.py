"""The section of the report on the experiments beside the cells: question, method, figure, answer."""

from __future__ import annotations

from collections.abc import Sequence

from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.records import Ledger
from distillkit.mnist.reporting.tables import stamped


def experiments_section(ledger: Ledger, evidence: Evidence, figures: Sequence[str]) -> str:
    """Each experiment with its figure and what came of it; empty where there are none.

    Args:
        ledger: what `build_ledger` made, for the verdicts.
        evidence: the runs.
        figures: names of the figures that were drawn.
    """
    parts = []
    for name, experiment in CATALOGUE.items():
        if not (runs := evidence.experiments.get(name)):
            continue
        lines = list(runs.values())
        shown = [f"![{experiment.title}](figures/{name}.png)"] if name in figures else []
        parts += [
            f"### {experiment.title}",
            f"**Question.** {experiment.question}",
            f"**Method.** {experiment.method(lines[0]['config'])} {_seeds(list(runs))}",
            *shown,
            f"**Answer.** {experiment.answer(lines)}{_verdicts(ledger, name)}{_diverged(evidence, name)}",
        ]
    return "\n\n".join([stamped("Experiments", evidence), *parts]) if parts else ""


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"Seed {seeds[0]} alone."
    return f"Seeds {', '.join(map(str, seeds))}: mean ± standard deviation."


def _verdicts(ledger: Ledger, name: str) -> str:
    judged = [
        f"{row['id']} {row['verdict']}"
        for row in ledger["rows"]
        if row["ours"] is not None and any(cell.partition("/")[0] == name for cell in row["cells"])
    ]
    return f" In the ledger: **{', '.join(judged)}**." if judged else ""


def _diverged(evidence: Evidence, name: str) -> str:
    seeds = [str(seed) for seed, line in evidence.experiments[name].items() if line["diverged"]]
    return f" A student diverged with seed {', '.join(seeds)}." if seeds else ""
