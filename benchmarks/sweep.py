"""The report's sweep: a teacher and 21 students, 25 epochs, batch 100.

Tutorial loops take hours for it, so they are timed for some steps of each kind of network and multiplied,
before distillkit's own `sweep`, which is run whole, and after it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.report_students import TEMPERATURES, TRAINING, WIDTHS
from benchmarks.setting import Setting, Waits
from benchmarks.sweep_by_loops import LoopCost, a_loop
from benchmarks.tables import spread_of, table, times
from benchmarks.ten_seeds import SEEDS, seeds_together
from benchmarks.timing import interleaved, ratio, seconds, spread
from benchmarks.whole_sweep import epochs_of, run_sweep
from distillkit.mnist.data.digits import MnistData, load_mnist
from distillkit.workbench import settle_precision

EPOCHS = TRAINING.epochs


def measure(setting: Setting) -> dict[str, Any]:
    """Seconds a seed, and a seed of ten of the students of 30 units."""
    data = load_mnist(setting.data_dir, allow_stand_in=False, allow_download=False)
    if setting.quick:
        data = _cut(data, 1000)
    steps = 5 if setting.quick else 100
    loops: dict[str, list[LoopCost]] = {name: [] for name in _kinds()}
    ours = []
    for turn in range(setting.rounds):
        before = {name: a_loop(name, data, setting.device, steps, turn) for name in loops}
        ours.append(seconds(partial(run_sweep, data, setting), setting.device))
        for name, earlier in before.items():
            loops[name].append(earlier.mean(a_loop(name, data, setting.device, steps, turn)))
    a_seed = [_loops_in_all(loops, turn, len(data.train_labels)) for turn in range(setting.rounds)]
    return {
        "rounds": setting.rounds,
        "training_images": len(data.train_labels),
        "tutorial": {
            "steps_timed": steps,
            "milliseconds_a_step": {
                name: spread([1e3 * c.a_step for c in each]) for name, each in loops.items()
            },
            "seconds_a_test": spread([cost.a_test for each in loops.values() for cost in each]),
            "seconds_a_seed": spread(a_seed),
        },
        "distillkit": {
            "precision": settle_precision("auto", setting.device),
            "epochs": epochs_of(setting),
            "seconds_a_seed": spread(ours),
        },
        "times_faster": ratio(a_seed, ours),
        "ten_seeds": _ten_seeds(setting, data, loops),
    }


def _kinds() -> list[str]:
    """The networks that differ in cost: a temperature does not."""
    return ["teacher", *(f"D{width}-{loss}" for width in WIDTHS for loss in ("noKD", "KD"))]


def _count(kind: str) -> int:
    """How many of a kind there are in the sweep."""
    return len(TEMPERATURES) - 1 if kind.endswith("-KD") else 1


def _loops_in_all(loops: dict[str, list[LoopCost]], turn: int, images: int, only: str = "") -> float:
    """Seconds of all epochs of all networks, or of those of one width."""
    steps = -(-images // TRAINING.batch_size)
    return sum(
        _count(kind) * EPOCHS * (steps * costs[turn].a_step + costs[turn].a_test)
        for kind, costs in loops.items()
        if kind.startswith(only)
    )


def _in_all(first_and_later: tuple[float, float]) -> float:
    first, later = first_and_later
    return first + (EPOCHS - 1) * later


def _ten_seeds(setting: Setting, data: MnistData, loops: dict[str, list[LoopCost]]) -> dict[str, Any]:
    """The students of 30 units alone, with one seed and with ten."""
    try:
        ours = interleaved(
            {str(seeds): partial(seeds_together, setting, data, seeds) for seeds in (1, SEEDS)},
            setting.rounds,
        )
    except Waits as reason:
        return {"waits": str(reason)}
    in_all = {seeds: [_in_all(each) for each in timed] for seeds, timed in ours.items()}
    images = len(data.train_labels)
    a_seed = [_loops_in_all(loops, turn, images, only="D30-") for turn in range(setting.rounds)]
    return {
        "seeds": SEEDS,
        "seconds_one_seed": spread(in_all["1"]),
        "seconds_all_seeds": spread(in_all[str(SEEDS)]),
        "a_seed_more_over_the_first": spread(
            [
                (all_of - one) / (SEEDS - 1) / one
                for one, all_of in zip(in_all["1"], in_all[str(SEEDS)], strict=True)
            ]
        ),
        "times_faster": ratio([SEEDS * one for one in a_seed], in_all[str(SEEDS)]),
    }


def _cut(data: MnistData, images: int) -> MnistData:
    return replace(
        data,
        train_images=data.train_images[:images],
        train_labels=data.train_labels[:images],
        test_images=data.test_images[:images],
        test_labels=data.test_labels[:images],
    )


def show(results: dict[str, Any]) -> str:
    """The tables of the page."""
    loops, ours, ten = results["tutorial"], results["distillkit"], results["ten_seeds"]
    rows = [
        ["tutorial loops, one after another", spread_of(loops["seconds_a_seed"]), "1"],
        ["`distillkit sweep`", spread_of(ours["seconds_a_seed"]), times(results["times_faster"])],
    ]
    steps = table(
        ("Network", "Milliseconds a step of the tutorial loop"),
        [[name, spread_of(each)] for name, each in loops["milliseconds_a_step"].items()],
    )
    if "waits" in ten:
        seeds = f"Ten seeds: waits for {ten['waits']}."
    else:
        seeds = (
            "The seven students of 30 units, trained together: one seed "
            f"{spread_of(ten['seconds_one_seed'])} s, {ten['seeds']} seeds "
            f"{spread_of(ten['seconds_all_seeds'])} s; a seed more costs "
            f"{spread_of(ten['a_seed_more_over_the_first'])} of the first. Against the tutorial loops "
            f"with {ten['seeds']} seeds: {times(ten['times_faster'])}."
        )
    return "\n\n".join(
        [
            f"{ours['epochs']} epochs, each tested, {results['rounds']} rounds. `distillkit sweep` "
            f"({ours['precision']}) was run whole; the loops are {EPOCHS} epochs of what "
            f"{loops['steps_timed']} steps of each network took before it, and as many after it.",
            table(("Way", "Seconds a seed", "× tutorial"), rows),
            steps,
            seeds,
        ]
    )
