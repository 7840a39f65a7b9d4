"""Where batches come from: tensors kept on the device, a data set, or a loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from distillkit.engine.checks import check_weights
from distillkit.engine.data.batch import as_batch, rows_of
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
        self._inputs, self._labels, self._weights = whole.inputs, whole.labels, whole.weights
        parts = list(self._inputs.values()) if isinstance(self._inputs, Mapping) else [self._inputs]
        if any(part is not None and part.dim() == 0 for part in [*parts, self._labels]):
            raise ConfigurationError(
                "Inputs and labels must have one row an example, got a tensor without dimensions."
            )
        sizes = {len(part) for part in [*parts, self._labels, self._weights] if part is not None}
        if len(sizes) != 1:
            raise ConfigurationError(
                f"Inputs, labels and weights must be equally many, got {sorted(sizes)} examples."
            )
        if self._weights is not None:
            check_weights(self._weights)
            if not bool(self._weights.any()):
                raise ConfigurationError("The weights of the examples are all 0, so nothing would be learnt.")
        self.size = sizes.pop()
        self.shuffles = shuffles
        self._device = parts[0].device
        self._numbers_an_example = sum(part[:1].numel() for part in parts)

    @property
    def inference_batch_size(self) -> int:
        """The examples of a batch of at most four million numbers, at most 1,000."""
        return int(max(self.batch_size, min(1000, _NUMBERS_A_BATCH // max(1, self._numbers_an_example))))

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """Rows of the tensors."""
        indices = torch.arange(self.size or 0) if order is None else order
        for part in torch.split(indices.to(self._device), batch_size or self.batch_size):
            inputs = (
                {name: rows_of(value, part) for name, value in self._inputs.items()}
                if isinstance(self._inputs, Mapping)
                else rows_of(self._inputs, part)
            )
            labels, weights = (
                None if one is None else rows_of(one, part) for one in (self._labels, self._weights)
            )
            yield Batch(inputs, labels, part, weights)

    def labels(self) -> Tensor | None:
        """On the device."""
        return self._labels

    @property
    def weighted(self) -> bool:
        """Whether each example has a weight."""
        return self._weights is not None

    def tensors(self) -> dict[str, Tensor]:
        """The inputs by name; a single one has the name ''."""
        return dict(self._inputs) if isinstance(self._inputs, Mapping) else {"": self._inputs}


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
        return torch.tensor([number for number, _ in examples]), self.collate(
            [example for _, example in examples]
        )


class DatasetSource(Source):
    """A data set read by number through a `DataLoader` of ours, in the order that the training wants."""

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
        """Examples read through a loader, with their numbers."""
        indices = range(len(self.dataset)) if order is None else order.tolist()
        loader: DataLoader[Any] = DataLoader(
            _Numbered(self.dataset),
            batch_size=batch_size or self.batch_size,
            sampler=indices,
            **self._settings,
        )
        for numbers, value in loader:
            batch = as_batch(value, self._device)
            yield Batch(batch.inputs, batch.labels, numbers, batch.weights)

    def labels(self) -> Tensor | None:
        """Read once; from the data set's `targets` where these are confirmed."""
        if self._labels is None:
            known = self._targets()
            read = [batch.labels for batch in self.batches()] if known is None else [known]
            parts = [part.cpu() for part in read if part is not None]
            self._labels = torch.cat(parts) if parts and len(parts) == len(read) else None
        return self._labels

    def _targets(self) -> Tensor | None:
        """The `targets` of a torchvision data set, where some examples confirm them.

        Reading every image for its label is slow.
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
    """A loader or another iterable of batches, taken as it comes."""

    shuffles = False

    def __init__(self, loader: Iterable[Any], device: torch.device) -> None:
        super().__init__(batch_size=0)
        self._loader, self._device = loader, device

    def batches(self, order: Tensor | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """The loader's own, whatever is asked for."""
        for value in self._loader:
            yield as_batch(value, self._device)
