"""Taking the outputs of layers in a forward pass, by hooks that are removed after the pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from distillkit.engine.torch_internals import is_compiled, times_written
from distillkit.errors import ConfigurationError
from distillkit.layer_names import layers_like, no_such_layer
from distillkit.outputs import call, logits_of
from distillkit.typing import Outputs


class Capture:
    """Takes the outputs of some layers of a model.

    An output that the model overwrites later, as an in-place ReLU does, is taken as it was before. The first
    pass in training mode and the first in evaluation mode copy every layer's output and detect which of them
    are overwritten; later passes copy these alone.

    Args:
        model: The model, which is not changed.
        patterns: Names of its modules, or patterns (see `layers_like`), one or more.
        who: `"The student"` or `"The teacher"`, for error messages.

    Raises:
        ConfigurationError: There is no such layer, or the model is compiled and would not call hooks.
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str], who: str) -> None:
        parts = {name: part for name, part in model.named_modules(remove_duplicate=False) if name}
        wanted: set[str] = set()
        for pattern in patterns:
            names = layers_like(pattern, parts)
            if not names:
                raise no_such_layer(pattern, parts, who)
            wanted |= set(names)
        if is_compiled(model):
            raise ConfigurationError(
                f"{who} is compiled, and a loss cannot use layers of a compiled model: pass the module as it "
                "was before torch.compile()."
            )
        self._parts = {name: part for name, part in parts.items() if name in wanted}
        self._model, self._who = model, who
        self._overwritten: dict[bool, frozenset[str]] = {}

    def __call__(self, forward: Callable[..., Any], inputs: Any) -> tuple[Any, dict[str, Tensor]]:
        """Return the output of a forward pass, and the outputs of the layers in the model's order.

        Raises:
            ConfigurationError: A layer ran more than once or not at all, or its output is no tensor.
        """
        known = self._overwritten.get(self._model.training)
        copied = frozenset(self._parts) if known is None else known
        features: dict[str, Tensor] = {}
        written: dict[str, tuple[Tensor, int]] = {}
        with self._hooks(features, written, copied):
            output = call(forward, inputs)
        if missing := [name for name in self._parts if name not in features]:
            raise ConfigurationError(
                f"{self._who}'s layer {missing[0]!r} did not run in the forward pass, so it has no output: "
                "name one that runs."
            )
        overwritten = frozenset(name for name, (one, times) in written.items() if times_written(one) != times)
        if late := sorted(overwritten - copied):
            raise ConfigurationError(
                f"The output of {self._who.lower()}'s layer {late[0]!r} was overwritten in this pass and not "
                "in the first one: name the layer after it, or make that one work with inplace=False."
            )
        if known is None:
            self._overwritten[self._model.training] = overwritten
        return output, {name: features[name] for name in self._parts}

    @contextmanager
    def _hooks(
        self, features: dict[str, Tensor], written: dict[str, tuple[Tensor, int]], copied: frozenset[str]
    ) -> Iterator[None]:
        handles = []
        try:
            for name, part in self._parts.items():
                handles.append(
                    part.register_forward_hook(partial(self._take, name, features, written, copied))
                )
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _take(
        self,
        name: str,
        features: dict[str, Tensor],
        written: dict[str, tuple[Tensor, int]],
        copied: frozenset[str],
        _part: nn.Module,
        _inputs: Any,
        output: Any,
    ) -> None:
        if name in features:
            raise ConfigurationError(
                f"{self._who}'s layer {name!r} runs more than once in a forward pass, so it has no single "
                "output: name a layer that runs once."
            )
        if not isinstance(output, Tensor):
            raise ConfigurationError(
                f"{self._who}'s layer {name!r} returns {type(output).__name__}, and a feature is a tensor: "
                "name a layer in it, or after it."
            )
        written[name] = output, times_written(output)
        features[name] = output.clone() if name in copied else output


def outputs_of(model: Callable[..., Any], inputs: Any, who: str, capture: Capture | None) -> Outputs:
    """Call a model; return its logits, and the features that `capture` takes.

    Raises:
        ConfigurationError: The output holds no logits; or as `Capture`.
    """
    if capture is None:
        return Outputs(logits_of(call(model, inputs), who))
    output, features = capture(model, inputs)
    return Outputs(logits_of(output, who), features)
