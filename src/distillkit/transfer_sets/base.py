"""The root of the transfer sets."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.policy import Policy
from distillkit.typing import Batch


class TransferSet(Policy):
    """Which examples the student learns from, with or without their labels, and in what view.

    A new transfer set is one class: `select` says which examples, and `view` or the properties say what else
    differs from taking everything as it is. It is deterministic given its fields. Teacher and student see the
    same view.

    Example:
        >>> from typing import Literal
        >>> import torch
        >>> from distillkit import transfer_sets
        >>> class FirstFew(transfer_sets.TransferSet):
        ...     kind: Literal["first_few"] = "first_few"
        ...     examples: int
        ...     def select(self, size, labels):
        ...         return torch.arange(min(size, self.examples))
        >>> FirstFew(examples=3).select(10, None)
        tensor([0, 1, 2])
    """

    family: ClassVar[str] = "distillkit.transfer_sets"

    @property
    def keeps_labels(self) -> bool:
        """Whether the loss gets the labels."""
        return True

    @property
    def same_view(self) -> bool:
        """Whether an example looks the same each time, so that the teacher's answer can be kept."""
        return True

    @property
    def selects(self) -> bool:
        """Whether some examples may be left out: where a class has a `select` of its own."""
        return type(self).select is not TransferSet.select

    @property
    def changes_batches(self) -> bool:
        """Whether a batch may look otherwise than the data: where a class has a `view` of its own."""
        return type(self).view is not TransferSet.view

    @property
    def selects_by_label(self) -> bool:
        """Whether the choice of examples looks at labels."""
        return False

    def select(self, size: int, labels: Tensor | None) -> Tensor:
        """The examples that are used: all of them, unless a class chooses.

        Args:
            size: Number of examples there are.
            labels: Their classes, `[size]`, int64; may be `None` where there are none, or where
                `selects_by_label` is false.

        Returns:
            Their numbers, `[selected]`, int64, each in `[0, size)`, without repeats.
        """
        return torch.arange(size)

    def view(self, batch: Batch, *, epoch: int) -> Batch:
        """Return the view of a batch that teacher and student get.

        Inputs, labels and weights may change, also by what else is in the batch, as in a mixture of images.

        Args:
            batch: Inputs `[batch, ...]`, or a mapping of them; labels, weights and `teacher_inputs`, if there
                are any; and always the numbers of the examples in `indices`: all randomness comes from the
                fields, the epoch and these.
            epoch: Epoch, from 0.

        Returns:
            The same examples in the same order: `dataclasses.replace(batch, inputs=...)`. Where the teacher
            has inputs of its own, these must change too if the inputs do.
        """
        return batch

    def labels_to_select_by(self, labels: Tensor | None) -> Tensor:
        """The labels, for a choice that needs them.

        Raises:
            ConfigurationError: There are none, or distributions over the classes.
        """
        if labels is None:
            raise ConfigurationError(
                f"{type(self).__name__} chooses examples by their labels, and the data have none: give "
                "(inputs, labels), or a transfer set that needs no labels."
            )
        if labels.is_floating_point():
            raise ConfigurationError(
                f"{type(self).__name__} chooses examples by their classes, and these labels are "
                f"{labels.dtype} {list(labels.shape)}: give the numbers of the classes, and make "
                "distributions of them in a view."
            )
        return labels

    def numbers_of(self, batch: Batch) -> Tensor:
        """Return the numbers of a batch's examples, for a view that needs them.

        Raises:
            ConfigurationError: The batch has none.
        """
        if batch.indices is None:
            raise ConfigurationError(
                f"{type(self).__name__} draws by the numbers of the examples, and this batch has none: give "
                "them as Batch(inputs, indices=...)."
            )
        return batch.indices
