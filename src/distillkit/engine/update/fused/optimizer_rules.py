"""The formulas of torch's optimisers for one parameter, in a form that a compiler can fuse."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Numbers = Mapping[str, Tensor]
"""The numbers of a step, such as the learning rate; each in float32, as the weights are."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The step of one parameter group of an optimiser.

    Attributes:
        states: Names of the optimiser's state of each parameter that the rule changes.
        numbers: Gives the numbers of a step, by the group's settings and the number of the step, from 1.
        apply: Changes a weight and its states in place: `apply(weight, gradient, states, numbers)`.
    """

    states: tuple[str, ...]
    numbers: Callable[[Mapping[str, Any], int], dict[str, float]]
    apply: partial[None]

    @property
    def key(self) -> Hashable:
        """Equal for rules that do the same."""
        return self.apply.func, self.states, tuple(self.apply.keywords.items())


def rule_of(optimizer: Optimizer, group: Mapping[str, Any]) -> Rule | None:
    """Return the rule of a group; `None` for an optimiser or an option without one."""
    if group.get("differentiable") or group.get("amsgrad"):
        return None
    if type(optimizer) is torch.optim.SGD:
        return _sgd_rule(group)
    if type(optimizer) in {torch.optim.Adam, torch.optim.AdamW}:
        return _adam_rule(group)
    return None


def _sgd_rule(group: Mapping[str, Any]) -> Rule:
    remembers, decays = group["momentum"] != 0, group["weight_decay"] != 0
    nesterov, maximize = bool(group["nesterov"]), bool(group["maximize"])
    return Rule(
        ("momentum_buffer",) if remembers else (),
        _sgd_numbers,
        partial(_sgd, decays=decays, nesterov=nesterov, maximize=maximize),
    )


def _sgd_numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
    return {
        "rate": float(group["lr"]),
        "momentum": group["momentum"],
        "share_of_gradient": 1 - group["dampening"],
        "weight_decay": group["weight_decay"],
    }


def _sgd(
    weight: Tensor,
    gradient: Tensor,
    states: Sequence[Tensor],
    numbers: Numbers,
    *,
    decays: bool,
    nesterov: bool,
    maximize: bool,
) -> None:
    if maximize:
        gradient = -gradient
    if decays:
        gradient = gradient + numbers["weight_decay"] * weight
    if states:
        (buffer,) = states
        buffer.copy_(numbers["momentum"] * buffer + numbers["share_of_gradient"] * gradient)
        gradient = gradient + numbers["momentum"] * buffer if nesterov else buffer
    weight.sub_(numbers["rate"] * gradient)


def _adam_rule(group: Mapping[str, Any]) -> Rule:
    decays, decoupled = group["weight_decay"] != 0, bool(group["decoupled_weight_decay"])
    into_gradient, maximize = decays and not decoupled, bool(group["maximize"])
    return Rule(
        ("exp_avg", "exp_avg_sq"),
        _adam_numbers,
        partial(_adam, into_gradient=into_gradient, maximize=maximize),
    )


def _adam_numbers(group: Mapping[str, Any], step: int) -> dict[str, float]:
    (first, second), rate = group["betas"], float(group["lr"])
    decoupled = group["decoupled_weight_decay"]
    return {
        "first": first,
        "one_less_first": 1 - first,
        "second": second,
        "one_less_second": 1 - second,
        "rate": rate / (1 - first**step),
        "unbiased": 1 / math.sqrt(1 - second**step),
        "eps": group["eps"],
        "weight_decay": group["weight_decay"],
        "kept": 1 - rate * group["weight_decay"] if decoupled else 1.0,
    }


def _adam(
    weight: Tensor,
    gradient: Tensor,
    states: Sequence[Tensor],
    numbers: Numbers,
    *,
    into_gradient: bool,
    maximize: bool,
) -> None:
    mean, square = states
    if maximize:
        gradient = -gradient
    if into_gradient:
        gradient = gradient + numbers["weight_decay"] * weight
    mean.copy_(numbers["first"] * mean + numbers["one_less_first"] * gradient)
    square.copy_(numbers["second"] * square + numbers["one_less_second"] * gradient * gradient)
    change = mean / (square.sqrt() * numbers["unbiased"] + numbers["eps"])
    weight.copy_(numbers["kept"] * weight - numbers["rate"] * change)
