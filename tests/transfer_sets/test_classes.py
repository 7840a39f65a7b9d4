"""Leaving classes out, taking only some, and withholding labels."""

from __future__ import annotations

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.transfer_sets import Full, OmitClasses, OnlyClasses, Unlabelled

LABELS = torch.randint(10, (300,), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("classes", [[3], [7, 8], [0, 9, 4], list(range(10))])
def test_equal_a_loop(classes: list[int]) -> None:
    """Exactly the examples of the classes are left out, or kept, in the order of the data."""
    omitted = [i for i, label in enumerate(LABELS.tolist()) if label not in classes]
    kept = [i for i, label in enumerate(LABELS.tolist()) if label in classes]
    assert OmitClasses(classes=classes).select(300, LABELS).tolist() == omitted
    assert OnlyClasses(classes=classes).select(300, LABELS).tolist() == kept


def test_classes_that_the_data_lack_are_harmless() -> None:
    """A class of which there is no example leaves nothing out and adds nothing."""
    assert len(OmitClasses(classes=[10, 999]).select(300, LABELS)) == 300
    assert OnlyClasses(classes=[10, 999]).select(300, LABELS).tolist() == []


def test_order_and_repeats_of_the_classes_do_not_matter() -> None:
    """The classes are a set: equal sets, equal policies, equal hashes."""
    assert OmitClasses(classes=[8, 7, 7]) == OmitClasses(classes=(7, 8))
    assert hash(OmitClasses(classes=[8, 7, 7])) == hash(OmitClasses(classes=(7, 8)))


@pytest.mark.parametrize("transfer_set", [OmitClasses(classes=[3]), OnlyClasses(classes=[3])], ids=repr)
def test_missing_labels_are_one_sentence(transfer_set: OmitClasses | OnlyClasses) -> None:
    """A choice by labels of data without labels says what to do."""
    with pytest.raises(ConfigurationError, match=r"by their labels, and the data have none: give"):
        transfer_set.select(300, None)


@pytest.mark.parametrize("classes", [[], [-1], [1.5], ["three"], 3])
def test_classes_that_are_none_are_refused(classes: object) -> None:
    """Classes are whole numbers ≥ 0, at least one."""
    with pytest.raises(ConfigurationError, match=r"^classes"):
        OmitClasses(classes=classes)  # type: ignore[arg-type]


def test_only_unlabelled_withholds_labels() -> None:
    """`Unlabelled` takes every example and keeps no label; the others keep them."""
    assert not Unlabelled().keeps_labels
    assert Unlabelled().select(5, LABELS[:5]).tolist() == [0, 1, 2, 3, 4]
    assert all(each.keeps_labels for each in (Full(), OmitClasses(classes=[3]), OnlyClasses(classes=[3])))
