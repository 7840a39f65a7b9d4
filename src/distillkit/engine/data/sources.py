"""Sources of batches: tensors kept on the device, a data set, or a loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from distillkit.engine.checks import check_weights
from distillkit.engine.data.batch import as_batch, map_batch, rows_of
from distillkit.engine.trees import tensors_in
from distillkit.errors import ConfigurationError
from distillkit.typing import Batch

_NUMBERS_A_BATCH = 4_000_000
_TARGETS_CHECKED = 16


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
        """Yield the batches of the examples in `order`, `[n]`, int64; `None` is the order of the data."""

    @property
    def inference_batch_size(self) -> int:
        """Examples a batch in evaluation; more than in training where examples are small."""
        return self.batch_size

    def labels(self) -> Tensor | None:
        """Return the labels of all examples, `[size]`, on the CPU or the device, if there are any."""
        return None


class ResidentSource(Source):
    """Tensors on the device; a batch is an index operation."""

    unchanging = True

    def __init__(self, whole: Batch, batch_size: int, *, shuffles: bool = True) -> None:
        super().__init__(batch_size)
        inputs = tensors_in([whole.inputs, whole.teacher_inputs])
        parts = [*inputs, *tensors_in([whole.labels, whole.weights])]
        if any(part.dim() == 0 for part in parts):
            raise ConfigurationError(
                "Inputs and labels must have one row an example, got a tensor without dimensions."
            )
        sizes = {len(part) for part in parts}
        if len(sizes) != 1:
            raise ConfigurationError(
                f"Inputs, labels and weights must be equally many, got {sorted(sizes)} examples."
            )
        if whole.weights is not None:
            check_weights(whole.weights)
            if not bool(whole.weights.any()):
                raise ConfigurationError("The weights of the examples are all 0, so nothing would be learnt.")
        self.whole = whole
        self.size = sizes.pop()
        self.shuffles = shuffles
        self.device = parts[0].device
        self._numbers_an_example = sum(part[:1].numel() for part in inputs)

    @property
    def inference_batch_size(self) -> int:
        """Examples a batch of at most four million numbers, at most 1,000."""
        return int(max(self.batch_size, min(1000, _NUMBERS_A_BATCH // max(1, self._numbers_an_example))))

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield rows of the tensors."""
        indices = torch.arange(self.size or 0) if order is None else order
        for numbers in torch.split(indices.to(self.device), batch_size or self.batch_size):
            yield self.rows(numbers)

    def rows(self, numbers: Tensor) -> Batch:
        """Return the examples with these numbers, `[*numbers.shape, ...]`."""
        return replace(map_batch(lambda part: rows_of(part, numbers), self.whole), indices=numbers)

    def labels(self) -> Tensor | None:
        """Return the labels, on the device."""
        return self.whole.labels


@dataclass(frozen=True)
class _Numbered(Dataset[Any]):
    """A data set that returns each example with its number."""

    dataset: Any

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self.dataset[index]


@dataclass(frozen=True)
class _CollateNumbered:
    collate: Callable[[list[Any]], Any]

    def __call__(self, examples: list[tuple[int, Any]]) -> tuple[Tensor, Any]:
        return torch.tensor([number for number, _ in examples]), self.collate(
            [example for _, example in examples]
        )


class DatasetSource(Source):
    """A data set that is read by number through our own `DataLoader`, in the order of the training."""

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        device: torch.device,
        *,
        shuffles: bool = True,
        **loader_settings: Any,
    ) -> None:
        super().__init__(batch_size)
        self.dataset, self.size, self.shuffles = dataset, len(dataset), shuffles
        self._device = device
        collate = loader_settings.pop("collate_fn", default_collate)
        self._settings = {"collate_fn": _CollateNumbered(collate), **loader_settings}
        self._labels: Tensor | None = None

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield batches that a loader reads, with the numbers of the examples."""
        indices = range(len(self.dataset)) if order is None else order.tolist()
        loader: DataLoader[Any] = DataLoader(
            _Numbered(self.dataset),
            batch_size=batch_size or self.batch_size,
            sampler=indices,
            **self._settings,
        )
        for numbers, value in loader:
            yield replace(as_batch(value, self._device), indices=numbers)

    def labels(self) -> Tensor | None:
        """Return the labels, which are read once; from the data set's `targets` where these are confirmed."""
        if self._labels is None:
            known = self._targets()
            read = [batch.labels for batch in self.batches()] if known is None else [known]
            parts = [part.cpu() for part in read if part is not None]
            self._labels = torch.cat(parts) if parts and len(parts) == len(read) else None
        return self._labels

    def _targets(self) -> Tensor | None:
        """Return the `targets` of a torchvision data set if some examples confirm them.

        Reading every image for its label would be slow.
        """
        targets = getattr(self.dataset, "targets", None)
        if targets is None or getattr(self.dataset, "target_transform", None) is not None:
            return None
        if not self.size or len(targets) != self.size:
            return None
        labels = torch.as_tensor(targets).long()
        for number in torch.linspace(0, self.size - 1, min(_TARGETS_CHECKED, self.size)).long().tolist():
            if _label_of(self.dataset[number]) != int(labels[number]):
                return None
        return labels


def _label_of(example: Any) -> int | None:
    label = example.get("labels") if isinstance(example, Mapping) else None
    if isinstance(example, (tuple, list)) and len(example) in {2, 3}:
        label = example[1]
    if isinstance(label, Tensor):
        return int(label) if label.numel() == 1 else None
    return label if isinstance(label, int) else None


class LoaderSource(Source):
    """A loader or another iterable of batches, in its own order."""

    shuffles = False

    def __init__(self, loader: Iterable[Any], device: torch.device) -> None:
        super().__init__(batch_size=0)
        self._loader, self._device = loader, device

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield the loader's own batches, whatever the arguments."""
        for value in self._loader:
            yield as_batch(value, self._device)
