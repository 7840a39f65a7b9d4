"""Taking what layers give in a forward pass, by hooks that are there for the pass and no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from distillkit.engine.forward.modes import is_compiled
from distillkit.errors import ConfigurationError
from distillkit.layer_names import layers_like, no_such_layer
from distillkit.outputs import call, logits_of
from distillkit.typing import Outputs


class Capture:
    """Takes what some layers of a model give.

    What the model goes on to write over, as an in-place ReLU does, is taken as it was before: the first pass
    in training mode and that in evaluation mode copy every layer's output and see which of them change, and
    later ones copy these alone.

    Args:
        model: Whose layers are meant; it stays as it is.
        patterns: Names of its modules, or patterns (see `layers_like`), one or more.
        who: `"The student"` or `"The teacher"`, for what is wrong.

    Raises:
        ConfigurationError: There is no such layer, or the model is compiled, so that hooks go unnoticed.
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str], who: str) -> None:
        parts = {name: part for name, part in model.named_modules(remove_duplicate=False) if name}
        wanted: set[str] = set()
        for pattern in patterns:
            found = layers_like(pattern, parts)
            if not found:
                raise no_such_layer(pattern, parts, who)
            wanted |= set(found)
        if is_compiled(model):
            raise ConfigurationError(
                f"{who} is compiled, and what its layers give cannot be seen then: pass the module as it was "
                "before torch.compile()."
            )
        self._parts = {name: part for name, part in parts.items() if name in wanted}
        self._model, self._who = model, who
        self._changed: dict[bool, frozenset[str]] = {}

    def __call__(self, forward: Callable[..., Any], inputs: Any) -> tuple[Any, dict[str, Tensor]]:
        """The output of a forward pass, and what the layers gave, in the order in which the model has them.

        Raises:
            ConfigurationError: A layer ran more than once or not at all, or gives no tensor.
        """
        known = self._changed.get(self._model.training)
        copied = frozenset(self._parts) if known is None else known
        given: dict[str, Tensor] = {}
        taken: dict[str, tuple[Tensor, int]] = {}
        with self._hooks(given, taken, copied):
            output = call(forward, inputs)
        if missing := [name for name in self._parts if name not in taken]:
            raise ConfigurationError(
                f"{self._who}'s layer {missing[0]!r} did not run in the forward pass, so it gives nothing to "
                "look at: name one that does."
            )
        changed = frozenset(name for name, (tensor, version) in taken.items() if tensor._version != version)
        if overwritten := sorted(changed - copied):
            raise ConfigurationError(
                f"What {self._who.lower()}'s layer {overwritten[0]!r} gives was written over in this pass "
                "and not in the first one: name the layer after it, or make that one work with inplace=False."
            )
        if known is None:
            self._changed[self._model.training] = changed
        return output, {name: given[name] for name in self._parts}

    @contextmanager
    def _hooks(
        self, given: dict[str, Tensor], taken: dict[str, tuple[Tensor, int]], copied: frozenset[str]
    ) -> Iterator[None]:
        handles = []
        try:
            for name, part in self._parts.items():
                handles.append(part.register_forward_hook(partial(self._take, name, given, taken, copied)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _take(
        self,
        name: str,
        given: dict[str, Tensor],
        taken: dict[str, tuple[Tensor, int]],
        copied: frozenset[str],
        _part: nn.Module,
        _inputs: Any,
        output: Any,
    ) -> None:
        if name in taken:
            raise ConfigurationError(
                f"{self._who}'s layer {name!r} runs more than once in a forward pass, so its name does not "
                "say what is meant: name a layer that runs once."
            )
        if not isinstance(output, Tensor):
            raise ConfigurationError(
                f"{self._who}'s layer {name!r} gives {type(output).__name__}, and a feature is a tensor: "
                "name a layer in it, or after it."
            )
        taken[name] = output, output._version
        given[name] = output.clone() if name in copied else output


def outputs_of(model: Callable[..., Any], inputs: Any, who: str, capture: Capture | None) -> Outputs:
    """Call a model; return its logits, and its features where some are to be taken.

    Raises:
        ConfigurationError: There are no logits in it; or as `Capture`.
    """
    if capture is None:
        return Outputs(logits_of(call(model, inputs), who))
    output, features = capture(model, inputs)
    return Outputs(logits_of(output, who), features)
