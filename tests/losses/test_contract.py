"""What every loss promises, whoever wrote it: held by all that are exported and by installed plug-ins."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.losses import (
    AT,
    CC,
    FSP,
    ICKD,
    NST,
    OFA,
    OFD,
    PKT,
    RKD,
    SP,
    VID,
    FitNet,
    Loss,
    ReviewKD,
    SoftTargets,
)
from distillkit.testing import Check, checks_for
from distillkit.testing.case import Case, logits, made, maps_for, rows_for, value
from distillkit.typing import Outputs
from loss_examples import EVERY, PAIRS, VARIANTS, exported

NEED_MAPS = (AT, FSP, ICKD, NST, OFD, ReviewKD)
TAKE_ANYTHING = (CC, FitNet, OFA, PKT, RKD, SP, VID)


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
