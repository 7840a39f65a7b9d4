"""The precision of the forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from distillkit.engine.torch_internals import cpu_has_bf16
from distillkit.errors import ConfigurationError

PrecisionName = Literal["auto", "fp32", "tf32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class Precision:
    """A precision on a device; weights, losses and the optimiser's state stay in float32."""

    name: Literal["fp32", "tf32", "bf16", "fp16"]
    device: torch.device

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        if self.name == "tf32":
            return _products_in_tf32()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def backward(self) -> AbstractContextManager[object]:
        """Return the context of a backward pass, whose operations have the types of the forward pass."""
        return _products_in_tf32() if self.name == "tf32" else nullcontext()

    def scaler(self) -> torch.amp.GradScaler | None:
        """Return the scaler that keeps float16 gradients from underflowing; `None` where none is needed."""
        needed = self.name == "fp16" and self.device.type == "cuda"
        return torch.amp.GradScaler(self.device.type) if needed else None


def resolve_precision(name: PrecisionName, device: torch.device) -> Precision:
    """Return the precision of a name on a device.

    tf32 is float32 whose products round their factors to eleven bits. `auto` is bf16 where the hardware has
    instructions for it (a recent GPU, a CPU with AMX or AVX-512 BF16), fp16 on an older CUDA device, and fp32
    elsewhere.

    Raises:
        ConfigurationError: There is no such precision, or the device cannot do it.
    """
    if name == "auto":
        if device.type == "cuda":
            return Precision(
                "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16", device
            )
        return Precision("bf16" if device.type == "cpu" and cpu_has_bf16() else "fp32", device)
    if name not in {"fp32", "tf32", "bf16", "fp16"}:
        raise ConfigurationError(f"precision must be auto, fp32, tf32, bf16 or fp16, got {name!r}.")
    if name == "tf32" and device.type != "cuda":
        raise ConfigurationError(
            f"tf32 needs an NVIDIA GPU, and the device is {device.type}: use fp32 or bf16."
        )
    if name == "fp16" and device.type == "cpu":
        raise ConfigurationError(
            "fp16 needs a GPU (its gradients underflow without a scaler): use bf16 or fp32 on a CPU."
        )
    return Precision(name, device)


@contextmanager
def _products_in_tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
