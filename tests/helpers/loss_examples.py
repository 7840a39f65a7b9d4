"""Losses for the tests that every loss goes through: built-in ones and those of installed plug-ins."""

from __future__ import annotations

import inspect
from typing import cast

from distillkit import losses
from distillkit.errors import ConfigurationError
from distillkit.losses import (
    AT,
    CC,
    CTKD,
    DIST,
    DKD,
    ICKD,
    MLKD,
    NKD,
    NST,
    OFA,
    OFD,
    PKT,
    RKD,
    SP,
    VID,
    WSLD,
    BestOf,
    ChunkedSoftTargets,
    CorrectedTeacher,
    FitNet,
    GeneralizedJSD,
    HardLabels,
    LogitMatching,
    Loss,
    Mutual,
    ReverseKL,
    ReviewKD,
    SoftTargets,
    Standardized,
    TeacherFree,
    TopKSoftTargets,
    WeightedSum,
)
from distillkit.schedules import Cosine, Linear, WarmUp
from distillkit.testing import examples_of

PAIRS = {"a": "x", "b": "y"}
HINTON = losses.hinton(temperature=4, hard_label_weight=0.1)
VARIANTS: list[Loss] = [
    BestOf(loss=DKD(temperature=2)),
    BestOf(loss=CorrectedTeacher()),
    ChunkedSoftTargets(temperature=4, rows_at_once=2),
    CorrectedTeacher(loss=DKD(temperature=2)),
    CTKD(reversal=0.5, lowest_temperature=2, temperature_range=4),
    DIST(temperature=4, inter_class_weight=1, intra_class_weight=0.5),
    DKD(temperature=1, target_weight=2, non_target_weight=0.5),
    GeneralizedJSD(temperature=4, teacher_share=0.1),
    HardLabels(label_smoothing=0.1),
    MLKD(temperatures=(1, 4)),
    NKD(temperature=3, non_target_weight=3.5),
    ReverseKL(temperature=4),
    Mutual(loss=SoftTargets(temperature=4)),
    Standardized(loss=HINTON),
    TeacherFree(temperature=1, correct_probability=0.9),
    TopKSoftTargets(k=50, temperature=4),
    WSLD(temperature=1),
    HINTON,
    WeightedSum(terms={"a": SoftTargets(temperature=2), "b": LogitMatching(), "c": HardLabels()}),
    WeightedSum(terms={"dist": DIST(), "hard": HardLabels()}),
    WeightedSum(terms={"hard": HardLabels(), "ctkd": CTKD()}, weights={"hard": 0.1, "ctkd": 0.9}),
    WeightedSum(
        terms={"soft": SoftTargets(temperature=Linear(start=10, end=2)), "hard": HardLabels()},
        weights={"soft": WarmUp(end=0.9), "hard": Cosine(start=1, end=0.1)},
    ),
    WeightedSum(terms={"wsld": WSLD(), "hard": HardLabels()}, weights={"wsld": 2.25, "hard": 1}),
    *[kind(layers={"a": "x"}) for kind in (AT, CC, FitNet, ICKD, NST, OFD, PKT, RKD, ReviewKD, SP, VID)],
    CC(layers=PAIRS, gamma=1, order=3),
    OFA(layers=["?"], gamma=1.5),
    RKD(layers=PAIRS, distance_weight=1, angle_weight=0),
    VID(layers=PAIRS, initial_variance=1),
    WeightedSum(terms={"at": AT(layers=PAIRS), "fitnet": FitNet(layers={"a": "x"}), "hinton": HINTON}),
]
"""Other settings than those that the classes themselves give as examples."""


def exported() -> dict[str, type[Loss]]:
    """The classes of losses in `distillkit.losses`, by kind."""
    return {
        item.kind_name(): item
        for item in vars(losses).values()
        if isinstance(item, type) and issubclass(item, Loss) and not inspect.isabstract(item)
    }


def installed() -> dict[str, type[Loss]]:
    """Those of plug-ins that can be loaded."""
    found = {}
    for kind in Loss.plugins():
        try:
            found[kind] = cast("type[Loss]", Loss.kind_class(kind))
        except ConfigurationError:  # a test below says why
            continue
    return found


EVERY = [loss for kind in (exported() | installed()).values() for loss in examples_of(kind)]
ON_LOGITS: dict[str, list[Loss]] = {}
"""Those that look at no layers, by kind."""
for one in [*EVERY, *VARIANTS]:
    if not one.needs().student_layers:
        ON_LOGITS.setdefault(one.kind_name(), []).append(one)
STACKED = {
    kind: stacked
    for kind, examples in ON_LOGITS.items()
    if (
        stacked := [
            one
            for one in examples
            if not (one.needs().learns or one.schedules() or one.needs().teacher_layers)
        ]
    )
}
"""Those that a stack can train: no layers, no adapters, no schedules."""
