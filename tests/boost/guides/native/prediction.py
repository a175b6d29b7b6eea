"""Every kind of prediction and its shape: values, margins, leaves, contributions, ranges of rounds."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
import xgboost as xgb
from sklearn.datasets import load_iris

rng = np.random.default_rng(1)
X, y = load_iris(return_X_y=True)
dtrain = xgb.DMatrix(X, y)
several = xgb.train(
    {"objective": "multi:softprob", "num_class": 3, "max_depth": 3}, dtrain, 6, verbose_eval=False
)
one = xgb.train(
    {"objective": "binary:logistic", "max_depth": 3}, xgb.DMatrix(X, y == 2), 6, verbose_eval=False
)
label = xgb.train(
    {"objective": "multi:softmax", "num_class": 3, "max_depth": 3}, dtrain, 6, verbose_eval=False
)
answers = {"labels": label.predict(dtrain)}
for name, bst in (("several", several), ("one", one)):
    answers[name] = {
        "value": bst.predict(dtrain),
        "margin": bst.predict(dtrain, output_margin=True),
        "leaf": bst.predict(dtrain, pred_leaf=True),
        "contributions": bst.predict(dtrain, pred_contribs=True),
        "interactions": bst.predict(dtrain, pred_interactions=True),
        "strict": bst.predict(dtrain, strict_shape=True),
        "strict leaf": bst.predict(dtrain, pred_leaf=True, strict_shape=True),
        "strict contributions": bst.predict(dtrain, pred_contribs=True, strict_shape=True),
        "first rounds": bst.predict(dtrain, iteration_range=(0, 3)),
        "other rounds": bst.predict(dtrain, iteration_range=(2, 5), output_margin=True),
        "in place": bst.inplace_predict(X),
        "in place margin": bst.inplace_predict(X, predict_type="margin", iteration_range=(0, 2)),
        "sparse": bst.inplace_predict(sp.csr_matrix(X)),
        "frame": bst.inplace_predict(pd.DataFrame(X), validate_features=False),
        "missing": bst.inplace_predict(np.where(X == 1.4, -1.0, X), missing=-1.0),
    }
answers["no rows"] = (one.inplace_predict(X[:0]), one.predict(xgb.DMatrix(X[:0])))
answers["no rows of classes"] = several.inplace_predict(X[:0])
differs = {"no rows of classes": "XGBoost loses the axis of the classes, the shape is (0, 3) here"}
start = rng.normal(size=150)
answers["base margin"] = one.inplace_predict(X, base_margin=start)
try:
    one.predict(xgb.DMatrix(X[:, :2]))
except ValueError:
    answers["other columns"] = "refused"
