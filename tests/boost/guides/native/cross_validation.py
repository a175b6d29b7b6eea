"""Cross-validation: metrics, own folds, early stopping, preprocessing of each fold, own losses."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import KFold

data = load_breast_cancer()
X = np.round(data.data / data.data.std(axis=0) * 8)
dtrain = xgb.DMatrix(X, data.target)
param = {"max_depth": 2, "eta": 1, "objective": "binary:logistic"}
folds = list(KFold(5).split(X))
results = xgb.cv(param, dtrain, 4, nfold=5, folds=folds, metrics={"error"}, seed=0)
answers = {"columns": list(results.columns), "rows": len(results), "error": results.to_numpy()}
several = xgb.cv(param, dtrain, 4, folds=folds, metrics=["auc", "logloss"], as_pandas=False)
answers["several"] = {name: several[name] for name in sorted(several)}
drawn = xgb.cv(param, dtrain, 10, 5, True, None, ["logloss"], None, None, None, None, True, None, True, 7)
answers["drawn"] = drawn["test-logloss-mean"].iloc[-1]
stopped = xgb.cv(
    param,
    dtrain,
    num_boost_round=40,
    folds=KFold(5),
    metrics={"logloss"},
    callbacks=[
        xgb.callback.EvaluationMonitor(show_stdv=True, period=100),
        xgb.callback.EarlyStopping(rounds=3),
    ],
)
answers["stopped"] = (len(stopped), stopped["test-logloss-mean"].to_numpy())


def balance(dtrain, dtest, param):
    label = dtrain.get_label()
    param["scale_pos_weight"] = float(np.sum(label == 0)) / np.sum(label == 1)
    return (dtrain, dtest, param)


balanced = xgb.cv(param, dtrain, 4, folds=folds, metrics={"auc"}, fpreproc=balance)
answers["balanced"] = balanced.to_numpy()


def logregobj(preds, dtrain):
    preds = 1.0 / (1.0 + np.exp(-preds))
    return preds - dtrain.get_label(), preds * (1.0 - preds)


def evalerror(preds, dtrain):
    return "wrong", float(np.mean((preds > 0.0) != dtrain.get_label()))


own = xgb.cv({"max_depth": 2, "eta": 1}, dtrain, 4, folds=folds, obj=logregobj, custom_metric=evalerror)
answers["own"] = own[["train-wrong-mean", "test-wrong-mean", "test-wrong-std"]].to_numpy()
close = {"drawn": 0.3}
