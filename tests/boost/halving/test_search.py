"""Successive halving: what is trained for how long, resumed searches, the model of the best trial."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import boost
from boost.errors import DataError
from boost.halving import Search, Values
from boost.halving.record import Record
from boost.halving.search import RUNGS, SIZE
from boost.preset import fit

SPACE = {"max_depth": Values(1, 6, whole=True), "lambda": Values(0.1, 100.0, log=True)}
PARAMS = {"objective": "reg:squarederror", "eta": 0.3, "seed": 3}


@pytest.fixture(scope="module")
def table() -> boost.DMatrix:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    return boost.DMatrix(X, X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=150))


class Watcher:
    def __init__(self, most: int = 10**6) -> None:
        self.seen: list[tuple[int, int]] = []
        self.most = most

    def after(self, record, best) -> None:
        self.seen.append((record.trial, record.rung))
        assert best.score <= record.score

    def stops(self) -> bool:
        return len(self.seen) >= self.most


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    """A search of two brackets, its records and its result."""
    path = tmp_path_factory.mktemp("search") / "s.jsonl"
    watcher = Watcher()
    search = Search(table, PARAMS, SPACE, trials=SIZE + 3, records=path)
    return search, watcher, search.run(watcher), path


def test_a_third_of_the_trials_is_trained_further(whole):
    search, watcher, result, _ = whole
    counts = [sum(rung == k for trial, rung in watcher.seen if trial < SIZE) for k in range(RUNGS)]
    assert counts == [9, 3, 1] and sum(trial >= SIZE for trial, _ in watcher.seen) == 5
    first = {trial: search.records.get(trial, 0) for trial in range(SIZE)}
    third = {trial for trial, rung in watcher.seen if rung == 1 and trial < SIZE}
    assert max(first[t].score for t in third) <= min(first[t].score for t in set(first) - third)
    assert first[0].params == {} and result.first >= result.score


def test_the_best_trial_is_the_model_that_fit_makes(whole, table):
    _, _, result, _ = whole
    booster = fit(table, {**PARAMS, **result.params}).booster
    assert result.rounds is None and booster.best_score == result.score
    assert not result.interrupted and result.trials == SIZE + 3


@pytest.mark.parametrize("evaluations", [4, SIZE + 2, SIZE + 5])
def test_a_search_that_is_stopped_and_resumed_is_the_same(whole, table, tmp_path, evaluations):
    _, _, result, path = whole
    (tmp_path / "s.jsonl").write_text(
        "".join(path.read_text().splitlines(True)[:evaluations]) + '{"key": "torn'
    )
    watcher = Watcher()
    again = Search(table, PARAMS, SPACE, trials=SIZE + 3, records=tmp_path / "s.jsonl")
    assert len(again.records) == evaluations
    assert again.run(watcher) == result
    assert len(watcher.seen) == len(path.read_text().splitlines()) - evaluations


def test_a_stopped_search_keeps_the_best_so_far(table):
    result = Search(table, PARAMS, SPACE, trials=SIZE).run(Watcher(most=3))
    assert result.interrupted and result.trials == 3
    assert Search(table, PARAMS, SPACE, trials=50, seconds=0.0).run is not None
    with pytest.raises(ValueError, match="stopped before its first evaluation"):
        Search(table, PARAMS, SPACE).run(Watcher(most=0))


def test_records_of_other_tables_and_other_files(whole, tmp_path):
    _, _, _, path = whole
    other = boost.DMatrix(np.arange(120.0).reshape(-1, 1), np.arange(120.0))
    assert Search(other, PARAMS, SPACE, records=path).records.others == len(path.read_text().splitlines())
    (tmp_path / "s.jsonl").write_text(json.dumps({"task": 1}) + "\n")
    with pytest.raises(DataError, match="line 1: not the record of a search over parameters"):
        Search(other, PARAMS, SPACE, records=tmp_path / "s.jsonl")


def test_trials_come_from_near_the_best(whole):
    search, _, _, _ = whole
    assert search.propose(5) == search.propose(5) != search.propose(6)
    best = search.records.best_first(False, SIZE)[0].params
    near = [search.propose(t) for t in range(SIZE, 2 * SIZE)]
    place = SPACE["lambda"].place
    assert min(abs(place(p["lambda"]) - place(best["lambda"])) for p in near) < 0.15


def test_proposals_depend_on_earlier_brackets_only(table):
    search = Search(table, PARAMS, SPACE)
    held = Record(search.records.key, 1, 0, {"max_depth": 2, "lambda": 1.0}, 9, 8, 1.0, 0.1)
    search.records.add(held)
    before = [search.propose(t) for t in range(SIZE, 2 * SIZE)]
    search.records.add(replace(held, trial=SIZE, params={"max_depth": 6, "lambda": 90.0}, score=0.1))
    assert [search.propose(t) for t in range(SIZE, 2 * SIZE)] == before
    assert [search.propose(t) for t in range(2 * SIZE, 3 * SIZE)] != before
