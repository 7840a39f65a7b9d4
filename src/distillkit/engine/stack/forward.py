"""One forward pass for all students of a stack."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from distillkit.engine.forward.compiling import reason_of
from distillkit.engine.forward.modes import mode
from distillkit.engine.stack.architecture import fingerprint
from distillkit.engine.stack.layers import Generators, Layer, each_students, layers_of, run_layers
from distillkit.engine.stack.weights import stacked_copies
from distillkit.engine.trees import map_tensors
from distillkit.outputs import call, logits_of

Inputs = Any
"""A tensor or a mapping of tensors, each `[groups, batch, ...]`."""


class Forward(Protocol):
    """Computes the students' logits, `[students, batch, ..., classes]`."""

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Inputs, students: int, generators: Generators
    ) -> Tensor:
        """Run all students; without generators, dropout is off."""
        ...


class ByLayers:
    """Runs plain networks layer by layer, by batched products: the fast way."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Inputs, students: int, generators: Generators
    ) -> Tensor:
        """Run all students."""
        return run_layers(self._layers, weights, inputs, students, generators)


class ByVmap:
    """Runs any module that `torch.func.vmap` can map over its weights."""

    def __init__(self, student: nn.Module) -> None:
        self._training, self._evaluating = (
            vmap(
                partial(_logits_of_one, copy.deepcopy(student).train(training)),
                in_dims=(0, 0),
                randomness="different",
            )
            for training in (True, False)
        )

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Inputs, students: int, generators: Generators
    ) -> Tensor:
        """Run all students."""
        run = self._evaluating if generators is None else self._training
        result: Tensor = run(dict(weights), map_tensors(lambda part: each_students(part, students), inputs))
        return result


def forward_for(students: Sequence[nn.Module], inputs: Inputs) -> Forward | str:
    """Return a forward pass of all students that gives what each gives alone; or why there is none.

    It is tried on a few examples: outputs and gradients are compared in evaluation mode. In training mode,
    which may be random, the pass runs once on copies, to check that it runs and changes nothing but weights.

    Args:
        students: Students of one architecture.
        inputs: A few examples, a tensor or a mapping of tensors, `[batch, ...]`.
    """
    try:
        # a warning means that torch maps some operation in a loop, or worse
        with _warnings_as_errors(), torch.enable_grad():
            layers = layers_of(students[0])
            forward: Forward = ByVmap(students[0]) if layers is None else ByLayers(layers)
            same = _same_outputs_and_gradients(forward, students, inputs)
            if layers is None and same and _changes_more_than_weights(students, inputs):
                return "it changes more than its weights as it runs"
    except Exception as error:  # a user's module may do anything that cannot be mapped
        return f"torch cannot run it as a stack ({reason_of(error)})"
    return forward if same else "it gives other numbers as a stack than alone"


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Make warnings errors, also those that torch gives once a process, so that every stack gets them."""
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        torch.set_warn_always(always)


def _same_outputs_and_gradients(forward: Forward, students: Sequence[nn.Module], inputs: Inputs) -> bool:
    weights = stacked_copies(students)
    trainable = {name: tensor for name, tensor in weights.items() if tensor.requires_grad}
    one_group = map_tensors(lambda part: part.unsqueeze(0), inputs)
    together = forward(weights, one_group, len(students), None)
    gradients = torch.autograd.grad(together.square().sum(), list(trainable.values()), allow_unused=True)
    for place, student in enumerate(students):
        own = dict(student.named_parameters())
        with mode(student, training=False):
            alone = logits_of(call(student, inputs), "The student")
        if alone.shape != together.shape[1:] or not _close(together[place], alone):
            return False
        expected = torch.autograd.grad(
            alone.square().sum(), [own[name] for name in trainable], allow_unused=True
        )
        for stacked, own_gradient in zip(gradients, expected, strict=True):
            if own_gradient is not None and (stacked is None or not _close(stacked[place], own_gradient)):
                return False
    return True


def _changes_more_than_weights(students: Sequence[nn.Module], inputs: Inputs) -> bool:
    spy = _Spy(copy.deepcopy(students[0]).train())
    before = fingerprint(spy.student)
    weights = {f"student.{name}": tensor.detach() for name, tensor in stacked_copies(students).items()}
    run = vmap(partial(_logits_of_one, spy), in_dims=(0, None), randomness="different")
    run(weights, inputs)
    return spy.reassigned or fingerprint(spy.student) != before


class _Spy(nn.Module):
    """Detects a forward pass that replaces a buffer by another tensor, which would be lost in a stack."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student, self.reassigned = student, False

    def forward(self, *inputs: Any, **named: Any) -> Any:
        before = [id(buffer) for buffer in self.student.buffers()]
        result = self.student(*inputs, **named)
        self.reassigned = before != [id(buffer) for buffer in self.student.buffers()]
        return result


def _close(stacked: Tensor, alone: Tensor) -> bool:
    stacked, alone = stacked.detach(), alone.detach()
    scale = float(alone.abs().max()) if alone.numel() else 0.0
    return torch.allclose(stacked, alone, rtol=1e-3, atol=1e-4 * max(scale, 1e-3), equal_nan=True)


def _logits_of_one(student: nn.Module, weights: Mapping[str, Tensor], inputs: Inputs) -> Tensor:
    run: Callable[..., Any] = partial(_called, student, weights)
    return logits_of(call(run, inputs), "The student")


def _called(student: nn.Module, weights: Mapping[str, Tensor], *inputs: Any, **named: Any) -> Any:
    return functional_call(student, dict(weights), inputs, named)
