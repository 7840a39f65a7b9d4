"""The ordinary loss on the true classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32


def hard_label_cross_entropy(*, student: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of the student's probabilities (T = 1) with the labels.

    Args:
        student: Logits, `[..., classes]`.
        labels: True classes, `[...]`, int64 in `[0, classes)`; or distributions over them, `[..., classes]`,
            floating, each ≥ 0 with sum 1.
        label_smoothing: Share of the target mass spread evenly over all classes, in `[0, 1]`.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: There is not one label, or distribution, for each row of logits.

    Example:
        >>> import torch
        >>> loss = hard_label_cross_entropy(student=torch.zeros(1, 10), labels=torch.tensor([3]))
        >>> round(loss.item(), 4)  # log 10
        2.3026
    """
    distributions = labels.is_floating_point()
    expected = student.shape if distributions else student.shape[:-1]
    if labels.shape != expected:
        what = "a distribution" if distributions else "one"
        raise ConfigurationError(
            f"Labels must be {what} for each row of logits, {list(expected)}; got {list(labels.shape)}."
        )
    logits = at_least_float32(student)
    if logits.dim() != 2:
        logits = logits.reshape(-1, logits.shape[-1])
        labels = labels.reshape(logits.shape if distributions else -1)
    if distributions:
        labels = labels.to(logits.dtype)
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
