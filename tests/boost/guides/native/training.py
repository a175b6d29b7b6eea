"""Setting parameters, training, saving, dumping and loading, as an introduction shows them."""

from pathlib import Path

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
X = np.round(data.data / data.data.std(axis=0) * 8)[:, :10]
dtrain = xgb.DMatrix(X[:400], label=data.target[:400])
dtest = xgb.DMatrix(X[400:], label=data.target[400:])

param = {"max_depth": 2, "eta": 1, "objective": "binary:logistic"}
param["nthread"] = 2
param["eval_metric"] = "auc"
plst = list(param.items())
plst += [("eval_metric", "logloss")]
evallist = [(dtrain, "train"), (dtest, "eval")]
num_round = 6
history = {}
bst = xgb.train(plst, dtrain, num_round, evallist, evals_result=history, verbose_eval=False)
several = {
    "max_depth": 2,
    "eta": 1,
    "objective": "binary:logistic",
    "eval_metric": ["auc", "error"],
}
second = {}
xgb.train(several, dtrain, num_round, evals=evallist, evals_result=second, verbose_eval=2)

bst.save_model("0001.json")
bst.dump_model("dump.raw.txt")
Path("featmap.txt").write_text("".join(f"{i}\tf_{i}\tq\n" for i in range(10)))
bst.dump_model("dump.nice.txt", "featmap.txt")
other = xgb.Booster({"nthread": 2})
other.load_model("0001.json")

predicted = bst.predict(dtest)
answers = {
    "history": history,
    "several": second,
    "prediction": predicted,
    "error": float(np.mean((predicted > 0.5) != data.target[400:])),
    "loaded": other.predict(dtest),
    "rounds": (bst.num_boosted_rounds(), bst.num_features()),
    "line": bst.eval(dtest).split(":")[0],
    "splits": [line.split("yes")[0] for line in Path("dump.raw.txt").read_text().split() if "yes" in line],
    "named": [line.split("yes")[0] for line in Path("dump.nice.txt").read_text().split() if "yes" in line],
    "scores": bst.get_score(importance_type="weight"),
    "gain": bst.get_score(importance_type="gain"),
    "fscore": bst.get_fscore(),
    "histogram": bst.get_split_value_histogram("f7", as_pandas=False)[:, 1],
}
scratch = xgb.Booster(param, [dtrain, dtest])
for i in range(num_round):
    scratch.update(dtrain, i)
answers["step by step"] = scratch.predict(dtest)
answers["text"] = [part.split(":")[0] for part in scratch.eval_set(evallist, 5).split("\t")]
