"""The one list of the experiments, and which of them a protocol has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from distillkit.mnist.experiments.dark_knowledge.experiment import DarkKnowledge
from distillkit.mnist.experiments.experiment import Experiment
from distillkit.mnist.experiments.hard_weight.experiment import HardWeight
from distillkit.mnist.experiments.little_data.experiment import LittleData
from distillkit.mnist.experiments.logit_matching.experiment import LogitMatchingGradients
from distillkit.mnist.experiments.logit_matching_students.experiment import LogitMatchingStudents
from distillkit.mnist.experiments.specialists.experiment import Specialists
from distillkit.mnist.experiments.t_squared.experiment import TSquared
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, Protocol

CATALOGUE: Mapping[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        TSquared(),
        HardWeight(),
        LogitMatchingGradients(),
        LogitMatchingStudents(),
        LittleData(),
        Specialists(),
        DarkKnowledge(),
    )
}
"""Every experiment by its name, in the order of the report."""


def experiment_ids(protocol: Protocol) -> tuple[str, ...]:
    """The ids of the experiments that a protocol has beside its cells.

    The report's protocols have none. H13 compares students of the same number of updates in different numbers
    of epochs, which a schedule that counts epochs does not allow.

    Example:
        >>> from distillkit.mnist.protocols.protocol import HINTON_2015, MODERN, REPORT_2025
        >>> experiment_ids(MODERN)
        ('H9', 'H10', 'H13', 'H14', 'dark-knowledge')
        >>> experiment_ids(HINTON_2015), experiment_ids(REPORT_2025)
        (('H9', 'H10', 'H14', 'dark-knowledge'), ())
    """
    if protocol.name not in LONG_PROTOCOLS:
        return ()
    by_steps = protocol.student_training.schedule_unit == "step"
    possible = [one for one in CATALOGUE.values() if by_steps or not one.counts_steps]
    return tuple(dict.fromkeys(one.asked_by for one in possible))


def experiment_names(protocol: Protocol, ids: Collection[str]) -> tuple[str, ...]:
    """The names of the experiments that some ids ask for, in their order; other ids are passed over.

    Example:
        >>> from distillkit.mnist.protocols.protocol import MODERN
        >>> experiment_names(MODERN, ["H1", "H10"])
        ('logit-matching', 'logit-matching-students')
    """
    asked = [one for one in experiment_ids(protocol) if one in ids]
    return tuple(experiment.name for experiment in CATALOGUE.values() if experiment.asked_by in asked)
