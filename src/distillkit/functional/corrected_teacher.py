"""A teacher whose mistakes are mended: what it gave the wrong class, the true one gets."""

from __future__ import annotations

import torch
from torch import Tensor

from distillkit.functional._logits import at_label, class_mask


def swap_wrong_predictions(*, teacher: Tensor, labels: Tensor) -> Tensor:
    """The teacher's logits, with those of the predicted and the true class exchanged where they differ.

    Exchanging two logits exchanges their probabilities at every temperature; all others stay as they are.
    After that the teacher predicts every label.

    Args:
        teacher: Logits, `[..., classes]`.
        labels: True classes, `[...]`, int64 in `[0, classes)`.

    Returns:
        Logits of the same shape and type.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
        >>> swap_wrong_predictions(teacher=teacher, labels=torch.tensor([0, 1])).tolist()
        [[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]]

    Reference:
        Wen, Lai, Qian, Preparing Lessons: Improve Knowledge Distillation with Better Supervision, 2019,
        Knowledge Adjustment: probability shift.
    """
    largest, predicted = teacher.max(dim=-1, keepdim=True)
    classes = teacher.shape[-1]
    swapped = torch.where(
        class_mask(predicted.squeeze(-1), classes), at_label(teacher, labels).unsqueeze(-1), teacher
    )
    return torch.where(class_mask(labels, classes), largest, swapped)
