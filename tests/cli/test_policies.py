"""`distillkit losses` and `distillkit transfer-sets` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from distillkit.cli import policies
from distillkit.cli.commands import Commands
from distillkit.losses import Loss
from distillkit.transfer_sets import TransferSet


def call(*arguments: str) -> Result:
    """The command line, in this process."""
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    app.command("losses")(policies.losses)
    app.command("transfer-sets")(policies.transfer_sets)
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, list(arguments))


@pytest.mark.parametrize(("command", "family"), [("losses", Loss), ("transfer-sets", TransferSet)])
def test_every_kind_is_listed_with_a_sentence(command: str, family: type[Loss | TransferSet]) -> None:
    """In at most 80 columns, and how to see more is said on stderr."""
    outcome = call(command)
    assert outcome.exit_code == 0, outcome.output
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert "…" not in outcome.stdout
    assert outcome.stdout.count("built in") == 1
    text = " ".join(outcome.stdout.split())
    for kind in family.kinds():
        summary = (family.kind_class(kind).__doc__ or "").partition("\n")[0]
        assert f" {kind} {summary}" in text
    assert f"distillkit {command} KIND" in outcome.stderr


@pytest.mark.parametrize(("command", "family"), [("losses", Loss), ("transfer-sets", TransferSet)])
def test_kinds_that_are_named_are_shown_with_their_fields(
    command: str, family: type[Loss | TransferSet]
) -> None:
    """In at most 80 columns, with no name or default cut off."""
    outcome = call(command, *family.kinds())
    assert outcome.exit_code == 0, outcome.output
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert "…" not in outcome.stdout
    words = outcome.stdout.split()
    for kind in family.kinds():
        assert kind in words
        for field in family.kind_class(kind).model_fields:
            assert field == "kind" or field in words
    assert "required" in words
    assert "built in" in outcome.stdout


@pytest.mark.parametrize(("command", "family"), [("losses", Loss), ("transfer-sets", TransferSet)])
def test_json_has_the_schema_of_every_kind(command: str, family: type[Loss | TransferSet]) -> None:
    """Descriptions of the fields included."""
    listed = {one["kind"]: one for one in json.loads(call(command, "--json").stdout)}
    assert sorted(listed) == family.kinds()
    for kind, one in listed.items():
        assert one["schema"] == family.kind_class(kind).model_json_schema()
        assert one["summary"]
        assert one["problem"] is None
        for name, field in one["schema"]["properties"].items():
            assert name == "kind" or field["description"]


def test_a_kind_that_is_not_there_is_an_error() -> None:
    """Which says what was probably meant; a kind that is there is the only one in the JSON."""
    outcome = call("losses", "soft_target")
    assert outcome.exit_code == 2
    assert "did you mean 'soft_targets'" in outcome.stderr
    assert [one["kind"] for one in json.loads(call("losses", "dkd", "--json").stdout)] == ["dkd"]


@pytest.fixture
def plugin_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package with a loss that works, one that cannot be imported and one that is no loss."""
    (tmp_path / "listed_plugin.py").write_text(
        "from typing import Literal\nfrom distillkit.losses import Loss\n"
        "class Listed(Loss):\n"
        '    """What a plug-in does."""\n\n'
        "    kind: Literal['listed_for_a_test'] = 'listed_for_a_test'\n"
        "    sharpness: float = 2.5\n"
        '    """How sharp it is."""\n\n'
        "    def __call__(self, *, student, teacher, labels):\n        return student.logits.mean()\n"
    )
    (tmp_path / "listed_broken.py").write_text("import no_such_module_at_all\n")
    info = tmp_path / "listed_package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: listed-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[distillkit.losses]\nlisted_for_a_test = listed_plugin:Listed\nbroken_for_a_test = "
        "listed_broken:Loss\n"
        "wrong_for_a_test = listed_plugin:Literal\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "listed-package 1.2"


def test_plugins_are_listed_with_their_package(plugin_package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be used is shown with the reason, and the others all the same."""
    monkeypatch.setattr(Loss, "_kinds", dict(Loss._kinds))
    outcome = call("losses")
    assert outcome.exit_code == 0, outcome.output
    text = " ".join(outcome.stdout.split())
    assert f"{plugin_package} broken_for_a_test cannot be used:" in text
    assert "no_such_module_at_all" in text
    assert "listed_for_a_test What a plug-in does." in text
    assert "wrong_for_a_test cannot be used:" in text
    assert text.startswith("built in")
    shown = " ".join(call("losses", "listed_for_a_test", "broken_for_a_test").stdout.split())
    assert f"listed_for_a_test {plugin_package} What a plug-in does." in shown
    assert "sharpness number 2.5 How sharp it is." in shown
    assert f"broken_for_a_test {plugin_package} cannot be used:" in shown
    listed = {one["kind"]: one for one in json.loads(call("losses", "--json").stdout)}
    assert "no_such_module_at_all" in listed["broken_for_a_test"]["problem"]
    assert listed["listed_for_a_test"]["source"] == plugin_package
