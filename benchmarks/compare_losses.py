"""Compare every built-in loss with hard labels alone on MNIST, teacher and student convolutional.

    python -m benchmarks.compare_losses --seeds 5
    python -m benchmarks.compare_losses --seeds 1 --only sp dkd --out FOLDER
    python -m benchmarks.compare_losses --seeds 1 --weights

Writes a line a run into results.jsonl of the folder as it ends, and the figure at the end; then
`python -m docs.update_results` writes the table of docs/losses-compared.md. The same command again goes on
where it was stopped, and runs losses that were added since. With --weights it tries a tenth and a hundredth
of published weights instead, on 10,000 held-out training cases, into the folder `weights` there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

import torch

from benchmarks.held_out import development_data
from benchmarks.losses_compared.figure import losses_figure
from benchmarks.losses_compared.page import results_in_words
from benchmarks.losses_compared.recipes import compared
from benchmarks.losses_compared.runs import TEACHER, compare
from benchmarks.losses_compared.weights import best_factors, weights_to_try
from distillkit.cli.signals import Terminated, end_on_signals
from distillkit.errors import DistillkitError
from distillkit.mnist.data.digits import load_mnist
from distillkit.mnist.drawing import write_figure
from distillkit.workbench.results.lines import read_lines
from distillkit.workbench.results.store import RESULTS

FOLDER = Path(__file__).parents[1] / "docs" / "results" / "losses"


def main() -> int:
    """Run what is missing, then draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many: 0 to N - 1; more can be added later")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="these losses, beside hard_labels")
    parser.add_argument("--weights", action="store_true", help="try weights on held-out training cases")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    end_on_signals()
    more = ["--only", *given.only] if given.only else []
    more += ["--weights"] if given.weights else []
    words = ["python", "-m", "benchmarks.compare_losses", "--seeds", str(given.seeds), *more]
    folder = given.out / "weights" if given.weights else given.out
    command = shlex.join([*words, *(["--threads", str(given.threads)] if given.threads != 1 else [])])
    try:
        losses = weights_to_try(given.only) if given.weights else compared(given.only)
        data = load_mnist(given.data_dir, allow_stand_in=False)
        if given.weights:
            data = development_data(data)
        compare(losses, data, folder, seeds=given.seeds, command=command, say=say)
    except DistillkitError as error:
        say(str(error))
        return error.exit_code
    except (KeyboardInterrupt, Terminated) as asked:
        say(f"Stopped. What had ended is in {folder / RESULTS}; the same command goes on from there.")
        return 143 if isinstance(asked, Terminated) else 130
    lines = read_lines(folder / RESULTS)
    students = [line for line in lines if line["name"] != TEACHER]
    if given.weights:
        print(json.dumps(best_factors(students)))
        return 0
    write_figure(given.out, "losses", lambda: losses_figure(students))
    print(results_in_words(lines))
    say("Write the page with: python -m docs.update_results")
    return 0


def say(text: str) -> None:
    """Progress is no result."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
