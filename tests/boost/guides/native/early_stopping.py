"""Early stopping with `train`: the last metric of the last table decides; the rounds after the best one."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_diabetes

data = load_diabetes()
X = np.round(data.data * 40)
train, valid = xgb.DMatrix(X[:300], data.target[:300]), xgb.DMatrix(X[300:], data.target[300:])
param = {"max_depth": 3, "eta": 0.3, "eval_metric": ["mae", "rmse"]}
history = {}
bst = xgb.train(
    param,
    train,
    num_boost_round=100,
    evals=[(train, "train"), (valid, "valid")],
    early_stopping_rounds=4,
    evals_result=history,
    verbose_eval=False,
)
answers = {
    "best": (bst.best_iteration, bst.best_score),
    "history": history,
    "at the best": bst.predict(valid, iteration_range=(0, bst.best_iteration + 1)),
    "attributes": (bst.attr("best_iteration"), float(bst.attr("best_score"))),
}


def mean_error(predt, dtrain):
    return "bias", float(np.abs(np.mean(predt - dtrain.get_label())))


stop = xgb.callback.EarlyStopping(
    rounds=3, metric_name="bias", data_name="valid", save_best=True, maximize=False
)
bst = xgb.train(
    {"max_depth": 3},
    train,
    50,
    [(train, "train"), (valid, "valid")],
    custom_metric=mean_error,
    callbacks=[stop],
    verbose_eval=False,
)
answers["saved best"] = (bst.num_boosted_rounds(), bst.best_iteration, bst.predict(valid))
larger = xgb.callback.EarlyStopping(rounds=5, min_delta=1.0, save_best=True)
bst = xgb.train({"max_depth": 2}, train, 80, [(valid, "valid")], callbacks=[larger], verbose_eval=False)
answers["least improvement"] = (bst.num_boosted_rounds(), bst.best_score)
area = {"objective": "binary:logistic", "eval_metric": "auc", "max_depth": 2}
target = data.target > 140
train, valid = xgb.DMatrix(X[:300], target[:300]), xgb.DMatrix(X[300:], target[300:])
bst = xgb.train(area, train, 60, [(valid, "valid")], early_stopping_rounds=5, verbose_eval=False)
answers["maximized"] = (bst.best_iteration, bst.best_score)
