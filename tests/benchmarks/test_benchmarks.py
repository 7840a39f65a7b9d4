"""The benchmarks' arithmetic and their page; the measurements themselves are not tests."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MACHINE = (
    "date", "distillkit", "commit", "cpu", "cores", "threads", "instructions", "memory_gib", "device",
    "system", "python", "torch", "torchvision",
)  # fmt: skip


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the benchmarks, which are no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))

    def named(name: str) -> ModuleType:
        return import_module(f"benchmarks.{name}")

    return named


def written(folder: Path, name: str, **parts: Any) -> None:
    """Write a result as `benchmarks.run` does."""
    line = {
        "machine": dict.fromkeys(MACHINE, "x"),
        "command": "a command",
        "quick": False,
        "seconds_to_measure": 60,
        **parts,
    }
    (folder / f"{name}.json").write_text(json.dumps(line), encoding="utf-8")


def test_a_ratio_is_taken_within_each_round(benchmark: Any) -> None:
    """A machine that is twice as slow in one round changes no ratio."""
    ratio = benchmark("timing").ratio(slow=[6.0, 12.0, 6.0], fast=[2.0, 4.0, 3.0])
    assert ratio == {"median": 3.0, "min": 2.0, "max": 3.0}


def test_every_way_is_taken_once_a_round_and_another_begins_each(benchmark: Any) -> None:
    """The order turns, and results stay with their round."""
    called = []
    ways = {name: lambda turn, name=name: called.append(name) or turn for name in "abc"}
    assert benchmark("timing").interleaved(ways, rounds=2) == {name: [0, 1] for name in "abc"}
    assert "".join(called) == "abcbca"


def test_the_products_of_a_step_are_three_a_layer_but_for_the_first(benchmark: Any) -> None:
    """The gradient of the inputs of the first layer is not needed."""
    products = benchmark("limit").products(100)
    assert len(products) == 3 * 3 - 1
    weights = 784 * 800 + 800 * 800 + 800 * 10
    assert sum(m * k * n for m, k, n in products) == 100 * (3 * weights - 784 * 800)


def test_the_page_says_what_waits_what_is_quick_and_what_is_not_there(benchmark: Any, tmp_path: Path) -> None:
    """No number is shown as a measurement that is none."""
    seconds = {"rounds": 1, "seconds": {"a program": {"median": 0.0125, "min": 0.01, "max": 0.02}}}
    written(tmp_path, "start-up", quick=True, results=seconds)
    written(tmp_path, "gpu", waits="a GPU")
    text = benchmark("page").page(tmp_path)
    assert "Waits for a GPU." in text
    assert "a program | 12.5 (10.0 – 20.0)" in text
    assert text.count("A quick run") == 1
    assert text.count("Not measured yet.") == len(benchmark("run").BENCHMARKS) - 2


def test_a_target_is_judged_by_measurements_alone(benchmark: Any, tmp_path: Path) -> None:
    """The same number counts when it was measured, and not when it was a quick run."""
    results = {
        "rounds": 3,
        "images": 1,
        "rows": [],
        "blocks": 1,
        "sizes": [
            {
                "hidden_units": [],
                "batch": 1,
                "milliseconds_by_hand": {"median": 1.0, "min": 1.0, "max": 1.0},
                "milliseconds_step": {"median": 1.0, "min": 1.0, "max": 1.0},
                "step_over_by_hand": {"median": 1.015, "min": 1.0, "max": 1.03},
            }
        ],
    }
    written(tmp_path, "step-overhead", results=results)
    assert "| ≤ 2 % more | 1.50 % more | yes |" in benchmark("page").page(tmp_path)
    written(tmp_path, "step-overhead", results=results, quick=True)
    assert "| ≤ 2 % more | not measured yet |  |" in benchmark("page").page(tmp_path)


def test_the_page_of_the_docs_is_that_of_the_committed_results(benchmark: Any) -> None:
    """Making it anew changes nothing; otherwise run `python -m benchmarks.page`."""
    page = benchmark("page")
    if not page.PAGE.is_file():
        pytest.skip("there is no page yet")
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.RESULTS)
