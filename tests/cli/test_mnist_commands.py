"""reproduce, sweep, report and verify as a person calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from distillkit.cli import app, options
from distillkit.mnist.data.digits import MnistData
from distillkit.mnist.protocols.protocol import PROTOCOLS


@pytest.fixture(autouse=True)
def _few_digits_and_no_network(
    few_digits: MnistData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The stand-in in small, whatever is asked for; the current folder is a temporary one."""
    monkeypatch.setattr("distillkit.mnist.data.digits.load_stand_in", lambda progress=None: few_digits)
    monkeypatch.setenv("DISTILLKIT_OFFLINE", "1")
    monkeypatch.setenv("DISTILLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("DISTILLKIT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


SMALL_SWEEP = ("sweep", "--D", "8", "12", "--T", "2", "4", "--epochs", "1", "--data", "stand-in")


def names(folder: Path) -> list[str]:
    """The cells in a folder's results."""
    return [json.loads(line)["name"] for line in (folder / "results.jsonl").read_text().splitlines()]


def test_lists_may_be_written_with_spaces_or_with_the_option_repeated(tmp_path: Path) -> None:
    """`--D 8 12` and `--D 8 --D 12` are one sweep: the second call finds everything done."""
    first = call(*SMALL_SWEEP, "--out", "out")
    assert first.exit_code == 0, first.output
    assert names(tmp_path / "out") == ["teacher", "D8-noKD", "D8-T2", "D8-T4", "D12-noKD", "D12-T2", "D12-T4"]
    again = call(
        "sweep",
        "--D",
        "8",
        "--D",
        "12",
        "--T=2",
        "--T",
        "4",
        "--epochs",
        "1",
        "--data",
        "stand-in",
        "--out",
        "out",
    )
    assert again.exit_code == 0, again.output
    assert "7 of 7 runs were done before" in again.stderr
    assert len(names(tmp_path / "out")) == 7


def test_the_stand_in_is_announced_and_stamped(tmp_path: Path) -> None:
    """In a panel, in the report and in the ledger, where no published number stands beside ours."""
    outcome = call(*SMALL_SWEEP, "--out", "out", "--quiet")
    assert "STAND-IN DATA" in outcome.stderr
    assert "stand-in" in (tmp_path / "out" / "report.md").read_text().lower()
    ledger = json.loads((tmp_path / "out" / "ledger.json").read_text())
    assert {row["published"] for row in ledger["rows"]} == {None}


def test_the_last_line_says_where_the_results_are_and_what_to_run_next() -> None:
    """With the command that checks them."""
    outcome = call(*SMALL_SWEEP, "--out", "out")
    assert outcome.stderr.rstrip().endswith("distillkit verify out")


def test_json_goes_to_stdout_and_nothing_else_does() -> None:
    """So that a program can read it."""
    outcome = call(*SMALL_SWEEP, "--out", "out", "--json")
    assert json.loads(outcome.stdout)["rows"]


def test_verify_holds_and_finds_an_altered_number(tmp_path: Path) -> None:
    """Exit code 0 where every number holds, 1 where one does not, and the number is named."""
    call(*SMALL_SWEEP, "--out", "out")
    good = call("verify", "out")
    assert good.exit_code == 0, good.output
    results = tmp_path / "out" / "results.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    lines[1]["test_errors"] += 1
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    bad = call("verify", "out")
    assert bad.exit_code == 1
    assert "D8-noKD seed 0" in bad.stdout
    assert "test_errors" in bad.stdout


def test_report_rebuilds_the_same_files_from_raw_results(tmp_path: Path) -> None:
    """Byte for byte, figures too."""
    call(*SMALL_SWEEP, "--out", "out")
    made = {
        path.relative_to(tmp_path): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.suffix in {".md", ".png", ".svg"} or path.name in {"ledger.json", "MANIFEST.json"}
    }
    assert len(made) >= 5
    for path in made:
        (tmp_path / path).unlink()
    assert call("report", "out").exit_code == 0
    assert {path: (tmp_path / path).read_bytes() for path in made} == made


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("sweep", "--D", "8", "--T", "0", "--data", "stand-in"), 2, "T must be above 0"),
        (("sweep", "--D", "0", "--T", "1", "--data", "stand-in"), 2, "D must be at least 1"),
        (("sweep", "--D", "8", "--T", "-3", "--data", "stand-in"), 2, "T must be above 0"),
        (("sweep", "--D", "8"), 2, "--T"),
        (
            ("sweep", "--D", "8", "--T", "2", "--losses", "soft_target", "--data", "stand-in"),
            2,
            "soft_targets",
        ),
        (("sweep", "--D", "8", "--T", "2", "--data-dir", "nowhere"), 3, "nowhere"),
        (("sweep", "--D", "8", "--T", "2", "--data", "mnist"), 3, "DISTILLKIT_OFFLINE"),
        (
            ("sweep", "--D", "8", "--T", "2", "--data", "stand-in", "--out", "file/out"),
            2,
            "cannot be written",
        ),
        (("reproduce", "hinton-mnist", "--device", "cuda:99"), 2, "There is no device 'cuda:99'"),
        (("reproduce", "hinton-mnist", "--device", "toaster"), 2, "There is no device 'toaster'"),
        (("reproduce", "hinton-mnist", "--precision", "fp16", "--device", "cpu"), 2, "fp16 needs a GPU"),
        (("reproduce", "hinton-mnist", "--protocol", "report"), 2, "report-2025"),
        (("reproduce", "hinton-mnist", "--quick", "--seeds", "3"), 2, "--quick runs one seed"),
        (("reproduce", "hinton-mnist", "--quick", "--only", "H1"), 2, "--quick runs one seed"),
        (("reproduce", "hinton-mnist", "--only", "H1,H99"), 2, "There is no experiment 'H99'"),
        (("reproduce", "hinton-mnist", "--only", ""), 2, "There is no experiment ''"),
        (("reproduce", "hinton-mnist", "--seeds", "0"), 2, "--seeds"),
        (("reproduce", "imagenet"), 2, "imagenet"),
        (("report", "nowhere"), 2, "no folder of distillkit results"),
        (("verify", "nowhere"), 2, "no folder of distillkit results"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_the_right_exit_code(
    arguments: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    """Never a traceback, and nothing half written."""
    (tmp_path / "file").write_text("")
    outcome = call(*arguments)
    assert outcome.exit_code == code, outcome.output
    assert says in outcome.output
    assert "Traceback" not in outcome.output
    assert not (tmp_path / "runs").exists()


def test_another_sweep_in_the_same_folder_is_refused_unless_it_may_overwrite(tmp_path: Path) -> None:
    """With the difference, and the two ways out."""
    call(*SMALL_SWEEP, "--out", "out")
    other = ("sweep", "--D", "8", "--T", "3", "--epochs", "1", "--data", "stand-in", "--out", "out")
    refused = call(*other)
    assert refused.exit_code == 2
    assert "hidden_units: [8, 12] there, [8] asked for" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert call(*other, "--overwrite").exit_code == 0
    assert names(tmp_path / "out") == ["teacher", "D8-noKD", "D8-T3"]


def test_a_part_of_a_reproduction_says_how_long_it_takes_and_what_it_was(tmp_path: Path) -> None:
    """An estimate before the first run; at the end the ledger's rows of that part, and a command for it."""
    part = ("reproduce", "hinton-mnist", "--protocol", "modern", "--only", "H2", "--epochs", "1")
    outcome = call(*part, "--data", "stand-in", "--out", "out")
    assert outcome.exit_code == 0, outcome.output
    assert "for 1 run, an estimate from short trials on this machine" in outcome.stderr
    assert names(tmp_path / "out") == ["D800-noKD"]
    assert "--only H2 --protocol modern --seeds 1 --epochs 1" in (tmp_path / "out" / "report.md").read_text()
    again = call(*part, "--data", "stand-in", "--out", "out")
    assert "1 of 1 runs were done before" in again.stderr
    assert "estimate" not in again.stderr


def test_the_settings_of_a_protocol_are_printed_whole() -> None:
    """As YAML, before anything is read or run."""
    outcome = call("reproduce", "hinton-mnist", "--show-settings", "--protocol", "report-2025-code")
    assert outcome.exit_code == 0
    assert "relu_on_logits: true" in outcome.stdout


def test_the_protocols_of_the_command_line_are_those_there_are() -> None:
    """The names stand twice so that `--help` needs no torch."""
    assert [name.value for name in options.ProtocolName] == list(PROTOCOLS)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_says_what_is_kept_and_goes_on(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Ctrl-C and SIGTERM end in their own exit codes, without a traceback."""
    program = (
        "import distillkit.mnist.data.digits as d\n"
        "small = d.make_stand_in(300, 200)\n"
        "d.load_stand_in = lambda progress=None: small\n"
        "from distillkit.cli import main\nmain()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "sweep", "--D", "400", "--T", "2", "--epochs", "500", "--data",
        "stand-in",
         "--out", str(tmp_path / "out")],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "settings.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code, stderr
    assert "0 results are kept" in stderr
    assert "Traceback" not in stderr


def test_help_answers_without_torch() -> None:
    """What `distillkit --help` imports is light."""
    program = (
        "import sys\nsys.argv = ['distillkit', '--help']\nfrom distillkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'torchvision', 'pandas', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_verbose_says_what_the_engine_decides() -> None:
    """How students are stacked, and whether anything is compiled."""
    plain = call(*SMALL_SWEEP, "--out", "plain")
    assert "in stacks of" not in plain.stderr
    told = call("-v", *SMALL_SWEEP, "--out", "told")
    assert "students train in stacks of at most 3" in told.stderr
    assert "torch.compile is off" in told.stderr


def test_the_module_is_the_command() -> None:
    """`python -m distillkit`, where the script is not on the path."""
    outcome = subprocess.run(
        [sys.executable, "-m", "distillkit", "--version"], capture_output=True, text=True, check=True
    )
    assert outcome.stdout == CliRunner().invoke(app, ["--version"]).stdout
