"""The benchmark of quality: losses, ranks, folds, and the records that a later run continues from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.trees.quality import Record, Records, difference, ranks
from benchmarks.trees.realtables import SOURCES, RealTable, hidden, score


def made(task: str, y: list[float], group: list[int] | None = None, alpha: float = 0.5) -> RealTable:
    frame = pd.DataFrame({"x": np.arange(len(y), dtype=float)})
    return RealTable("made", task, frame, np.array(y), None if group is None else np.array(group), alpha)


def test_losses_by_hand() -> None:
    assert score(made("binary", [1, 0]), np.array([0.5, 0.5])) == pytest.approx(np.log(2))
    assert score(made("classes", [2]), np.array([[0.25, 0.25, 0.5]])) == pytest.approx(np.log(2))
    assert score(made("regression", [0, 0]), np.array([3.0, 4.0])) == pytest.approx(12.5**0.5)
    assert score(made("count", [0, 2]), np.array([1.0, 2.0])) == pytest.approx(1.0)
    assert score(made("quantile", [0, 10], alpha=0.9), np.array([1.0, 8.0])) == pytest.approx((0.1 + 1.8) / 2)
    ranking = made("rank", [1, 0, 0, 1], [0, 0, 1, 1])
    assert score(ranking, np.array([2.0, 1.0, 2.0, 1.0])) == pytest.approx((1 - 1 / np.log2(3)) / 2)
    # the second row is censored: at time 1 all three are at risk, at time 3 one
    assert score(made("survival", [1, -2, 3]), np.zeros(3)) == pytest.approx(np.log(3) / 2)


def test_folds_share_no_rows_and_divide_no_group() -> None:
    table = made("rank", [1.0, 0.0] * 20, np.repeat(np.arange(20), 2).tolist())
    seen = [set(test.X["x"]) for _, test in table.folds()]
    assert sum(map(len, seen)) == 40 == len(set().union(*seen))
    for train, test in table.folds():
        assert not set(train.group) & set(test.group)  # type: ignore[arg-type]
    label = made("binary", [1.0] * 10 + [0.0] * 90)
    assert [int(test.y.sum()) for _, test in label.folds()] == [2] * 5


def test_ranks_and_differences() -> None:
    assert ranks({"a": 1.0, "b": 2.0, "c": 2.0, "d": 3.0}) == {"a": 1, "b": 2.5, "c": 2.5, "d": 4}
    ours, theirs = ([Record("t", 9, k, "l", "1", s, 0.1) for k, s in enumerate(v)] for v in ((1, 2), (2, 5)))
    assert difference(ours, theirs) == pytest.approx((-2.0, 1.0))


def test_records_continue(tmp_path: Path) -> None:
    path = tmp_path / "fits.jsonl"
    records = Records(path)
    for k in range(2):
        records.add(Record("t", 9, k, "espalier", "1", 0.5, 0.1))
    assert len(Records(path).of("t", "espalier", range(2), 9)) == 2
    assert Records(path).of("t", "espalier", range(3), 9) == []
    assert Records(path, without=["espalier"]).known == {}


def test_half_of_each_kind_is_hidden() -> None:
    for task in {source.task for source in SOURCES.values()}:
        names = [name for name, source in SOURCES.items() if source.task == task]
        assert len(hidden() & set(names)) == len(names) // 2
