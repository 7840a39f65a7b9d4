"""One update of the student: forward, loss and backward of a batch, then the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.checks import check_contributions, check_features, check_outputs
from distillkit.engine.data.label_positions import keep_labelled
from distillkit.engine.data.numbering import Numbering
from distillkit.engine.forward.capture import Capture, outputs_of
from distillkit.engine.forward.dropout import cheap_masks, plain_dropouts
from distillkit.engine.forward.precision import Precision
from distillkit.engine.update.contributions import contributions_of
from distillkit.engine.update.cuda_graphs import GraphRecorder, graphed_or_plain, only_tensors
from distillkit.engine.update.example_weights import WeightedExamples
from distillkit.engine.update.fused.switch import SwitchToFused
from distillkit.engine.update.stepping import PlainStepping, Stepping
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.typing import Batch, LossFn, Outputs


class Update:
    """Makes the updates of one student: `backward` on a batch, then `step`; called, it does both.

    Args:
        student: The module that is trained.
        forward: Calls the student, compiled or not.
        loss: The loss of the first update; `use` gives the next.
        optimizer: Steps student and adapters.
        stepping: Makes the steps by that optimiser.
        precision: The precision of the passes.
        recorder: Records whole updates as CUDA graphs, if wanted.
        switch: Tries, after the first update of an epoch, whether a fused step can follow.
        capture: The student's layers that the loss looks at.
        adapters: What the loss learns itself.
        numbering: Numbers the examples, where the loss asks.
    """

    def __init__(
        self,
        student: nn.Module,
        *,
        forward: Callable[..., Any],
        loss: LossFn,
        optimizer: Optimizer,
        stepping: PlainStepping,
        precision: Precision,
        scaled: bool = False,
        recorder: GraphRecorder | None = None,
        switch: SwitchToFused | None = None,
        capture: Capture | None = None,
        adapters: nn.Module | None = None,
        numbering: Numbering | None = None,
    ) -> None:
        self._capture, self._adapters, self._numbering = capture, adapters, numbering
        self._columns = tuple(loss.schedules()) if isinstance(loss, Loss) else ()
        self._forward, self._loss, self._precision = forward, loss, precision
        # a compiled student draws as its compiler says
        self._dropouts = plain_dropouts(student, precision.device) if forward is student else ()
        self._plain, self._switch = stepping, switch
        self._stepping: Stepping = stepping
        self._weighted = WeightedExamples()
        self._first_of_epoch = True
        self._checked = False
        self._graphs: Callable[[Any], dict[str, Tensor]] | None = None
        if recorder is not None:
            self._graphs = graphed_or_plain(self._from_tensors, lambda: optimizer, recorder, scaled=scaled)

    def __call__(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        """Update the student; return the loss's contributions by name, scalars without gradients."""
        if self._graphs is None or not only_tensors(batch.inputs):
            return self._backward_and_step(batch, teacher)
        return self._graphs(
            {
                "inputs": batch.inputs,
                "labels": batch.labels,
                "weights": batch.weights,
                # a loss that looks at layers is not recorded
                "teacher": None if teacher is None else teacher.logits,
            }
        )

    def begin(self) -> None:
        """Begin an update, which may have several batches."""
        self._stepping.begin()

    def backward(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        """Add the gradients of a batch; return the loss's contributions, scalars without gradients."""
        # around the pass back too, in which checkpointing draws the same masks again
        with cheap_masks(self._dropouts), self._stepping.weights_in_place():
            with self._precision.autocast():
                student, teacher, labels, weights = keep_labelled(
                    self._student_outputs(batch), teacher, batch.labels, batch.weights
                )
                if not self._checked:
                    check_outputs(student.logits, None if teacher is None else teacher.logits, labels)
                    check_features(student.features)
                contributions = self._contributions(student, teacher, labels, weights)
            if not self._checked:
                check_contributions(contributions, self._columns)
                self._checked = True
            self._stepping.backward(reduce(add, contributions.values()))
        if self._adapters is not None and isinstance(self._loss, Loss):
            with torch.no_grad(), self._precision.autocast():
                self._loss.remember(student=student, teacher=teacher, labels=labels)
        return {name: value.detach() for name, value in contributions.items()}

    def step(self, inputs: Any) -> None:
        """Step by the gradients of the batches since `begin`.

        Args:
            inputs: The inputs of the last of them.
        """
        self._stepping.step()
        if self._first_of_epoch and self._switch is not None:
            self._stepping = self._switch(inputs) or self._plain
        self._first_of_epoch = False

    def begin_epoch(self) -> None:
        """Take nothing for granted of what may have happened to student and optimiser between epochs."""
        self._stepping, self._first_of_epoch = self._plain, True

    def use(self, loss: LossFn) -> None:
        """Use this loss from now on, one of the same contributions: where a loss follows schedules."""
        self._loss = loss

    def close(self) -> None:
        """Drop the recorded graphs, which hold memory of the device."""
        self._graphs = None

    def _backward_and_step(self, batch: Batch, teacher: Outputs | None) -> dict[str, Tensor]:
        self.begin()
        contributions = self.backward(batch, teacher)
        self.step(batch.inputs)
        return contributions

    def _from_tensors(self, tensors: Any) -> dict[str, Tensor]:
        """Update from a tree of tensors, as CUDA graphs take it."""
        batch = Batch(tensors["inputs"], tensors["labels"], weights=tensors["weights"])
        return self._backward_and_step(
            batch, None if tensors["teacher"] is None else Outputs(tensors["teacher"])
        )

    def _contributions(
        self, student: Outputs, teacher: Outputs | None, labels: Tensor | None, weights: Tensor | None
    ) -> dict[str, Tensor]:
        loss = self._loss
        if weights is None:
            return contributions_of(loss, student=student, teacher=teacher, labels=labels)
        return self._weighted(loss, student=student, teacher=teacher, labels=labels, weights=weights)

    def _student_outputs(self, batch: Batch) -> Outputs:
        try:
            said = outputs_of(self._forward, batch.inputs, "The student", self._capture)
        except ValueError as error:
            explain_batch_of_one(error)
            raise
        if self._numbering is not None:
            said = self._numbering(said, batch)
        return said if self._adapters is None else replace(said, adapters=self._adapters)


def explain_batch_of_one(error: ValueError) -> None:
    """Say what torch's error means where batch normalisation met a single example.

    Raises:
        ConfigurationError: It did.
    """
    if "more than 1 value per channel" in str(error):
        raise ConfigurationError(
            "Batch normalisation cannot learn from a batch of one example, as the last of an epoch may "
            "be: choose another batch_size, or pass a DataLoader with drop_last=True."
        ) from error
