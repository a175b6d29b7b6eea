"""Tables given in batches by an iterator."""

from pathlib import Path

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
for i in range(4):
    x = rng.integers(0, 40, (100, 6)) / 8.0
    np.savez(f"part-{i}.npz", x=x, y=x[:, 0] * x[:, 1] + x[:, 2], w=rng.random(100) + 0.5)


class Iterator(xgb.DataIter):
    """Loads a file when it is required."""

    def __init__(self, paths, **options):
        self.paths, self.at = paths, 0
        super().__init__(**options)

    def next(self, input_data):
        if self.at == len(self.paths):
            return False
        part = np.load(self.paths[self.at])
        input_data(data=part["x"], label=part["y"], weight=part["w"])
        self.at += 1
        return True

    def reset(self):
        self.at = 0


paths = sorted(Path().glob("part-*.npz"))
param = {"tree_method": "hist", "max_depth": 4, "grow_policy": "depthwise"}
answers = {}
table = xgb.QuantileDMatrix(Iterator(paths[:3]))
valid = xgb.QuantileDMatrix(Iterator(paths[3:]), ref=table)
history = {}
bst = xgb.train(
    param, table, 6, [(table, "Train"), (valid, "Valid")], evals_result=history, verbose_eval=False
)
answers["quantile"] = (table.num_row(), table.num_col(), history, bst.predict(table), bst.predict(valid))

cached = xgb.DMatrix(Iterator(paths[:3], cache_prefix="cache"))
bst = xgb.train(param, cached, 6, verbose_eval=False)
answers["cached"] = (cached.num_row(), bst.predict(cached))
bst = xgb.train({**param, "tree_method": "approx"}, cached, 6, verbose_eval=False)
answers["approx"] = bst.predict(cached)
outside = xgb.ExtMemQuantileDMatrix(Iterator(paths[:3], cache_prefix="pages"))
bst = xgb.train(param, outside, 6, verbose_eval=False)
answers["outside"] = (outside.num_row(), bst.predict(outside))
