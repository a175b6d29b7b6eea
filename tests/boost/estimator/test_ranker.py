"""Query groups by size or by id, their weights, and the score."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.metrics import ndcg_score
from sklearn.model_selection import GroupKFold, cross_val_score

from boost import BoostRanker, XGBRanker

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = np.digitize(X[:, 0] + RNG.normal(size=400) * 0.1, [-1, 0, 1])
QID = np.repeat(np.arange(40), 10)


def test_orders_groups() -> None:
    model = BoostRanker(n_estimators=20, max_depth=3).fit(X, Y, qid=QID)
    assert np.corrcoef(model.predict(X), X[:, 0])[0, 1] > 0.8
    grouped = BoostRanker(n_estimators=20, max_depth=3).fit(X, Y, group=[10] * 40)
    assert grouped.predict(X).tobytes() == model.predict(X).tobytes()
    frame = BoostRanker(n_estimators=20, max_depth=3).fit(pd.DataFrame(X), pd.Series(Y), qid=pd.Series(QID))
    assert frame.predict(pd.DataFrame(X)).tobytes() == model.predict(X).tobytes()


def test_weights_of_groups() -> None:
    weight = np.arange(1.0, 41)
    weighted = BoostRanker(preset="xgboost", n_estimators=2).fit(X, Y, group=[10] * 40, group_weight=weight)
    renamed = XGBRanker(n_estimators=2).fit(X, Y, group=[10] * 40, sample_weight=weight)
    plain = BoostRanker(preset="xgboost", n_estimators=2).fit(X, Y, group=[10] * 40)
    assert weighted.predict(X).tobytes() == renamed.predict(X).tobytes() != plain.predict(X).tobytes()


def test_evaluation_tables() -> None:
    pairs = [(X[:100], Y[:100]), (X[100:], Y[100:])]
    model = BoostRanker(n_estimators=20)
    model.fit(
        X, Y, group=[10] * 40, eval_set=pairs, eval_qid=[np.repeat(np.arange(10), 10), np.arange(300) // 10]
    )
    assert [[len(m) for m in v.values()] for v in model.evals_result_.values()] == [[20], [20]]
    with pytest.raises(ValueError, match="eval_group has 1 entries for 2 pairs in eval_set"):
        model.fit(X, Y, eval_set=pairs, eval_group=[[10] * 10])
    with pytest.raises(ValueError, match="group .* or qid .*, not both"):
        model.fit(X, Y, qid=QID, group=[10] * 40)


def test_score_is_the_ndcg_of_groups() -> None:
    model = BoostRanker(n_estimators=3, max_depth=2).fit(X, Y, qid=QID)
    gain, seen = (2.0**Y - 1).reshape(40, 10), model.predict(X).reshape(40, 10)
    # Rows of equal scores are in the order of the table, as in the metric.
    want = np.mean([ndcg_score([g], [s - 1e-9 * np.arange(10)]) for g, s in zip(gain, seen, strict=True)])
    assert model.score(X, Y, qid=QID) == pytest.approx(want)
    assert model.score(X, Y, group=[10] * 40) == model.score(X, Y, qid=QID) > 0.8


def test_groups_are_routed_through_cross_validation() -> None:
    with config_context(enable_metadata_routing=True):
        model = BoostRanker(n_estimators=3).set_fit_request(qid=True).set_score_request(qid=True)
        scores = cross_val_score(model, X, Y, cv=GroupKFold(4), params={"qid": QID, "groups": QID})
    assert scores.shape == (4,) and (scores > 0.8).all()
