"""The loss of a batch whose examples have weights."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from distillkit.engine.checks import check_loss, check_number, check_weights
from distillkit.engine.forward.compiling import reason_of
from distillkit.engine.trees import tensors_in, with_tensors
from distillkit.engine.update.contributions import contributions_of
from distillkit.errors import ConfigurationError
from distillkit.losses import Loss
from distillkit.typing import LossFn, Outputs

logger = logging.getLogger("distillkit")

Each = dict[str, Tensor]
"""Losses of the examples by name, each `[batch]`."""


class WeightedExamples:
    """A loss's contributions to a batch whose examples have weights: Σ w · l / Σ w.

    A loss says what a batch costs; so each example is given to it as a batch of one, all at once where torch
    can map over them, else one after the other. The first batch shows which, and that the mean over its
    examples is what the loss says of it.
    """

    def __init__(self) -> None:
        self._mapped: bool | None = None

    def __call__(
        self,
        loss: LossFn,
        *,
        student: Outputs,
        teacher: Outputs | None,
        labels: Tensor | None,
        weights: Tensor,
    ) -> dict[str, Tensor]:
        """Return the contributions by name, scalars; 0 where all weights of the batch are 0.

        Raises:
            ConfigurationError: On the first batch: the loss relates examples, a layer that it uses has no row
                for each, or the weights are negative, not finite or not one an example.
        """
        batch = _Examples(loss, student, teacher, labels)
        if self._mapped is None:
            _refuse_relations(loss)
            check_weights(weights)
            check_number(weights, len(student.logits))
            _refuse_other_rows(student, teacher)
            self._mapped = batch.can_be_mapped()
        each = batch.all_at_once() if self._mapped else batch.one_by_one()
        return {name: _weighted_mean(values, weights.to(values.dtype)) for name, values in each.items()}


class _Examples:
    """A batch whose examples go to the loss one by one, each as a batch of one."""

    def __init__(
        self, loss: LossFn, student: Outputs, teacher: Outputs | None, labels: Tensor | None
    ) -> None:
        self._loss, self._adapters, self._known = loss, student.adapters, student.examples
        self._whole = student, teacher, labels
        self._parts: tuple[Any, ...] = (
            (student.logits, dict(student.features)),
            None if teacher is None else (teacher.logits, dict(teacher.features)),
            labels,
            None if student.examples is None else student.examples.numbers,
        )

    def all_at_once(self) -> Each:
        """Return the contributions of each example, by `vmap`."""
        in_dims = tuple(None if part is None else 0 for part in self._parts)
        each: Each = vmap(self._of_one, in_dims=in_dims)(*self._parts)
        return each

    def one_by_one(self) -> Each:
        """Return the contributions of each example, in a loop."""
        rows = zip(*(tensor.unbind() for tensor in tensors_in(self._parts)), strict=True)
        each = [self._of_one(*with_tensors(self._parts, iter(row))) for row in rows]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def can_be_mapped(self) -> bool:
        """Whether the mean of `all_at_once` equals the loss of the batch.

        Raises:
            ConfigurationError: Even the mean of `one_by_one` does not equal it; or it is no loss.
        """
        student, teacher, labels = self._whole
        expected = contributions_of(self._loss, student=student, teacher=teacher, labels=labels)
        for value in expected.values():
            check_loss(value)
        why = "by vmap it gives other numbers"
        try:
            if _have_the_means(self.all_at_once(), expected):
                return True
        except Exception as error:  # a user's loss may do anything that vmap cannot
            why = reason_of(error)
        if _have_the_means(self.one_by_one(), expected):
            logger.info("The loss is computed example by example, which is slow: %s", why)
            return False
        raise ConfigurationError(
            "Weights of the examples need a loss that is the mean over the examples of a batch, and "
            f"{_named(self._loss)} is not: sum over classes and average over the batch, or leave the weights "
            "out."
        )

    def _of_one(
        self, student: Any, teacher: Any, labels: Tensor | None, number: Tensor | None
    ) -> dict[str, Tensor]:
        of_student = _outputs_of_one(student, self._adapters)
        if self._known is not None and number is not None:
            of_student = replace(of_student, examples=replace(self._known, numbers=number.unsqueeze(0)))
        return contributions_of(
            self._loss,
            student=of_student,
            teacher=None if teacher is None else _outputs_of_one(teacher),
            labels=None if labels is None else labels.unsqueeze(0),
        )


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    # where the sum is 0 so is every weight
    return (weights * values).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


def _refuse_relations(loss: LossFn) -> None:
    if isinstance(loss, Loss) and loss.needs().whole_batch:
        raise ConfigurationError(
            f"{type(loss).__name__}, or a term of it, relates the examples of a batch, so no example has its "
            "own loss to be weighted: leave the weights out, or use losses of which "
            "needs().whole_batch is False."
        )


def _refuse_other_rows(student: Outputs, teacher: Outputs | None) -> None:
    for side in [student] if teacher is None else [student, teacher]:
        for name, one in side.features.items():
            if one.shape[:1] != side.logits.shape[:1]:
                raise ConfigurationError(
                    f"Weights of the examples need layers with a row for each, and {name!r} gives "
                    f"{list(one.shape)} for {len(side.logits)} examples: use another layer, or leave the "
                    "weights out."
                )


def _named(loss: LossFn) -> str:
    return type(loss).__name__ if isinstance(loss, Loss) else getattr(loss, "__name__", repr(loss))


def _outputs_of_one(side: tuple[Tensor, dict[str, Tensor]], adapters: nn.Module | None = None) -> Outputs:
    logits, features = side
    return Outputs(logits.unsqueeze(0), {name: one.unsqueeze(0) for name, one in features.items()}, adapters)


def _have_the_means(each: Each, expected: Each) -> bool:
    # in bfloat16 a product of one row is rounded differently from that of many
    return each.keys() == expected.keys() and all(
        torch.allclose(each[name].mean(), expected[name], rtol=1e-2, atol=1e-5, equal_nan=True)
        for name in expected
    )
