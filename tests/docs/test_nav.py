"""The documentation is whole: its pages are there, and every public name is on one of them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import distillkit
from distillkit.yaml_io import load_yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MODULES = ("errors", "functional", "losses", "metrics", "schedules", "testing", "transfer_sets", "typing")


def site() -> dict[str, Any]:
    """The settings of the site."""
    settings: dict[str, Any] = load_yaml((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), "mkdocs.yml")
    return settings


def pages(entries: list[Any]) -> list[str]:
    """The files that the navigation names, in its order."""
    found = []
    for entry in entries:
        for target in entry.values():
            found += pages(target) if isinstance(target, list) else [target]
    return found


def documented() -> set[str]:
    """What the API pages ask mkdocstrings for."""
    return {
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }


def public_names(module_name: str) -> list[str]:
    """The classes and functions that a module defines or exports from its own files."""
    module = import_module(f"distillkit.{module_name}")
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    )


def test_every_page_of_the_navigation_exists() -> None:
    """The navigation names no page that is not there."""
    assert [page for page in pages(site()["nav"]) if not (DOCS / page).is_file()] == []


def test_every_page_is_in_the_navigation_once() -> None:
    """No page is hidden, and none stands twice."""
    named = pages(site()["nav"])
    there = {
        page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        if "templates" not in page.relative_to(DOCS).parts
    }
    assert sorted(named) == sorted(there)


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The site works without a network: no foreign fonts, scripts or styles."""
    settings = site()
    extras = [*settings.get("extra_css", []), *settings.get("extra_javascript", [])]
    assert settings["theme"]["font"] is False
    assert [one for one in extras if "//" in str(one)] == []


@pytest.mark.parametrize("name", [name for name in distillkit.__all__ if name not in MODULES])
def test_every_public_name_of_the_package_is_on_an_api_page(name: str) -> None:
    """What `distillkit` exports is documented under that name."""
    assert f"distillkit.{name}" in documented()


@pytest.mark.parametrize("name", [f"{module}.{name}" for module in MODULES for name in public_names(module)])
def test_every_public_name_of_a_module_is_on_an_api_page(name: str) -> None:
    """What a public module exports is documented, under that name or the package's."""
    assert {f"distillkit.{name}", f"distillkit.{name.partition('.')[2]}"} & documented()
