"""Learning to rank with query ids and with group sizes; weights of groups; metrics of positions."""

import numpy as np
import pandas as pd
import xgboost as xgb

rng = np.random.default_rng(1994)
X = rng.integers(0, 30, (400, 5)) / 6.0
qid = np.sort(rng.integers(0, 12, size=400))
y = np.clip((X[:, 0] - X[:, 1] + rng.normal(size=400)).round(), 0, 4).astype(int)
answers = {}
for objective in ("rank:ndcg", "rank:pairwise"):
    ranker = xgb.XGBRanker(
        tree_method="hist",
        lambdarank_num_pair_per_sample=8,
        objective=objective,
        lambdarank_pair_method="topk",
        n_estimators=8,
        max_depth=3,
    )
    ranker.fit(X, y, qid=qid)
    answers[objective] = ranker.predict(X)
answers["margins"] = ranker.predict(X, output_margin=True)
relevant = (y > 1).astype(int)
mean = xgb.XGBRanker(objective="rank:map", lambdarank_pair_method="topk", n_estimators=8, max_depth=3)
answers["rank:map"] = mean.fit(X, relevant, qid=qid).predict(X)
sizes = np.bincount(qid)
by_size = xgb.XGBRanker(
    objective="rank:ndcg", n_estimators=5, max_depth=3, eval_metric=["ndcg@3", "ndcg", "map@5", "pre@2"]
)
by_size.fit(X, relevant, group=sizes, eval_set=[(X, relevant)], eval_group=[sizes], verbose=False)
answers["group sizes"] = by_size.evals_result()
weights = rng.random(sizes.size) + 0.5
weighted = xgb.XGBRanker(objective="rank:pairwise", n_estimators=5, max_depth=3, eval_metric="ndcg@5")
weighted.fit(
    X,
    y,
    qid=qid,
    sample_weight=weights,
    eval_set=[(X, y)],
    eval_qid=[qid],
    sample_weight_eval_set=[weights],
    verbose=False,
)
answers["weights"] = weighted.evals_result()
frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(5)])
frame["qid"] = qid
with_column = xgb.XGBRanker(objective="rank:ndcg", n_estimators=5, max_depth=3).fit(frame, y)
answers["column of ids"] = (with_column.predict(frame), with_column.score(frame, y))
table = xgb.DMatrix(X, y, qid=qid)
bst = xgb.train(
    {"objective": "rank:ndcg", "eval_metric": "ndcg@4-", "max_depth": 3}, table, 5, verbose_eval=False
)
answers["native"] = bst.predict(table)
close = {"weights": 1e-3}
