"""Early stopping in estimators: by parameter, by callback, in cross-validation."""

import numpy as np
import xgboost as xgb
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold, train_test_split

data = load_breast_cancer()
X, y = np.round(data.data / data.data.std(axis=0) * 8), data.target
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=94)
clf = xgb.XGBClassifier(tree_method="hist", early_stopping_rounds=2, max_depth=3)
clf.fit(X_train, y_train, eval_set=[(X_test, y_test)], verbose=False)
answers = {
    "best": (clf.best_iteration, clf.best_score),
    "history": clf.evals_result(),
    "labels": clf.predict(X_test),
    "probabilities": clf.predict_proba(X_test),
}
stop = xgb.callback.EarlyStopping(
    rounds=2, min_delta=1e-3, save_best=True, maximize=False, data_name="validation_0", metric_name="logloss"
)
clf = xgb.XGBClassifier(tree_method="hist", callbacks=[stop], max_depth=3, eval_metric=["error", "logloss"])
clf.fit(X_train, y_train, eval_set=[(X_test, y_test)], verbose=False)
answers["by callback"] = (clf.get_booster().num_boosted_rounds(), clf.predict_proba(X_test))
stop = xgb.callback.EarlyStopping(rounds=2, save_best=False)
clf = xgb.XGBClassifier(callbacks=[stop], max_depth=3, n_estimators=80)
clf.fit(X_train, y_train, eval_set=[(X_test, y_test)], verbose=False)
answers["all rounds kept"] = (clf.best_iteration, clf.predict_proba(X_test), clf.predict(X_test))
answers["a range"] = clf.predict_proba(X_test, iteration_range=(0, 3))


def fit_and_score(estimator, train, test):
    estimator.fit(X[train], y[train], eval_set=[(X[test], y[test])], verbose=False)
    return estimator.score(X[train], y[train]), estimator.score(X[test], y[test]), estimator.best_iteration


clf = xgb.XGBClassifier(tree_method="hist", early_stopping_rounds=3, max_depth=2)
answers["folds"] = [
    fit_and_score(clone(clf), train, test)
    for train, test in StratifiedKFold(n_splits=3, shuffle=True, random_state=94).split(X, y)
]
several = xgb.XGBClassifier(n_estimators=8, max_depth=2, eval_metric=["auc", "error", "logloss"])
several.fit(
    X_train,
    y_train,
    eval_set=[(X_train, y_train), (X_test, y_test)],
    sample_weight_eval_set=[np.ones(len(y_train)), np.arange(len(y_test)) + 1.0],
    verbose=False,
)
answers["several"] = several.evals_result()
