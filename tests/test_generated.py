"""The figures, the list of modules and the API reference are what their sources generate."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import results
from docs import map as modules

ROOT = Path(__file__).resolve().parent.parent


def test_results_are_the_recorded_rows() -> None:
    text = results.DOCUMENT.read_text(encoding="utf-8")
    assert text == results.render(results.load()), "run `make results`"


def test_every_row_of_the_results_names_its_circumstances() -> None:
    rows = results.load()
    assert rows
    assert [row for row in rows if not (row.cpu and row.date and row.command and row.cells)] == []
    known = {path.stem for path in results.HERE.rglob("*.py")}
    assert {row.benchmark for row in rows} - known == set()


def test_the_list_of_modules_is_up_to_date() -> None:
    text = modules.DOCUMENT.read_text(encoding="utf-8")
    assert text == modules.updated(text), "run `make map`"


def test_every_module_says_what_it_contains() -> None:
    paths = [path for package in modules.PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [str(path.relative_to(ROOT)) for path in paths if not modules.summary(path)] == []


PUBLIC = (
    "sketch",
    "boost",
    "boost.callback",
    "compiler",
    "compiler.backend",
    "compiler.runtime",
    "compiler.relay",
    "compiler.te",
    "costmodel",
)


@pytest.mark.parametrize("package", PUBLIC)
def test_the_reference_has_every_public_name(package: str) -> None:
    text = (ROOT / "docs" / f"{package.split('.')[-1]}.rst").read_text(encoding="utf-8")
    listed = {name for pair in re.findall(r"^   (\w+)$|``(\w+)``", text, flags=re.MULTILINE) for name in pair}
    module = importlib.import_module(package)
    names = {name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)}
    assert names - listed == set()
