"""Tests of where batches come from."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from data_sets import Pairs
from distillkit.engine.data import data_forms
from distillkit.engine.data.sources import LoaderSource, ResidentSource

CPU = torch.device("cpu")


def test_a_sampler_and_drop_last_are_kept(data):
    """A loader that chooses or drops examples is taken as it comes."""
    chosen = DataLoader(TensorDataset(*data), batch_size=4, sampler=[3, 1, 2])
    dropping = DataLoader(TensorDataset(*data), batch_size=16, drop_last=True, shuffle=True)
    assert isinstance(data_forms.as_source(chosen, CPU), LoaderSource)
    assert [len(batch.inputs) for batch in data_forms.as_source(dropping, CPU).batches()] == [16, 16, 16]


def test_an_iterable_data_set_is_batched(data):
    """An IterableDataset gives examples, which become batches of the size asked for."""

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(*data, strict=True))

    sizes = [len(batch.inputs) for batch in data_forms.as_source(Stream(), CPU, batch_size=20).batches()]
    assert sizes == [20, 20, 10]


def test_a_subclass_of_tensor_dataset_is_read_by_its_own_rule(data):
    """A TensorDataset that augments what it hands out is not read past its __getitem__."""

    class Doubled(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return 2 * x, y

    for form in (Doubled(*data), DataLoader(Doubled(*data), batch_size=50)):
        source = data_forms.as_source(form, CPU, batch_size=50)
        assert torch.equal(next(source.batches()).inputs, 2 * data[0])
        assert not source.unchanging


def test_the_labels_of_a_data_set_choose_its_examples(data):
    """The labels that a selection reads are those that the examples have, whatever `targets` says."""
    x, y = data

    class WithTargets(Pairs):
        def __init__(self, targets):
            super().__init__(data)
            self.targets = targets

    for targets in (y, y.tolist(), (y + 1) % 4, y[:-1], None):
        assert torch.equal(data_forms.as_source(WithTargets(targets), CPU).labels(), y)
    mapped = WithTargets(y)
    mapped.target_transform = lambda label: label
    mapped.data = (x, (y > 2).long())
    assert torch.equal(data_forms.as_source(mapped, CPU).labels(), (y > 2).long())


def test_targets_spare_reading_every_example(data):
    """A data set whose `targets` are confirmed is not read through for its labels."""

    class Counted(Pairs):
        targets, reads = data[1], 0

        def __getitem__(self, index):
            type(self).reads += 1
            return super().__getitem__(index)

    data_forms.as_source(Counted(data), CPU).labels()
    assert Counted.reads == 16


def test_resident_tensors_are_not_copied(data):
    """Tensors that are on the device already stay where they are."""
    source = data_forms.as_source(data, CPU)
    assert isinstance(source, ResidentSource)
    assert source.whole.inputs is data[0]
