"""Functions before and behind a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distillkit import Translated
from distillkit.errors import ConfigurationError


class Named(nn.Module):
    """Takes inputs by name, and gives a mapping."""

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        """Their sum."""
        return {"sum": left + right}


def test_one_tensor_or_inputs_by_name() -> None:
    """As the model inside takes them."""
    doubled = Translated(nn.Flatten(), inputs=lambda seen: 2 * seen)
    assert doubled(torch.ones(2, 3)).tolist() == [[2.0] * 3] * 2
    named = Translated(
        Named(),
        inputs=lambda batch: {"left": batch["one"], "right": batch["one"]},
        logits=lambda output: output["sum"],
    )
    assert named(one=torch.ones(1, 2), more=torch.zeros(1)).tolist() == [[2.0, 2.0]]


def test_a_function_that_is_a_module_is_a_part() -> None:
    """Its buffers are the whole's, and move with it."""
    around = Translated(nn.Linear(3, 2), inputs=nn.BatchNorm1d(3), logits=nn.Softplus())
    assert "inputs.running_mean" in around.state_dict()
    assert {"model", "inputs", "logits"} == {name for name, _ in around.named_children()}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((3, {"logits": torch.relu}), "wraps a torch.nn.Module, got int"),
        ((nn.Identity(), {}), "needs inputs=..., logits=... or both"),
        ((nn.Identity(), {"inputs": 3}), "inputs must be a function or a module, got int"),
        ((nn.Identity(), {"logits": [1, 2]}), "logits must be a function or a module, got list"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: tuple[Any, dict[str, Any]], sentence: str) -> None:
    """When it is made."""
    with pytest.raises(ConfigurationError, match=sentence):
        Translated(arguments[0], **arguments[1])


def test_an_answer_without_logits_is_refused() -> None:
    """Whether they are looked for or made."""
    with pytest.raises(ConfigurationError, match="The model in Translated returned dict"):
        Translated(Named(), inputs=lambda batch: batch)(left=torch.ones(1), right=torch.ones(1))
    with pytest.raises(ConfigurationError, match="must return a tensor, got dict"):
        Translated(Named(), logits=lambda output: output)(left=torch.ones(1), right=torch.ones(1))
