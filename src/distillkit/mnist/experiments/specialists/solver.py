"""The joint answer of generalist and specialists: the q that minimises the sum of divergences (§5.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

STEPS = 200
"""Each step takes at least 1/(n + 1) of the way from a case's n specialists: enough for n = 9 at 10⁻⁹."""


def combine(
    generalist: Tensor,
    specialists: Sequence[Tensor],
    groups: Sequence[Sequence[int]],
    active: Tensor,
    *,
    steps: int = STEPS,
) -> Tensor:
    """The full distribution q that minimises KL(p_g ‖ q) + Σ_m KL(p_m ‖ q), case by case.

    The sum is over a case's active specialists, and in KL(p_m ‖ q) the mass that q gives to the classes in
    m's dustbin is added up. The sum of divergences is convex in q, and where it is least
    q_c = (p_g(c) + Σ_{m: c special} p_m(c) + Σ_{m: c in the dustbin} p_m(dustbin) · q_c / q(dustbin of m))
    / (1 + active specialists). Put in from the right again and again, from q = p_g, this is expectation
    maximisation: the sum never rises, and there is no step size. All in float64.

    Args:
        generalist: p_g, `[cases, classes]`, rows of sum 1 without zeros.
        specialists: p_m of each specialist, `[cases, special classes + 1]`, the dustbin last.
        groups: The special classes of each specialist, in the order of its columns.
        active: Whose word counts for which case, bool `[cases, specialists]`.
        steps: How often.

    Returns:
        q, `[cases, classes]`, float64, rows of sum 1; p_g where no specialist is active.

    Example:
        >>> p_g = torch.tensor([[0.5, 0.3, 0.2]])
        >>> expert_on_0_and_1 = torch.tensor([[0.1, 0.7, 0.2]])  # class 0, class 1, dustbin
        >>> combine(p_g, [expert_on_0_and_1], [(0, 1)], torch.tensor([[True]]))
        tensor([[0.3000, 0.5000, 0.2000]], dtype=torch.float64)

    Reference:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, §5.4, equation 5.
    """
    p_g = generalist.double()
    in_dustbin = torch.ones(len(groups), p_g.shape[-1], dtype=torch.bool, device=p_g.device)
    said = p_g.clone()
    dustbins = torch.zeros(len(p_g), len(groups), dtype=torch.float64, device=p_g.device)
    for place, (group, p_m) in enumerate(zip(groups, specialists, strict=True)):
        counts = active[:, place].double()
        in_dustbin[place, list(group)] = False
        said[:, list(group)] += counts[:, None] * p_m[:, :-1].double()
        dustbins[:, place] = counts * p_m[:, -1].double()
    members = in_dustbin.double()
    least = torch.finfo(torch.float64).tiny
    voices = 1 + active.sum(dim=-1, keepdim=True)
    q = p_g
    for _ in range(steps):
        share = dustbins / (q @ members.T).clamp_min(least)
        q = (said + q * (share @ members)) / voices
    return q


def divergences(
    q: Tensor,
    generalist: Tensor,
    specialists: Sequence[Tensor],
    groups: Sequence[Sequence[int]],
    active: Tensor,
) -> Tensor:
    """Return the sum that `combine` minimises, of any q: KL(p_g ‖ q) + Σ_m KL(p_m ‖ q), `[cases]`, in nats.

    Args:
        q: `[cases, classes]`, rows of sum 1.
        generalist: As in `combine`; so are the others.
        specialists: p_m of each.
        groups: Their special classes.
        active: Whose word counts.

    Example:
        >>> p = torch.tensor([[0.5, 0.3, 0.2]])
        >>> divergences(p, p, [], [], torch.zeros(1, 0, dtype=torch.bool))
        tensor([0.], dtype=torch.float64)
    """
    q = q.double()
    total = _divergence(generalist.double(), q)
    for place, (group, p_m) in enumerate(zip(groups, specialists, strict=True)):
        special = q[:, list(group)]
        dustbin = q.sum(dim=-1, keepdim=True) - special.sum(dim=-1, keepdim=True)
        total = total + active[:, place] * _divergence(p_m.double(), torch.cat([special, dustbin], dim=-1))
    return total


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(dim=-1)
