"""The forms of data that people pass, and the source of batches for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from distillkit.engine.arguments import whole_number
from distillkit.engine.data.batch import BESIDE_THE_INPUTS, as_batch, first_tensor, map_batch
from distillkit.engine.data.sources import DatasetSource, LoaderSource, ResidentSource, Source
from distillkit.engine.trees import tensors_in
from distillkit.errors import ConfigurationError
from distillkit.typing import Batch

DEFAULT_BATCH_SIZE = 128


def as_source(
    data: Any, device: torch.device, *, batch_size: int | None = None, num_workers: int = 0
) -> Source:
    """Return the source of tensors, a `Dataset`, a `DataLoader` or another iterable of batches.

    A `DataLoader` with one of torch's two plain samplers is read through our own, in the order of (seed,
    epoch) if it shuffles. Any other loader keeps its own order.

    Raises:
        ConfigurationError: `data` has none of these forms, or its batch size is not `batch_size`.
    """
    size = DEFAULT_BATCH_SIZE if batch_size is None else whole_number("batch_size", batch_size, at_least=1)
    if isinstance(data, DataLoader):
        return _source_of_loader(data, device, batch_size)
    if isinstance(data, IterableDataset):
        return LoaderSource(DataLoader(data, batch_size=size, num_workers=num_workers), device)
    whole = _whole(data)
    if whole is not None and _fits(whole, device):
        return ResidentSource(as_batch(whole, device), size)
    dataset, collate = (data, default_collate) if whole is None else (_Rows(whole), _collate_rows)
    if _is_dataset(dataset):
        return DatasetSource(
            dataset,
            size,
            device,
            collate_fn=collate,
            num_workers=num_workers,
            pin_memory=device.type == "cuda",
        )
    if isinstance(data, tuple) and _is_half_converted(data):
        types = ", ".join(type(part).__name__ for part in data)
        raise ConfigurationError(
            f"Data must be (inputs, labels) as tensors, got a tuple of {types}: convert its parts with "
            "torch.as_tensor()."
        )
    if isinstance(data, Iterable) and not isinstance(data, (str, Mapping, Iterator)) and not _is_frame(data):
        if batch_size is not None:
            raise ConfigurationError("These data have batches of their own: leave batch_size out.")
        return LoaderSource(data, device)
    hint = ""
    if isinstance(data, Iterator):
        hint = ", which can be read once: give a list, or an object whose __iter__ begins anew each time"
    elif _is_frame(data):
        hint = ": convert its columns with torch.as_tensor(frame.to_numpy())"
    raise ConfigurationError(
        "Data must be (inputs, labels) or inputs as tensors, a mapping of tensors, a Dataset, a DataLoader "
        f"or a list of batches; got {type(data).__name__}{hint}."
    )


def _source_of_loader(loader: DataLoader[Any], device: torch.device, batch_size: int | None) -> Source:
    if batch_size is not None and batch_size != loader.batch_size:
        raise ConfigurationError(
            f"The DataLoader has batches of {loader.batch_size}, and batch_size is {batch_size}: leave "
            "batch_size out, or pass the loader's data set."
        )
    plain_order = type(loader.sampler) is SequentialSampler or (
        type(loader.sampler) is RandomSampler
        and not loader.sampler.replacement
        and loader.sampler.num_samples == len(loader.sampler.data_source)
    )
    if not plain_order or loader.batch_size is None or loader.drop_last:
        return LoaderSource(loader, device)
    shuffles = isinstance(loader.sampler, RandomSampler)
    whole = _whole(loader.dataset) if isinstance(loader.dataset, TensorDataset) else None
    if whole is not None and loader.collate_fn is default_collate and _fits(whole, device):
        return ResidentSource(as_batch(whole, device), loader.batch_size, shuffles=shuffles)
    return DatasetSource(
        loader.dataset,
        loader.batch_size,
        device,
        shuffles=shuffles,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
        prefetch_factor=loader.prefetch_factor,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
    )


def _whole(data: Any) -> Batch | None:
    """Return the whole set as one batch, if it is tensors."""
    # a subclass may do more than return rows
    if type(data) is TensorDataset and len(data.tensors) in {1, 2, 3}:
        return as_batch(tuple(data.tensors))
    if isinstance(data, Tensor) or _is_mapping_of_tensors(data):
        return as_batch(data)
    if (
        isinstance(data, tuple)
        and len(data) in {1, 2, 3}
        and (isinstance(data[0], Tensor) or _is_mapping_of_tensors(data[0]))
    ):
        return as_batch(data) if all(part is None or isinstance(part, Tensor) for part in data[1:]) else None
    return None


def _is_mapping_of_tensors(data: Any) -> bool:
    return (
        isinstance(data, Mapping)
        and bool(data)
        and all(
            isinstance(part, Tensor) or (name == "teacher_inputs" and _is_mapping_of_tensors(part))
            for name, part in data.items()
        )
    )


def _is_half_converted(data: tuple[Any, ...]) -> bool:
    """Whether a tuple is inputs and labels, some of which are no tensors yet."""
    are_tensors = [isinstance(part, Tensor) for part in data]
    return any(map(_is_foreign_array, data)) or (any(are_tensors) and not all(are_tensors))


def _is_foreign_array(data: Any) -> bool:
    return hasattr(data, "__array__") and not isinstance(data, Tensor)


def _is_dataset(data: Any) -> bool:
    return (
        hasattr(data, "__getitem__")
        and hasattr(data, "__len__")
        and not isinstance(data, (str, Mapping, list, tuple))
        and not _is_frame(data)
    )


def _is_frame(data: Any) -> bool:
    # frame[...] of pandas is a column, not a row
    return hasattr(data, "iloc")


@dataclass(frozen=True)
class _Rows(Dataset[Any]):
    """Tensors that are too large for the device, read example by example."""

    whole: Batch

    def __len__(self) -> int:
        return len(first_tensor(self.whole))

    def __getitem__(self, index: int) -> Batch:
        return map_batch(lambda part: part[index], self.whole)


def _collate_rows(rows: list[Batch]) -> Any:
    """Return a batch of rows in a form that a `DataLoader` can pin and `as_batch` reads."""
    batch = map_batch(lambda *parts: default_collate(list(parts)), *rows)
    if batch.teacher_inputs is None:
        return batch.inputs, batch.labels, batch.weights
    # only a mapping has these
    beside = dict(zip(BESIDE_THE_INPUTS, (batch.labels, batch.weights, batch.teacher_inputs), strict=True))
    return {**batch.inputs, **beside}


def _fits(whole: Batch, device: torch.device) -> bool:
    """Whether the tensors leave half of the device's free memory to the training."""
    if device.type != "cuda":
        return True
    parts = tensors_in([whole.inputs, whole.labels, whole.weights, whole.teacher_inputs])
    elsewhere = sum(part.nbytes for part in parts if part.device != device)
    return bool(elsewhere < torch.cuda.mem_get_info(device)[0] / 2)
