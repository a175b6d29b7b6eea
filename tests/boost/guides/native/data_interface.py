"""Where data comes from: arrays, sparse matrices, frames, text files, binary files; information of rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.integers(0, 20, (200, 4)) / 4.0
y = X[:, 0] - X[:, 1] + rng.normal(size=200)
weight = rng.random(200)
params = {"max_depth": 3, "eta": 0.5}
answers = {}


def learn(table, given=params):
    return xgb.train(given, table, 5, verbose_eval=False).predict(table)


answers["array"] = learn(xgb.DMatrix(X, label=y))
answers["list"] = learn(xgb.DMatrix(X.tolist(), label=y.tolist()))
answers["csr"] = learn(xgb.DMatrix(sp.csr_matrix(X), label=y))
answers["csc"] = learn(xgb.DMatrix(sp.csc_matrix(X), label=y))
answers["coo"] = learn(xgb.DMatrix(sp.coo_matrix(X), label=y))
frame = pd.DataFrame(X, columns=["one", "two", "three", "four"])
table = xgb.DMatrix(frame, label=pd.Series(y))
answers["frame"] = learn(table)
answers["names"] = table.feature_names
answers["types"] = table.feature_types
answers["shape"] = (table.num_row(), table.num_col(), table.num_nonmissing())
gaps = np.where(X == 2.0, -999.0, X)
answers["missing"] = learn(xgb.DMatrix(gaps, label=y, missing=-999.0))
answers["present"] = xgb.DMatrix(gaps, missing=-999.0).num_nonmissing()
answers["weight"] = learn(xgb.DMatrix(X, label=y, weight=weight))
later = xgb.DMatrix(X)
later.set_label(y)
later.set_weight(weight)
answers["set later"] = learn(later)
answers["read back"] = (later.get_label(), later.get_weight())
answers["float info"] = later.get_float_info("label")
later.set_info(label=y, weight=weight, feature_names=list("abcd"))
answers["set_info"] = (later.feature_names, learn(later))
answers["slice"] = later.slice([5, 3, 8]).get_label()
answers["get_data"] = later.get_data().toarray()

lines = [
    f"{label:.6f} " + " ".join(f"{j}:{value}" for j, value in enumerate(row) if value)
    for label, row in zip(y, X, strict=True)
]
Path("train.svm.txt").write_text("\n".join(lines) + "\n")
text = xgb.DMatrix("train.svm.txt?format=libsvm")
answers["libsvm"] = (text.num_row(), text.num_nonmissing(), text.get_label(), learn(text))
np.savetxt("train.csv", np.column_stack((y, X)), delimiter=",", fmt="%.6f")
text = xgb.DMatrix("train.csv?format=csv&label_column=0")
answers["csv"] = (text.num_row(), text.num_col(), text.get_label(), learn(text))

later.save_binary("train.buffer")
again = xgb.DMatrix("train.buffer")
answers["binary"] = (again.num_row(), again.get_weight(), again.feature_names, learn(again))

groups = xgb.DMatrix(X, label=rng.integers(0, 3, 200))
groups.set_group([50, 100, 50])
answers["groups"] = groups.get_uint_info("group_ptr")
answers["ranking"] = learn(groups, {**params, "objective": "rank:pairwise", "lambdarank_pair_method": "topk"})
cut = xgb.QuantileDMatrix(X, label=y, max_bin=16)
answers["quantile"] = (cut.num_row(), cut.num_col(), cut.get_label())
