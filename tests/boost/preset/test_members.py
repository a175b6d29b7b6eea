"""Members: rows left out, common stopping, and the mean of the models, against models trained one by one."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.params import Params
from boost.preset.members import LEFT_OUT, Members, Plan, divide, joined

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 4)).astype(np.float32)
Y = X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * RNG.normal(size=240)
PARAMS = {"max_depth": 3, "eta": 0.3, "nthread": 1, "verbosity": 0}


def test_the_parts_divide_classes_and_groups() -> None:
    label = np.repeat([0, 1], [210, 30])
    part = divide(DMatrix(X, label), 5, 0, "binary:logistic")
    for value in (0, 1):
        counts = np.bincount(part[label == value], minlength=5)
        assert counts.max() - counts.min() <= 1
    grouped = divide(DMatrix(X, Y, group=[8] * 30), 5, 0, "rank:ndcg").reshape(30, 8)
    assert (grouped == grouped[:, :1]).all() and set(grouped[:, 0]) == set(range(5))
    weight = np.where(np.arange(240) < 40, 1.0, 0.0)
    part = divide(DMatrix(X, Y, weight=weight), 5, 0, "reg:squarederror")
    assert np.bincount(part[:40], minlength=5).tolist() == [8] * 5


def test_a_member_is_a_model_of_the_rows_that_it_does_not_leave_out() -> None:
    # With cuts between any two values there is nothing that the rows left out could change.
    table = DMatrix(X, Y)
    members = Members(Params({**PARAMS, "base_score": 0.5}), table, Plan(3, 4, 6, 6))
    members.advance(6)
    for member in members._members:
        kept = np.setdiff1d(np.arange(240), member.held)
        alone = boost.train({**PARAMS, "base_score": 0.5}, table.slice(kept), 6, verbose_eval=False)
        np.testing.assert_allclose(member.booster.predict(table)[kept], alone.predict(table)[kept], rtol=1e-5)
        loss = np.sqrt(np.mean((member.booster.predict(table)[member.held] - Y[member.held]) ** 2))
        assert member.score()[0][1] == pytest.approx(loss, rel=1e-5)


def test_the_model_is_the_mean_of_the_members() -> None:
    table = DMatrix(X, Y)
    members = Members(Params(PARAMS), table, Plan(3, 3, 40, 4, {"max_depth": (2, 4)}))
    members.advance(40)
    booster, best = members.booster(), members.best_round
    each = [m.booster.predict(table, iteration_range=(0, best + 1)) for m in members._members]
    np.testing.assert_allclose(booster.predict(table), np.mean(each, axis=0), rtol=1e-5, atol=1e-6)
    assert booster.num_boosted_rounds() == best + 1 and booster.forest.trees == 3 * (best + 1)
    assert booster.best_iteration == best and booster.best_score == min(members.history["rmse"])
    assert booster.history == {LEFT_OUT: members.history}
    assert len(members.history["rmse"]) == best + 1 + 4  # the patience
    depths = [max(t.size for t in map(m.booster.forest.__getitem__, range(best))) for m in members._members]
    assert depths[0] <= 7 < depths[1] and depths[2] <= 7


def test_the_score_is_the_mean_over_the_rows_left_out() -> None:
    members = Members(Params(PARAMS), DMatrix(X, Y), Plan(2, 5, 3, 3))
    members.advance(3)
    last = [m.score()[0][1] for m in members._members]
    assert members.history["rmse"][-1] == pytest.approx(np.mean(last))


def test_forests_are_joined_round_by_round() -> None:
    table = DMatrix(X, np.column_stack((Y, -Y)))
    boosters = [boost.train({**PARAMS, "seed": s, "subsample": 0.5}, table, 3) for s in (1, 2)]
    both = joined([b.forest for b in boosters], 2)
    assert (both.parallel, both.n_outputs, both.rounds, both.trees) == (2, 2, 2, 8)
    assert [both.output(t) for t in range(8)] == [0, 0, 1, 1] * 2
    for t, (booster, tree) in enumerate((b, k) for k in range(4) for b in boosters):
        leaf = booster.forest[tree].left < 0
        np.testing.assert_allclose(both[t].condition[leaf], booster.forest[tree].condition[leaf] / 2)
        np.testing.assert_array_equal(both[t].condition[~leaf], booster.forest[tree].condition[~leaf])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bytes_for_any_number_of_threads(threads: int) -> None:
    members = Members(
        Params({**PARAMS, "nthread": threads, "subsample": 0.7, "colsample_bytree": 0.7}),
        DMatrix(X, Y),
        Plan(3, 3, 8, 8),
    )
    members.advance(8)
    found = bytes(members.booster().save_raw("json"))
    one = Members(
        Params({**PARAMS, "subsample": 0.7, "colsample_bytree": 0.7}), DMatrix(X, Y), Plan(3, 3, 8, 8)
    )
    one.advance(8)
    assert found == bytes(one.booster().save_raw("json"))
