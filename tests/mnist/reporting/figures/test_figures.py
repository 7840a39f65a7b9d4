"""Figures are drawn from whatever there is, the same bytes each time, and stamped when they must be."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

from distillkit.mnist.judging.evidence import Evidence
from distillkit.mnist.reporting.figures.figure_1 import figure_1
from distillkit.mnist.reporting.figures.figure_2 import figure_2
from distillkit.mnist.reporting.figures.figures import write_figures

FEW = ("teacher", "D800-noKD", "D800-T20", "D30-T4")
STAMP = "STAND-IN DATA"


def texts(drawn: Figure | None) -> str:
    """Every text of a figure."""
    assert drawn is not None
    return "\n".join(one.get_text() for one in drawn.findobj(Text))


def test_both_figures_are_written_as_png_and_svg(fake: ModuleType, tmp_path: Path) -> None:
    """Four files, whole, and nothing temporary beside them; drawing again gives the same bytes."""
    evidence = Evidence.of(fake.fake_results(FEW, seeds=2).results)
    assert write_figures(tmp_path, evidence) == ["figure-1", "figure-2"]
    files = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert sorted(files) == ["figure-1.png", "figure-1.svg", "figure-2.png", "figure-2.svg"]
    assert files["figure-1.png"].startswith(b"\x89PNG")
    write_figures(tmp_path, evidence)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == files


def test_a_figure_names_the_seeds_that_it_shows(fake: ModuleType) -> None:
    """Those of its own cells, whatever others have; their numbers where they differ."""
    results = fake.fake_results(FEW, seeds=3).results

    def title(kept: dict[str, int]) -> str:
        few = [one for one in results if one["seed"] < kept.get(one["name"], 3)]
        return texts(figure_1(Evidence.of(few)))

    assert "seeds 0 to 2" in title({"D30-T4": 1})
    assert "seed 0\n" in title(dict.fromkeys(FEW, 1)) + "\n"
    assert "2 to 3 seeds each" in title({"D800-T20": 2})


def test_drawing_leaves_the_readers_settings_alone(fake: ModuleType, tmp_path: Path) -> None:
    """Matplotlib's settings are as they were, and a reader's own do not change the figure."""
    evidence = Evidence.of(fake.fake_results(["D800-T20"], seeds=1).results)
    write_figures(tmp_path, evidence)
    first = (tmp_path / "figures" / "figure-2.svg").read_bytes()
    rcParams["font.size"] = 23
    try:
        write_figures(tmp_path, evidence)
        assert rcParams["font.size"] == 23
        assert (tmp_path / "figures" / "figure-2.svg").read_bytes() == first
    finally:
        rcParams["font.size"] = 10


def test_without_students_there_is_no_figure(fake: ModuleType, tmp_path: Path) -> None:
    """A teacher alone, or nothing, draws nothing, and figures of an earlier call are removed."""
    write_figures(tmp_path, Evidence.of(fake.fake_results(["D800-T20"], seeds=1).results))
    for cells in (["teacher"], ["D800-T20-omit3"], []):
        evidence = Evidence.of(fake.fake_results(cells, seeds=1).results)
        assert write_figures(tmp_path, evidence) == []
    assert list((tmp_path / "figures").iterdir()) == []


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        (["D50-T3"], 1),
        (["D30-T1", "D300-T50", "D800-noKD"], 3),
        (["D10-T1", "D20-T1", "D40-T1", "D80-T1"], 4),
    ],
)
def test_figure_2_has_a_column_for_each_width(fake: ModuleType, cells: list[str], columns: int) -> None:
    """Widths and temperatures other than the report's, and missing cells, are drawn as they are."""
    errors = dict.fromkeys(cells, 300)
    drawn = figure_2(Evidence.of(fake.fake_results(cells, seeds=2, errors=errors).results))
    assert drawn is not None
    assert len(drawn.axes) == 2 * columns


def test_dead_classes_are_written_above_their_runs(fake: ModuleType) -> None:
    """The classes never predicted stand in the figure with the number of runs; figure 1 counts such runs."""
    dead = {("D800-noKD", 0): (1, 4), ("D800-noKD", 1): (1, 4), ("D800-noKD", 2): (7,)}
    evidence = Evidence.of(fake.fake_results(["D800-noKD"], seeds=3, dead=dead).results)
    second, first = figure_2(evidence), figure_1(evidence)
    assert "{1,4}×2\n{7}" in texts(second)
    assert "3 of 3 runs never predict a class" in texts(first)


def test_many_sets_of_dead_classes_are_cut(fake: ModuleType) -> None:
    """More sets than there is room for end in a count."""
    dead = {("D800-noKD", seed): (seed,) for seed in range(6)}
    drawn = figure_2(Evidence.of(fake.fake_results(["D800-noKD"], seeds=6, dead=dead).results))
    assert "{0}\n{1}\n{2}\n+3 more" in texts(drawn)


def test_stand_in_and_quick_runs_are_stamped(fake: ModuleType) -> None:
    """Stand-in figures say so and show no published number; quick ones say that they are quick."""
    stand_in = Evidence.of(fake.fake_results(FEW, seeds=1, quick=True, data="stand-in").results)
    real = Evidence.of(fake.fake_results(FEW, seeds=2).results)
    for draw in (figure_1, figure_2):
        stamped, plain = texts(draw(stand_in)), texts(draw(real))
        assert STAMP in stamped
        assert "QUICK RUN" in stamped
        assert "published" not in stamped
        assert STAMP not in plain
        assert "published" in plain
