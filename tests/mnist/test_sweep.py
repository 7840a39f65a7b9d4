"""A sweep's temperatures are used by every loss, or refused by name."""

from __future__ import annotations

import pytest

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.mnist.sweep import with_temperature
from distillkit.testing import examples_of
from loss_examples import exported

NONE = {"hard_labels", "logit_matching", "weighted_sum"}
"""Losses without a temperature."""
ON_LOGITS = sorted(kind for kind, cls in exported().items() if "layers" not in cls.model_fields)
"""The others cannot be used by a sweep's networks, whose layers are not named."""


@pytest.mark.parametrize("kind", ON_LOGITS)
def test_a_temperature_is_used_or_refused(kind: str) -> None:
    """Two temperatures give two losses; a loss that sets its own is refused in a sentence that names it."""
    if kind == "ctkd":
        with pytest.raises(
            ConfigurationError, match=r"ctkd chooses its temperature itself .* leave ctkd out"
        ):
            with_temperature(kind, 4.0)
        return
    one, other = (with_temperature(kind, temperature) for temperature in (4.0, 20.0))
    assert (one == other) is (kind in NONE)
    if one:
        settings = examples_of(Loss.kind_class(kind))[0].to_dict()
        assert Loss.from_dict({**settings, **one}) != Loss.from_dict({**settings, **other})
