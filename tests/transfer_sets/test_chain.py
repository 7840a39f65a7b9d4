"""One transfer set after another."""

from __future__ import annotations

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import Chain, Fraction, Full, Jitter, OmitClasses, OnlyClasses, Unlabelled
from views import inputs_seen

LABELS = torch.randint(10, (400,), generator=torch.Generator().manual_seed(0))


def test_selects_what_doing_it_by_hand_selects() -> None:
    """Each part chooses among what the parts before it left, by the labels of what is left."""
    omit, part = OmitClasses(classes=[3, 4]), Fraction(fraction=0.4, seed=1)
    left = omit.select(400, LABELS)
    by_hand = left[part.select(len(left), LABELS[left])]
    assert torch.equal(Chain(parts=[omit, part]).select(400, LABELS), by_hand)


def test_order_of_the_parts_counts() -> None:
    """A fraction before a class is left out is another set than after."""
    omit, part = OmitClasses(classes=[3]), Fraction(fraction=0.4)
    one, other = Chain(parts=[omit, part]), Chain(parts=[part, omit])
    assert one.select(400, LABELS).tolist() != other.select(400, LABELS).tolist()


def test_views_what_doing_it_by_hand_views() -> None:
    """Each part views what the parts before it viewed, with the examples' numbers in the whole data."""
    images = torch.rand(6, 1, 9, 9)
    numbers = torch.tensor([5, 0, 399, 7, 7, 12])
    one, other = Jitter(pixels=1, seed=1), Jitter(pixels=2, seed=2)
    by_hand = inputs_seen(other, inputs_seen(one, images, epoch=2, indices=numbers), epoch=2, indices=numbers)
    found = inputs_seen(Chain(parts=[one, OmitClasses(classes=[3]), other]), images, epoch=2, indices=numbers)
    assert torch.equal(found, by_hand)


def test_properties_follow_from_the_parts() -> None:
    """Labels and view are kept where every part keeps them; a chain selects where any part does."""
    plain = Chain(parts=[Full(), Full()])
    assert plain.keeps_labels
    assert plain.same_view
    assert not plain.selects
    assert not plain.selects_by_label
    mixed = Chain(parts=[OmitClasses(classes=[3]), Jitter(pixels=1), Unlabelled()])
    assert not mixed.keeps_labels
    assert not mixed.same_view
    assert mixed.selects
    assert mixed.selects_by_label


def test_labels_are_withheld_from_the_loss_and_not_from_the_choice() -> None:
    """`Unlabelled` first, a choice by label after it: the choice still sees the labels."""
    chain = Chain(parts=[Unlabelled(), OnlyClasses(classes=[7])])
    assert torch.equal(chain.select(400, LABELS), OnlyClasses(classes=[7]).select(400, LABELS))
    assert not chain.keeps_labels


def test_chains_nest() -> None:
    """A chain in a chain is the longer chain."""
    parts = [OmitClasses(classes=[1]), Fraction(fraction=0.5), OnlyClasses(classes=[2, 3])]
    nested = Chain(parts=[Chain(parts=parts[:2]), parts[2]])
    assert torch.equal(nested.select(400, LABELS), Chain(parts=parts).select(400, LABELS))


def test_missing_labels_name_the_part() -> None:
    """Data without labels are refused by the part that needs them."""
    with pytest.raises(ConfigurationError, match="OmitClasses chooses examples by their labels"):
        Chain(parts=[Full(), OmitClasses(classes=[3])]).select(400, None)


def test_no_parts_are_refused() -> None:
    """A chain has at least one part."""
    with pytest.raises(ConfigurationError, match=r"^parts: .*at least 1 item"):
        Chain(parts=[])
