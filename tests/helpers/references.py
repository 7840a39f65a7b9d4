"""Values that tests compare with, computed in Python alone."""

from __future__ import annotations

import math


def softened(row: list[float], temperature: float) -> list[float]:
    """The softmax of a row at a temperature."""
    powers = [math.exp(value / temperature) for value in row]
    return [power / math.fsum(powers) for power in powers]
