"""Try one candidate setting of a protocol on held-out training cases; never on the test set.

    python -m benchmarks.choose_settings FOLDER teacher
    python -m benchmarks.choose_settings FOLDER distilled --T 8 --set hard_label_weight=0.05
    python -m benchmarks.choose_settings FOLDER baseline --set student_training.optimizer.learning_rate=0.003
    python -m benchmarks.choose_settings FOLDER distilled --set 'student_training.optimizer={kind: sgd,
        learning_rate: 0.1, momentum: 0.9, nesterov: true}'

Learns from the first 50,000 training cases and counts errors on the other 10,000. FOLDER/tried.jsonl gets a
line for every candidate; teachers are kept beside it, and one is trained where a student needs it.
Without a candidate, FOLDER's log is printed, best first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.held_out import Candidate, development_data, try_candidate, with_changes
from distillkit.cli.console import stderr
from distillkit.cli.progress import RunsProgress
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.data.digits import load_mnist
from distillkit.mnist.protocols.protocol import protocol_named
from distillkit.workbench import resolve_device, settle_precision
from distillkit.yaml_io import load_yaml


def main() -> None:
    """Try what the command line names, or print what was tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("role", nargs="?", choices=["teacher", "baseline", "distilled"])
    parser.add_argument("--protocol", default="modern")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="changes")
    parser.add_argument("--D", type=int, default=800, dest="hidden_units")
    parser.add_argument("--T", type=float, default=20.0, dest="temperature")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    if given.role is None:
        print_tried(given.folder)
        return
    pairs = [one.partition("=") for one in given.changes]
    changes = {path: load_yaml(f"value: {value}")["value"] for path, _, value in pairs}
    protocol = with_changes(protocol_named(given.protocol), changes)
    candidate = Candidate(protocol, given.role, given.hidden_units, given.temperature, given.seed)
    device = resolve_device(given.device)
    data = development_data(load_mnist(given.data_dir, allow_stand_in=False))
    precision = settle_precision(given.precision, device)
    with RunsProgress(stderr()) as observer:
        context = RunContext(data, protocol.name, False, device, precision, observer)
        line = try_candidate(candidate, context, given.folder, changes)
    print(summary(line))


def print_tried(folder: Path) -> None:
    """The log, the fewest errors of each role first."""
    lines = [json.loads(line) for line in (folder / "tried.jsonl").read_text("utf-8").splitlines()]
    for line in sorted(lines, key=lambda one: (one["role"], one["held_out_errors"])):
        print(summary(line))


def summary(line: dict[str, object]) -> str:
    """A line of the log for people."""
    changes = json.dumps(line["changes"])
    how = " diverged" if line["diverged"] else ""
    return (
        f"{line['role']} {line['cell']} seed {line['seed']}: {line['held_out_errors']} errors of {line['of']}"
        f"{how} ({line['duration_s']} s) {changes}"
    )


if __name__ == "__main__":
    main()
