"""The folder of results: whole lines, one writer, one purpose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from distillkit.errors import ConfigurationError
from distillkit.workbench import ResultStore, config_id, read_experiments, read_results, read_settings

SETTINGS = {"command": "sweep", "widths": [30, 300], "seeds": 1}
PREDICTIONS = np.zeros(5, dtype=np.uint8)


def result(seed: int) -> dict[str, object]:
    """A line with what the store looks at."""
    config = {"name": "D30-T4"}
    return {"id": config_id(config, seed), "name": "D30-T4", "seed": seed, "config": config}


def filled(folder: Path, lines: int = 2) -> Path:
    """A folder with some results."""
    with ResultStore(folder, SETTINGS) as store:
        for seed in range(lines):
            store.add(result(seed), PREDICTIONS)
    return folder


def test_results_come_back_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    """What was added is read again by a later process, with its predictions."""
    folder = filled(tmp_path / "out")
    assert read_results(folder) == [result(0), result(1)]
    assert np.array_equal(np.load(folder / "predictions" / f"{result(1)['id']}.npy"), PREDICTIONS)
    with ResultStore(folder, SETTINGS) as store:
        assert store.get(str(result(1)["id"])) == result(1)
        assert store.get("nothing") is None


def test_a_line_torn_at_any_byte_is_cut_off_before_the_next_append(tmp_path: Path) -> None:
    """However much of the last line a kill left, the lines before it stay and the run is added again."""
    whole = (filled(tmp_path / "whole") / "results.jsonl").read_bytes()
    second = whole.index(b"\n") + 1
    for length in range(second, len(whole)):
        folder = tmp_path / f"torn-{length}"
        filled(folder)
        (folder / "results.jsonl").write_bytes(whole[:length])
        assert read_results(folder) == [result(0)]
        with ResultStore(folder, SETTINGS) as store:
            assert store.results == [result(0)]
            store.add(result(1), PREDICTIONS)
        assert (folder / "results.jsonl").read_bytes() == whole


def test_experiments_are_kept_beside_the_results(tmp_path: Path) -> None:
    """One line an experiment, and what each of its networks predicts; a torn line is cut."""
    filled(tmp_path)
    said = {"T=1": PREDICTIONS, "0.03-soft": np.ones((2, 5), dtype=np.uint8)}
    with ResultStore(tmp_path, SETTINGS) as store:
        store.add_experiment(result(0), said)
        store.add_experiment(result(1), {})
        assert store.experiments == [result(0), result(1)]
    whole = (tmp_path / "experiments.jsonl").read_bytes()
    (tmp_path / "experiments.jsonl").write_bytes(whole[:-3])
    assert read_experiments(tmp_path) == [result(0)]
    with ResultStore(tmp_path, SETTINGS) as store:
        assert store.get_experiment(str(result(0)["id"])) == result(0)
        assert store.get_experiment(str(result(1)["id"])) is None
        store.add_experiment(result(1), {})
    assert (tmp_path / "experiments.jsonl").read_bytes() == whole
    assert read_results(tmp_path) == [result(0), result(1)]
    with np.load(tmp_path / "predictions" / f"{result(0)['id']}.npz", allow_pickle=False) as kept:
        assert {name: kept[name].tolist() for name in kept} == {
            name: array.tolist() for name, array in said.items()
        }
    assert len(list((tmp_path / "predictions").glob("*.npz"))) == 1


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    """A folder is for one configuration; what may differ is named."""
    folder = filled(tmp_path)
    with pytest.raises(ConfigurationError, match=r"widths: \[30, 300\] there, \[30\] asked for"):
        ResultStore(folder, {**SETTINGS, "widths": [30]}).__enter__()
    with ResultStore(folder, {**SETTINGS, "seeds": 3}, may_differ=("seeds",)) as store:
        assert len(store.results) == 2
    assert read_settings(folder)["seeds"] == 3


def test_tuples_and_lists_are_the_same_settings(tmp_path: Path) -> None:
    """JSON has no tuples, so a resumed command does not differ from itself."""
    filled(tmp_path)
    with ResultStore(tmp_path, {**SETTINGS, "widths": (30, 300)}) as store:
        assert len(store.results) == 2


def test_overwrite_throws_away_what_distillkit_made_and_nothing_else(tmp_path: Path) -> None:
    """A note that somebody put into the folder stays."""
    filled(tmp_path)
    with ResultStore(tmp_path, SETTINGS) as store:
        store.add_experiment(result(0), {"T=1": PREDICTIONS})
    (tmp_path / "note.txt").write_text("mine")
    with ResultStore(tmp_path, {**SETTINGS, "widths": [5]}, overwrite=True) as store:
        assert store.results == store.experiments == []
    assert not (tmp_path / "experiments.jsonl").exists()
    assert not list((tmp_path / "predictions").iterdir())
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_overwrite_throws_away_what_was_computed_from_the_results(tmp_path: Path) -> None:
    """Whoever opens the folder names these files; a figure that is not among them stays."""
    filled(tmp_path)
    (tmp_path / "figures").mkdir()
    for name in ("temperature.svg", "mine.svg"):
        (tmp_path / "figures" / name).write_text("drawn")
    outputs = ("ledger.json", "figures/temperature.svg")
    with ResultStore(tmp_path, {**SETTINGS, "widths": [5]}, overwrite=True, outputs=outputs):
        assert [file.name for file in (tmp_path / "figures").iterdir()] == ["mine.svg"]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second command in the same folder is refused while the first runs, and not after."""
    with (
        ResultStore(tmp_path, SETTINGS),
        pytest.raises(ConfigurationError, match="Another distillkit is writing"),
    ):
        ResultStore(tmp_path, SETTINGS).__enter__()
    with ResultStore(tmp_path, SETTINGS) as store:
        assert store.results == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be is one clear sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be written .*choose another --out"):
        ResultStore(tmp_path / "file" / "out", SETTINGS).__enter__()


def test_a_full_disk_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails says so, and the results before it stay."""
    with ResultStore(tmp_path, SETTINGS) as store:
        store.add(result(0), PREDICTIONS)
        monkeypatch.setattr(
            "os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(ConfigurationError, match="No space left on device"):
            store.add(result(1), PREDICTIONS)
    assert read_results(tmp_path)[0] == result(0)


@pytest.mark.parametrize("damage", [b"{not json}", b'{"id": 1}', b"[]", b"\xff\xfe"])
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, damage: bytes) -> None:
    """It is an error with the number of the line, never a silent loss."""
    lines = (filled(tmp_path) / "results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_bytes(lines[0] + damage + b"\n" + lines[1])
    with pytest.raises(ConfigurationError, match=r"Line 2 of .* is damaged"):
        read_results(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """Reading asks for a folder that distillkit made."""
    with pytest.raises(ConfigurationError, match="no folder of distillkit results"):
        read_settings(tmp_path)
    (tmp_path / "settings.json").write_text("{broken")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_settings(tmp_path)


def test_the_id_is_a_function_of_the_whole_configuration_and_the_seed() -> None:
    """Any other value gives another id; the order of keys does not."""
    config = {"a": 1, "b": {"c": [1, 2]}}
    assert config_id(config, 0) == config_id(json.loads(json.dumps({"b": {"c": [1, 2]}, "a": 1})), 0)
    others = {
        config_id(config, 1),
        config_id({**config, "a": 2}, 0),
        config_id({"a": 1, "b": {"c": [2, 1]}}, 0),
    }
    assert len({config_id(config, 0), *others}) == 4
