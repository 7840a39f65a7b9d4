"""Telling the counterpart of an example from those of others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from distillkit.functional._logits import at_least_float32


def noise_contrastive(
    *,
    anchors: Tensor,
    counterparts: Tensor,
    others: Tensor,
    drawn: Tensor,
    temperature: float,
    log_noise: float,
) -> Tensor:
    """Cross-entropy of telling each example's counterpart from those drawn of other examples.

    −log h(a, b) − Σ_j log(1 − h(a, o_j)), over the j that are drawn for the example, averaged over the batch,
    with h(a, b) = e^{a·b/τ} / (e^{a·b/τ} + ν).

    Args:
        anchors: Embeddings of the batch on one side, `[batch, numbers]`, of length 1; gradients flow into
            them.
        counterparts: Embeddings of the same examples on the other side, `[batch, numbers]`.
        others: Embeddings of examples on the other side, `[others, numbers]`.
        drawn: Which of these are set against each example, `[batch, others]`, bool.
        temperature: τ > 0.
        log_noise: log ν: of how much the examples drawn outweigh the one counterpart.

    Returns:
        A scalar > 0, in float32 or better.

    Example:
        >>> import torch
        >>> sides = torch.eye(2)  # of two examples, with the other one drawn
        >>> found = noise_contrastive(
        ...     anchors=sides, counterparts=sides, others=sides, drawn=~torch.eye(2, dtype=torch.bool),
        ...     temperature=0.5, log_noise=0.0,
        ... )
        >>> round(found.item(), 4)  # log(1 + 1 / e²) + log 2
        0.8201

    Reference:
        Tian, Krishnan, Isola, Contrastive Representation Distillation, ICLR 2020: its critic, L_critic(h),
        with ν = N / M, negatives over examples.
    """
    anchors, counterparts, others = map(at_least_float32, (anchors, counterparts, others))
    # autocast would take the products in half precision
    with torch.autocast(anchors.device.type, enabled=False):
        own = (anchors * counterparts).sum(dim=1) / temperature - log_noise
        apart = anchors @ others.mT / temperature - log_noise
        against = F.logsigmoid(-apart).masked_fill(~drawn, 0).sum(dim=1)
        return -(F.logsigmoid(own) + against).mean()
