"""How the updates of MNIST's networks are made on a device."""

from __future__ import annotations

import torch

from distillkit.engine.compiling import CompileMode


def compile_mode(device: torch.device) -> CompileMode:
    """Recorded as CUDA graphs on a GPU, to which starting their kernels is more work than the kernels.

    Example:
        >>> compile_mode(torch.device("cpu"))
        'auto'
    """
    return "graphs" if device.type == "cuda" else "auto"
