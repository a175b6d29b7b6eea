"""Parts of a model, the effect of each tree, and training that continues."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_diabetes, load_iris

X, y = load_iris(return_X_y=True)
table = xgb.DMatrix(X, y)
param = {"num_parallel_tree": 1, "max_depth": 3, "objective": "multi:softprob", "num_class": 3}
bst = xgb.train(param, table, 8, verbose_eval=False)
part = bst[2:6]
answers = {
    "rounds": (bst.num_boosted_rounds(), part.num_boosted_rounds(), len(part.get_dump())),
    "slice": bst[:4].predict(table),
    "later rounds": bst[3:7].predict(table, output_margin=True),
    "same as a range": float(
        np.abs(bst[:4].predict(table) - bst.predict(table, iteration_range=(0, 4))).max()
    ),
    "step": bst[0:8:2].predict(table),
    "one": bst[1].predict(table),
    "each": [tree.predict(table, output_margin=True) for tree in bst][:3],
}
data = load_diabetes()
X = np.round(data.data * 200)
table = xgb.DMatrix(X, data.target)
param = {"max_depth": 3, "eta": 0.4}
whole = xgb.train(param, table, 8, verbose_eval=False)
first = xgb.train(param, table, 3, verbose_eval=False)
first.save_model("first.json")
answers["continued"] = xgb.train(param, table, 5, xgb_model=first, verbose_eval=False).predict(table)
answers["from a file"] = xgb.train(param, table, 5, xgb_model="first.json", verbose_eval=False).predict(table)
answers["whole"] = whole.predict(table)
raw = bytearray(first.save_raw())
answers["from bytes"] = xgb.train(param, table, 5, xgb_model=raw, verbose_eval=False).predict(table)
base = xgb.DMatrix(X, data.target, base_margin=first.predict(table, output_margin=True))
answers["tree by tree"] = [
    tree.predict(base, output_margin=True) for tree in xgb.train(param, base, 2, verbose_eval=False)
]
answers["first kept"] = first.num_boosted_rounds()
