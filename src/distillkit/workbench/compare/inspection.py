"""The parts of a model: its modules, their outputs, parameters and multiply-adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from distillkit.engine.forward.modes import mode
from distillkit.engine.torch_internals import is_compiled
from distillkit.errors import ConfigurationError
from distillkit.outputs import call, logits_of

EXAMPLES = 2
"""Examples in the batch that a model is asked."""


@dataclass(frozen=True)
class LayerDescription:
    """One module of a model."""

    name: str
    """The name, as in `named_modules` and in a loss's `layers`."""
    type: str
    """Its class."""
    output: tuple[int, ...] | None
    """Shape of the tensor that it gives for one example; `None` where it gives no tensor of the batch."""
    parameters: int
    """Numbers that it and the modules in it learn."""
    multiply_adds: int
    """Multiply-adds of its matrix products and convolutions, its parts included, for one example."""
    runs: int
    """How often it runs in a forward pass; a loss can name one that runs once."""
    leaf: bool
    """Whether no module is in it."""
    gives_the_answer: bool
    """Whether what it gives is the model's own output."""


@dataclass(frozen=True)
class ModelDescription:
    """A model, module by module."""

    layers: tuple[LayerDescription, ...]
    """In the order in which the model has them."""
    finished: tuple[str, ...]
    """Names of those that gave a tensor, in the order in which they were done."""
    parameters: int
    """Numbers that are learnt; one that is shared counts once."""
    multiply_adds: int
    """Multiply-adds of all matrix products and convolutions, for one example."""

    @property
    def not_counted(self) -> dict[str, int]:
        """Classes of the innermost modules that ran without a matrix product or a convolution, how many each.

        What they do is not in `multiply_adds`. Most are cheap; a recurrent network or an operation of its own
        that stands here is not.
        """
        return dict(
            Counter(one.type for one in self.layers if one.leaf and one.runs and one.multiply_adds == 0)
        )

    def layer(self, name: str) -> LayerDescription:
        """The module of that name."""
        return next(one for one in self.layers if one.name == name)


def example_batch(shape: Sequence[int], *, integers_below: int | None = None) -> Tensor:
    """Two examples of a shape, `[2, *shape]`, always the same: normal numbers, or integers (of tokens, say).

    Raises:
        ConfigurationError: A size is not above 0, or no integer is below.
    """
    if not shape or min(shape) < 1:
        raise ConfigurationError(
            f"An example's shape is one or more sizes of at least 1, got {list(shape)}: 1 28 28, say, "
            "without the batch."
        )
    generator = torch.Generator().manual_seed(0)
    if integers_below is None:
        return torch.randn(EXAMPLES, *shape, generator=generator)
    if integers_below < 1:
        raise ConfigurationError(f"Integers below {integers_below} there are none: give a number above 0.")
    return torch.randint(integers_below, (EXAMPLES, *shape), generator=generator)


def describe_model(model: nn.Module, inputs: Any, who: str = "The model") -> ModelDescription:
    """Ask a model once, in evaluation mode, and describe its modules; it is left as it was.

    Args:
        model: Any module.
        inputs: A batch of two examples, as the model takes it.
        who: Begins the sentence of an error.

    Raises:
        ConfigurationError: It is compiled, so that its parts go unseen; or it cannot answer the inputs.

    Example:
        >>> found = describe_model(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), torch.zeros(2, 4))
        >>> found.parameters, found.multiply_adds, found.not_counted
        (40, 32, {'ReLU': 1})
    """
    if is_compiled(model):
        raise ConfigurationError(
            f"{who} is compiled, and its parts cannot be seen then: give the module as it was before "
            "torch.compile()."
        )
    counter, seen = FlopCounterMode(display=False), _Seen()
    with mode(model, training=False), torch.no_grad(), _whole_attention(), seen.watching(model, counter):
        try:
            with counter:
                call(model, inputs)
        except Exception as error:
            told = f"{type(error).__name__}: {error}".partition("\n")[0]
            shape = f" of shape {list(inputs.shape)}" if isinstance(inputs, Tensor) else ""
            raise ConfigurationError(
                f"{who} cannot answer a batch{shape} ({told}): give the shape of one example as it takes it "
                "(--input)."
            ) from error
    layers = [
        LayerDescription(
            name,
            type(part).__name__,
            seen.shapes.get(name),
            _parameters(part),
            _multiply_adds(seen.operations.get(name, 0)),
            seen.runs[name],
            leaf=not any(part.children()),
            gives_the_answer=name in seen.last,
        )
        for name, part in model.named_modules()
        if name
    ]
    return ModelDescription(
        tuple(layers),
        tuple(name for name in seen.finished if name in seen.shapes),
        _parameters(model),
        _multiply_adds(counter.get_total_flops()),
    )


@dataclass
class _Seen:
    """Notes of hooks from one forward pass."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    operations: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    finished: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    """The modules that gave the latest tensor: one, and what it is the last part of."""
    _latest: Any = None
    _before: dict[str, list[int]] = field(default_factory=dict)

    @contextmanager
    def watching(self, model: nn.Module, counter: FlopCounterMode) -> Iterator[None]:
        handles = []
        try:
            for name, part in model.named_modules():
                handles.append(part.register_forward_pre_hook(partial(self._begin, name, counter)))
                handles.append(part.register_forward_hook(partial(self._end, name, counter)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, name: str, counter: FlopCounterMode, _part: nn.Module, _inputs: Any) -> None:
        self._before.setdefault(name, []).append(counter.get_total_flops())

    def _end(self, name: str, counter: FlopCounterMode, _part: nn.Module, _inputs: Any, output: Any) -> None:
        self.runs[name] += 1
        self.operations[name] += counter.get_total_flops() - self._before[name].pop()
        given = _answer(output) if name == "" else output
        if given is not self._latest:
            self._latest, self.last = given, []
        self.last.append(name)
        if isinstance(output, Tensor) and output.dim() and output.shape[0] == EXAMPLES:
            self.shapes[name] = tuple(output.shape[1:])
            self.finished = [*(one for one in self.finished if one != name), name]
        else:
            self.shapes.pop(name, None)


@contextmanager
def _whole_attention() -> Iterator[None]:
    """Keep torch from fused attention, whose products cannot be counted on a CPU."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _answer(output: Any) -> Any:
    """The logits in a model's output, or all of it where there are none."""
    try:
        return logits_of(output)
    except ConfigurationError:
        return output


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _multiply_adds(operations: int) -> int:
    """Torch counts a multiplication and an addition as two, and the examples of the batch together."""
    return operations // 2 // EXAMPLES
