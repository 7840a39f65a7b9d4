"""The committed results: what is shown is what they say, and what they say holds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks.losses_compared.recipes import CHOSEN, compared
from benchmarks.losses_compared.runs import TEACHER, Plan, run_configs
from benchmarks.losses_compared.weights import best_factors

from distillkit.mnist.data.digits import load_mnist
from distillkit.mnist.plan import reproduction_stages
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, PROTOCOLS
from distillkit.mnist.verifying.verify import verify_folder
from distillkit.workbench import config_id, read_experiments, read_results, read_settings

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
PUBLISHED = [name for name in PROTOCOLS if (RESULTS / name).exists()]


@pytest.fixture(scope="module")
def update_results() -> ModuleType:
    """The script that writes the tables."""
    spec = importlib.util.spec_from_file_location("update_results", ROOT / "docs" / "update_results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_ledgers(update_results: ModuleType) -> None:
    """Writing them anew changes nothing; otherwise run `python -m docs.update_results`."""
    for path, text in update_results.updated().items():
        assert path.read_text(encoding="utf-8") == text, path.name


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_the_results_are_of_the_protocol_as_it_stands(protocol: str) -> None:
    """Every run's identity is that of its cell today: a protocol that has changed would show here."""
    results = {(run["name"], run["seed"]): run for run in read_results(RESULTS / protocol)}
    only = read_settings(RESULTS / protocol).get("only", ())
    for seed in {seed for _, seed in results}:
        for cell in (
            cell for stage in reproduction_stages(PROTOCOLS[protocol], seed, only) for cell in stage
        ):
            run = results.get((cell.name, seed))
            if run is None and protocol in LONG_PROTOCOLS:
                continue  # some experiments have more seeds than others
            assert run is not None, (cell.name, seed)
            given = {name: run["config"][name] for name in ("data", "precision", "teacher")}
            assert config_id(cell.config(**given), seed) == run["id"], cell.name


@pytest.mark.mnist
@pytest.mark.parametrize("protocol", PUBLISHED)
def test_every_number_of_the_committed_ledgers_holds(protocol: str) -> None:
    """Recomputed from the kept predictions."""
    folder = RESULTS / protocol
    outcome = verify_folder(folder, load_mnist(allow_stand_in=False).test_labels.numpy())
    assert outcome.problems == []
    # some experiments count no errors, and keep no predictions
    kept = [(folder / "predictions" / f"{line['id']}.npz").exists() for line in read_experiments(folder)]
    assert outcome.checked == len(read_results(folder)) + sum(kept)


def test_chosen_weights_are_those_that_were_found() -> None:
    """On held-out training cases, by the rule."""
    lines = read_results(RESULTS / "losses" / "weights")
    if not lines:
        pytest.skip("no weights were tried yet: python -m benchmarks.compare_losses --weights")
    found = best_factors([line for line in lines if line["name"] != TEACHER])
    assert {kind: factor for kind, factor in found.items() if factor != 1} == dict(CHOSEN)


def test_every_loss_was_compared_as_it_stands() -> None:
    """At least five seeds of each built-in loss, in today's setting, and each learnt something."""
    lines = {line["id"]: line for line in read_results(RESULTS / "losses")}
    if not lines:
        pytest.skip("the losses are not compared yet: python -m benchmarks.compare_losses")
    data = next(iter(lines.values()))["config"]["data"]
    seeds = {line["seed"] for line in lines.values() if line["name"] != TEACHER}
    assert len(seeds) >= 5
    for seed in seeds:
        for name, config in run_configs(compared(), Plan(), data, seed).items():
            run = lines[config_id(config, seed)]
            assert run["test_errors"] < run["test_errors_before"], (name, seed)
