"""Quantile regression: one level, several levels, quantile tables with a reference."""

import numpy as np
import xgboost as xgb
from sklearn.model_selection import train_test_split

rng = np.random.RandomState(1994)
X = np.atleast_2d(np.round(rng.uniform(0, 10.0, size=1000), 1)).T
y = (X * np.sin(X)).ravel() + rng.normal(0, 0.5 + X.ravel() / 10)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=rng)
alpha = np.array([0.05, 0.5, 0.95])
Xy = xgb.QuantileDMatrix(X_train, y_train)
Xy_test = xgb.QuantileDMatrix(X_test, y_test, ref=Xy)
evals_result = {}
booster = xgb.train(
    {
        "objective": "reg:quantileerror",
        "tree_method": "hist",
        "quantile_alpha": alpha,
        "learning_rate": 0.1,
        "max_depth": 5,
    },
    Xy,
    num_boost_round=16,
    early_stopping_rounds=8,
    evals=[(Xy, "Train"), (Xy_test, "Test")],
    evals_result=evals_result,
    verbose_eval=False,
)
scores = booster.inplace_predict(X_test)
answers = {
    "shape": scores.shape,
    "scores": scores,
    "history": evals_result,
    "coverage": float(np.mean((y_test > scores[:, 0]) & (y_test < scores[:, 2]))),
}
for level in (0.1, 0.5):
    model = xgb.XGBRegressor(
        objective="reg:quantileerror", quantile_alpha=level, n_estimators=10, max_depth=3
    )
    answers[f"level {level}"] = model.fit(X_train, y_train).predict(X_test)
model = xgb.XGBRegressor(objective="reg:absoluteerror", n_estimators=10, max_depth=3)
answers["absolute"] = model.fit(X_train, y_train).predict(X_test)
huber = xgb.XGBRegressor(
    objective="reg:pseudohubererror", huber_slope=2.0, base_score=0.5, n_estimators=10, max_depth=3
)
answers["huber"] = huber.fit(X_train, y_train).predict(X_test)
