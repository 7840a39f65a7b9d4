"""Measure: `python -m benchmarks.run [BENCHMARK ...] [--data-dir DIR]`, from the root of a checkout.

Writes one JSON file a benchmark into the folder of results. `python -m benchmarks.page` makes a page of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import ROOT, machine
from benchmarks.setting import Setting, Waits
from distillkit.workbench import resolve_device
from distillkit.workbench.results.atomic import write_json

BENCHMARKS = {
    "one-student": "one_student",
    "jittered-teacher": "jittered_teacher",
    "precision": "precision",
    "sweep": "sweep",
    "step-overhead": "step_overhead",
    "stack": "stack",
    "limit": "limit",
    "convolution": "convolution",
    "loader": "loader",
    "start-up": "start_up",
    "gpu": "gpu",
}
"""Their names, and the module of each: it has `measure(setting)` and `show(results)`."""
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and write each result when it is there."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := set(asked.benchmarks) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {sorted(unknown)[0]!r}; there are {', '.join(BENCHMARKS)}")
    if asked.threads:
        torch.set_num_threads(asked.threads)
    setting = Setting(
        data_dir=asked.data_dir,
        out=asked.out,
        device=resolve_device(asked.device),
        rounds=asked.rounds or (1 if asked.quick else 3),
        epochs=asked.epochs or (1 if asked.quick else 3),
        quick=asked.quick,
    )
    for name in asked.benchmarks or BENCHMARKS:
        began = time.perf_counter()
        module = import_module(f"benchmarks.{BENCHMARKS[name]}")
        what: dict[str, Any]
        try:
            what = {"results": module.measure(setting)}
        except Waits as reason:
            what = {"waits": str(reason)}
        took = time.perf_counter() - began
        device = torch.device("cuda") if name == "gpu" and "results" in what else setting.device
        write_json(
            asked.out / f"{name}.json",
            {
                "benchmark": name,
                "command": command(name, asked),
                "quick": setting.quick,
                "machine": machine(device),
                "seconds_to_measure": round(took, 1),
                **what,
            },
        )
        print(f"{name}: {took:.0f} s", file=sys.stderr)


def command(name: str, asked: argparse.Namespace) -> str:
    """What makes one of the results again, without the folders of a machine."""
    words = ["python -m benchmarks.run", name, "--data-dir DIR"]
    for option in ("device", "rounds", "epochs", "threads"):
        value = getattr(asked, option)
        if value and value != "cpu":
            words.append(f"--{option} {value}")
    return " ".join([*words, "--quick"] if asked.quick else words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "benchmarks", nargs="*", metavar="BENCHMARK", help=f"all, or of {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--data-dir", type=Path, help="holds MNIST/raw (default: DISTILLKIT_DATA)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the JSON files")
    parser.add_argument(
        "--device", default="cpu", help="cpu (default), cuda or auto; `gpu` needs no such word"
    )
    parser.add_argument("--rounds", type=int, help="how often all is measured in turn (3; 1 if quick)")
    parser.add_argument("--epochs", type=int, help="epochs a training of one-student (3; 1 if quick)")
    parser.add_argument("--threads", type=int, help="threads of torch (its default)")
    parser.add_argument(
        "--quick", action="store_true", help="few batches: shows that it works, measures nothing"
    )
    return parser


if __name__ == "__main__":
    main()
