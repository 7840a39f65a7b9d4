"""What every transfer set promises: held by all that are exported and by installed plug-ins."""

from __future__ import annotations

import pytest
import torch

from distillkit import transfer_sets
from distillkit.transfer_sets import (
    Chain,
    Fraction,
    Full,
    Jitter,
    OmitClasses,
    OnlyClasses,
    TransferSet,
    Unlabelled,
)
from views import inputs_seen

EXAMPLES: dict[str, list[TransferSet]] = {
    "chain": [
        Chain(parts=[OmitClasses(classes=[3]), Fraction(fraction=0.5), Unlabelled()]),
        Chain(parts=[Jitter(pixels=1)]),
    ],
    "fraction": [Fraction(fraction=0.3, seed=4)],
    "full": [Full()],
    "jitter": [Jitter(pixels=2, fill=-0.5)],
    "omit_classes": [OmitClasses(classes=[3, 7])],
    "only_classes": [OnlyClasses(classes=[3, 7])],
    "unlabelled": [Unlabelled()],
}
ALL = [pytest.param(example, id=repr(example)) for examples in EXAMPLES.values() for example in examples]

LABELS = torch.randint(10, (500,), generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand(500, 2, 6, 7, generator=torch.Generator().manual_seed(1))


def test_every_transfer_set_has_an_example_here() -> None:
    """A transfer set that is exported or installed is held to this contract."""
    exported = {
        str(item.model_fields["kind"].default)
        for item in vars(transfer_sets).values()
        if isinstance(item, type) and issubclass(item, TransferSet) and item is not TransferSet
    }
    assert exported | set(TransferSet.plugins()) == set(EXAMPLES)


@pytest.mark.parametrize("transfer_set", ALL)
def test_selection_is_a_set_of_examples(transfer_set: TransferSet) -> None:
    """What is selected are whole numbers of examples that exist, each once."""
    selected = transfer_set.select(500, LABELS)
    assert selected.dtype == torch.int64
    assert selected.dim() == 1
    assert len(selected.unique()) == len(selected) > 0
    assert selected.min() >= 0
    assert selected.max() < 500


@pytest.mark.parametrize("transfer_set", ALL)
def test_deterministic_whatever_torch_did_before(transfer_set: TransferSet) -> None:
    """Selection and view depend on the fields alone: not on the global generator, which they do not move."""
    state, numbers = torch.random.get_rng_state(), torch.arange(500)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = transfer_set.select(500, LABELS), inputs_seen(transfer_set, IMAGES, epoch=3, indices=numbers)
        torch.manual_seed(2)
        again = transfer_set.select(500, LABELS), inputs_seen(transfer_set, IMAGES, epoch=3, indices=numbers)
    transfer_set.select(500, LABELS)
    inputs_seen(transfer_set, IMAGES, epoch=3, indices=numbers)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("transfer_set", ALL)
def test_a_view_does_not_depend_on_the_batch(transfer_set: TransferSet) -> None:
    """An example has one view of an epoch, alone or in any batch, and the inputs are not written to."""
    before = IMAGES.clone()
    everything = inputs_seen(transfer_set, IMAGES, epoch=1, indices=torch.arange(500))
    some = torch.tensor([499, 7, 7, 0, 123])
    assert torch.equal(inputs_seen(transfer_set, IMAGES[some], epoch=1, indices=some), everything[some])
    one = torch.tensor([42])
    assert torch.equal(inputs_seen(transfer_set, IMAGES[one], epoch=1, indices=one), everything[one])
    assert torch.equal(before, IMAGES)


@pytest.mark.parametrize("transfer_set", ALL)
def test_same_view_is_the_truth(transfer_set: TransferSet) -> None:
    """Where the view is called the same each time, epochs do not differ; where it is not, they do."""
    numbers = torch.arange(500)
    views = [inputs_seen(transfer_set, IMAGES, epoch=epoch, indices=numbers) for epoch in range(3)]
    assert all(torch.equal(views[0], view) for view in views[1:]) is transfer_set.same_view


@pytest.mark.parametrize("transfer_set", ALL)
def test_selects_and_selects_by_label_are_the_truth(transfer_set: TransferSet) -> None:
    """Where it says that it selects nothing, or not by label, it does not."""
    if not transfer_set.selects:
        assert torch.equal(transfer_set.select(500, LABELS), torch.arange(500))
    if not transfer_set.selects_by_label:
        assert torch.equal(transfer_set.select(500, None), transfer_set.select(500, LABELS))


@pytest.mark.parametrize("transfer_set", ALL)
def test_no_examples_are_no_crash(transfer_set: TransferSet) -> None:
    """Of nothing, nothing is selected."""
    assert transfer_set.select(0, LABELS[:0]).tolist() == []
