"""Plug-ins: losses and transfer sets of other packages, found by their entry points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from distillkit.errors import ConfigurationError
from distillkit.losses import Loss, WeightedSum
from distillkit.transfer_sets import TransferSet

SOURCE = '''
from typing import Literal
from distillkit.losses import Loss

class {name}(Loss):
    """A loss from elsewhere."""

    kind: Literal["{kind}"] = "{kind}"
    scale: float = 1.0

    def __call__(self, *, student, teacher, labels):
        return self.scale * student.logits.square().mean()
'''

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a tiny distribution, a module and its entry points, that is forgotten after the test."""
    monkeypatch.setattr(Loss, "_kinds", dict(Loss._kinds))
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = set(sys.modules)

    def install(module: str, source: str, **points: str) -> None:
        folder = tmp_path / module
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = [f"{kind} = {value}" for kind, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[distillkit.losses]", *lines, ""]))
        sys.path.insert(0, str(folder))

    yield install
    for module in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


def test_a_plug_in_is_found_by_its_kind(install: Install) -> None:
    """An entry-point line is enough: the kind is listed without an import, and loaded when it is named."""
    install("plug_one", SOURCE.format(name="Foreign", kind="foreign"), foreign="plug_one:Foreign")
    assert "foreign" in Loss.kinds()
    assert "foreign" not in TransferSet.kinds()
    assert "plug_one" not in sys.modules
    loss = Loss.from_yaml("kind: foreign\nscale: 2e0\n")
    assert type(loss).__name__ == "Foreign"
    assert Loss.from_json(loss.to_json()) == loss
    nested = WeightedSum(terms={"a": loss})
    assert Loss.from_yaml(nested.to_yaml()) == nested


def test_a_plug_in_is_meant_too(install: Install) -> None:
    """Kinds of plug-ins are listed and suggested as the built-in ones are."""
    install("plug_two", SOURCE.format(name="Foreign", kind="foreign"), foreign="plug_two:Foreign")
    with pytest.raises(ConfigurationError, match=r"\(did you mean 'foreign'\?\); there are .*\bforeign, "):
        Loss.from_dict({"kind": "foriegn"})


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("raise RuntimeError('no luck')", "plug_three:Foreign"),
        ("import sys; sys.exit('no luck')", "plug_three:Foreign"),
        ("import a_package_that_is_not_installed", "plug_three:Foreign"),
        ("1 +", "plug_three:Foreign"),
        ("", "plug_three:Foreign"),
        ("", "no_such_module:Foreign"),
    ],
)
def test_a_plug_in_that_fails_is_one_sentence(install: Install, source: str, target: str) -> None:
    """A plug-in that cannot be loaded names itself and its reason; the others, and the list, still work."""
    install("plug_three", source, foreign=target)
    expected = r"^The plug-in 'foreign' \(.*:Foreign\) could not be loaded: "
    with pytest.raises(ConfigurationError, match=expected) as caught:
        Loss.from_dict({"kind": "foreign"})
    assert "\n" not in str(caught.value)
    assert "foreign" in Loss.kinds()
    assert Loss.from_dict({"kind": "hard_labels"}).to_dict()["kind"] == "hard_labels"


@pytest.mark.parametrize("target", ["plug_four:Foreign", "plug_four", "plug_four:NUMBER"])
def test_an_entry_point_of_another_name_is_one_sentence(install: Install, target: str) -> None:
    """An entry point that is not the class of its name says what it must be."""
    install("plug_four", SOURCE.format(name="Foreign", kind="other") + "\nNUMBER = 3\n", foreign=target)
    with pytest.raises(ConfigurationError, match=r"is not a Loss of that kind: an entry point must"):
        Loss.from_dict({"kind": "foreign"})


def test_a_built_in_kind_is_not_taken_over_unseen(install: Install) -> None:
    """A plug-in with the kind of a built-in class is an error that names both, not a silent choice of one."""
    source = SOURCE.format(name="Foreign", kind="soft_targets")
    install("plug_five", source, soft_targets="plug_five:Foreign")
    with pytest.raises(ConfigurationError, match=r"losses\.soft_targets\.SoftTargets and plug_five\.Foreign"):
        Loss.from_dict({"kind": "soft_targets", "temperature": 2})


def test_two_plug_ins_with_one_kind_name_both(install: Install) -> None:
    """Two packages that bring one kind are an error that names both, for that kind and no other."""
    for module in ("plug_six", "plug_seven"):
        install(module, SOURCE.format(name="Foreign", kind="foreign"), foreign=f"{module}:Foreign")
    with pytest.raises(ConfigurationError, match=r"have the kind 'foreign': plug_\w+:Foreign and plug_"):
        Loss.from_dict({"kind": "foreign"})
    assert Loss.from_dict({"kind": "hard_labels"}).to_dict()["kind"] == "hard_labels"
    assert "foreign" in Loss.kinds()
