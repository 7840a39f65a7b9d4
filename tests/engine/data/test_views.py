"""A view may change a whole batch: inputs, labels and weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from distillkit import Distiller, losses, transfer_sets
from distillkit.engine.data.views import apply_view
from distillkit.typing import Batch

HINTON = losses.hinton(temperature=4, hard_label_weight=0.5)


class NextClass(transfer_sets.TransferSet):
    """Every label is that of the next class."""

    kind: Literal["next_class_for_tests"] = "next_class_for_tests"

    def view(self, batch, *, epoch):
        """Whatever the inputs."""
        return replace(batch, labels=(batch.labels + 1) % 4)


class Weighted(transfer_sets.TransferSet):
    """The examples of even number count alone."""

    kind: Literal["even_for_tests"] = "even_for_tests"

    def view(self, batch, *, epoch):
        """By the examples' numbers."""
        return replace(batch, weights=1.0 - (batch.indices % 2).float())


def trained(net, data, **settings):
    """The weights of a student after two epochs, and its history."""
    student = net(2)
    history = Distiller(teacher=net(1), student=student, loss=HINTON, precision="fp32", **settings).fit(
        data, epochs=2, batch_size=20
    )
    return student.state_dict(), history


def test_labels_that_a_view_changes_are_those_that_are_learnt(net, data):
    """To the bit what data with these labels give."""
    seen, _ = trained(net, data, transfer_set=NextClass())
    given, _ = trained(net, (data[0], (data[1] + 1) % 4))
    assert all(torch.equal(seen[name], given[name]) for name in given)


def test_weights_that_a_view_gives_count(net, data):
    """As weights in the data do."""
    seen, _ = trained(net, data, transfer_set=Weighted())
    given, _ = trained(net, (*data, 1.0 - (torch.arange(len(data[0])) % 2).float()))
    assert all(torch.equal(seen[name], given[name]) for name in given)


def test_a_chain_hands_the_whole_batch_on(net, data):
    """Each part sees the labels that the part before it made."""
    chain = transfer_sets.Chain(parts=[NextClass(), NextClass()])
    seen, _ = trained(net, data, transfer_set=chain)
    given, _ = trained(net, (data[0], (data[1] + 2) % 4))
    assert all(torch.equal(seen[name], given[name]) for name in given)
    assert chain.changes_batches
    assert not transfer_sets.Chain(parts=[transfer_sets.Unlabelled()]).changes_batches


def test_labels_are_withheld_after_the_view(data):
    """A part that withholds them leaves them to the views of the others."""
    chain = transfer_sets.Chain(parts=[transfer_sets.Unlabelled(), NextClass()])
    (batch,) = apply_view([Batch(*data, indices=torch.arange(len(data[0])))], chain, epoch=0)
    assert batch.labels is None


def test_a_stream_counts_its_examples(data):
    """For the view alone: the batches stay without numbers."""
    seen = []

    class Watching(NextClass):
        kind: Literal["watching_for_tests"] = "watching_for_tests"

        def view(self, batch, *, epoch):
            seen.append(batch.indices.tolist())
            return batch

    batches = list(apply_view([Batch(data[0][:3]), Batch(data[0][3:5])], Watching(), epoch=0))
    assert seen == [[0, 1, 2], [3, 4]]
    assert all(batch.indices is None for batch in batches)
