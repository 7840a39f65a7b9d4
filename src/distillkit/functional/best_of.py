"""The member of several teachers that is right about an example."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_label, at_least_float32


def best_member(*, members: Tensor, labels: Tensor) -> Tensor:
    """For each example the logits of the member with the lowest cross-entropy on the true class.

    At T = 1, so of the member that gives the true class the most probability; of equals, the first. Where
    labels are of tokens, each token has its own.

    Args:
        members: Logits of each teacher, `[batch, members, ..., classes]`.
        labels: True classes, `[batch, ...]`, int64 in `[0, classes)`.

    Returns:
        Logits, `[batch, ..., classes]`, of the same type.

    Raises:
        ConfigurationError: The shapes do not belong together.

    Example:
        >>> import torch
        >>> members = torch.tensor([[[3.0, 1.0, 2.0], [0.0, 4.0, 0.0]]])
        >>> best_member(members=members, labels=torch.tensor([0])).tolist()
        [[3.0, 1.0, 2.0]]
        >>> best_member(members=members, labels=torch.tensor([1])).tolist()
        [[0.0, 4.0, 0.0]]
    """
    if members.dim() < 3 or (members.shape[0], *members.shape[2:-1]) != tuple(labels.shape):
        raise ConfigurationError(
            "The members' logits must be [batch, members, ..., classes] and the labels [batch, ...], got "
            f"{list(members.shape)} and {list(labels.shape)}."
        )
    likely = F.log_softmax(at_least_float32(members), dim=-1)
    of_truth = at_label(likely, labels.unsqueeze(1).expand(likely.shape[:-1]))
    best = of_truth.argmax(dim=1, keepdim=True).unsqueeze(-1)
    return members.gather(1, best.expand(-1, -1, *members.shape[2:])).squeeze(1)
