"""Which experiments there are: their names, the ids that ask for them, the epochs of their students."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, Protocol

EXPERIMENTS_OF: Mapping[str, tuple[str, ...]] = {
    "H9": ("t-squared", "hard-weight"),
    "H10": ("logit-matching", "logit-matching-students"),
    "H13": ("little-data",),
    "H14": ("specialists",),
    "dark-knowledge": ("dark-knowledge",),
}
"""Id, as `--only` names it -> names, those of `suite.EXPERIMENTS`."""
MOST_EPOCHS = 60
"""Of a student of 800 units. Some experiments train a dozen of them on every seed, and compare them with each
other alone: what differs between them shows after sixty passes, and the whole suite stays within the hour."""
_WITHOUT_TEACHER = ("specialists",)
_COUNTS_STEPS = ("H13",)


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
    return tuple(one for one in EXPERIMENTS_OF if by_steps or one not in _COUNTS_STEPS)


def experiment_names(protocol: Protocol, ids: Collection[str]) -> tuple[str, ...]:
    """The names of the experiments that some ids ask for, in their order; other ids are passed over.

    Example:
        >>> from distillkit.mnist.protocols.protocol import MODERN
        >>> experiment_names(MODERN, ["H1", "H10"])
        ('logit-matching', 'logit-matching-students')
    """
    return tuple(name for one in experiment_ids(protocol) if one in ids for name in EXPERIMENTS_OF[one])


def has_teacher(name: str) -> bool:
    """Whether an experiment asks the teacher of its seed; specialists have a generalist of their own."""
    return name not in _WITHOUT_TEACHER


def epochs_of(name: str, protocol: Protocol) -> int:
    """Passes of each student of an experiment over the training cases: the protocol's, or `MOST_EPOCHS`.

    The nets of the specialists are narrow, and have the protocol's.

    Example:
        >>> from distillkit.mnist.protocols.protocol import HINTON_2015
        >>> epochs_of("hard-weight", HINTON_2015), epochs_of("specialists", HINTON_2015)
        (60, 3000)
    """
    epochs = protocol.student_training.epochs
    return epochs if name == "specialists" else min(epochs, MOST_EPOCHS)
