"""One student of 784-800-800-10: the tutorial loop, an expert's, distillkit, and other libraries."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.machine import version_of
from benchmarks.mnist_job import BATCH, FromMemory, Job, Way, make_job
from benchmarks.peers import Adapter, adapters
from benchmarks.setting import Setting
from benchmarks.tables import number, spread_of, table, times
from benchmarks.timing import Clock, interleaved, ratio, spread
from benchmarks.ways import by_hand, ours, tutorial

REFERENCE = "tutorial"


@dataclass(frozen=True)
class Trained:
    """What a training took, and how good the student is."""

    clock: Clock
    errors: int


def measure(setting: Setting) -> dict[str, Any]:
    """Every way in turn, each from the same initial weights, which are others each round."""
    job = make_job(setting)
    ways: dict[str, Way] = {REFERENCE: tutorial.train}
    for precision in setting.precisions:
        ways[f"by hand, {precision}"] = partial(by_hand.train, precision=precision)
        ways[f"Distiller.fit, {precision}"] = partial(ours.fit, precision=precision)
    ways["Distiller.step, fp32"] = partial(ours.step, precision="fp32")
    peers, left_out = _peers(job)
    return {
        "images": len(job.train[1]),
        "epochs": setting.epochs,
        "rounds": setting.rounds,
        "ways": compare(ways | peers, job, setting.rounds, setting.epochs),
        "peers": {
            name: {"version": version_of(name), "note": each.NOTE} for name, each in adapters().items()
        },
        "left_out": left_out,
    }


def compare(ways: dict[str, Way], job: Job, rounds: int, epochs: int) -> dict[str, Any]:
    """Every way in turn; seconds, ratios to the tutorial's within each round, and errors."""

    def trained(way: Way, turn: int) -> Trained:
        clock = Clock(job.device)
        student = way(job, turn, epochs, clock)
        return Trained(clock, job.errors(student))

    for way in ways.values():
        way(job.first(10 * BATCH), 0, 1, Clock(job.device))
    results = interleaved({name: partial(trained, way) for name, way in ways.items()}, rounds)
    reference = [one.clock for one in results[REFERENCE]]
    return {
        name: {
            "seconds_an_epoch": spread([one.clock.an_epoch for one in each]),
            "seconds_an_epoch_by_round": [one.clock.an_epoch for one in each],
            "seconds_once": spread([one.clock.once for one in each]),
            "times_faster_an_epoch": ratio([a.an_epoch for a in reference], [b.clock.an_epoch for b in each]),
            "times_faster_in_all": ratio([a.whole for a in reference], [b.clock.whole for b in each]),
            "errors": [one.errors for one in each],
        }
        for name, each in results.items()
    }


def _peers(job: Job) -> tuple[dict[str, Way], dict[str, str]]:
    """Those that can do a few batches, fed by the tutorial's loader and from memory; why others cannot."""
    ways: dict[str, Way] = {}
    left_out: dict[str, str] = {}
    for name, adapter in adapters().items():
        try:
            for from_memory in (True, False):
                _fed(adapter, from_memory=from_memory)(job.first(2 * BATCH), 0, 1, Clock(job.device))
        except ImportError as error:
            left_out[name] = f"cannot be imported: {error}"
        except Exception as error:  # a library of another version may fail in any way
            where = traceback.extract_tb(error.__traceback__)[-1].name
            left_out[name] = f"failed in {where}: {type(error).__name__}: {str(error)[:200]}"
        else:
            ways[f"{name}, loader"] = _fed(adapter, from_memory=False)
            ways[f"{name}, from memory"] = _fed(adapter, from_memory=True)
    return ways, left_out


def _fed(adapter: Adapter, *, from_memory: bool) -> Way:
    def way(job: Job, seed: int, epochs: int, clock: Clock) -> Any:
        batches: Any = FromMemory(job, seed) if from_memory else job.loader(seed)
        return adapter.train(job, seed, epochs, clock, batches)

    return way


def show(results: dict[str, Any]) -> str:
    """The tables of the page."""
    parts = [
        f"{results['images']:,} images, batch {BATCH}, {results['epochs']} epochs, "
        f"{results['rounds']} rounds. "
        '"In all" has what is done once in it, the teacher\'s answers above all.',
        table_of(results["ways"]),
        "Peers: "
        + "; ".join(f"{name} {peer['version']}" for name, peer in results["peers"].items() if peer["version"])
        + ". "
        + " ".join(
            f"{name}: {peer['note']}"
            for name, peer in results["peers"].items()
            if name not in results["left_out"]
        ),
        *(f"Left out: {name}, {reason}" for name, reason in results["left_out"].items()),
    ]
    return "\n\n".join(parts)


def table_of(ways: dict[str, Any]) -> str:
    """What `compare` found."""
    head = ("Way", "Seconds an epoch", "× tutorial, an epoch", "× tutorial, in all", "Test errors")
    return table(head, [_row(name, way) for name, way in ways.items()])


def _row(name: str, way: dict[str, Any]) -> list[str]:
    return [
        name,
        spread_of(way["seconds_an_epoch"]),
        times(way["times_faster_an_epoch"]),
        times(way["times_faster_in_all"]),
        " · ".join(number(errors) for errors in way["errors"]),
    ]
