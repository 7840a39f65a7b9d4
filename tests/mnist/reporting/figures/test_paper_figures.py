"""The figures of the long protocols: drawn from whatever there is, with what the paper published."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from distillkit.mnist.cells.bias_correction import GRID
from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.plan import POOL_SIZES, POOLS, TEMPERATURES, WIDTHS
from distillkit.mnist.reporting.figures.ensemble import figure_ensemble
from distillkit.mnist.reporting.figures.figures import write_figures
from distillkit.mnist.reporting.figures.shift import figure_shift
from distillkit.mnist.reporting.figures.temperature import figure_temperature
from distillkit.mnist.reporting.figures.unlabelled import figure_unlabelled

TEMPERATURE = {
    f"D{width}-T{temperature:g}": round(3000 / width**0.5 * (1 + abs(np.log(temperature / 3)) / 9))
    for width in WIDTHS
    for temperature in TEMPERATURES
}
BASELINES = {f"D{width}-noKD": round(3600 / width**0.5) for width in WIDTHS}
UNLABELLED = {
    f"D800-T20-{images}-{number}": round(90 * worse * (60_000 / number) ** 0.35)
    for images, worse in zip(POOLS, (1, 2, 5), strict=True)
    for number in POOL_SIZES
}
ENSEMBLE = {
    **{f"D800-noKD-member-{start}": 146 for start in range(1, 11)},
    "ensemble-mean-probabilities": 120,
    "ensemble-mean-logits": 121,
    "D800-T20-of-mean-probabilities": 125,
    "D800-T20-of-mean-logits": 127,
}
SHIFTED = tuple(
    f"D800-T20-{transfer}-bias-{kind}"
    for transfer in ("omit3", "only78")
    for kind in ("test-tuned", "held-out", "label-free")
)


def evidence(fake: ModuleType, errors: dict[str, int], **kinds: Any) -> Evidence:
    """Runs of a long protocol, the corrected ones with their curves."""
    cells = [*errors, *SHIFTED, "D800-T20-omit3", "D800-T20-only78"]
    results = fake.fake_results(
        cells, seeds=kinds.pop("seeds", 3), protocol="modern", errors=errors, **kinds
    ).results
    for result in results:
        correction = result["correction"]
        if correction:
            best = 3.0 if correction["classes"] == [3] else -6.0
            correction["shift"] = best
            if correction["kind"] == "test-tuned":
                curve = [round(result["test_errors"] * (1 + abs(shift - best) / 3)) for shift in GRID]
                correction["errors_by_shift"] = {"shifts": GRID, "test_errors": curve}
    return Evidence.of(results)


def texts(drawn: Figure | None) -> str:
    """Every text of a figure."""
    assert drawn is not None
    return "\n".join(one.get_text() for one in drawn.findobj(Text))


def test_all_are_written_under_a_long_protocol(fake: ModuleType, tmp_path: Path) -> None:
    """Each as PNG and SVG, the same bytes each time; the report's figure 2 is not among them."""
    runs = evidence(fake, {**TEMPERATURE, **BASELINES, **UNLABELLED, **ENSEMBLE, "teacher": 67})
    names = ["figure-1", "temperature", "bias-shift", "unlabelled", "ensemble"]
    assert write_figures(tmp_path, runs) == names
    files = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert files.keys() == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    write_figures(tmp_path, runs)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == files


def test_a_panel_for_each_width(fake: ModuleType) -> None:
    """Those with two temperatures; the paper's temperatures are shaded where it speaks of them."""
    drawn = figure_temperature(evidence(fake, {**TEMPERATURE, **BASELINES}))
    assert drawn is not None
    titles = [axes.get_title() for axes in drawn.axes if axes.get_title()]
    assert titles == [f"D = {width}" for width in WIDTHS]
    assert figure_temperature(evidence(fake, {"D30-T4": 300, "D800-noKD": 150})) is None


def test_published_shifts_are_shown_but_on_stand_in_data(fake: ModuleType) -> None:
    """Beside each way of choosing; the test-tuned one says that it is."""
    said = texts(figure_shift(evidence(fake, {})))
    assert "published (2015)" in said
    assert "tuned on it" in said
    assert "published" not in texts(figure_shift(evidence(fake, {}, data="stand-in")))


def test_corrections_without_a_curve_have_no_figure(fake: ModuleType) -> None:
    """As the first published runs have none."""
    assert figure_shift(Evidence.of(fake.fake_results(SHIFTED, seeds=2).results)) is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_unlabelled_images_by_kind_and_number(fake: ModuleType, seeds: int) -> None:
    """A line for each kind, with one seed too; nothing where nobody learnt from them."""
    drawn = figure_unlabelled(evidence(fake, {**UNLABELLED, "D800-noKD": 146}, seeds=seeds))
    said = texts(drawn)
    for words in ("without labels", "drawn from fonts", "noise", "hard labels, all 60,000"):
        assert words in said
    assert figure_unlabelled(evidence(fake, {"D800-noKD": 146})) is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_ten_nets_and_the_one_that_learnt_from_them(fake: ModuleType, seeds: int) -> None:
    """A row for each kind that there is; nothing without an ensemble."""
    drawn = figure_ensemble(evidence(fake, ENSEMBLE, seeds=seeds))
    assert drawn is not None
    rows = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert rows == [
        "each of the ten nets",
        "all ten, by mean probabilities",
        "all ten, by mean logits",
        "one net distilled, by mean probabilities",
        "one net distilled, by mean logits",
    ]
    members = {cell: errors for cell, errors in ENSEMBLE.items() if "member" in cell}
    assert figure_ensemble(evidence(fake, members, seeds=seeds)) is None
    one_kind = figure_ensemble(evidence(fake, {**members, "ensemble-mean-logits": 121}, seeds=seeds))
    assert one_kind is not None
    assert len(one_kind.axes[0].get_yticks()) == 2
