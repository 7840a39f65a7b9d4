"""The ordinary loss on the true classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32


def hard_label_cross_entropy(*, student: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the student's probabilities (T = 1) with the labels, averaged over the batch.

    Args:
        student: Logits, `[..., classes]`.
        labels: True classes, `[...]`, int64 in `[0, classes)`.
        label_smoothing: Share of the target mass spread evenly over all classes, in `[0, 1]`.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: There is not one label for each row of logits.

    Example:
        >>> import torch
        >>> loss = hard_label_cross_entropy(student=torch.zeros(1, 10), labels=torch.tensor([3]))
        >>> round(loss.item(), 4)  # log 10
        2.3026
    """
    if labels.shape != student.shape[:-1]:
        raise ConfigurationError(
            f"Labels must be one for each row of logits, {list(student.shape[:-1])}; got "
            f"{list(labels.shape)}."
        )
    logits = at_least_float32(student)
    if logits.dim() != 2:
        logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
