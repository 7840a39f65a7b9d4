"""Contrastive representation distillation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, cast

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from distillkit.errors import ConfigurationError
from distillkit.functional import noise_contrastive
from distillkit.functional._draw_negatives import draw_negatives
from distillkit.functional._random_directions import log_mean_exp_cosine
from distillkit.losses.embedding_banks import EmbeddingBanks
from distillkit.losses.feature_loss import FeatureLoss
from distillkit.losses.needs import Needs
from distillkit.typing import Examples, Labels, Outputs


class CRD(FeatureLoss):
    """How well each side's embedding of an example is told, by the other side's, from those of others.

    −log h(a, b) − Σ_j log(1 − h(a, o_j)), averaged over the batch; the formula is at
    `functional.noise_contrastive`. a is the student's embedding of an example, b the teacher's last one of
    it, and o_j the teacher's last ones of others, the negatives. The same with the sides exchanged is added,
    and so are the pairs of layers. An embedding is a linear map of a layer, at length 1; the maps of both
    sides are learnt beside the student. Features with positions are averaged over these.

    The last embeddings are kept in banks, with a row an example and side, random at first; each time that an
    example comes, a share `momentum` of its row stays. They are part of the adapters, and not trained:
    2 · dimensions numbers for each example of the data set.

    It needs to know which examples a batch holds: train by `fit`, on tensors, a `Dataset`, or a `DataLoader`
    with a plain sampler. Negatives are drawn from the transfer set, none twice, and anew for each batch,
    whose examples of one class share theirs; published code draws for each example by itself.

    ν is the number of negatives times the mean of e^{cos/τ} over all directions. The authors' code, whose
    scores are divided by a constant so that their mean is 1 over the number of examples, comes to that: it
    estimates the constant from its first batch, when its banks are random, and here it is known. Their paper
    has no such constant, and ν = N / M of N negatives and M examples.

    The authors take the layer before the last, averaged over positions, with weight 0.8 beside the labels.

    Example:
        >>> CRD(layers={"avgpool": "avgpool"}).negatives
        16384

    Reference:
        Tian, Krishnan, Isola, Contrastive Representation Distillation, ICLR 2020.
    """

    kind: Literal["crd"] = "crd"
    dimensions: PositiveInt = 128
    """Numbers of an embedding."""
    negatives: PositiveInt = 16384
    """Others that an example is told from; fewer where the transfer set has not so many."""
    other_classes: bool = True
    """Whether these are of other classes, where there are labels; else any other examples."""
    temperature: PositiveFloat = 0.07
    """τ > 0 by which cosines are divided."""
    momentum: float = Field(default=0.5, ge=0, lt=1)
    """Share of an example's row that stays when the example comes again, in [0, 1)."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Which negatives: another seed draws others."""

    def needs(self) -> Needs:
        """Return that it needs the examples' numbers, each of which has its row, beside the rest."""
        return replace(super().needs(), examples=True)

    def adapters(self, *, student: Outputs, teacher: Outputs | None) -> nn.Module:
        """The maps of both sides and the banks."""
        shapes = [(one.shape, other.shape) for one, other in self.pairs(student, teacher)]
        return EmbeddingBanks(shapes, self.dimensions, self.known_examples(student).size)

    def __call__(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> Tensor:
        """The loss of a batch; `labels` are not looked at, those of the whole data set are."""
        known, banks = self.known_examples(student), self._banks(student)
        others, drawn, count = draw_negatives(
            numbers=known.numbers,
            candidates=known.selected,
            labels=self._classes(known),
            most=self.negatives,
            seed=self.seed,
            draw=int(banks.batches),
        )
        log_noise = math.log(count) + log_mean_exp_cosine(self.dimensions, self.temperature)
        return torch.stack(
            [
                noise_contrastive(
                    anchors=anchors,
                    counterparts=bank[known.numbers],
                    others=bank[others],
                    drawn=drawn,
                    temperature=self.temperature,
                    log_noise=log_noise,
                )
                for embeddings, of_pair in banks(self.pairs(student, teacher))
                for anchors, bank in zip(embeddings, reversed(of_pair), strict=True)
            ]
        ).sum()

    def remember(self, *, student: Outputs, teacher: Outputs | None, labels: Labels | None) -> None:
        """Put the batch's embeddings into the banks."""
        rows = self.known_examples(student).numbers
        self._banks(student).remember(self.pairs(student, teacher), rows, self.momentum)

    def _classes(self, known: Examples) -> Tensor | None:
        return None if known.labels is None or not self.other_classes else self.true_labels(known.labels)

    def _banks(self, student: Outputs) -> EmbeddingBanks:
        banks, size = cast("EmbeddingBanks", self.learnt(student)), self.known_examples(student).size
        if banks.examples != size:
            raise ConfigurationError(
                f"CRD has a row for each of {banks.examples} examples, and these data have {size}: go on "
                "with the data that it began with, or make another Distiller."
            )
        return banks
