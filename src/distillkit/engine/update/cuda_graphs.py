"""Updates recorded as CUDA graphs: one call starts all of an update's kernels."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from distillkit.engine.trees import tensors_in, with_tensors
from distillkit.engine.update.graph_settings import (
    Setting,
    counts_elsewhere,
    give_rates,
    given_rates,
    kept_settings,
    rates_in_place,
)
from distillkit.errors import ConfigurationError

logger = logging.getLogger("distillkit")

_WARM_UP = 3
"""Updates before the first is recorded, in which libraries and optimisers make what they keep."""
_WORTH_A_WORD = 100
"""Updates after which it is said that none could be replayed."""


class GraphRecorder(Protocol):
    """Records what a function asks of the device."""

    def warm_up(self, run: Callable[[], Any]) -> Any:
        """Run it as ever, where recording can follow; return its result."""
        ...

    def record(self, run: Callable[[], Any]) -> tuple[Any, Callable[[], object]]:
        """Its result, whose tensors have no values yet, and what does the work and gives them some."""
        ...


class CudaGraphRecorder:
    """Records CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)

    def warm_up(self, run: Callable[[], Any]) -> Any:
        """Run it on a stream beside the default one, as torch asks for."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        # an optimiser made for recording warns when it steps outside of it
        with torch.cuda.stream(self._stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True")
            result = run()
        current.wait_stream(self._stream)
        return result

    def record(self, run: Callable[[], Any]) -> tuple[Any, Callable[[], object]]:
        """Record its kernels; nothing is computed meanwhile."""
        graph = torch.cuda.CUDAGraph()
        device = self._stream.device
        try:
            # around it, since a capture that fails can leave its stream the current one
            with (
                torch.cuda.stream(torch.cuda.current_stream(device)),
                torch.cuda.graph(graph, stream=self._stream),
            ):
                result = run()
        except Exception:
            _end_drawing(device)
            raise
        return result, graph.replay


def _end_drawing(device: torch.device) -> None:
    """Let the device's random numbers go on outside of a capture that failed, which they wait for."""
    generator = torch.cuda.default_generators[device.index or 0]
    generator.graphsafe_set_state(generator.clone_state())


@dataclass(frozen=True, slots=True)
class _Graph:
    given: list[Tensor]
    rates: list[Tensor]
    result: Any
    replay: Callable[[], object]


class GraphedUpdate:
    """An update that is recorded for each shape of its arguments and state of its settings, and replayed.

    The first updates run as they are, and so does the first with new settings: what happens once, such as an
    epoch's smaller last batch under a new momentum, is not worth a recording. A learning rate is no such
    setting where the optimiser reads it from the device: a recording is given the one of each step. An update
    that cannot be recorded, as one that reads a number from the device, runs as it is from then on, and the
    log says why.

    Args:
        update: Takes a tree of tensors (see `trees`) and returns one.
        optimizer: Gives the optimiser that steps, whose settings a recording would keep as they are.
        recorder: Makes recordings.
    """

    def __init__(
        self, update: Callable[[Any], Any], optimizer: Callable[[], Optimizer], recorder: GraphRecorder
    ) -> None:
        self._update, self._optimizer, self._recorder = update, optimizer, recorder
        self._recorded_with: dict[Setting, Hashable] = {}
        self._recordings: dict[Hashable, _Graph | None] = {}
        self._made = self._replayed = 0
        self._works = True

    def __call__(self, given: Any) -> Any:
        """Make an update; the tensors of the result are the caller's own."""
        if not self._works:
            return self._update(given)
        self._made += 1
        optimizer = self._optimizer()
        if (settings := kept_settings(optimizer)) != self._recorded_with:
            self._say_why_none_is_replayed(settings)
            self._recordings.clear()
            self._recorded_with = settings
        key = _shape(given)
        if key not in self._recordings or self._made <= _WARM_UP:
            self._recordings[key] = None
            return self._recorder.warm_up(lambda: self._update(given))
        recording = self._recordings[key] or self._record(given, optimizer)
        if recording is None:
            return self._update(given)
        self._recordings[key] = recording
        for kept, new in zip(recording.given, tensors_in(given), strict=True):
            kept.copy_(new)
        give_rates(optimizer, recording.rates)
        recording.replay()
        self._replayed += 1
        return with_tensors(recording.result, iter([one.clone() for one in tensors_in(recording.result)]))

    def _record(self, given: Any, optimizer: Optimizer) -> _Graph | None:
        if counts_elsewhere(optimizer):
            self._give_up(
                f"{type(optimizer).__name__} counts its steps on the CPU; give it fused=True or "
                "capturable=True, where it has them"
            )
            return None
        kept = [tensor.clone() for tensor in tensors_in(given)]
        rates, as_it_is = given_rates(optimizer), self._update

        def update() -> Any:
            with rates_in_place(optimizer, rates):
                return as_it_is(with_tensors(given, iter(kept)))

        try:
            with _no_garbage_collected():
                result, replay = self._recorder.record(update)
        except Exception as error:  # whatever it is, the update as it is raises it again if it must
            self._give_up(" ".join(str(error).split())[:200] or type(error).__name__)
            return None
        return _Graph(kept, rates, result, replay)

    def _give_up(self, why: str) -> None:
        self._works = False
        self._recordings.clear()
        logger.warning("The update cannot be recorded as a CUDA graph, so it runs as it is: %s", why)

    def _say_why_none_is_replayed(self, settings: Mapping[Setting, Hashable]) -> None:
        if self._made == _WORTH_A_WORD and not self._replayed:
            moving = [one for one, value in settings.items() if self._recorded_with.get(one) != value]
            logger.warning(
                "No update was replayed as a CUDA graph so far, since a number moves that a recording keeps "
                "(%s): give a fused optimiser, or let only the learning rate move.",
                ", ".join(name if group is None else f"{name} of group {group}" for name, group in moving),
            )


def recorder_for(device: torch.device) -> GraphRecorder:
    """The recorder of a device.

    Raises:
        ConfigurationError: The device has none.
    """
    if device.type != "cuda":
        raise ConfigurationError(
            f"compile='graphs' records CUDA graphs and needs a student on a GPU, got one on {device.type}: "
            "use compile='auto'."
        )
    return CudaGraphRecorder(device)


def graphed_or_plain(
    update: Callable[[Any], Any],
    optimizer: Callable[[], Optimizer],
    recorder: GraphRecorder,
    *,
    scaled: bool = False,
) -> Callable[[Any], Any]:
    """The update recorded; as it is, with a warning, where its optimiser does not allow it.

    Args:
        update: See `GraphedUpdate`.
        optimizer: Gives the optimiser that steps, which a stack may exchange.
        recorder: Makes recordings.
        scaled: Whether the gradients are scaled.
    """
    why = _why_not(optimizer(), scaled=scaled)
    if why is None:
        return GraphedUpdate(update, optimizer, recorder)
    logger.warning("The update is not recorded as a CUDA graph: %s.", why)
    return update


def only_tensors(inputs: Any) -> bool:
    """Whether inputs are a tensor or a mapping of tensors, which a recording can be given anew."""
    parts = list(inputs.values()) if isinstance(inputs, Mapping) else [inputs]
    return all(isinstance(part, Tensor) for part in parts)


def _why_not(optimizer: Optimizer, *, scaled: bool) -> str | None:
    if scaled:
        return "float16 reads from the device how to scale; use bf16 or fp32"
    if any(group.get("capturable") is False for group in optimizer.param_groups):
        return f"make the optimiser with {type(optimizer).__name__}(..., capturable=True)"
    return None


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """An older recording that is found to be garbage meanwhile would end the one that is being made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _shape(given: Any) -> Hashable:
    return tuple((tuple(one.shape), one.dtype) for one in tensors_in(given))
