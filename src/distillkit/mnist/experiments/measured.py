"""The result of an experiment with trained networks: its numbers, and the predictions that they count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers that go to JSON, and predictions from which every count of errors among them follows."""

    numbers: dict[str, Any]
    predictions: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Name of a network -> its classes; `recount` says under which names an experiment keeps what."""


def predicted(logits: Tensor) -> NDArray[np.uint8]:
    """The most probable class of each case, one byte a case.

    Args:
        logits: `[cases, classes]`.

    Example:
        >>> import torch
        >>> predicted(torch.tensor([[0.1, 2.0], [3.0, 1.0]]))
        array([1, 0], dtype=uint8)
    """
    classes: NDArray[np.uint8] = logits.argmax(dim=-1).cpu().numpy().astype(np.uint8)
    return classes
