"""The report on a model file: categories by name, columns made of others, a tree that fits the console."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import boost
from boost.encoding.encoding import Encoding, Options
from boost.tables.model import TableModel
from boost.tables.report import category_lines, show_model
from tests.boost.small_models import model_of


def shown(path: Path, width: int, height: int, depth: int | None = None, tree: int = 0) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height)
    show_model(TableModel.load(path), console, top=3, tree=tree, depth=depth, drawing=None)
    return out.getvalue().splitlines()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "m.json"
    model_of("categories").save_model(path)
    return path


@pytest.mark.parametrize(("width", "height"), [(60, 30), (100, 60), (80, 20)])
def test_the_tree_fits_the_console(path: Path, width: int, height: int) -> None:
    lines = shown(path, width, height)
    start = next(i for i, line in enumerate(lines) if line.startswith("all rows"))
    assert max(map(len, lines[start:])) <= width
    assert len(lines) - start <= max(height - 5, 16)
    heading = next(line for line in lines if line.startswith("tree 0 of 4 (round 0): "))
    cut = sum("leaves)" in line for line in lines)
    assert ("are shown; --depth 4 shows all" in heading) == bool(cut)


def test_all_of_a_tree(path: Path) -> None:
    lines = shown(path, 100, 10, depth=9, tree=1)
    tree = model_of("categories").model.forest[1]
    assert len(lines) - next(i for i, line in enumerate(lines) if line.startswith("all rows")) == len(
        tree.left
    )
    assert not any("leaves)" in line or "are shown" in line for line in lines)


def test_categories_by_name(path: Path) -> None:
    lines = shown(path, 80, 40)
    assert 'shop & bar: <b>, say "z", u, v, w, x' in lines and "town: 2, 5, 7, 10" in lines
    assert category_lines(TableModel.load(path), 35)["shop & bar"] == '<b>, say "z" and 4 more'


def test_columns_made_of_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"city": rng.choice(list("abcdef"), 200), "x": rng.normal(size=200)})
    label = frame["city"].map(ord) + frame["x"]
    encoding, encoded = Encoding.fit(frame, label, options=Options(statistics=(("city",),), replace=True))
    model = boost.train({"max_depth": 2}, boost.DMatrix(encoded, label), 2)
    model.model.encoding = encoding
    model.save_model(tmp_path / "m.json")
    lines = shown(tmp_path / "m.json", 80, 40)
    assert "made of city: city: mean of target" in lines
    assert any("├─ city: mean of target is below " in line for line in lines)


def test_what_a_leaf_adds_to(tmp_path: Path) -> None:
    for kind, tree, words in (
        ("classes", 4, "a leaf adds to: log score of class 1"),
        ("vectors", 0, "a leaf adds to: mean, output 0, mean, output 1"),
        ("forest of classes", 3, "a leaf adds to: log score of class 1"),
    ):
        model_of(kind).save_model(tmp_path / "m.json")
        assert words in shown(tmp_path / "m.json", 80, 40, tree=tree)
