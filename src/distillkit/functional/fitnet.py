"""Squared distance of features, number by number."""

from __future__ import annotations

from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional._logits import at_least_float32


def hint_regression(*, student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared distance of an example's features over their number, averaged over the batch.

    With u and r, `[numbers]`, of teacher and student: ‖u − r‖² / (2 · numbers). The paper's is without the
    division; it makes a weight mean the same for layers of any size.

    Args:
        student: Features, `[batch, ...]`, brought to the teacher's shape by what is learnt between them;
            gradients flow into them.
        teacher: Features of the same shape.

    Returns:
        A scalar ≥ 0, in float32 or better.

    Raises:
        ConfigurationError: The features are not of one shape.

    Example:
        >>> import torch
        >>> hint_regression(student=torch.zeros(2, 3), teacher=torch.tensor([[1.0, 2, 3], [0, 0, 0]])).item()
        1.1666666269302368

    Reference:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio, FitNets: Hints for Thin Deep Nets, ICLR 2015: the
        hint loss.
    """
    if student.shape != teacher.shape:
        raise ConfigurationError(
            f"Hints need features of one shape, got {list(student.shape)} of the student and "
            f"{list(teacher.shape)} of the teacher."
        )
    return (at_least_float32(student) - at_least_float32(teacher)).square().mean() / 2
