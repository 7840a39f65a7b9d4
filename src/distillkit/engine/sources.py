"""Where batches come from: tensors kept on the device, a data set, or a loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler, SequentialSampler, TensorDataset, default_collate

from distillkit.engine.batch import Batch, as_batch, move
from distillkit.errors import ConfigurationError

DEFAULT_BATCH_SIZE = 128
_NUMBERS_A_BATCH = 4_000_000


class Source(ABC):
    """Examples by number, or a stream of batches."""

    size: int | None = None
    """Number of examples; `None` of a stream."""
    shuffles = True
    """Whether a training may take the examples in its own order."""
    unchanging = False
    """Whether an example is known to be the same each time it is read."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    @abstractmethod
    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """The batches of the examples in `order`, `[n]`, int64; of all as they stand where it is `None`."""

    @property
    def inference_batch_size(self) -> int:
        """Examples a batch where nothing is learnt; more than in training where they are small."""
        return self.batch_size

    def labels(self) -> Tensor | None:
        """The labels of all examples, `[size]`, on the CPU or the device; `None` where there are none."""
        return None


class ResidentSource(Source):
    """Tensors on the device; a batch is an index operation."""

    unchanging = True

    def __init__(self, whole: Batch, batch_size: int, *, shuffles: bool = True) -> None:
        super().__init__(batch_size)
        self._inputs, self._labels = whole.inputs, whole.labels
        parts = list(self._inputs.values()) if isinstance(self._inputs, Mapping) else [self._inputs]
        sizes = {len(part) for part in [*parts, self._labels] if part is not None}
        if len(sizes) != 1:
            raise ConfigurationError(f"Inputs and labels must be equally many, got {sorted(sizes)} examples.")
        self.size = sizes.pop()
        self.shuffles = shuffles
        self._device = parts[0].device
        self._numbers_an_example = sum(part[:1].numel() for part in parts)

    @property
    def inference_batch_size(self) -> int:
        return max(self.batch_size, min(1000, _NUMBERS_A_BATCH // max(1, self._numbers_an_example)))

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        indices = torch.arange(self.size or 0) if order is None else order
        for part in indices.to(self._device).split(batch_size or self.batch_size):
            inputs = (
                {name: value[part] for name, value in self._inputs.items()}
                if isinstance(self._inputs, Mapping)
                else self._inputs[part]
            )
            yield Batch(inputs, None if self._labels is None else self._labels[part], part)

    def labels(self) -> Tensor | None:
        return self._labels


@dataclass(frozen=True)
class _Numbered(Dataset[Any]):
    """A data set whose examples bring their numbers along."""

    dataset: Any

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self.dataset[index]


@dataclass(frozen=True)
class _CollateNumbered:
    collate: Callable[[list[Any]], Any]

    def __call__(self, examples: list[tuple[int, Any]]) -> tuple[Tensor, Any]:
        return torch.tensor([number for number, _ in examples]), self.collate([example for _, example in examples])


class DatasetSource(Source):
    """A data set read by number through a `DataLoader` of ours, in the order that the training wants."""

    def __init__(
        self, dataset: Any, batch_size: int, device: torch.device, *, shuffles: bool = True, **loader_settings: Any
    ) -> None:
        super().__init__(batch_size)
        self.dataset, self.size, self.shuffles = dataset, len(dataset), shuffles
        self._device = device
        collate = loader_settings.pop("collate_fn", default_collate)
        self._settings = {"collate_fn": _CollateNumbered(collate), **loader_settings}
        self._labels: Tensor | None = None

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        indices = range(len(self.dataset)) if order is None else order.tolist()
        loader: DataLoader[Any] = DataLoader(
            _Numbered(self.dataset), batch_size=batch_size or self.batch_size, sampler=indices, **self._settings
        )
        for numbers, value in loader:
            batch = as_batch(value, self._device)
            yield Batch(batch.inputs, batch.labels, numbers)

    def labels(self) -> Tensor | None:
        if self._labels is None:
            known = self._targets()
            read = [batch.labels for batch in self.batches()] if known is None else [known]
            self._labels = torch.cat([part.cpu() for part in read if part is not None]) if read[0] is not None else None
        return self._labels

    def _targets(self) -> Tensor | None:
        """torchvision's `targets`, where a few examples confirm them: reading every image for its label is slow."""
        targets = getattr(self.dataset, "targets", None)
        if targets is None or len(targets) != self.size or not self.size:
            return None
        labels = torch.as_tensor(targets)
        for number in {0, self.size // 2, self.size - 1}:
            label = as_batch(self.dataset[number]).labels if isinstance(self.dataset[number], Mapping) else None
            label = self.dataset[number][1] if label is None else label
            if int(label) != int(labels[number]):
                return None
        return labels


class LoaderSource(Source):
    """A loader or another iterable of batches, taken as it comes."""

    shuffles = False

    def __init__(self, loader: Iterable[Any], device: torch.device) -> None:
        super().__init__(batch_size=0)
        self._loader, self._device = loader, device

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        for value in self._loader:
            yield as_batch(value, self._device)


def as_source(data: Any, device: torch.device, *, batch_size: int | None = None, num_workers: int = 0) -> Source:
    """The source in tensors, a `Dataset`, a `DataLoader` or another iterable of batches.

    A `DataLoader` with one of torch's two plain samplers is read through our own, in the order of (seed, epoch) if
    it shuffles. Another one is taken as it comes.

    Raises:
        ConfigurationError: `data` is none of these, or brings a batch size that differs from the one asked for.
    """
    size = batch_size or DEFAULT_BATCH_SIZE
    if isinstance(data, DataLoader):
        return _source_of_loader(data, device, batch_size)
    if isinstance(data, TensorDataset) and len(data.tensors) in {1, 2}:
        data = tuple(data.tensors)
    if _is_tensors(data) and _fits(data, device):
        return ResidentSource(as_batch(data, device), size)
    if isinstance(data, tuple) and _is_tensors(data):
        data = TensorDataset(*data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, (str, Mapping, list, tuple)):
        return DatasetSource(data, size, device, num_workers=num_workers, pin_memory=device.type == "cuda")
    if isinstance(data, Iterable) and not isinstance(data, (str, Mapping, Iterator)):
        if batch_size is not None:
            raise ConfigurationError("These data come in batches of their own; leave batch_size out.")
        return LoaderSource(data, device)
    raise ConfigurationError(
        "Data must be (inputs, labels) or inputs as tensors, a mapping of tensors, a Dataset, a DataLoader or a "
        f"list of batches; got {type(data).__name__}."
    )


def _source_of_loader(loader: DataLoader[Any], device: torch.device, batch_size: int | None) -> Source:
    if batch_size is not None and batch_size != loader.batch_size:
        raise ConfigurationError(
            f"The DataLoader brings batches of {loader.batch_size}, and batch_size={batch_size} was asked for; leave "
            "batch_size out, or pass the loader's data set."
        )
    plain_order = type(loader.sampler) is SequentialSampler or (
        type(loader.sampler) is RandomSampler
        and not loader.sampler.replacement
        and loader.sampler.num_samples == len(loader.sampler.data_source)  # type: ignore[arg-type]
    )
    if not plain_order or loader.batch_size is None or loader.drop_last:
        return LoaderSource(loader, device)
    shuffles = isinstance(loader.sampler, RandomSampler)
    dataset = loader.dataset
    if isinstance(dataset, TensorDataset) and loader.collate_fn is default_collate and len(dataset.tensors) in {1, 2}:
        return ResidentSource(as_batch(tuple(dataset.tensors), device), loader.batch_size, shuffles=shuffles)
    return DatasetSource(
        dataset,
        loader.batch_size,
        device,
        shuffles=shuffles,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
    )


def _fits(data: Any, device: torch.device) -> bool:
    """Whether the tensors leave half of the device's free memory to the training."""
    if device.type != "cuda":
        return True
    parts = data.values() if isinstance(data, Mapping) else data if isinstance(data, tuple) else [data]
    return sum(part.nbytes for part in parts) < torch.cuda.mem_get_info(device)[0] / 2


def _is_tensors(data: Any) -> bool:
    if isinstance(data, Mapping):
        return bool(data) and all(isinstance(part, Tensor) for part in data.values())
    if isinstance(data, tuple):
        return len(data) in {1, 2} and all(isinstance(part, Tensor) for part in data)
    return isinstance(data, Tensor)
