"""Rank the documents of each query, with graded relevance as labels."""

import numpy as np

import boost

rng = np.random.default_rng(0)
QUERIES, DOCUMENTS = 60, 20


def make_queries(queries: int) -> boost.DMatrix:
    """A table of documents in query groups; relevance from 0 to 4 depends on three of the features."""
    x = rng.standard_normal((queries * DOCUMENTS, 8), dtype=np.float32)
    score = x[:, 0] + np.abs(x[:, 1]) + 0.5 * x[:, 2] + 0.5 * rng.standard_normal(len(x))
    relevance = np.digitize(score, np.quantile(score, [0.5, 0.75, 0.9, 0.97]))
    return boost.DMatrix(x, label=relevance, qid=np.repeat(np.arange(queries), DOCUMENTS))


train, test = make_queries(QUERIES), make_queries(QUERIES)
history: dict[str, dict[str, list[float]]] = {}
model = boost.train(
    {"objective": "rank:ndcg", "eval_metric": "ndcg@5", "eta": 0.1, "max_depth": 4},
    train,
    num_boost_round=50,
    evals=[(test, "test")],
    evals_result=history,
    verbose_eval=False,
)
ndcg = history["test"]["ndcg@5"]
print(f"NDCG of the first five documents: {ndcg[0]:.3f} after one round, {ndcg[-1]:.3f} after {len(ndcg)}")
best = np.argsort(-model.predict(test)[:DOCUMENTS])[:5]
print("the first query's best documents:", *best)
