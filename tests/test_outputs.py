"""Calling a model, and finding the logits in what it gives."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.outputs import call, logits_of
from distillkit.typing import Outputs

LOGITS = torch.arange(6.0).view(2, 3)
Named = namedtuple("Named", ["loss", "logits"])


@dataclass
class HasLogits:
    """An output as Hugging Face's models give it."""

    loss: Any
    logits: Any


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        (LOGITS, "features"),
        [LOGITS],
        {"logits": LOGITS, "loss": torch.tensor(1.0)},
        OrderedDict(loss=torch.tensor(1.0), logits=LOGITS),
        SimpleNamespace(logits=LOGITS),
        HasLogits(torch.tensor(1.0), LOGITS),
        Named(torch.tensor(1.0), LOGITS),
    ],
    ids=lambda output: type(output).__name__,
)
def test_logits_are_found(output: Any) -> None:
    """A tensor is the logits; the name `logits` goes before the first of a tuple."""
    assert logits_of(output) is LOGITS


@pytest.mark.parametrize(
    "output",
    [None, "three", (), ("no", LOGITS), {"scores": LOGITS}, SimpleNamespace(logits=None), {"logits": 3}],
)
def test_no_logits_is_one_sentence(output: Any) -> None:
    """Where there are none, the sentence names whose output it is, what came, and what to return."""
    came = type(output).__name__
    with pytest.raises(ConfigurationError, match=rf"^The teacher returned {came}, .*\.logits`\.$"):
        logits_of(output, "The teacher")


def test_inputs_by_name() -> None:
    """A mapping of inputs is passed by name, anything else as the one argument."""
    assert call(lambda *, ids, mask: (ids, mask), {"ids": 1, "mask": 2}) == (1, 2)
    assert call(lambda inputs: inputs, (1, 2)) == (1, 2)


@pytest.mark.parametrize(
    ("inputs", "given"),
    [
        (torch.zeros(2, 3).double(), "The model was given float64 [2, 3]."),
        (
            {"x": torch.zeros(2, 3), "label": 1},
            "The model was given x=float32 [2, 3], label=int, by name, as all of a mapping is but its "
            "'labels'.",
        ),
    ],
)
def test_an_error_within_the_model_says_what_it_was_given(inputs: Any, given: str) -> None:
    """Types and shapes stand below torch's own sentence."""
    with pytest.raises((RuntimeError, TypeError)) as caught:
        call(torch.nn.Linear(3, 4), inputs)
    assert caught.value.__notes__ == [given]


def test_outputs_compare_without_looking_inside() -> None:
    """Two outputs are equal only where they are one object: tensors have no truth value."""
    assert Outputs(LOGITS) != Outputs(LOGITS)
    same = Outputs(LOGITS)
    assert same == same
