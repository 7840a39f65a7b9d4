"""The report of an output folder, and everything else that is computed from its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distillkit.mnist.drawing import FIGURE_KINDS
from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.figures import write_experiment_figures
from distillkit.mnist.judging.commands import command_of
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.ledger import build_ledger
from distillkit.mnist.judging.records import Ledger
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS
from distillkit.mnist.reporting.cells import cells_section
from distillkit.mnist.reporting.experiments import experiments_section
from distillkit.mnist.reporting.figure_2_words import figure_2_words
from distillkit.mnist.reporting.figures.figures import figures_of, write_figures
from distillkit.mnist.reporting.figures.style import subtitle
from distillkit.mnist.reporting.pairs import pairs_section
from distillkit.mnist.reporting.results import (
    claims_section,
    corrections_section,
    dead_classes_section,
    numbers_section,
    others_section,
)
from distillkit.mnist.reporting.run import (
    banner,
    deviations_section,
    left_out_section,
    remake_section,
    what_was_run,
)
from distillkit.workbench.results.atomic import write_atomically, write_json, write_manifest
from distillkit.workbench.results.store import SETTINGS, read_settings

REPORT = "report.md"
CAPTIONS = {
    "figure-1": "Test errors by epoch: teacher, student without distillation, student distilled at T = 20.",
    "figure-2": "Test errors by temperature and width; hollow red: runs that never predict some class.",
    "temperature": "Test errors by temperature and width, with 95 % intervals of the means.",
    "bias-shift": "Test errors when a bias is shifted afterwards, and the shifts that were chosen.",
    "unlabelled": "Test errors of students of unlabelled images, by their kind and number.",
    "ensemble": "Test errors of ten nets, of all ten together, and of one net distilled from them.",
}
"""Captions of the figures that are made from runs, by name."""


OUTPUTS = (
    "ledger.json",
    REPORT,
    *(f"figures/{name}.{kind}" for name in (*CAPTIONS, *CATALOGUE) for kind in FIGURE_KINDS),
)
"""Names of all files that are computed from results, whatever the protocol."""


def write_report(folder: Path, evidence: Evidence, ledger: Ledger, *, figures: Sequence[str] = ()) -> Path:
    """Write report.md: what was run, the ledger as tables, the figures, and what to make of them.

    The same evidence and ledger give the same text.

    Args:
        folder: The output folder.
        evidence: The runs.
        ledger: Their ledger.
        figures: Names of the figures that were drawn, as `write_figures` and `write_experiment_figures`
            return them.

    Returns:
        The path of the report.
    """
    shown = [
        f"![{CAPTIONS[name]}](figures/{name}.png)\n\n*{CAPTIONS[name]}*"
        for name in figures_of(evidence.protocol)
        if name in figures
    ]
    sections = [
        "# Knowledge distillation on MNIST: a reproduction",
        banner(evidence),
        what_was_run(evidence, ledger),
        numbers_section(ledger, evidence),
        claims_section(ledger, evidence),
        pairs_section(ledger, evidence),
        "\n\n".join(["## Figures", *shown]) if shown else "",
        figure_2_words(evidence, ledger) if evidence.protocol not in LONG_PROTOCOLS else "",
        experiments_section(ledger, evidence, figures),
        cells_section(evidence),
        dead_classes_section(evidence),
        corrections_section(evidence),
        others_section(evidence),
        deviations_section(ledger),
        left_out_section(evidence, ledger),
        remake_section(ledger),
    ]
    path = folder / REPORT
    write_atomically(path, "\n\n".join(section for section in sections if section) + "\n")
    return path


def build_outputs(
    folder: Path,
    *,
    test_labels: NDArray[np.integer[Any]] | None = None,
    command: str | None = None,
) -> Ledger:
    """Write ledger.json, figures/, report.md and, last, MANIFEST.json; each appears whole or not at all.

    Args:
        folder: The output folder, with results and predictions.
        test_labels: int [10000], true classes of the test cases; with them, single runs are compared by
            McNemar's test.
        command: The command that made the folder; default: the one that its settings.json stands for.

    Returns:
        The ledger.

    Raises:
        ConfigurationError: The results do not belong together.
    """
    evidence = Evidence.read(folder, test_labels)
    if command is None and (folder / SETTINGS).exists():
        command = command_of(read_settings(folder))
    ledger = build_ledger(evidence, command=command)
    write_json(folder / "ledger.json", ledger)
    figures = write_figures(folder, evidence) if evidence.results else []
    figures += write_experiment_figures(
        folder,
        {name: [line["found"] for line in runs.values()] for name, runs in evidence.experiments.items()},
        subtitles={name: subtitle(evidence, [name]) for name in evidence.experiments},
        is_stand_in=evidence.is_stand_in,
        quick=evidence.quick,
    )
    write_report(folder, evidence, ledger, figures=figures)
    write_manifest(folder)
    return ledger
