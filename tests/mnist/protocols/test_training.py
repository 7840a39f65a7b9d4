"""Trainings: the optimiser, schedule and limits that a protocol asks for are those that a run has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from distillkit.losses import HardLabels, SoftTargets, WeightedSum, hinton
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import MnistData, with_background
from distillkit.mnist.jobs import job
from distillkit.mnist.protocols.learning_rates import MomentumRamp, WarmUpAndFall
from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import HINTON_2015, MODERN, REPORT_2025, Protocol
from distillkit.mnist.protocols.training import DecayingSgd, Scheduled
from distillkit.mnist.sweep import sweep
from distillkit.workbench.runs.optimizers import AdamW, Sgd
from distillkit.workbench.workers.observer import Silent


def parameter() -> nn.Parameter:
    """One number, at 0."""
    return nn.Parameter(torch.zeros(1))


def test_the_learning_rate_rises_and_falls_to_zero() -> None:
    """Half of it in the middle of the fall, and nothing left after the last step."""
    optimizer = torch.optim.SGD([parameter()], lr=2.0)
    schedule = WarmUpAndFall(warm_up=0.05).build(optimizer, steps=200)
    rates = []
    for _ in range(200):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == rates[10] == 2.0
    assert rates[105] == pytest.approx(1.0)
    assert 0 < rates[-1] < 0.02
    assert optimizer.param_groups[0]["lr"] == 0


def test_the_ramp_makes_the_updates_of_2012() -> None:
    """V ← m·v − (1 − m)·g, w ← w + ε·v, with m and ε of the epoch, against the sum by hand."""
    ramp = MomentumRamp(first=0.5, last=0.9, ramp_epochs=2, learning_rate_decay=0.5)
    training = Scheduled(epochs=4, optimizer=Sgd(learning_rate=1.0), schedule=ramp)
    weight = parameter()
    optimizer = training.build_optimizer([weight])
    schedule = training.build_schedule(optimizer, steps=8)
    optimizer.step()  # before any gradient, as a stack's first
    velocity, expected = 0.0, 0.0
    for epoch, (momentum, rate) in enumerate([(0.5, 1.0), (0.7, 0.5), (0.9, 0.25), (0.9, 0.125)]):
        for step in range(2):
            gradient = 1.0 + epoch + step
            weight.grad = torch.tensor([gradient])
            optimizer.step()
            # torch takes the very first gradient whole
            share = 1.0 if epoch == step == 0 else 1 - momentum
            velocity = momentum * velocity + share * gradient
            expected -= rate * velocity
            assert weight.item() == pytest.approx(expected)
        schedule.step()


def test_a_ramp_needs_plain_sgd() -> None:
    """Anything else is refused in a sentence."""
    for optimizer in (AdamW(), Sgd(learning_rate=1.0, momentum=0.9, nesterov=True)):
        with pytest.raises((ValidationError, ValueError), match="moves the momentum of plain SGD"):
            Scheduled(optimizer=optimizer, schedule=MomentumRamp())


def test_the_identities_of_the_first_runs_hang_on_these_settings() -> None:
    """What came later is not written where it is what it always was."""
    assert DecayingSgd().model_dump() == {
        "epochs": 25, "batch_size": 100, "clip_norm": 1.0, "max_squared_norm": None,
        "learning_rate": 0.01, "learning_rate_decay": 0.95, "momentum": 0.9, "weight_decay": 0.0,
    }  # fmt: skip
    later = {"hard_label_weight", "background", "jitter_shifts"}
    assert not later & REPORT_2025.settings().keys()
    assert later <= HINTON_2015.settings().keys()


def test_a_protocols_students_minimise_its_loss() -> None:
    """The report's plain sum, and Hinton's weighted one."""
    terms = {"soft": SoftTargets(temperature=20.0), "hard": HardLabels()}
    assert REPORT_2025.student_loss(20.0) == WeightedSum(terms=terms)
    assert MODERN.student_loss(20.0) == hinton(20.0, 0.05)


def test_pixels_may_be_counted_from_zero() -> None:
    """The same images, from 0 to 1."""
    images = torch.linspace(-1, 1, 5)
    assert torch.equal(with_background(images, 0.0), torch.linspace(0, 1, 5))


@pytest.mark.parametrize("protocol", [MODERN, HINTON_2015], ids=lambda protocol: protocol.name)
def test_a_stack_gives_what_one_by_one_gives(
    protocol: Protocol, few_digits: MnistData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the learning rate moves with each step, or the momentum with each epoch."""
    small = protocol.model_copy(
        update={"teacher": NetworkSpec(hidden_units=(16, 16), input_dropout=0.2, hidden_dropout=(0.5, 0.5))}
    ).with_epochs(3)
    context = RunContext(few_digits, protocol.name, False, torch.device("cpu"), "fp32", Silent())

    def rows(name: str) -> list[dict[str, object]]:
        return sweep(small, context, tmp_path / name, hidden_units=[8], temperatures=[2.0, 8.0])

    together = rows("together")
    monkeypatch.setattr(job, "stacks_of", lambda cells, device: [[cell] for cell in cells])
    for row, other in zip(together, rows("alone"), strict=True):
        assert row["id"] == other["id"]
        assert row["curve"]["train_loss"] == pytest.approx(other["curve"]["train_loss"], rel=1e-4)


def test_the_teacher_of_2012_never_has_longer_weights(few_digits: MnistData, tmp_path: Path) -> None:
    """The limit holds after the last update of every hidden and output unit."""
    from safetensors.torch import load_file

    tight = HINTON_2015.teacher_training.model_copy(update={"max_squared_norm": 0.25, "epochs": 2})
    small = HINTON_2015.model_copy(
        update={"teacher": NetworkSpec(hidden_units=(16, 16)), "teacher_training": tight}
    ).model_copy(update={"student_training": REPORT_2025.student_training.model_copy(update={"epochs": 1})})
    context = RunContext(few_digits, small.name, False, torch.device("cpu"), "fp32", Silent())
    sweep(small, context, tmp_path, hidden_units=[4], temperatures=[2.0])
    (file,) = (tmp_path / "teachers").glob("*.safetensors")
    for name, weights in load_file(file).items():
        if name.endswith("weight"):
            assert weights.norm(dim=1).max() <= 0.5 + 1e-5
