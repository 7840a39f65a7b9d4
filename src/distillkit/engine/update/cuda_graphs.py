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

from distillkit.engine.data.batch import parts_of
from distillkit.engine.forward.compiling import reason_of
from distillkit.engine.trees import map_tensors, tensors_in
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
"""Updates before the first is recorded, in which libraries and optimisers allocate their state."""
_UPDATES_BEFORE_A_WARNING = 100
"""Updates after which a warning says that none could be replayed."""


class GraphRecorder(Protocol):
    """Records the work of a function on the device."""

    def warm_up(self, run: Callable[[], Any]) -> Any:
        """Run a function as it is, so that recording can follow; return its result."""
        ...

    def record(self, run: Callable[[], Any]) -> tuple[Any, Callable[[], object]]:
        """Return the result (tensors not yet filled) and a function that replays the work and fills them."""
        ...


class CudaGraphRecorder:
    """Records CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)

    def warm_up(self, run: Callable[[], Any]) -> Any:
        """Run a function on another stream than the default one, as torch requires."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        # an optimiser made for recording warns when it steps outside of a graph
        with torch.cuda.stream(self._stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True")
            result = run()
        current.wait_stream(self._stream)
        return result

    def record(self, run: Callable[[], Any]) -> tuple[Any, Callable[[], object]]:
        """Record the kernels of a function, which computes nothing meanwhile."""
        graph = torch.cuda.CUDAGraph()
        device = self._stream.device
        try:
            # the outer context, since a capture that fails can leave its stream the current one
            with (
                torch.cuda.stream(torch.cuda.current_stream(device)),
                torch.cuda.graph(graph, stream=self._stream),
            ):
                result = run()
        except Exception:
            _release_random_numbers(device)
            raise
        return result, graph.replay


def _release_random_numbers(device: torch.device) -> None:
    """Let the device's random numbers go on after a capture that failed, whose end they wait for."""
    generator = torch.cuda.default_generators[device.index or 0]
    generator.graphsafe_set_state(generator.clone_state())


@dataclass(frozen=True, slots=True)
class _Graph:
    arguments: list[Tensor]
    rates: list[Tensor]
    result: Any
    replay: Callable[[], object]


class GraphedUpdate:
    """An update that is recorded once for each shape of its arguments and each set of settings, and replayed.

    The first updates run as they are, and so does the first with new settings: it may be the only one, such
    as an epoch's smaller last batch under a new momentum. A new learning rate needs no new graph where the
    optimiser reads it from the device. An update that cannot be recorded, such as one that reads a number
    from the device, runs as it is from then on, with the reason in the log.

    Args:
        update: Takes a tree of tensors (see `trees`) and returns one.
        optimizer: Returns the optimiser that steps, whose settings a graph would keep.
        recorder: Records the graphs.
    """

    def __init__(
        self, update: Callable[[Any], Any], optimizer: Callable[[], Optimizer], recorder: GraphRecorder
    ) -> None:
        self._update, self._optimizer, self._recorder = update, optimizer, recorder
        self._settings: dict[Setting, Hashable] = {}
        self._graphs: dict[Hashable, _Graph | None] = {}
        self._made = self._replayed = 0
        self._works = True

    def __call__(self, arguments: Any) -> Any:
        """Make an update; return new tensors, which later updates do not change."""
        if not self._works:
            return self._update(arguments)
        self._made += 1
        optimizer = self._optimizer()
        if (settings := kept_settings(optimizer)) != self._settings:
            self._warn_if_none_is_replayed(settings)
            self._graphs.clear()
            self._settings = settings
        key = _shapes(arguments)
        if key not in self._graphs or self._made <= _WARM_UP:
            self._graphs[key] = None
            return self._recorder.warm_up(lambda: self._update(arguments))
        graph = self._graphs[key] or self._record(arguments, optimizer)
        if graph is None:
            return self._update(arguments)
        self._graphs[key] = graph
        for kept, new in zip(graph.arguments, tensors_in(arguments), strict=True):
            kept.copy_(new)
        give_rates(optimizer, graph.rates)
        graph.replay()
        self._replayed += 1
        return map_tensors(torch.clone, graph.result)

    def _record(self, arguments: Any, optimizer: Optimizer) -> _Graph | None:
        if counts_elsewhere(optimizer):
            self._give_up(
                f"{type(optimizer).__name__} counts its steps on the CPU; give it fused=True or "
                "capturable=True, where it has them"
            )
            return None
        kept = map_tensors(torch.clone, arguments)
        rates, plain_update = given_rates(optimizer), self._update

        def update() -> Any:
            with rates_in_place(optimizer, rates):
                return plain_update(kept)

        try:
            with _no_garbage_collected():
                result, replay = self._recorder.record(update)
        except Exception as error:  # any error: the plain update raises its own again
            self._give_up(reason_of(error))
            return None
        return _Graph(tensors_in(kept), rates, result, replay)

    def _give_up(self, why: str) -> None:
        self._works = False
        self._graphs.clear()
        logger.warning("The update cannot be recorded as a CUDA graph, so it runs as it is: %s", why)

    def _warn_if_none_is_replayed(self, settings: Mapping[Setting, Hashable]) -> None:
        if self._made == _UPDATES_BEFORE_A_WARNING and not self._replayed:
            changing = [one for one, value in settings.items() if self._settings.get(one) != value]
            logger.warning(
                "No update was replayed as a CUDA graph so far, since a number changes that a graph keeps "
                "(%s): give a fused optimiser, or let only the learning rate change.",
                ", ".join(name if group is None else f"{name} of group {group}" for name, group in changing),
            )


def recorder_for(device: torch.device) -> GraphRecorder:
    """Return the recorder of a device.

    Raises:
        ConfigurationError: The device is no GPU.
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
    """Return the update as CUDA graphs; as it is, with a warning, where its optimiser does not allow it.

    Args:
        update: See `GraphedUpdate`.
        optimizer: Returns the optimiser that steps, which a stack may exchange.
        recorder: Records the graphs.
        scaled: Whether the gradients are scaled.
    """
    why = _why_not(optimizer(), scaled=scaled)
    if why is None:
        return GraphedUpdate(update, optimizer, recorder)
    logger.warning("The update is not recorded as a CUDA graph: %s.", why)
    return update


def only_tensors(inputs: Any) -> bool:
    """Whether inputs are a tensor or a mapping of tensors, which can be copied into a graph's arguments."""
    return all(isinstance(part, Tensor) for part in parts_of(inputs))


def _why_not(optimizer: Optimizer, *, scaled: bool) -> str | None:
    if scaled:
        return "float16 reads from the device how to scale; use bf16 or fp32"
    if any(group.get("capturable") is False for group in optimizer.param_groups):
        return f"make the optimiser with {type(optimizer).__name__}(..., capturable=True)"
    return None


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Stop garbage collection: deleting an older graph would end the recording of a new one."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _shapes(arguments: Any) -> Hashable:
    return tuple((tuple(one.shape), one.dtype) for one in tensors_in(arguments))
