"""Optimisers and schedules of a run file are torch's, with the settings asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.workbench.runs.optimizers import Optimizer, Schedule


@pytest.mark.parametrize(
    ("settings", "made", "defaults"),
    [
        (
            {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            torch.optim.SGD,
            {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        ),
        ({"kind": "adam"}, torch.optim.Adam, {"lr": 1e-3, "betas": (0.9, 0.999), "weight_decay": 0}),
        (
            {"kind": "adamw", "learning_rate": 0.01, "betas": [0.8, 0.9], "weight_decay": 0.1},
            torch.optim.AdamW,
            {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1},
        ),
    ],
)
def test_each_kind_makes_torchs_optimiser(
    settings: dict[str, Any], made: type[torch.optim.Optimizer], defaults: dict[str, Any]
) -> None:
    """Of its class, with its settings."""
    optimizer = Optimizer.from_dict(settings).build(nn.Linear(2, 2).parameters())
    assert type(optimizer) is made
    assert {name: optimizer.defaults[name] for name in defaults} == defaults
    assert optimizer.defaults["fused"]


def test_what_no_kernel_can_update_is_left_to_torch() -> None:
    """Complex weights, say."""
    weight = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    assert not Optimizer.from_dict({"kind": "adamw"}).build([weight]).defaults["fused"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "constant"}, lambda epoch: 0.5),
        ({"kind": "exponential", "decay": 0.9}, lambda epoch: 0.5 * 0.9**epoch),
        ({"kind": "step", "epochs": 2, "decay": 0.1}, lambda epoch: 0.5 * 0.1 ** (epoch // 2)),
        (
            {"kind": "cosine", "final_learning_rate": 0.1},
            lambda epoch: 0.1 + 0.4 * (1 + math.cos(math.pi * epoch / 6)) / 2,
        ),
    ],
)
def test_each_schedule_gives_its_learning_rates(settings: dict[str, Any], expected: Any) -> None:
    """Epoch by epoch, against the formula."""
    parameter = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    schedule = Schedule.from_dict(settings).build(optimizer, epochs=6)
    for epoch in range(6):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected(epoch))
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "sgd"},
        {"kind": "sgd", "learning_rate": 0},
        {"kind": "sgd", "learning_rate": 0.1, "momentum": 1},
        {"kind": "sgd", "learning_rate": 0.1, "nesterov": True},
        {"kind": "adam", "betas": [0.9]},
        {"kind": "adam", "betas": [0.9, 1.0]},
        {"kind": "adamw", "weight_decay": -1},
        {"kind": "adamw", "learning_rate": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    """Before anything is built."""
    with pytest.raises(ConfigurationError):
        Optimizer.from_dict(settings)
