"""Sentences that the answers of the experiments share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distillkit.mnist.experiments.experiment import Experiment, Lines
from distillkit.workbench.statistics.summaries import summarise
from distillkit.workbench.statistics.writing import mean_and_spread


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write mean ± standard deviation over the seeds, the mean alone where there is one.

    Example:
        >>> spread([80, 84, 85]), spread([80]), spread([-2.003], 2)
        ('83.0 ± 2.6', '80', '−2.00')
    """
    summary = summarise(values)
    mean = round(summary.mean, digits) + 0.0  # no −0
    return mean_and_spread(mean, summary.sd, digits).replace("-", "−")


def errors(experiment: Experiment, lines: Lines, network: str) -> str:
    """Write the test errors of a network over the seeds; "–" where it has none."""
    by_seed = [experiment.errors(line["found"]).get(network) for line in lines]
    counted = [float(count) for count in by_seed if count is not None]
    return spread(counted) if counted else "–"


def probed(config: Mapping[str, Any]) -> str:
    """Write what gradients are looked at."""
    temperature, weight = config["student"]
    return (
        f"{config['cases']} test cases, in float64, at a student before its training and at one distilled "
        f"for {config['training']['epochs']} epochs (T = {temperature:g}, weight {weight:g} on the hard "
        "labels)"
    )


def listed(by_name: Mapping[str, str]) -> str:
    """Write values with the names that they are of."""
    return ", ".join(f"{value} ({name})" for name, value in by_name.items())


def passes(config: Mapping[str, Any]) -> str:
    """Write how long the students were trained."""
    return f"{config['training']['epochs']} epochs"
