"""A teacher's logits, kept for several students."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from distillkit.engine.data.sources import ResidentSource, Source
from distillkit.engine.forward.precision import Precision
from distillkit.transfer_sets import TransferSet


@dataclass(frozen=True, slots=True)
class CacheKey:
    """All that a teacher's logits depend on, except the teacher's code."""

    weights: bytes
    data: bytes
    selected: bytes
    view: tuple[type[TransferSet], str]
    precision: Precision


@dataclass(frozen=True, slots=True)
class _Kept:
    rows: Tensor
    probe: Tensor


class TeacherCache:
    """Keeps a teacher's logits for several students: give one object to each `Distiller` as `teacher_cache`.

    Logits are kept where `"auto"` keeps them, and used again only for the same teacher object with the same
    weights, the same data, choice of examples and view, and the same precision; weights and data are compared
    by the SHA-256 of their values. Before they are used, the teacher runs on a few examples again, whose
    logits must be the same to the bit. They are dropped with the teacher, or when its weights have changed.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from distillkit import Distiller, TeacherCache, losses
        >>> cache, teacher = TeacherCache(), nn.Linear(4, 3)
        >>> for temperature in (1, 20):
        ...     distiller = Distiller(
        ...         teacher=teacher,
        ...         student=nn.Linear(4, 3),
        ...         loss=losses.SoftTargets(temperature=temperature),
        ...         teacher_cache=cache,
        ...     )
        ...     history = distiller.fit(torch.ones(8, 4), epochs=1)
        >>> cache
        TeacherCache(1 kept)
    """

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[nn.Module, dict[CacheKey, _Kept]] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[TeacherCache], tuple[()]]:
        # a pickled cache is empty: its teachers are objects of this process
        return TeacherCache, ()

    def __repr__(self) -> str:
        return f"TeacherCache({sum(map(len, self._kept.values()))} kept)"

    def clear(self) -> None:
        """Drop everything that is kept."""
        self._kept.clear()

    def find(self, teacher: nn.Module, key: CacheKey, probe: Tensor) -> Tensor | None:
        """Return the kept rows if the teacher's logits for the few examples are unchanged, else `None`."""
        kept = self._kept.get(teacher, {}).get(key)
        return kept.rows if kept is not None and torch.equal(kept.probe, probe) else None

    def keep(self, teacher: nn.Module, key: CacheKey, probe: Tensor, rows: Tensor) -> None:
        """Keep `rows`, and with them the logits of the few examples."""
        of_these_weights = {
            other: kept for other, kept in self._kept.get(teacher, {}).items() if other.weights == key.weights
        }
        self._kept[teacher] = {**of_these_weights, key: _Kept(rows, probe)}


def cache_key(
    teacher: nn.Module,
    source: Source,
    selected: Tensor | None,
    transfer_set: TransferSet,
    precision: Precision,
) -> CacheKey | None:
    """Return the key of a teacher's logits for a transfer set; `None` where values cannot be compared."""
    if not isinstance(source, ResidentSource):
        return None
    weights = _digest([*teacher.named_parameters(), *teacher.named_buffers()])
    data = _digest([*_named("", source.whole.inputs), *_named("teacher", source.whole.teacher_inputs)])
    chosen = _digest([] if selected is None else [("selected", selected)])
    if weights is None or data is None or chosen is None:
        return None
    return CacheKey(weights, data, chosen, (type(transfer_set), transfer_set.to_json()), precision)


def _named(side: str, inputs: Any) -> list[tuple[str, Tensor]]:
    parts = inputs if isinstance(inputs, Mapping) else {"": inputs}
    return [(f"{side}{name}", part) for name, part in parts.items() if part is not None]


def _digest(named: Iterable[tuple[str, Tensor]]) -> bytes | None:
    digest = hashlib.sha256()
    for name, tensor in named:
        # subclasses, sparse and quantised tensors store their values in other ways
        plain = type(tensor) in {Tensor, nn.Parameter, nn.Buffer} and tensor.layout is torch.strided
        if not plain or tensor.is_quantized or tensor.is_complex():
            return None
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()
