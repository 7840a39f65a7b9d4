"""Write docs/benchmarks.md from the JSON files: `python -m benchmarks.page`, from the root of a checkout.

The page is made whole; of it only tried.md is written by hand. A test holds that making it again changes
nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.machine import ROOT
from benchmarks.run import BENCHMARKS, RESULTS

PAGE = ROOT / "docs" / "benchmarks.md"
TITLES = {
    "one-student": "One student",
    "jittered-teacher": "A teacher with jitter and dropout",
    "precision": "bfloat16 and float32",
    "sweep": "The report's sweep",
    "step-overhead": "What `step` costs",
    "stack": "Stacks of students",
    "limit": "Share of the machine's limit",
    "convolution": "A convolutional pair",
    "loader": "A loader-bound job",
    "start-up": "Start-up",
    "gpu": "On a GPU",
}
INTRODUCTION = """\
<!-- made by python -m benchmarks.page from benchmarks/results/*.json; edit neither -->

# Benchmarks

How fast distillkit is, beside what one would write or use instead. Every number of this page stands in the
JSON file that is named above its table, with the machine, the versions and the command. The code is in
`benchmarks/`, with directions for making it all again.

A speed is a ratio within one run: the ways are taken in turn, each round gives a ratio, and the median of the
rounds is shown with the least and the greatest behind it. Seconds are of that machine on that day, and
compare with nothing on another.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the JSON files")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    asked = parser.parse_args(arguments)
    asked.page.write_text(page(asked.results), encoding="utf-8")


def page(results: Path) -> str:
    """The page of a folder of results."""
    found = {
        name: json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        for name in BENCHMARKS
        if (results / f"{name}.json").is_file()
    }
    measured = {
        name: each["results"] for name, each in found.items() if "results" in each and not each["quick"]
    }
    parts = [
        INTRODUCTION,
        f"## What was aimed at\n\n{targets.show(measured)}",
        *(f"## {TITLES[name]}\n\n{_section(name, found.get(name))}" for name in BENCHMARKS),
    ]
    return "\n".join(f"{part.strip()}\n" for part in parts)


def _section(name: str, found: Mapping[str, Any] | None) -> str:
    module = import_module(f"benchmarks.{BENCHMARKS[name]}")
    what = (module.__doc__ or "").strip()
    if found is None:
        return f"{what}\n\nNot measured yet."
    if "waits" in found:
        return f"{what}\n\nWaits for {found['waits']}."
    parts = [what, _where(name, found)]
    if found["quick"]:
        parts.append("**A quick run: it shows that the code works. Its numbers measure nothing.**")
    return "\n\n".join([*parts, module.show(found["results"])])


def _where(name: str, found: Mapping[str, Any]) -> str:
    """The file, the machine, the versions and the command."""
    there = found["machine"]
    device = "" if there["device"] == "cpu" else f", {there['device']}"
    return (
        f"`benchmarks/results/{name}.json`, {there['date']}, distillkit {there['distillkit']} "
        f"({there['commit'] or 'no commit'}): {there['cpu']}, {there['cores']} cores, "
        f"{there['threads']} threads, {there['instructions']}, {there['memory_gib']} GiB{device}, "
        f"{there['system']}; Python {there['python']}, torch {there['torch']}, "
        f"torchvision {there['torchvision']}. `{found['command']}` "
        f"({found['seconds_to_measure'] / 60:.0f} min)."
    )


if __name__ == "__main__":
    main()
