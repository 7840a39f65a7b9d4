"""The fused step: from bfloat16 gradients to new weights and new bfloat16 copies in one pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from distillkit.engine.torch_internals import step_has_hooks
from distillkit.engine.update.fused.compiler import compiler
from distillkit.engine.update.fused.optimizer_rules import rule_of


class _Group:
    """A parameter group of an optimiser: its weights, their state, and their bfloat16 copies, if any."""

    def __init__(
        self,
        optimizer: Optimizer,
        settings: Mapping[str, Any],
        leaves: Mapping[Tensor, Tensor],
        norms: int | None,
    ) -> None:
        rule = rule_of(optimizer, settings)
        if rule is None:
            raise ValueError(f"there is no rule for {type(optimizer).__name__}")
        weights = [weight for weight in settings["params"] if weight in leaves]
        states = [optimizer.state[weight] for weight in weights]
        self._settings, self._rule = settings, rule
        self._leaves = [leaves[weight] for weight in weights]
        self._weights = [weight.detach() for weight in weights]
        self._states = [[state[name] for name in rule.states] for state in states]
        self._copies = [
            None if leaf is weight else leaf.detach()
            for leaf, weight in zip(self._leaves, weights, strict=True)
        ]
        self._counts = [state["step"] for state in states if "step" in state]
        self._step = int(self._counts[0]) if self._counts else 0
        self._last_numbers: list[float] = []
        names = list(rule.numbers(settings, 1))
        self._numbers = torch.zeros(len(names))
        self._named = dict(zip(names, self._numbers.unbind(), strict=True))
        kinds = tuple(leaf.dtype for leaf in self._leaves)
        self._run = compiler.once(_update_by(rule.apply), (rule.key, norms, _shapes(self._leaves), kinds))

    def compile(self, scale: Tensor | None) -> None:
        """Run once on copies of all tensors, so that it is compiled."""
        self._run(
            [weight.clone() for weight in self._weights],
            [torch.zeros_like(leaf) for leaf in self._leaves],
            [[state.clone() for state in own] for own in self._states],
            [None if copy is None else copy.clone() for copy in self._copies],
            scale,
            self._named,
        )

    def step(self, scale: Tensor | None) -> None:
        """Make one step of the group."""
        self._step += 1
        for count in self._counts:
            count.add_(1)
        numbers = list(self._rule.numbers(self._settings, self._step).values())
        if numbers != self._last_numbers:
            self._numbers.copy_(torch.tensor(numbers))
            self._last_numbers = numbers
        gradients = [leaf.grad for leaf in self._leaves]
        self._run(self._weights, gradients, self._states, self._copies, scale, self._named)


class FusedStep:
    """Steps an optimiser's parameters from the gradients of their bfloat16 copies, and renews the copies.

    It uses the optimiser's own settings and state and keeps them up to date, so the optimiser can step by
    itself at any time.

    Args:
        optimizer: An optimiser that `has_rules`, and has stepped before.
        leaves: The tensor that gets the gradient of each trained parameter: a bfloat16 copy, or itself.
        clip_norms: Largest global norm of the gradients, a number, or `[students]` for the stacked parameters
            of several students; `None` clips nothing.
    """

    def __init__(
        self, optimizer: Optimizer, leaves: Mapping[Tensor, Tensor], clip_norms: Tensor | None
    ) -> None:
        self._leaves, self._clip_norms = list(leaves.values()), clip_norms
        norms = None if clip_norms is None else clip_norms.dim()
        self._groups = [_Group(optimizer, group, leaves, norms) for group in optimizer.param_groups]
        self._scale = compiler.once(_scale_of(stacked=norms == 1), ("scale", norms, _shapes(self._leaves)))

    @torch.no_grad()
    def compile(self) -> None:
        """Run once on copies of all tensors, so that it is compiled."""
        scale = self._scale_for([torch.zeros_like(leaf) for leaf in self._leaves])
        for group in self._groups:
            group.compile(scale)

    def ready(self) -> bool:
        """Whether every leaf has a gradient, which the fused step needs."""
        return all(leaf.grad is not None for leaf in self._leaves)

    @torch.no_grad()
    def step(self) -> None:
        """Make one step, and drop the gradients."""
        scale = self._scale_for([leaf.grad for leaf in self._leaves])
        for group in self._groups:
            group.step(scale)
        for leaf in self._leaves:
            leaf.grad = None

    def _scale_for(self, gradients: Sequence[Tensor | None]) -> Tensor | None:
        return None if self._clip_norms is None else self._scale(gradients, self._clip_norms)


def has_rules(optimizer: Optimizer) -> bool:
    """Whether each group has a rule and one count of steps, and no hooks run at the optimiser's steps."""
    return not step_has_hooks(optimizer) and all(
        rule_of(optimizer, group) is not None and len(_counts(optimizer, group)) <= 1
        for group in optimizer.param_groups
    )


def _counts(optimizer: Optimizer, group: Mapping[str, Any]) -> set[float]:
    states = [optimizer.state.get(weight, {}) for weight in group["params"] if weight.requires_grad]
    return {float(state["step"]) for state in states if "step" in state}


def _scale_of(*, stacked: bool) -> Callable[[Sequence[Tensor], Tensor], Tensor]:
    """Return the function that gives the factor of clipping, as torch's own: a number, or one a student."""

    def scale_of(gradients: Sequence[Tensor], clip_norms: Tensor) -> Tensor:
        squares = [gradient.float().square() for gradient in gradients]
        sums = torch.stack([one.flatten(1).sum(1) if stacked else one.sum() for one in squares])
        return (clip_norms / (sums.sum(0).sqrt() + 1e-6)).clamp(max=1.0)

    return scale_of


def _update_by(rule: Callable[..., None]) -> Callable[..., None]:
    def run(
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[list[Tensor]],
        copies: Sequence[Tensor | None],
        scale: Tensor | None,
        numbers: Mapping[str, Tensor],
    ) -> None:
        for weight, gradient, own, copy in zip(weights, gradients, states, copies, strict=True):
            precise = gradient.float()
            if scale is not None:
                precise = precise * (scale.view(-1, *[1] * (precise.dim() - 1)) if scale.dim() else scale)
            rule(weight, precise, own, numbers)
            if copy is not None:
                copy.copy_(weight)

    return run


def _shapes(tensors: Sequence[Tensor]) -> Hashable:
    return tuple(tuple(one.shape) for one in tensors)
