"""From a run file's configuration to results in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from distillkit import Callback, Distiller
from distillkit.errors import ConfigurationError, DataUnavailableError, DivergenceError
from distillkit.workbench.results.atomic import manifest_problems
from distillkit.workbench.runs.code_file import CodeFile, code_file
from distillkit.workbench.runs.run_config import RunConfig
from distillkit.workbench.runs.train import RunResult, train_run

CODE = """
import torch
from torch import nn


def data(examples=80, classes=3, width=4):
    x = torch.randn(examples, width)
    y = (x[:, 0] * 2).long().abs().clamp(max=classes - 1)
    half = examples // 2
    return (x[:half], y[:half]), (x[half:], y[half:])


def unlabelled():
    return data()[0], data()[1][0]


def net(units=8, classes=3, width=4):
    return nn.Sequential(nn.Linear(width, units), nn.ReLU(), nn.Linear(units, classes))


class Extra(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)

    def get_extra_state(self):
        return "more"

    def set_extra_state(self, state):
        pass
"""
FILES = {
    "student.safetensors", "metrics.json", "history.csv", "predictions.npy", "run.yaml", "environment.json",
    "MANIFEST.json",
}  # fmt: skip


@pytest.fixture
def code(tmp_path: Path) -> Iterator[CodeFile | None]:
    """A code file with data and models."""
    (tmp_path / "tiny_models.py").write_text(CODE)
    with code_file(tmp_path / "tiny_models.py") as functions:
        yield functions


def config(**changes: Any) -> RunConfig:
    """A small run of two epochs."""
    settings: dict[str, Any] = {
        "teacher": {"kind": "function", "function": "net", "arguments": {"units": 16}},
        "student": {"kind": "function", "function": "net"},
        "data": {"kind": "function", "function": "data"},
        "loss": {"kind": "soft_targets", "temperature": 4},
        "optimizer": {"kind": "sgd", "learning_rate": 0.5},
        "epochs": 2,
        "batch_size": 10,
        "precision": "fp32",
    }
    return RunConfig.from_dict({**settings, **changes})


def names(folder: Path) -> set[str]:
    """The files in a folder, without hidden ones."""
    return {file.name for file in folder.iterdir() if not file.name.startswith(".")}


def test_a_run_leaves_its_files_and_they_agree(tmp_path: Path, code: CodeFile) -> None:
    """Weights, predictions, metrics, history and configuration tell of one student."""
    run = config()
    result = train_run(run, tmp_path / "out", code=code)
    assert not result.done_before
    assert names(result.folder) == FILES
    assert manifest_problems(result.folder) == []
    assert RunConfig.from_yaml((result.folder / "run.yaml").read_text()) == run
    metrics = json.loads((result.folder / "metrics.json").read_text())
    assert metrics == result.metrics
    history = pd.read_csv(result.folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["test_errors"].iloc[-1] == metrics["test_errors"]
    assert json.loads(history["errors_by_class"].iloc[-1]) == metrics["errors_by_class"]
    predictions = np.load(result.folder / "predictions.npy")
    assert predictions.dtype == np.uint8
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x, y = code.call("data", {})[1]
    assert int((predictions != y.numpy()).sum()) == metrics["test_errors"]
    student = code.call("net", {})
    student.load_state_dict(load_file(result.folder / "student.safetensors"))
    assert student(x).argmax(dim=-1).tolist() == predictions.tolist()
    environment = json.loads((result.folder / "environment.json").read_text())
    assert environment["inputs"] == {"tiny_models.py": code.sha256}
    assert (environment["device"], environment["precision"]) == ("cpu", "fp32")


def test_it_is_what_the_distiller_does_with_the_same_objects(tmp_path: Path, code: CodeFile) -> None:
    """The run file adds nothing of its own: same weights, to the bit."""
    loss = {"kind": "weighted_sum", "terms": {"a": {"kind": "soft_targets", "temperature": 2}}}
    run = config(
        loss=loss,
        transfer_set={"kind": "omit_classes", "classes": [1]},
        schedule={"kind": "exponential", "decay": 0.5},
        clip_norm=0.1,
        seed=3,
    )
    result = train_run(run, tmp_path / "out", code=code)
    torch.manual_seed(3)
    student, teacher = code.call("net", {}), code.call("net", {"units": 16})
    torch.manual_seed(0)
    train, test = code.call("data", {})
    distiller = Distiller(
        teacher=teacher,
        student=student,
        loss=run.loss,
        transfer_set=run.transfer_set,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5, fused=True),
        schedule=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
        clip_norm=0.1,
        precision="fp32",
        seed=3,
    )
    distiller.fit(train, epochs=2, batch_size=10, evaluate_on=test)
    written = load_file(result.folder / "student.safetensors")
    assert all(torch.equal(written[name], value) for name, value in student.state_dict().items())


def test_members_of_an_ensemble_learn_from_one_another(tmp_path: Path, code: CodeFile) -> None:
    """The loss among students, and one that makes its teacher up, need no teacher in a run file."""
    members = [{"kind": "function", "function": "net", "arguments": {"units": units}} for units in (8, 3)]
    student = {"kind": "ensemble", "average": "probabilities", "members": members}
    mutual = config(teacher=None, student=student, loss={"kind": "mutual"})
    history = pd.read_csv(train_run(mutual, tmp_path / "mutual", code=code).folder / "history.csv")
    assert {"1.soft", "1.hard", "2.soft", "2.hard", "test_errors"} < set(history.columns)
    made_up = config(teacher=None, loss={"kind": "teacher_free"})
    assert train_run(made_up, tmp_path / "made up", code=code).metrics["test_errors"] <= 40


def digests(result: RunResult) -> list[bytes]:
    """What must not differ between two runs that are the same."""
    kept = ("student.safetensors", "history.csv", "metrics.json", "predictions.npy")
    return [(result.folder / name).read_bytes() for name in kept]


def test_one_seed_gives_one_student_and_another_seed_another(tmp_path: Path, code: CodeFile) -> None:
    """To the bit; and the caller's randomness is not moved."""
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = train_run(config(), tmp_path / "first", code=code)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert digests(train_run(config(), tmp_path / "again", code=code)) == digests(first)
    assert digests(train_run(config(seed=1), tmp_path / "other", code=code))[0] != digests(first)[0]


def test_the_students_initial_values_do_not_depend_on_the_teacher(tmp_path: Path, code: CodeFile) -> None:
    """With a loss on labels alone, another teacher or none gives the same student."""
    labels = {"kind": "hard_labels"}
    ensemble = {
        "kind": "ensemble",
        "average": "logits",
        "members": [{"kind": "function", "function": "net"}] * 2,
    }
    runs = [config(loss=labels), config(loss=labels, teacher=None), config(loss=labels, teacher=ensemble)]
    results = [train_run(run, tmp_path / str(number), code=code) for number, run in enumerate(runs)]
    assert len({(result.folder / "student.safetensors").read_bytes() for result in results}) == 1
    assert results[1].metrics["teacher_agreement"] is None
    assert results[2].metrics["teacher_agreement"] is not None
    shared = [result.metrics["shared_errors"] for result in results]
    assert shared[1] is None
    assert shared[0] <= min(results[0].metrics["test_errors"], results[0].metrics["teacher_errors"])


class _NeverCalled(Callback):
    def on_fit_start(self, distiller: Distiller, epochs: int, steps: int) -> None:
        raise AssertionError("trained")


def test_a_run_that_is_done_is_shown_and_not_trained_again(tmp_path: Path, code: CodeFile) -> None:
    """The same configuration, code and folder."""
    first = train_run(config(), tmp_path / "out", code=code)
    again = train_run(config(), tmp_path / "out", code=code, callbacks=(_NeverCalled(),))
    assert again.done_before
    assert again.metrics == first.metrics


def test_another_run_in_the_folder_is_refused_with_the_difference(tmp_path: Path, code: CodeFile) -> None:
    """And leaves the folder as it was; `overwrite` replaces it."""
    folder = tmp_path / "out"
    first = digests(train_run(config(), folder, code=code))
    other = config(epochs=3, optimizer={"kind": "sgd", "learning_rate": 0.25})
    with pytest.raises(ConfigurationError) as caught:
        train_run(other, folder, code=code, callbacks=(_NeverCalled(),))
    for part in ("epochs: 2 there, 3 asked for", "optimizer.learning_rate: 0.5 there, 0.25 asked for"):
        assert part in str(caught.value)
    assert digests(RunResult(folder, {}, done_before=False)) == first
    assert train_run(other, folder, code=code, overwrite=True).metrics["epochs"] == 3
    assert manifest_problems(folder) == []
    assert train_run(other, folder, code=code).done_before


def test_other_code_or_other_weights_are_another_run(tmp_path: Path, code: CodeFile) -> None:
    """Their digests are a part of what was done."""
    weights = tmp_path / "teacher.pt"
    teacher = {"kind": "function", "function": "net", "weights_file": str(weights)}
    torch.save(code.call("net", {}).state_dict(), weights)
    train_run(config(teacher=teacher), tmp_path / "out", code=code)
    torch.save(code.call("net", {}).state_dict(), weights)
    with pytest.raises(ConfigurationError, match=r"teacher\.pt"):
        train_run(config(teacher=teacher), tmp_path / "out", code=code)
    train_run(config(), tmp_path / "code", code=code)
    code.path.write_text(CODE + "\n# changed\n")
    with code_file(code.path) as other, pytest.raises(ConfigurationError, match=r"tiny_models\.py"):
        train_run(config(), tmp_path / "code", code=other)


def test_a_folder_whose_files_were_changed_is_not_taken_for_done(tmp_path: Path, code: CodeFile) -> None:
    """The manifest tells."""
    result = train_run(config(), tmp_path / "out", code=code)
    (result.folder / "metrics.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"metrics\.json"):
        train_run(config(), tmp_path / "out", code=code)


def test_a_folder_without_a_manifest_is_unfinished_and_trained_anew(tmp_path: Path, code: CodeFile) -> None:
    """What a kill between two files leaves."""
    result = train_run(config(), tmp_path / "out", code=code)
    whole = digests(result)
    (result.folder / "MANIFEST.json").unlink()
    (result.folder / "student.safetensors").unlink()
    again = train_run(config(), tmp_path / "out", code=code)
    assert not again.done_before
    assert digests(again) == whole


def test_a_folder_of_other_files_is_refused(tmp_path: Path, code: CodeFile) -> None:
    """Even with `overwrite`: nothing of a person's is mixed with ours."""
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("thesis.txt", "run.yaml"):
        (folder / name).write_text("years of work")
        with pytest.raises(ConfigurationError, match=name):
            train_run(config(), folder, code=code, overwrite=True)
        assert names(folder) == {name}
        (folder / name).unlink()


def test_a_folder_that_cannot_be_written_is_found_before_training(tmp_path: Path, code: CodeFile) -> None:
    """A file in its place, or in the place of its parent."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            train_run(config(), folder, code=code, callbacks=(_NeverCalled(),))


class _SecondWriter(Callback):
    def __init__(self, folder: Path, code: CodeFile) -> None:
        self._folder, self._code = folder, code

    def on_epoch_end(self, distiller: Distiller, row: object) -> None:
        train_run(config(), self._folder, code=self._code)


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path, code: CodeFile) -> None:
    """The second is refused while the first is at work."""
    with pytest.raises(ConfigurationError, match="Another distillkit"):
        train_run(config(), tmp_path / "out", code=code, callbacks=(_SecondWriter(tmp_path / "out", code),))


class _Interrupt(Callback):
    def on_epoch_end(self, distiller: Distiller, row: object) -> None:
        raise KeyboardInterrupt


def test_a_run_that_is_cut_short_writes_nothing(tmp_path: Path, code: CodeFile) -> None:
    """What was there before stays whole, and the next call trains."""
    with pytest.raises(KeyboardInterrupt):
        train_run(config(), tmp_path / "out", code=code, callbacks=(_Interrupt(),))
    assert names(tmp_path / "out") == set()
    whole = digests(train_run(config(), tmp_path / "out", code=code))
    with pytest.raises(KeyboardInterrupt):
        train_run(config(seed=4), tmp_path / "out", code=code, overwrite=True, callbacks=(_Interrupt(),))
    assert manifest_problems(tmp_path / "out") == []
    assert digests(train_run(config(), tmp_path / "out", code=code)) == whole


def test_a_run_that_diverges_says_so_and_writes_nothing(tmp_path: Path, code: CodeFile) -> None:
    """As the engine's error, which names the step."""
    wild = config(optimizer={"kind": "sgd", "learning_rate": 1e30}, loss={"kind": "logit_matching"})
    with pytest.raises(DivergenceError, match="step"):
        train_run(wild, tmp_path / "out", code=code)
    assert names(tmp_path / "out") == set()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student": {"kind": "function", "function": "nett"}}, "did you mean 'net'"),
        ({"student": {"kind": "function", "function": "net", "arguments": {"classes": 5}}}, "same classes"),
        (
            {"student": {"kind": "function", "function": "net", "arguments": {"width": 9}}},
            "was given float32",
        ),
        ({"teacher": {"kind": "function", "function": "net", "arguments": {"width": 9}}}, "could not be run"),
        ({"student": {"kind": "function", "function": "Extra"}}, "_extra_state"),
        ({"data": {"kind": "function", "function": "unlabelled"}}, "no labels"),
        ({"data": {"kind": "function", "function": "data", "arguments": {"classes": 4}}}, r"in \[0, 2\]"),
        ({"transfer_set": {"kind": "only_classes", "classes": [9]}}, "leaves no example"),
        ({"transfer_set": {"kind": "jitter", "pixels": 1}}, "Jitter"),
        ({"teacher": None}, "no.*teacher|there is none"),
        ({"precision": "fp16"}, "fp16"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(
    tmp_path: Path, code: CodeFile, changes: dict[str, Any], message: str
) -> None:
    """Never a traceback, and nothing is written."""
    data = {"kind": "function", "function": "data", "arguments": {"examples": 400}}
    with pytest.raises(ConfigurationError, match=message) as caught:
        train_run(config(**{"data": data, **changes}), tmp_path / "out", code=code)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == set()


def test_functions_are_looked_up_before_anything_else(tmp_path: Path) -> None:
    """Without code no folder is made."""
    with pytest.raises(ConfigurationError, match="add --code"):
        train_run(config(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_torchvisions_models_and_data_are_distilled(tmp_path: Path) -> None:
    """The whole loop without any code: a teacher with weights from a file, made-up images."""
    from torchvision import models

    torch.manual_seed(0)
    teacher = models.squeezenet1_1(num_classes=3)
    with torch.no_grad():
        teacher.classifier[1].bias.copy_(torch.tensor([1.0, 0.5, 0.0]))
    torch.save(teacher.state_dict(), tmp_path / "teacher.pt")
    run = RunConfig.from_dict(
        {
            "teacher": {
                "kind": "torchvision", "name": "squeezenet1_1", "num_classes": 3,
                "weights_file": str(tmp_path / "teacher.pt"),
            },
            "student": {"kind": "torchvision", "name": "squeezenet1_1", "num_classes": 3},
            "data": {
                "kind": "torchvision", "dataset": "FakeData", "image_size": 32,
                "arguments": {"size": 12, "image_size": [3, 40, 40], "num_classes": 3},
            },
            "loss": {"kind": "hard_labels"},
            "epochs": 1,
            "batch_size": 6,
        }
    )  # fmt: skip
    with pytest.warns(UserWarning, match="No logit of the teacher was negative"):
        result = train_run(run, tmp_path / "out")
    assert result.metrics["cases"] == 12
    models.squeezenet1_1(num_classes=3).load_state_dict(load_file(result.folder / "student.safetensors"))


def test_a_teacher_without_weights_is_warned_of(tmp_path: Path) -> None:
    """Torchvision's without weights is random, and nothing can be learnt from it."""
    run = config(
        teacher={"kind": "torchvision", "name": "squeezenet1_1"},
        student={"kind": "torchvision", "name": "squeezenet1_1"},
        data={"kind": "torchvision", "dataset": "MNIST", "root": str(tmp_path)},
    )
    with pytest.warns(UserWarning, match="no trained weights"), pytest.raises(DataUnavailableError):
        train_run(run, tmp_path / "out")


def test_a_full_disk_is_one_sentence(tmp_path: Path, code: CodeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the folder counts as unfinished."""

    def full(path: Path, data: bytes | str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("distillkit.workbench.runs.run_folder.write_atomically", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        train_run(config(), tmp_path / "out", code=code)
    monkeypatch.undo()
    assert not train_run(config(), tmp_path / "out", code=code).done_before
