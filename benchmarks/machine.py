"""Where and with what a result was measured."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from distillkit.workbench import environment, settle_precision

ROOT = Path(__file__).resolve().parents[1]


def machine(device: torch.device) -> dict[str, Any]:
    """Processor, memory, versions, commit and date, as plain data; nothing that names a folder."""
    return {
        **environment(device, settle_precision("auto", device)),
        "torchvision": version_of("torchvision"),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def version_of(package: str) -> str | None:
    """The version of an installed package; `None` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def reset_peak(device: torch.device) -> None:
    """Begin to look for the peak anew, where the system lets a process do that."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_bytes(device: torch.device) -> int:
    """The most memory that this process has had in use at once; on a GPU, of its tensors there.

    On Linux it is the process's own record: `ru_maxrss` would begin with what the parent had.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _commit() -> str | None:
    """The commit that was measured, marked where files had been changed since."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return f"{head}, changed" if _git("status", "--porcelain", "--", "src") else head
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
