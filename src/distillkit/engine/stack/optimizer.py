"""One optimiser for all students of a stack."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from distillkit.engine.stack.weights import StackedWeights

ELEMENTWISE = (
    torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam,
    torch.optim.Adamax, torch.optim.Adagrad, torch.optim.Adadelta, torch.optim.RMSprop, torch.optim.Rprop,
)  # fmt: skip
"""Optimisers that update every number by itself, so that students in one tensor do not mix."""

_COUNTS = frozenset({"step", "mu_product"})
"""Names of state that is a count of steps, also where the parameter itself is a single number."""

State = dict[str, dict[str, Any]]
"""The state of an optimiser for each parameter, by the parameter's name."""


def layout(optimizer: Optimizer, student: nn.Module) -> Hashable:
    """Return a key that is equal for optimisers of one class with the same groups; `None` for others."""
    if type(optimizer) not in ELEMENTWISE:
        return None
    names = {parameter: name for name, parameter in student.named_parameters()}
    return type(optimizer), tuple(
        tuple(names.get(parameter, "") for parameter in group["params"]) for group in optimizer.param_groups
    )


class StackedOptimizer:
    """Steps the stacked weights as the students' own optimisers would, with their settings and state.

    If all students have the same settings, each stacked tensor is one parameter; else each student has its
    own parameters, views of the stacked tensors, with its own settings.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], students: Sequence[nn.Module], weights: StackedWeights
    ) -> None:
        self._own, self._students, self._weights = optimizers, students, weights
        self._make()

    def in_use(self) -> Optimizer:
        """Return the optimiser that steps the stacked weights now."""
        return self._optimizer

    @property
    def uniform(self) -> bool:
        """Whether all students have the same settings, and each stacked tensor is one parameter."""
        return self._uniform

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for tensor in self._weights.trainable.values():
            tensor.grad = None

    def step(self) -> None:
        """Make one step from the gradients of the stacked weights."""
        for place, views in enumerate(self._views):
            for name, view in views.items():
                gradient = self._weights.trainable[name].grad
                view.grad = None if gradient is None else gradient[place]
        self._optimizer.step()

    def take_settings(self) -> None:
        """Take the settings that schedules have changed in the students' own optimisers."""
        if self._uniform and not _same(self._own):
            self.give_state()
            self._make()
            return
        sources = self._own[:1] if self._uniform else self._own
        groups = iter(self._optimizer.param_groups)
        for optimizer in sources:
            for group in optimizer.param_groups:
                next(groups).update(_settings(group))

    def give_state(self) -> None:
        """Write each student's share of the state into its own optimiser, as if it had made the steps."""
        for place, (optimizer, student) in enumerate(zip(self._own, self._students, strict=True)):
            for name, parameter in student.named_parameters():
                if state := self._state_of(place, name):
                    optimizer.state[parameter] = state

    def _state_of(self, place: int, name: str) -> dict[str, Any]:
        if name not in self._weights.trainable:
            return {}
        if not self._uniform:
            return dict(self._optimizer.state.get(self._views[place][name], {}))
        stacked = self._weights.trainable[name]
        return {
            key: _share(value, place, stacked)
            for key, value in self._optimizer.state.get(stacked, {}).items()
        }

    def _make(self) -> None:
        self._uniform = _same(self._own) and _same_counts(self._own)
        self._views: list[dict[str, nn.Parameter]] = []
        groups: list[dict[str, Any]] = []
        states: dict[Tensor, dict[str, Any]] = {}
        if self._uniform:
            for group, names in zip(
                self._own[0].param_groups, _names(self._own[0], self._students[0]), strict=True
            ):
                groups.append(
                    {**_settings(group), "params": [self._weights.trainable[name] for name in names]}
                )
            for name, stacked in self._weights.trainable.items():
                own = [state.get(name, {}) for state in self._states()]
                states[stacked] = _together(own, stacked.shape[1:])
        else:
            for place, (optimizer, state) in enumerate(zip(self._own, self._states(), strict=True)):
                views = {
                    name: nn.Parameter(stacked.detach()[place])
                    for name, stacked in self._weights.trainable.items()
                }
                self._views.append(views)
                for group, names in zip(
                    optimizer.param_groups, _names(optimizer, self._students[place]), strict=True
                ):
                    groups.append({**_settings(group), "params": [views[name] for name in names]})
                states |= {view: dict(state.get(name, {})) for name, view in views.items()}
        kind = type(self._own[0])
        accepted = inspect.signature(kind).parameters
        self._optimizer = kind(
            groups, **{key: value for key, value in self._own[0].defaults.items() if key in accepted}
        )
        for parameter, state_of_one in states.items():
            if state_of_one:
                self._optimizer.state[parameter] = state_of_one

    def _states(self) -> Iterator[State]:
        for optimizer, student in zip(self._own, self._students, strict=True):
            yield {
                name: dict(optimizer.state[parameter])
                for name, parameter in student.named_parameters()
                if parameter in optimizer.state
            }


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _names(optimizer: Optimizer, student: nn.Module) -> list[list[str]]:
    names = {parameter: name for name, parameter in student.named_parameters() if parameter.requires_grad}
    return [
        [names[parameter] for parameter in group["params"] if parameter in names]
        for group in optimizer.param_groups
    ]


def _same(optimizers: Sequence[Optimizer]) -> bool:
    settings = [[_settings(group) for group in optimizer.param_groups] for optimizer in optimizers]
    return all(one == settings[0] for one in settings)


def _same_counts(optimizers: Sequence[Optimizer]) -> bool:
    """Whether the optimisers have made equally many steps, so that one count serves all."""
    counts = [
        [
            [float(value) for key, value in state.items() if key in _COUNTS]
            for state in optimizer.state.values()
        ]
        for optimizer in optimizers
    ]
    keys = [[sorted(state) for state in optimizer.state.values()] for optimizer in optimizers]
    return all(one == counts[0] for one in counts) and all(one == keys[0] for one in keys)


def _together(states: Sequence[Mapping[str, Any]], shape: torch.Size) -> dict[str, Any]:
    """Stack the state of several parameters of one shape; state of other shapes is the same for all."""
    return {
        key: torch.stack([state[key] for state in states])
        if isinstance(value, Tensor) and value.shape == shape and key not in _COUNTS
        else _copied(value)
        for key, value in states[0].items()
    }


def _share(value: Any, place: int, stacked: Tensor) -> Any:
    if isinstance(value, Tensor) and value.shape == stacked.shape:
        return value[place].clone()
    return _copied(value)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
