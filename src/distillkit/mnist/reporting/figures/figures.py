"""The figures of an output folder, as files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from distillkit.mnist.drawing import write_figure
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS
from distillkit.mnist.reporting.figures.ensemble import figure_ensemble
from distillkit.mnist.reporting.figures.figure_1 import figure_1
from distillkit.mnist.reporting.figures.figure_2 import figure_2
from distillkit.mnist.reporting.figures.shift import figure_shift
from distillkit.mnist.reporting.figures.temperature import figure_temperature
from distillkit.mnist.reporting.figures.unlabelled import figure_unlabelled

Figures = Mapping[str, Callable[[Evidence], Figure | None]]
"""Name of the file without its ending -> what draws it."""

_REPORTS: Figures = {"figure-1": figure_1, "figure-2": figure_2}
_PAPERS: Figures = {
    "figure-1": figure_1,
    "temperature": figure_temperature,
    "bias-shift": figure_shift,
    "unlabelled": figure_unlabelled,
    "ensemble": figure_ensemble,
}


def figures_of(protocol: str | None) -> Figures:
    """The figures of a protocol's runs: the report's two, or those of the paper's experiments."""
    return _PAPERS if protocol in LONG_PROTOCOLS else _REPORTS


def write_figures(folder: Path, evidence: Evidence) -> list[str]:
    """Write every figure that the runs allow to `folder`/figures, as PNG and SVG, atomically.

    The same runs give the same bytes (with the same matplotlib). A figure that the runs no longer allow is
    removed.

    Args:
        folder: the output folder.
        evidence: its runs.

    Returns:
        Names of the figures drawn, e.g. ["figure-1", "figure-2"].
    """
    return [
        name
        for name, draw in figures_of(evidence.protocol).items()
        if write_figure(folder, name, functools.partial(draw, evidence))
    ]
