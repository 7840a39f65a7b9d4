"""Where a number was measured."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, cast

import torch

from distillkit.engine.forward.precision import PrecisionName, resolve_precision
from distillkit.errors import ConfigurationError

SettledPrecision = Literal["fp32", "tf32", "bf16", "fp16"]
"""The precision in which the forward pass is really computed."""


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Versions, processor, threads, device and precision of a run, as plain data."""
    return {
        "distillkit": _version("distillkit"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "system": platform.system(),
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": precision,
    }


def resolve_device(name: str) -> torch.device:
    """The device of a name: `auto` is the first CUDA device, else Apple's, else the CPU.

    Raises:
        ConfigurationError: There is no such device on this machine; says what there is.
    """
    there_are = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there_are.append("mps")
    if name == "auto":
        return torch.device(next((one for one in ("cuda:0", "mps") if one in there_are), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    full = (
        None
        if device is None
        else f"{device.type}:{device.index or 0}"
        if device.type == "cuda"
        else device.type
    )
    if device is None or full not in there_are:
        raise ConfigurationError(
            f"There is no device {name!r} on this machine; there is {', '.join(there_are)}."
        )
    return torch.device(full)


def settle_precision(name: str, device: torch.device) -> SettledPrecision:
    """The precision that `auto` means on a device; any other name is checked.

    Raises:
        ConfigurationError: There is no such precision, or the device cannot do it.
    """
    return resolve_precision(cast("PrecisionName", name), device).name  # which checks the name


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
