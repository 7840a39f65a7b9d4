"""How often students lose a class, by protocol and width: hard labels alone, three epochs, ten seeds.

    python docs/dead_classes.py DATA_DIR

No teacher takes part, so neither distillation nor temperature can be the cause. Writes
docs/results/dead-classes.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from distillkit.mnist.cells.cell import baseline_cell
from distillkit.mnist.cells.run_context import RunContext
from distillkit.mnist.cells.runs import train_cells
from distillkit.mnist.data.digits import load_mnist
from distillkit.mnist.protocols.protocol import REPORT_2025, REPORT_2025_CODE
from distillkit.workbench import environment
from distillkit.workbench.results.atomic import write_json
from distillkit.workbench.workers.observer import Silent

EPOCHS, SEEDS, WIDTHS = 3, 10, (30, 300)


def main(data_dir: Path) -> None:
    """Train them all and write what came out."""
    data = load_mnist(data_dir, allow_stand_in=False)
    device = torch.device("cpu")
    runs = []
    for protocol in (REPORT_2025, REPORT_2025_CODE):
        context = RunContext(data, protocol.name, True, device, "fp32", Silent())
        for width in WIDTHS:
            cell = baseline_cell(protocol.with_epochs(EPOCHS), width)
            for seed in range(SEEDS):
                line = train_cells([cell], seed, context)[0].kept[-1].line
                kept = ("name", "seed", "test_errors", "never_predicted")
                runs.append({"protocol": protocol.name, **{key: line[key] for key in kept}})
    found = {"epochs": EPOCHS, "environment": environment(device, "fp32"), "runs": runs}
    write_json(Path(__file__).parent / "results" / "dead-classes.json", found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
