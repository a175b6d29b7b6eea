"""Every library that is installed learns from every kind of table that it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.trees import datasets
from benchmarks.trees.boosting import score
from benchmarks.trees.datasets import Problem
from benchmarks.trees.libraries import LIBRARIES, Settings, choose


def shops(rows: int = 400) -> Problem:
    """A frame of a number and a category, some of both missing; the category decides."""
    rng = np.random.default_rng(0)
    shop = pd.Series(rng.choice([*"abcdef"], 2 * rows)).where(rng.random(2 * rows) < 0.9)
    frame = pd.DataFrame(
        {
            "price": rng.standard_normal(2 * rows).astype(np.float32),
            "shop": shop.astype("category"),
        }
    )
    frame.loc[rng.random(2 * rows) < 0.1, "price"] = np.nan
    y = shop.isin(["a", "d", "e"]).to_numpy().astype(np.float32)
    return Problem("binary", frame[:rows], y[:rows], frame[rows:], y[rows:])


TABLES = {
    "dense": lambda: datasets.collisions(400, missing=0.1),
    "sparse": lambda: datasets.words(600, 100),
    "line": lambda: datasets.line(400),
    "rank": lambda: datasets.programs(300, "rank"),
    "frame": shops,
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_learns(name: str, table: str) -> None:
    library, problem = LIBRARIES[name], TABLES[table]()
    pytest.importorskip(library.package)
    if not library.takes(problem):
        pytest.skip("it does not take such tables")
    ready = library.ready(problem)
    predict = library.fit(ready, Settings(depth=3, rounds=20, threads=1, min_child_weight=2.0))
    reached = score(problem.task, problem.y_held, np.asarray(predict(ready.X_held)))
    if problem.task == "regression":
        assert reached < 0.8 * problem.y_held.std()
    else:
        assert reached > (0.95 if table == "frame" else 0.55)


def test_libraries_are_chosen_by_name_and_by_what_they_take() -> None:
    dense = datasets.collisions(60)
    assert list(choose(["scikit-learn", "espalier"], dense)) == ["espalier", "scikit-learn"]
    assert "catboost" not in choose(None, dense)
    assert list(choose(["scikit-learn", "espalier"], replace(dense, task="rank"))) == ["espalier"]


def test_a_library_that_is_not_installed_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIBRARIES, "scikit-learn", replace(LIBRARIES["scikit-learn"], package="no_such"))
    assert "scikit-learn" not in choose(None, datasets.collisions(60))
