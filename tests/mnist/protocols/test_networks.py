"""The networks of the papers."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from distillkit.mnist.protocols.networks import NetworkSpec
from distillkit.mnist.protocols.protocol import (
    PROTOCOLS,
    REPORT_2025,
    REPORT_2025_CODE,
    Protocol,
    protocol_named,
)


def layers(network: nn.Sequential) -> list[str]:
    """The layers in short."""
    shown = {nn.Linear: lambda m: f"{m.in_features}-{m.out_features}", nn.Dropout: lambda m: f"drop {m.p}"}
    return [shown.get(type(part), lambda m: type(m).__name__)(part) for part in network]


def test_the_teacher_of_the_text_is_that_of_the_text() -> None:
    """784-1200-1200-10, dropout 0.2 on the input and 0.5 on the hidden layers, linear logits."""
    assert layers(REPORT_2025.teacher.build(0)) == [
        "Flatten", "drop 0.2", "784-1200", "ReLU", "drop 0.5", "1200-1200", "ReLU", "drop 0.5", "1200-10",
    ]  # fmt: skip


def test_the_teacher_of_the_code_is_that_of_the_code() -> None:
    """Three hidden layers, dropout of 0.2 after the first, a ReLU on the logits."""
    assert layers(REPORT_2025_CODE.teacher.build(0)) == [
        "Flatten", "784-1200", "ReLU", "drop 0.2", "1200-1200", "ReLU", "drop 0.5",
        "1200-1200", "ReLU", "drop 0.5", "1200-10", "ReLU",
    ]  # fmt: skip


def test_students_have_no_dropout_and_as_many_layers_as_their_protocol_says() -> None:
    """Two linear-logit layers for the text, three and a ReLU for the code."""
    assert layers(REPORT_2025.student(30).build(0)) == ["Flatten", "784-30", "ReLU", "30-30", "ReLU", "30-10"]
    assert layers(REPORT_2025_CODE.student(30).build(0)) == [
        "Flatten", "784-30", "ReLU", "30-30", "ReLU", "30-30", "ReLU", "30-10", "ReLU",
    ]  # fmt: skip


def test_initial_values_follow_the_seed_and_leave_the_callers_randomness_alone() -> None:
    """Same seed, same weights; another seed, others."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    spec = NetworkSpec(hidden_units=(5,))
    one, same, other = (spec.build(seed)[1].weight for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "settings",
    [{"hidden_units": []}, {"hidden_units": [0]}, {"hidden_units": [3], "input_dropout": 1.0},
     {"hidden_units": [3, 3], "hidden_dropout": [0.5]}, {"hidden_units": [3], "width": 4}],
)  # fmt: skip
def test_impossible_networks_are_refused(settings: dict[str, object]) -> None:
    """No layers, no units, all units dropped, a rate too few, an unknown field."""
    with pytest.raises(ValidationError):
        NetworkSpec.model_validate(settings)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_a_protocol_is_complete_and_comes_back_from_its_settings(protocol: Protocol) -> None:
    """What is printed is all there is."""
    assert Protocol.model_validate({**protocol.settings(), "description": protocol.description}) == protocol
    assert protocol_named(protocol.name) is protocol
    assert protocol.with_epochs(3).student_training.epochs == 3


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_students_are_not_regularised(protocol: Protocol) -> None:
    """Neither dropout nor weight decay nor a limit on the weights: that is the teacher's."""
    student, training = protocol.student(30), protocol.student_training.model_dump()
    assert (student.input_dropout, student.hidden_dropout, training["max_squared_norm"]) == (0, (), None)
    assert training.get("optimizer", training)["weight_decay"] == 0


def test_an_unknown_protocol_is_refused_with_those_there_are() -> None:
    """By name."""
    with pytest.raises(ValueError, match="report-2025, report-2025-code"):
        protocol_named("report")
