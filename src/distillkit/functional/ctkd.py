"""A gradient turned round: what comes before it climbs where what comes after descends."""

from __future__ import annotations

from torch import Tensor


def reverse_gradient(tensor: Tensor, *, strength: float) -> Tensor:
    """The tensor itself, whose gradient is −strength times what arrives.

    Args:
        tensor: Any, finite.
        strength: ≥ 0; at 0 no gradient gets through.

    Returns:
        The same values.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> reverse_gradient(x, strength=0.5).square().sum().backward()
        >>> x.grad
        tensor([-1., -2.])

    Reference:
        Ganin, Lempitsky, Unsupervised Domain Adaptation by Backpropagation, ICML 2015.
    """
    fixed = tensor.detach()
    # the bracket is 0, so nothing is rounded
    return fixed + strength * (fixed - tensor)
