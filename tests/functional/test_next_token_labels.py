"""Labels moved to where they are predicted."""

from __future__ import annotations

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.functional import next_token_labels


def test_each_position_has_the_label_of_the_next() -> None:
    """By a loop; what was given stays, in any whole-number type and any number of dimensions."""
    for dtype in (torch.int64, torch.int32):
        labels = torch.randint(9, (2, 3, 5), dtype=dtype)
        kept = labels.clone()
        found = next_token_labels(labels)
        assert found.dtype == dtype
        for row, expected in zip(found.flatten(0, 1).tolist(), kept.flatten(0, 1).tolist(), strict=True):
            assert row == [*expected[1:], -100]
        assert torch.equal(labels, kept)


def test_one_position_predicts_nothing_that_is_there() -> None:
    """Nor does none."""
    assert next_token_labels(torch.tensor([4])).tolist() == [-100]
    assert next_token_labels(torch.zeros(2, 0, dtype=torch.long)).shape == (2, 0)


@pytest.mark.parametrize("labels", [torch.tensor(3), torch.zeros(2, 3)])
def test_what_is_no_labels_is_refused(labels: torch.Tensor) -> None:
    """A number, or fractions."""
    with pytest.raises(ConfigurationError, match=r"whole numbers of shape \[..., positions\]"):
        next_token_labels(labels)
