"""One transfer set after another."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from distillkit.transfer_sets.base import TransferSet
from distillkit.typing import Batch


class Chain(TransferSet):
    """Each part chooses among what the parts before it left, and views what they viewed.

    Labels are kept where every part keeps them.

    Example:
        >>> from distillkit.transfer_sets import OmitClasses, Unlabelled
        >>> chain = Chain(parts=[OmitClasses(classes=[3]), Unlabelled()])
        >>> chain.select(3, torch.tensor([3, 1, 2])), chain.keeps_labels
        (tensor([1, 2]), False)
    """

    kind: Literal["chain"] = "chain"
    parts: Annotated[tuple[TransferSet, ...], Field(min_length=1)]
    """The transfer sets, first to last."""

    @property
    def keeps_labels(self) -> bool:
        """Where every part does."""
        return all(part.keeps_labels for part in self.parts)

    @property
    def same_view(self) -> bool:
        """Where every part's is."""
        return all(part.same_view for part in self.parts)

    @property
    def selects(self) -> bool:
        """Where any part does."""
        return any(part.selects for part in self.parts)

    @property
    def changes_batches(self) -> bool:
        """Where any part does."""
        return any(part.changes_batches for part in self.parts)

    @property
    def selects_by_label(self) -> bool:
        """Where any part does."""
        return any(part.selects_by_label for part in self.parts)

    def select(self, size: int, labels: Tensor | None) -> Tensor:
        """Return what is left after the last part."""
        chosen = torch.arange(size)
        for part in self.parts:
            left = labels if labels is None else labels[chosen.to(labels.device)]
            chosen = chosen[part.select(len(chosen), left).cpu()]
        return chosen

    def view(self, batch: Batch, *, epoch: int) -> Batch:
        """Return the view of the last part."""
        for part in self.parts:
            batch = part.view(batch, epoch=epoch)
        return batch
