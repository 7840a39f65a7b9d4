"""What every loss promises, whoever wrote it: held by all that are exported and by installed plug-ins."""

from __future__ import annotations

import inspect
from typing import cast

import pytest
import torch
from torch import Tensor

from distillkit import losses
from distillkit.errors import ConfigurationError
from distillkit.losses import (
    AT,
    CC,
    CTKD,
    DIST,
    DKD,
    FSP,
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
from distillkit.testing import Check, checks_for, examples_of
from distillkit.testing.case import Case, logits, made, maps_for, rows_for, value
from distillkit.typing import Outputs

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

NEED_MAPS = (AT, FSP, ICKD, NST, OFD, ReviewKD)
TAKE_ANYTHING = (CC, FitNet, OFA, PKT, RKD, SP, VID)


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
"""Those that look at no layers by kind, for the tests of other things that every loss should go through."""
for one in [*EVERY, *VARIANTS]:
    if not one.student_layers:
        ON_LOGITS.setdefault(one.kind_name(), []).append(one)
PROMISES = [
    pytest.param(check, loss, id=f"{loss!r}-{check.__name__}")
    for loss in [*EVERY, *VARIANTS]
    for check in checks_for(loss)
]


@pytest.mark.parametrize(("check", "loss"), PROMISES)
def test_it_keeps_what_every_loss_promises(check: Check, loss: Loss) -> None:
    """One promise of one loss."""
    check(loss)


def test_every_built_in_loss_is_exported() -> None:
    """And so is held to this contract."""
    built_in = {kind for kind in Loss.kinds() if kind not in Loss.plugins()}
    assert built_in == set(exported())


def test_every_plug_in_can_be_loaded() -> None:
    """Whoever tests with a plug-in installed that is broken is told so here."""
    for kind in Loss.plugins():
        assert issubclass(Loss.kind_class(kind), Loss)


def on_layers(kind: type[Loss]) -> list[Loss]:
    """Losses of one pair of layers, where that is enough, and of two."""
    if kind is OFA:
        return [OFA(layers=("a",)), OFA(layers=("a", "b"))]
    each = [PAIRS] if kind is FSP else [{"a": "x"}, PAIRS]
    return [kind(layers=layers) for layers in each]  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [*NEED_MAPS, *TAKE_ANYTHING])
@pytest.mark.parametrize("shape", [(7,), (3, 7)])
def test_what_needs_maps_says_so_and_the_rest_takes_vectors_and_tokens(
    kind: type[Loss], shape: tuple[int, ...]
) -> None:
    """In a sentence with the shape that it needs."""
    for loss in on_layers(kind):
        case = rows_for(loss, shape)
        if kind in TAKE_ANYTHING:
            assert value(loss, case, made(loss, case)).isfinite()
            continue
        with pytest.raises(ConfigurationError, match=r"\[batch, channels, height, width\]"):
            value(loss, case, made(loss, case))


@pytest.mark.parametrize("kind", [*NEED_MAPS, *TAKE_ANYTHING])
@pytest.mark.parametrize(
    ("channels", "sides"), [((3, 5), (4, 4)), ((5, 5), (4, 8)), ((5, 5), (8, 4)), ((7, 3), (8, 4))]
)
def test_other_shapes_of_maps_are_met_by_all_but_one(
    kind: type[Loss], channels: tuple[int, int], sides: tuple[int, int]
) -> None:
    """FSP compares channel by channel and learns nothing."""
    for loss in on_layers(kind):
        case = maps_for(loss, channels=channels, sides=sides)
        if kind is not FSP or channels[0] == channels[1]:
            assert value(loss, case, made(loss, case)).isfinite()
            continue
        with pytest.raises(ConfigurationError, match="equally many channels"):
            value(loss, case, made(loss, case))


def test_temperatures_can_be_mapped_over() -> None:
    """A temperature replaced by a tensor gives, under `vmap`, what each temperature gives one by one."""
    case = logits()
    temperatures = torch.tensor([1.0, 2.0, 4.0, 20.0, 50.0], dtype=torch.float64)
    students = torch.stack([case.student.logits * (1 + i) for i in range(5)])

    def of(loss: Loss, student: Tensor) -> Tensor:
        return value(loss, Case(Outputs(student), case.teacher, case.labels), None)

    def one(student: Tensor, temperature: Tensor) -> Tensor:
        return of(SoftTargets(temperature=1).model_copy(update={"temperature": temperature}), student)

    singly = [
        of(SoftTargets(temperature=t), each) for t, each in zip(temperatures.tolist(), students, strict=True)
    ]
    torch.testing.assert_close(torch.func.vmap(one)(students, temperatures), torch.stack(singly))
    gradients = torch.func.vmap(torch.func.grad(one))(students, temperatures)
    for number, temperature in enumerate(temperatures.tolist()):
        leaf = students[number].clone().requires_grad_()
        of(SoftTargets(temperature=temperature), leaf).backward()
        assert leaf.grad is not None
        torch.testing.assert_close(gradients[number], leaf.grad)
