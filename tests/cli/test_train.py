"""`distillkit train` as a person calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from distillkit.cli import train as command
from distillkit.cli.commands import Commands
from distillkit.cli.signals import Terminated
from distillkit.workbench.results.atomic import write_manifest

CODE = """
import torch
from torch import nn

print("models.py was imported")


def data():
    x = torch.randn(60, 4)
    y = (x[:, 0] > 0).long()
    return (x[:40], y[:40]), (x[40:], y[40:])


def net(units):
    print("a net of", units)
    return nn.Sequential(nn.Linear(4, units), nn.ReLU(), nn.Linear(units, 2))


def broken():
    raise RuntimeError("no such thing")


def interrupted():
    raise KeyboardInterrupt
"""
RUN = """
teacher: {kind: function, function: net, arguments: {units: 16}}
student: {kind: function, function: net, arguments: {units: 4}}
data: {kind: function, function: data}
loss: {kind: soft_targets, temperature: 4}
epochs: 2
batch_size: 10
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a run file and its code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(RUN)
    (tmp_path / "tiny_nets.py").write_text(CODE)
    return tmp_path


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    app.command("train")(command.train)
    app.callback()(lambda: None)
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, ["train", *arguments])


def run(*arguments: str) -> Result:
    """The run of `run.yaml` with its code."""
    return call("run.yaml", "--code", "tiny_nets.py", *arguments)


def write(folder: Path, old: str, new: str) -> None:
    """Change the run file."""
    assert old in RUN
    (folder / "run.yaml").write_text(RUN.replace(old, new))


def test_a_run_ends_in_a_table_and_says_where_everything_is(folder: Path) -> None:
    """The table on stdout, everything else on stderr, the way on in the last line."""
    outcome = run()
    assert outcome.exit_code == 0, outcome.output
    assert "Errors" in outcome.stdout
    assert "Agreement with the teacher" in outcome.stdout
    assert "Errors of both" in outcome.stdout
    assert "imported" not in outcome.stdout
    assert "a net of" not in outcome.stdout
    assert outcome.stderr.count("epoch ") == 2
    assert "epoch 2/2" in outcome.stderr
    assert "of them the teacher's too" in outcome.stderr
    assert "distillkit compare runs/run --code tiny_nets.py" in outcome.stderr.splitlines()[-2]
    assert "student.safetensors" in outcome.stderr.splitlines()[-1]
    assert (folder / "runs" / "run" / "student.safetensors").exists()
    assert max(map(len, outcome.stdout.splitlines())) <= 80


def test_json_is_all_that_stdout_gets(folder: Path) -> None:
    """A program reads it; it is what the file of metrics holds."""
    outcome = run("--json", "--out", "here")
    found = json.loads(outcome.stdout)
    assert found["folder"] == "here"
    assert found["done_before"] is False
    assert found["metrics"] == json.loads((folder / "here" / "metrics.json").read_text())


def test_quiet_leaves_the_outcome(folder: Path) -> None:
    """No line an epoch."""
    outcome = run("--quiet")
    assert "epoch" not in outcome.stderr
    assert "Errors" in outcome.stdout


def test_the_same_command_again_shows_what_is_done(folder: Path) -> None:
    """And `--overwrite` does it again."""
    first = run()
    again = run()
    assert again.exit_code == 0
    assert again.stdout == first.stdout
    assert "done before" in again.stderr
    assert "epoch" not in again.stderr.replace("--overwrite", "")
    anew = run("--overwrite")
    assert "done before" not in anew.stderr
    assert anew.stdout == first.stdout


def test_a_run_of_before_errors_were_shared_is_shown(folder: Path) -> None:
    """Metrics on disk that lack the newer ones are shown without them."""
    run()
    metrics = json.loads((folder / "runs/run/metrics.json").read_text())
    for name in ("teacher_errors", "shared_errors"):
        del metrics[name]
    (folder / "runs/run/metrics.json").write_text(json.dumps(metrics))
    write_manifest(folder / "runs/run")
    outcome = run()
    assert outcome.exit_code == 0, outcome.output
    assert "Agreement with the teacher" in outcome.stdout
    assert "Errors of both" not in outcome.stdout


def test_another_run_in_the_folder_is_refused(folder: Path) -> None:
    """With the difference; exit code 2."""
    run()
    write(folder, "temperature: 4", "temperature: 2")
    outcome = run()
    assert outcome.exit_code == 2
    assert "loss.temperature: 4.0 there, 2.0 asked for" in outcome.stderr
    assert "--overwrite" in outcome.stderr
    assert run("--overwrite").exit_code == 0


def test_the_precision_of_the_command_line_goes_before_the_files(folder: Path) -> None:
    """And is in the file that is left."""
    assert run("--precision", "fp32", "--device", "cpu").exit_code == 0
    assert "precision: fp32" in (folder / "runs/run/run.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run.yaml"], 2, "add --code"),
        (["absent.yaml", "--code", "tiny_nets.py"], 2, "no run file absent.yaml"),
        (["run.yaml", "--code", "absent.py"], 2, "absent.py"),
        (["run.yaml", "--code", "run.yaml"], 2, "run.yaml"),
        (["run.yaml", "--code", "tiny_nets.py", "--device", "cuda:99"], 2, "no device 'cuda:99'"),
        (["run.yaml", "--code", "tiny_nets.py", "--device", "toaster"], 2, "no device 'toaster'"),
        (["run.yaml", "--code", "tiny_nets.py", "--precision", "fp8"], 2, "fp8"),
        (["run.yaml", "--code", "tiny_nets.py", "--precision", "fp16", "--device", "cpu"], 2, "fp16"),
        (["run.yaml", "--code", "tiny_nets.py", "--out", "run.yaml"], 2, "cannot be written"),
        (["run.yaml", "--code", "tiny_nets.py", "--out", "."], 2, "other files"),
        (["run.yaml", "--cod", "tiny_nets.py"], 2, "--cod"),
        ([], 2, "RUN.YAML"),
    ],
)
def test_a_wrong_command_line_is_one_message_and_exit_code_2(
    folder: Path, arguments: list[str], code: int, message: str
) -> None:
    """Never a traceback, and nothing on stdout."""
    outcome = call(*arguments)
    assert outcome.exit_code == code, outcome.output
    assert isinstance(outcome.exception, SystemExit)
    assert message in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("epochs: 2", "epoch: 2", 2, "did you mean 'epochs'"),
        ("soft_targets", "soft_target", 2, "did you mean 'soft_targets'"),
        ("temperature: 4", "temperature: 0", 2, "loss.temperature"),
        ("temperature: 4", "temperature: .nan", 2, "loss.temperature"),
        ("function: data}", "function: dat}", 2, "did you mean 'data'"),
        ("function: data}", "function: broken}", 2, "RuntimeError in line 20: no such thing"),
        ("function: data}", "function: nn}", 2, "defines no function 'nn'"),
        ("arguments: {units: 4}", "arguments: {unit: 4}", 2, "unit"),
        ("epochs: 2", "epochs: 2\nepochs: 3", 2, "run.yaml is not valid YAML, line"),
        ("{kind: function, function: data}", "!!python/object/apply:os.getcwd []", 2, "line 4"),
        (
            "{kind: function, function: data}",
            "{kind: torchvision, dataset: MNIST, root: nowhere}",
            3,
            "MNIST",
        ),
        ("epochs: 2", "epochs: 2\noptimizer: {kind: sgd, learning_rate: 1.0e+38}", 1, "no longer finite"),
    ],
)
def test_a_wrong_run_file_is_one_line_and_its_exit_code(
    folder: Path, old: str, new: str, code: int, message: str
) -> None:
    """2 for the configuration, 3 for data that are not available, 1 for a training that went wrong."""
    write(folder, old, new)
    outcome = run("--quiet", "--precision", "fp32")
    assert outcome.exit_code == code, outcome.output
    assert isinstance(outcome.exception, SystemExit)
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert outcome.stdout == ""


def test_ctrl_c_says_what_is_there(folder: Path) -> None:
    """Exit code 130; nothing, or the results of before."""
    write(folder, "function: data}", "function: interrupted}")
    outcome = run()
    assert outcome.exit_code == 130
    assert "nothing was kept in runs/run" in outcome.stderr
    (folder / "run.yaml").write_text(RUN)
    assert run().exit_code == 0
    write(folder, "function: data}", "function: interrupted}")
    outcome = run("--overwrite")
    assert outcome.exit_code == 130
    assert "what was there before is as it was in runs/run" in outcome.stderr


def test_sigterm_says_so_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 143."""

    def ended(*arguments: object, **settings: object) -> None:
        raise Terminated

    monkeypatch.setattr("distillkit.workbench.runs.train.train_run", ended)
    outcome = run()
    assert outcome.exit_code == 143
    assert "Stopped" in outcome.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_real_ctrl_c_in_the_midst_of_training(folder: Path) -> None:
    """As a terminal sends it."""
    write(folder, "epochs: 2", "epochs: 1000000")
    program = (
        "import typer; from distillkit.cli import train; from distillkit.cli.commands import Commands\n"
        "from distillkit.cli.signals import end_on_signals; end_on_signals()\n"
        "app = typer.Typer(cls=Commands); app.command('train')(train.train); app.callback()(lambda: None); "
        "app()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", "run.yaml", "--code", "tiny_nets.py"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        began = time.monotonic()
        while "epoch 3/" not in process.stderr.readline():
            assert process.poll() is None
            assert time.monotonic() - began < 120
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Stopped" in err
    assert "Traceback" not in err
    assert out == ""


def test_a_code_file_may_define_a_loss_that_the_run_file_names(folder: Path) -> None:
    """It runs before the run file is read."""
    (folder / "tiny_nets.py").write_text(
        CODE
        + "\nfrom typing import Literal\nfrom distillkit.losses import Loss\n"
        + "class Tenfold(Loss):\n    kind: Literal['tenfold_for_a_test'] = 'tenfold_for_a_test'\n"
        + "    def __call__(self, *, student, teacher, labels):\n"
        + "        return 10 * (student.logits - teacher.logits).square().mean()\n"
    )
    write(folder, "{kind: soft_targets, temperature: 4}", "{kind: tenfold_for_a_test}")
    outcome = run()
    assert outcome.exit_code == 0, outcome.output


def test_a_warning_is_a_line(folder: Path) -> None:
    """Without the place in the library that warns."""
    import warnings

    program = CODE.replace(
        "def net(units):", "def net(units):\n    import warnings; warnings.warn('mind the gap')"
    )
    (folder / "tiny_nets.py").write_text(program)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        outcome = run()
    assert outcome.exit_code == 0, outcome.output
    assert "Warning: mind the gap" in outcome.stderr.splitlines()


def test_the_module_is_light() -> None:
    """`distillkit --help` imports it, and must not wait for torch."""
    program = (
        "import sys; import distillkit.cli.train, distillkit.cli.policies\n"
        "print(sorted({'torch', 'pandas', 'torchvision', 'numpy', 'distillkit.workbench'} & "
        "sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
