"""The pass itself: gradients in bfloat16 into new weights, and these into new bfloat16 copies."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from distillkit.engine.update.fused.compiler import compiler
from distillkit.engine.update.fused.optimizer_rules import rule_of


class _Group:
    """A group of an optimiser: its weights, what is remembered of them, and their bfloat16 copies, if any."""

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
        self._now: list[float] = []
        names = list(rule.numbers(settings, 1))
        self._numbers = torch.zeros(len(names))
        self._named = dict(zip(names, self._numbers.unbind(), strict=True))
        kinds = tuple(leaf.dtype for leaf in self._leaves)
        self._run = compiler.once(_pass(rule.apply), (rule.key, norms, _shapes(self._leaves), kinds))

    def compile(self, scale: Tensor | None) -> None:
        """Run on copies of everything, for the compiling."""
        self._run(
            [weight.clone() for weight in self._weights],
            [torch.zeros_like(leaf) for leaf in self._leaves],
            [[state.clone() for state in own] for own in self._states],
            [None if copy is None else copy.clone() for copy in self._copies],
            scale,
            self._named,
        )

    def step(self, scale: Tensor | None) -> None:
        """One step of the group."""
        self._step += 1
        for count in self._counts:
            count.add_(1)
        now = list(self._rule.numbers(self._settings, self._step).values())
        if now != self._now:
            self._numbers.copy_(torch.tensor(now))
            self._now = now
        gradients = [leaf.grad for leaf in self._leaves]
        self._run(self._weights, gradients, self._states, self._copies, scale, self._named)


class FusedStep:
    """Steps an optimiser's parameters from the gradients of their bfloat16 copies, and renews the copies.

    The optimiser's own settings and state are used and kept up to date, so it can step by itself at any time.

    Args:
        optimizer: One that `has_rules`, and has stepped before.
        leaves: For each trained parameter what gets its gradient: a bfloat16 copy, or itself.
        clip_norms: Largest global norm of the gradients, a number, or `[students]` where all parameters are
            those of several students, stacked; `None` leaves gradients alone.
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
        """Run on copies of everything, for the compiling."""
        scale = self._scale_for([torch.zeros_like(leaf) for leaf in self._leaves])
        for group in self._groups:
            group.compile(scale)

    def ready(self) -> bool:
        """Whether every leaf has a gradient; the pass is for all of them."""
        return all(leaf.grad is not None for leaf in self._leaves)

    @torch.no_grad()
    def step(self) -> None:
        """One step; the gradients are forgotten."""
        scale = self._scale_for([leaf.grad for leaf in self._leaves])
        for group in self._groups:
            group.step(scale)
        for leaf in self._leaves:
            leaf.grad = None

    def _scale_for(self, gradients: Sequence[Tensor | None]) -> Tensor | None:
        return None if self._clip_norms is None else self._scale(gradients, self._clip_norms)


def has_rules(optimizer: Optimizer) -> bool:
    """Whether there is a rule for each group, no hook on the steps, and one count of steps for a group."""
    # names of torch's own: nothing else tells
    hooked = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    return not hooked and all(
        rule_of(optimizer, group) is not None and len(_counts(optimizer, group)) <= 1
        for group in optimizer.param_groups
    )


def _counts(optimizer: Optimizer, group: Mapping[str, Any]) -> set[float]:
    states = [optimizer.state.get(weight, {}) for weight in group["params"] if weight.requires_grad]
    return {float(state["step"]) for state in states if "step" in state}


def _scale_of(*, stacked: bool) -> Callable[[Sequence[Tensor], Tensor], Tensor]:
    """Return the factor of the gradients, as torch's own clipping has it: a number, or one a student."""

    def scale_of(gradients: Sequence[Tensor], clip_norms: Tensor) -> Tensor:
        each = [gradient.float().square() for gradient in gradients]
        squares = torch.stack([one.flatten(1).sum(1) if stacked else one.sum() for one in each])
        return (clip_norms / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)

    return scale_of


def _pass(rule: Callable[..., None]) -> Callable[..., None]:
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
