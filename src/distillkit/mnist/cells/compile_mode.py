"""How the updates of MNIST's networks are made on a device."""

from __future__ import annotations

from typing import Literal

import torch


def compile_mode(device: torch.device) -> Literal["auto", "graphs"]:
    """Recorded as CUDA graphs on a GPU, to which starting their kernels is more work than the kernels.

    Example:
        >>> compile_mode(torch.device("cpu"))
        'auto'
    """
    return "graphs" if device.type == "cuda" else "auto"
