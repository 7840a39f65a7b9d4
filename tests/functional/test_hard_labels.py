"""The loss on the true classes against a loop and torch."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from distillkit.errors import ConfigurationError
from distillkit.functional import hard_label_cross_entropy

LOGITS = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
LABELS = torch.tensor([0, 4, 2, 2, 1, 3])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_equals_a_loop(smoothing: float) -> None:
    """The loss is the mean of −Σ target · log probability, the targets smoothed evenly over all classes."""
    total = 0.0
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        normaliser = math.log(sum(math.exp(value) for value in row))
        for number, value in enumerate(row):
            target = smoothing / 5 + (1 - smoothing) * (number == label)
            total -= target * (value - normaliser)
    found = hard_label_cross_entropy(student=LOGITS, labels=LABELS, label_smoothing=smoothing).item()
    assert found == pytest.approx(total / 6, rel=1e-12)


def test_equals_torch_to_the_bit() -> None:
    """In float32 the loss is `F.cross_entropy`, to the bit."""
    logits = LOGITS.float()
    found = hard_label_cross_entropy(student=logits, labels=LABELS)
    assert torch.equal(found, F.cross_entropy(logits, LABELS))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    """16-bit logits give what the same numbers in float32 give."""
    found = hard_label_cross_entropy(student=LOGITS.to(dtype), labels=LABELS)
    assert torch.equal(found, hard_label_cross_entropy(student=LOGITS.to(dtype).float(), labels=LABELS))


def test_any_number_of_dimensions() -> None:
    """`[batch, tokens, classes]` and one bare `[classes]` give what their rows in a batch give."""
    plain = hard_label_cross_entropy(student=LOGITS, labels=LABELS)
    torch.testing.assert_close(
        hard_label_cross_entropy(student=LOGITS.view(2, 3, 5), labels=LABELS.view(2, 3)), plain
    )
    torch.testing.assert_close(
        hard_label_cross_entropy(student=LOGITS[0], labels=LABELS[0]),
        hard_label_cross_entropy(student=LOGITS[:1], labels=LABELS[:1]),
    )


def test_contradicted_certainty_is_finite() -> None:
    """Logits of ±10,000 on the wrong class give a finite loss."""
    wrong = torch.tensor([[1e4, -1e4]])
    assert hard_label_cross_entropy(student=wrong, labels=torch.tensor([1])).item() == pytest.approx(2e4)


def test_labels_of_another_shape_are_refused() -> None:
    """A label an example is not one a token."""
    with pytest.raises(ConfigurationError, match=r"each row of logits, \[2, 3\]; got \[2\]"):
        hard_label_cross_entropy(student=LOGITS.view(2, 3, 5), labels=LABELS[:2])
