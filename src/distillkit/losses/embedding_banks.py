"""Embeddings of both sides' layers, and what each example's last were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Size, Tensor, nn

from distillkit.functional._features import refuse_other_examples
from distillkit.functional._logits import at_least_float32

Pair = tuple[Tensor, Tensor]
"""The student's beside the teacher's."""


class EmbeddingBanks(nn.Module):
    """A linear map of each side of each pair of layers, and a bank with a row an example for each.

    The banks are buffers: saved with the maps, and not trained.

    Args:
        shapes: Of the layers, the student's beside the teacher's, `[batch, ...]`.
        numbers: Of an embedding.
        examples: In the data set.
    """

    batches: Tensor

    def __init__(self, shapes: Sequence[tuple[Size, Size]], numbers: int, examples: int) -> None:
        super().__init__()
        self.examples = examples
        self.pairs = nn.ModuleList([_Sides(*pair, numbers, examples) for pair in shapes])
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Sequence[Pair]) -> Iterator[tuple[Pair, Pair]]:
        """For each pair of layers the embeddings, each `[batch, numbers]`, and the banks."""
        for sides, pair in zip(self.pairs, features, strict=True):
            yield sides(*pair)

    @torch.no_grad()
    def remember(self, features: Sequence[Pair], rows: Tensor, momentum: float) -> None:
        """Put a batch's embeddings into the banks' rows, beside a share of what is there."""
        for embeddings, banks in self(features):
            for said, bank in zip(embeddings, banks, strict=True):
                mixed = momentum * bank[rows] + (1 - momentum) * said
                bank[rows] = F.normalize(mixed, dim=1).to(bank.dtype)
        self.batches += 1


class _Sides(nn.Module):
    """The maps and banks of one pair of layers."""

    of_student: Tensor
    of_teacher: Tensor

    def __init__(self, student: Size, teacher: Size, numbers: int, examples: int) -> None:
        super().__init__()
        self.embed_student = nn.Linear(_width(student), numbers)
        self.embed_teacher = nn.Linear(_width(teacher), numbers)
        # directions, as all that comes later
        self.register_buffer("of_student", F.normalize(torch.randn(examples, numbers), dim=1))
        self.register_buffer("of_teacher", F.normalize(torch.randn(examples, numbers), dim=1))

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Pair, Pair]:
        """The embeddings, at length 1 and in float32 or better; and the banks."""
        refuse_other_examples(student, teacher)
        of_student = self.embed_student(_over_positions(student))
        of_teacher = self.embed_teacher(_over_positions(teacher))
        embeddings = _at_length_1(of_student), _at_length_1(of_teacher)
        return embeddings, (self.of_student, self.of_teacher)


def _width(shape: Size) -> int:
    return shape[1] if len(shape) == 4 else shape[-1]


def _over_positions(feature: Tensor) -> Tensor:
    """`[batch, numbers]`: the mean over a map's positions, or over tokens."""
    if feature.dim() == 4:
        return feature.mean(dim=(2, 3))
    return feature.mean(dim=1) if feature.dim() == 3 else feature


def _at_length_1(embedding: Tensor) -> Tensor:
    return F.normalize(at_least_float32(embedding), dim=1)
