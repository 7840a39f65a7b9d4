"""The figures of the experiments, as files."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from distillkit.mnist.drawing import stamp_with, write_figure
from distillkit.mnist.experiments.catalogue import CATALOGUE
from distillkit.mnist.experiments.experiment import Results


def write_experiment_figures(
    folder: Path,
    results: Mapping[str, Results],
    *,
    subtitles: Mapping[str, str],
    is_stand_in: bool,
    quick: bool,
) -> list[str]:
    """Write the figure of every experiment that there are results of to `folder`/figures, as PNG and SVG.

    The same results give the same bytes (with the same matplotlib). The figure of an experiment without
    results is removed.

    Args:
        folder: The output folder.
        results: By the names of the experiments.
        subtitles: Protocol and seeds in words, by the same names.
        is_stand_in: Whether they are no results on MNIST.
        quick: Whether the runs were shortened.

    Returns:
        Names of the figures drawn.
    """

    def draw(name: str) -> Figure | None:
        if not results.get(name):
            return None
        experiment = CATALOGUE[name]
        figure = experiment.figure(results[name])
        figure.suptitle(
            f"{experiment.title}\n{subtitles[name]}", x=0.01, ha="left", fontweight="bold", fontsize=11
        )
        stamp_with(figure, is_stand_in=is_stand_in, quick=quick)
        return figure

    return [name for name in CATALOGUE if write_figure(folder, name, functools.partial(draw, name))]
