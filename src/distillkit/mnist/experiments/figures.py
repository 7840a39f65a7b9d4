"""The figures of the experiments, as files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from distillkit.mnist.drawing import stamp_with, write_figure
from distillkit.mnist.experiments.dark_knowledge_figure import dark_knowledge_figure
from distillkit.mnist.experiments.little_data_figure import learning_curve_figure
from distillkit.mnist.experiments.logit_matching_figure import (
    gradient_distances_figure,
    student_distances_figure,
)
from distillkit.mnist.experiments.specialists.figure import specialists_figure
from distillkit.mnist.experiments.t_squared_figure import gradient_norms_figure, hard_weight_figure

Results = Sequence[Mapping[str, Any]]
"""What an experiment returned, one of each seed."""

FIGURES: Mapping[str, tuple[str, Callable[[Results], Figure]]] = {
    "t-squared": ("The gradient of the soft targets by temperature", gradient_norms_figure),
    "hard-weight": ("Errors by the weight of the hard labels", hard_weight_figure),
    "logit-matching": ("From soft targets to matching logits: the gradients", gradient_distances_figure),
    "logit-matching-students": (
        "How far students are from one that matches centred logits",
        student_distances_figure,
    ),
    "little-data": ("Soft targets instead of data", learning_curve_figure),
    "specialists": ("Specialists for confusable classes", specialists_figure),
    "dark-knowledge": ("What the teacher knows", dark_knowledge_figure),
}
"""Name of the experiment and of its files -> title, and what draws it."""


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
        results: By the names of `FIGURES`.
        subtitles: Protocol and seeds in words, by the same names.
        is_stand_in: Whether they are no results on MNIST.
        quick: Whether the runs were shortened.

    Returns:
        Names of the figures drawn.
    """

    def draw(name: str) -> Figure | None:
        if not results.get(name):
            return None
        title, figure_of = FIGURES[name]
        figure = figure_of(results[name])
        figure.suptitle(f"{title}\n{subtitles[name]}", x=0.01, ha="left", fontweight="bold", fontsize=11)
        stamp_with(figure, is_stand_in=is_stand_in, quick=quick)
        return figure

    return [name for name in FIGURES if write_figure(folder, name, functools.partial(draw, name))]
