"""Tests of choosing examples."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from data_sets import Items
from distillkit import Distiller, losses, transfer_sets
from distillkit.errors import ConfigurationError


class _Chosen(transfer_sets.TransferSet):
    """Whatever a test wants chosen."""

    kind: Literal["chosen_by_a_test"] = "chosen_by_a_test"
    how: str

    def select(self, size, labels):
        return {
            "mask": torch.ones(size, dtype=torch.bool),
            "beyond": torch.tensor([0, size]),
            "below": torch.tensor([-1, 0]),
            "table": torch.zeros(2, 2, dtype=torch.int64),
            "int32": torch.arange(size, dtype=torch.int32),
        }[self.how]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("mask", "of a mask, return"),
        ("beyond", r"numbers in \[0, 49\]; got 0 to 50"),
        ("below", "got -1 to 0"),
        ("table", r"got torch.int64 \[2, 2\]"),
        ("int32", "got torch.int32"),
    ],
)
def test_a_choice_that_is_no_list_of_numbers_is_refused(net, data, how, sentence):
    """A transfer set of somebody's own is told what it should return."""
    with pytest.raises(ConfigurationError, match=sentence):
        Distiller(teacher=None, student=net(2), loss=losses.HardLabels(), transfer_set=_Chosen(how=how)).fit(
            data, epochs=1
        )


@pytest.mark.parametrize(
    ("chosen", "form", "sentence"),
    [
        (transfer_sets.OnlyClasses(classes=[9]), lambda x, y: (x, y), "leaves no example of 50"),
        (transfer_sets.OnlyClasses(classes=[1]), lambda x, y: x, "have none: give"),
        (transfer_sets.OnlyClasses(classes=[1]), lambda x, y: (x[:0], y[:0]), "hold no example"),
        (transfer_sets.Fraction(fraction=0.5), lambda x, y: [(x, y)], "a stream of batches has none"),
    ],
)
def test_nothing_to_choose_from_is_refused(net, data, chosen, form, sentence):
    """An empty choice, data without the labels it looks at, a stream."""
    with pytest.raises(ConfigurationError, match=sentence):
        Distiller(teacher=None, student=net(2), loss=losses.HardLabels(), transfer_set=chosen).fit(
            form(*data), epochs=1
        )


@pytest.mark.parametrize("form", [lambda x, y: (x, y), lambda x, y: [*zip(x, y, strict=True)]])
def test_only_the_chosen_examples_are_seen(net, data, form):
    """Each of them once an epoch, and no other."""
    given = form(*data)
    seen = []

    def loss(*, student, teacher, labels):
        seen.extend(labels.tolist())
        return student.logits.sum()

    Distiller(
        teacher=None, student=net(2), loss=loss, transfer_set=transfer_sets.OmitClasses(classes=[1, 2])
    ).fit(Items(given) if isinstance(given, list) else given, epochs=1, batch_size=7)
    assert sorted(seen) == sorted(label for label in data[1].tolist() if label not in {1, 2})
