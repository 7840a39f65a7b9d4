"""Each rule for the experiments gives the verdict that its words promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.judging.ledger import build_ledger
from distillkit.mnist.judging.rules.limits import AccuracyKept, ApproachesMatching, FallsAsInverseSquare
from distillkit.mnist.judging.rules.numbers import FewerErrors

TEMPERATURES = [20.0, 100.0, 200.0, 500.0, 1000.0]


def ledger_of(results: Sequence[Any], *predicted: Any, **experiments: Any) -> Any:
    """The ledger of some lines."""
    return build_ledger(Evidence.of(results, *predicted, **experiments))


def line(name: str, seed: int, found: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Of experiments.jsonl, with what the ledger looks at."""
    return {
        "id": f"{name}-{seed}", "name": name, "seed": seed, "found": found, "diverged": False,
        "config": {"training": {"epochs": 60}}, "environment": {"precision": "fp32"}, "protocol": "modern",
        "quick": False, "data": {"name": "mnist", "sha256": "0"}, "tuned_on_test": False, **more,
    }  # fmt: skip


def evidence(lines: Sequence[dict[str, Any]], **more: Any) -> Evidence:
    """Evidence of experiments alone."""
    return Evidence.of([], more.get("predictions"), more.get("labels"), experiments=lines)


def norms(slopes: Sequence[tuple[float, float]]) -> Evidence:
    """Of t-squared, one pair of slopes without T² a seed: of two students."""

    def student(slope: float) -> dict[str, Any]:
        return {
            "slope": {
                "without_t_squared": {"logits": slope, "weights": -1.0},
                "with_t_squared": {"logits": slope + 2, "weights": 1.0},
            }
        }

    return evidence(
        [
            line("t-squared", seed, {"students": {"untrained": student(one), "trained": student(other)}})
            for seed, (one, other) in enumerate(slopes)
        ]
    )


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [
        ([(-2.0, -1.95)], "verified"),
        ([(-2.0, -1.95), (-2.05, -2.0)], "verified"),
        ([(-2.0, -1.85), (-2.0, -1.99)], "inconclusive"),  # one seed is off, the mean is not
        ([(-2.0, -1.0), (-2.0, -1.1)], "falsified"),
        ([], "not attempted"),
    ],
)
def test_falls_as_inverse_square(slopes: list[tuple[float, float]], verdict: str) -> None:
    """Every seed within the tolerance; the furthest student counts, and weights do not."""
    found = FallsAsInverseSquare("t-squared").find(norms(slopes), -2.0)
    assert found.verdict == verdict
    assert [value for _, value in found.values] == [
        max(pair, key=lambda one: abs(one + 2)) for pair in slopes
    ]


def distances(by_seed: Sequence[Sequence[float]]) -> Evidence:
    """Of logit-matching, the relative distances at `TEMPERATURES` of one student a seed."""
    return evidence(
        [
            line(
                "logit-matching",
                seed,
                {
                    "temperatures": TEMPERATURES,
                    "students": {"new": {"centred": {"logits": {"relative_l2": list(values)}}}},
                },
            )
            for seed, values in enumerate(by_seed)
        ]
    )


def falling(at_1000: float, power: float = -1.0) -> list[float]:
    """As a power of T."""
    return [at_1000 * (t / 1000) ** power for t in TEMPERATURES]


@pytest.mark.parametrize(
    ("by_seed", "verdict"),
    [
        ([falling(0.005), falling(0.009)], "verified"),
        ([falling(0.005), falling(0.012)], "inconclusive"),  # it falls as it should, and is not yet near
        ([falling(0.005, -0.5)], "falsified"),
        ([falling(0.005, -1.15), falling(0.005, -0.99)], "inconclusive"),
        ([falling(0.1, 0.0)], "falsified"),  # as it would stay without centring
        ([], "not attempted"),
    ],
)
def test_approaches_matching(by_seed: list[list[float]], verdict: str) -> None:
    """The slope is that from T = 100 on, and T = 1000 has to be near; the row's number is in per cent."""
    found = ApproachesMatching("logit-matching", at=1000.0, closest=0.01).find(distances(by_seed), None)
    assert found.verdict == verdict
    assert [value for _, value in found.values] == pytest.approx([100 * values[-1] for values in by_seed])


def specialists(counts: dict[str, list[int]], **more: Any) -> list[dict[str, Any]]:
    """Of specialists, test errors by network and seed."""
    seeds = len(next(iter(counts.values())))
    return [
        line(
            "specialists",
            seed,
            {"cases": 10_000, "test_errors": {name: errors[seed] for name, errors in counts.items()}},
            **more,
        )
        for seed in range(seeds)
    ]


def test_networks_are_compared_like_cells() -> None:
    """Paired over seeds; what is not there is not attempted."""
    lines = specialists({"panel": [300, 301, 305, 299], "generalist": [350, 352, 349, 355]})
    rule = FewerErrors("specialists/panel", "specialists/generalist")
    found = rule.find(evidence(lines), None)
    assert (found.verdict, found.test) == ("verified", "paired t test over seeds")
    assert found.values == ((0, -50), (1, -51), (2, -44), (3, -56))
    assert rule.find(evidence([]), None).verdict == "not attempted"


def test_one_seed_is_compared_case_by_case() -> None:
    """By the predictions of the two networks."""
    labels = np.zeros(10_000, dtype=np.int64)
    wrong = {"panel": 5, "generalist": 60}
    said = {name: (np.arange(10_000) < count).astype(np.uint8) for name, count in wrong.items()}
    lines = specialists({name: [count] for name, count in wrong.items()})
    ledger = build_ledger(
        Evidence.of([], {}, labels, experiments=lines, of_experiments={"specialists-0": said})
    )
    row = next(one for one in ledger["rows"] if one["id"] == "H14-specialists")
    assert (row["test"], row["p"]) == ("exact McNemar test", pytest.approx(0.5**55))
    assert row["result_ids"] == ["specialists-0/panel", "specialists-0/generalist"]


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [
        ([350, 340, 345], "verified"),  # 98 % of the accuracy
        ([700, 200, 600], "verified"),  # less, but not significantly
        ([600, 605, 602], "falsified"),
        ([600], "inconclusive"),
        ([], "not attempted"),
    ],
)
def test_accuracy_kept(kept: list[int], verdict: str) -> None:
    """The published share or more, or not significantly less; one seed cannot say that it is less."""
    lines = specialists({"panel": kept, "generalist": [150] * len(kept)})
    found = AccuracyKept("specialists/panel", "specialists/generalist").find(evidence(lines), 57.0 / 58.9)
    assert found.verdict == verdict
    if kept:
        assert found.values[0] == (0, pytest.approx((10_000 - kept[0]) / 9_850))


def test_a_shortened_experiment_is_a_toy_and_sixty_epochs_are_not() -> None:
    """Sixty epochs are the protocol's of every student."""
    verdicts = {}
    for epochs in (30, 60):
        lines = specialists(
            {"panel": [300, 301, 305], "generalist": [350, 352, 349]}, config={"training": {"epochs": epochs}}
        )
        rows = {row["id"]: row for row in ledger_of([], experiments=lines)["rows"]}
        verdicts[epochs] = rows["H14-specialists"]["verdict"]
        assert rows["H14-longer"]["verdict"] == "not attempted"
    assert verdicts == {30: "toy", 60: "verified"}
    found = {"cases": 10_000, "weights": [0.1, 0.5], "test_errors": [80, 95]}
    lines = [
        line("hard-weight", seed, {**found, "test_errors": [80 + seed, 95 + 2 * seed]}) for seed in range(5)
    ]
    row = next(one for one in ledger_of([], experiments=lines)["rows"] if one["id"] == "H9-weight")
    assert row["verdict"] == "verified"


def test_stand_in_data_are_judged_by_none() -> None:
    """The numbers are there, the verdicts not."""
    lines = specialists(
        {"panel": [300, 301], "generalist": [350, 352]}, data={"name": "stand-in", "sha256": "0"}
    )
    row = next(one for one in ledger_of([], experiments=lines)["rows"] if one["id"] == "H14-specialists")
    assert (row["n"], row["verdict"]) == (2, "not attempted")
