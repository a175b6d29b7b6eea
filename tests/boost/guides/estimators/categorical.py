"""Categorical columns: frames, arrays with feature types, one-hot and partitioned splits."""

import numpy as np
import pandas as pd
import xgboost as xgb

rng = np.random.default_rng(0)
rows = 600
words = np.array(["ash", "beech", "cedar", "elm", "fir", "larch", "oak", "pine", "yew"])
code = rng.integers(0, 9, rows)
two = rng.integers(0, 3, rows)
number = rng.integers(0, 30, rows) / 6.0
y = np.sin(code * 2.3) * 3 + two * number + rng.normal(size=rows) * 0.1
X = pd.DataFrame(
    {
        "tree": pd.Categorical.from_codes(code, words),
        "kind": pd.Series(two).map({0: "a", 1: "b", 2: "c"}).astype("category"),
        "number": number,
    }
)
answers = {}
model = xgb.XGBRegressor(tree_method="hist", enable_categorical=True, max_depth=4, n_estimators=6).fit(X, y)
answers["partition"] = model.predict(X)
model.save_model("categorical-model.json")
other = xgb.XGBRegressor()
other.load_model("categorical-model.json")
answers["file"] = other.predict(X)
shuffled = X.assign(tree=X["tree"].cat.reorder_categories(words[::-1]))
answers["other order"] = model.predict(shuffled)
one_hot = xgb.XGBRegressor(enable_categorical=True, max_cat_to_onehot=20, max_depth=4, n_estimators=6)
answers["one hot"] = one_hot.fit(X, y).predict(X)
few = xgb.XGBRegressor(
    enable_categorical=True, max_cat_to_onehot=1, max_cat_threshold=3, max_depth=4, n_estimators=6
)
answers["threshold"] = few.fit(X, y).predict(X)
approx = xgb.XGBRegressor(tree_method="approx", enable_categorical=True, max_depth=4, n_estimators=6)
answers["approx"] = approx.fit(X, y).predict(X)
array = np.column_stack((code, two, number))
model = xgb.XGBRegressor(feature_types=["c", "c", "q"], enable_categorical=True, max_depth=4, n_estimators=6)
answers["array"] = model.fit(array, y).predict(array)
table = xgb.DMatrix(X, y, enable_categorical=True)
bst = xgb.train({"tree_method": "hist", "max_depth": 4}, table, 6, verbose_eval=False)
answers["native"] = (table.feature_types, bst.predict(table), bst.predict(table, pred_contribs=True))
missing = X.assign(tree=X["tree"].where(code != 3))
table = xgb.DMatrix(missing, y, enable_categorical=True)
answers["missing"] = xgb.train({"max_depth": 4}, table, 6, verbose_eval=False).predict(table)
classes = xgb.XGBClassifier(enable_categorical=True, max_depth=3, n_estimators=5).fit(X, (y > 2).astype(int))
answers["classes"] = classes.predict_proba(X)
try:
    xgb.DMatrix(X, y, enable_categorical=False)
except ValueError:
    answers["refused"] = True
differs = {"threshold": "the limit counts the categories of the set; XGBoost's, those that have no rows, too"}
