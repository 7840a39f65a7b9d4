"""Channel correlations against NumPy, and the convolution where channels differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distillkit.errors import ConfigurationError
from distillkit.functional import channel_correlation_distance
from distillkit.losses import ICKD
from distillkit.typing import Outputs

GENERATOR = torch.Generator().manual_seed(0)
STUDENT = torch.randn(4, 3, 2, 2, generator=GENERATOR, dtype=torch.float64)
TEACHER = torch.randn(4, 3, 4, 5, generator=GENERATOR, dtype=torch.float64)


def test_equals_numpys_products() -> None:
    """All pairs of channels, rows at length 1; maps of any size."""
    each = []
    for one, other in zip(STUDENT, TEACHER, strict=True):
        both = []
        for side in (one, other):
            channels = side.flatten(1).numpy()
            products = channels @ channels.T
            both.append(products / np.linalg.norm(products, axis=1, keepdims=True))
        each.append(((both[0] - both[1]) ** 2).mean())
    found = channel_correlation_distance(student=STUDENT, teacher=TEACHER).item()
    assert found == pytest.approx(np.mean(each), rel=1e-12)


def test_positions_and_a_factor_change_nothing() -> None:
    """Positions in another order, and all channels of an example times one number."""
    changed = torch.tensor([1.0, 2, 3, -4], dtype=torch.float64)[:, None, None, None] * STUDENT.flip(2, 3)
    assert channel_correlation_distance(student=changed, teacher=STUDENT).item() == pytest.approx(
        0, abs=1e-28
    )


def test_channels_among_themselves_change_it() -> None:
    """How large channels are beside each other is a part of what is compared."""
    factors = torch.tensor([1.0, 2, 3], dtype=torch.float64)[:, None, None]
    assert channel_correlation_distance(student=factors * STUDENT, teacher=STUDENT).item() > 1e-3


def test_other_channels_are_met_by_a_convolution() -> None:
    """Only in the pairs that need it; the function alone refuses them."""
    student = Outputs(STUDENT, {"s": STUDENT[:, :2], "same": STUDENT})
    teacher = Outputs(TEACHER, {"t": TEACHER})
    loss = ICKD(layers={"s": "t", "same": "t"})
    adapters = loss.adapters(student=student, teacher=teacher)
    assert isinstance(adapters[0], nn.Conv2d)
    assert isinstance(adapters[1], nn.Identity)
    alone = ICKD(layers={"same": "t"})
    assert alone.adapters(student=student, teacher=teacher) is None
    few = STUDENT[:, :2].float()
    logits = torch.zeros(4, 2)
    found = ICKD(layers={"s": "t"})(
        student=Outputs(logits, {"s": few}, adapters[:1]),
        teacher=Outputs(logits, {"t": TEACHER.float()}),
        labels=None,
    )
    expected = channel_correlation_distance(student=adapters[0](few), teacher=TEACHER.float())
    torch.testing.assert_close(found, expected)
    with pytest.raises(ConfigurationError, match="equally many channels here, got 2 and 3"):
        channel_correlation_distance(student=few, teacher=TEACHER)
