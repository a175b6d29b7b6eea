"""Survival: accelerated failure times with censored labels, and the proportional hazards of Cox."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.integers(0, 20, (300, 4)) / 4.0
time = np.exp(0.4 * X[:, 0] - 0.3 * X[:, 1] + 0.2 * rng.normal(size=300)) + 0.1
censored = rng.random(300) < 0.3
lower, upper = time.copy(), np.where(censored, np.inf, time)
upper[:20] = time[:20] * 1.5
lower[20:30] = 0.0
dtrain = xgb.DMatrix(X[:200])
dtrain.set_float_info("label_lower_bound", lower[:200])
dtrain.set_float_info("label_upper_bound", upper[:200])
dvalid = xgb.DMatrix(X[200:], label_lower_bound=lower[200:], label_upper_bound=upper[200:])
answers = {"bounds": dvalid.get_float_info("label_upper_bound")}
for distribution in ("normal", "logistic", "extreme"):
    params = {
        "objective": "survival:aft",
        "eval_metric": "aft-nloglik",
        "aft_loss_distribution": distribution,
        "aft_loss_distribution_scale": 1.20,
        "tree_method": "hist",
        "learning_rate": 0.05,
        "max_depth": 2,
        "base_score": 0.5,
    }
    history = {}
    bst = xgb.train(
        params,
        dtrain,
        num_boost_round=12,
        evals=[(dtrain, "train"), (dvalid, "valid")],
        evals_result=history,
        verbose_eval=False,
    )
    answers[distribution] = (history, bst.predict(dvalid), bst.predict(dvalid, output_margin=True))
accuracy = {}
xgb.train(
    {**params, "eval_metric": "interval-regression-accuracy"},
    dtrain,
    8,
    [(dvalid, "valid")],
    evals_result=accuracy,
    verbose_eval=False,
)
answers["accuracy"] = accuracy

signed = np.where(censored, -time, time)
dtrain, dvalid = xgb.DMatrix(X[:200], signed[:200]), xgb.DMatrix(X[200:], signed[200:])
history = {}
bst = xgb.train(
    {
        "objective": "survival:cox",
        "eval_metric": "cox-nloglik",
        "max_depth": 2,
        "eta": 0.1,
        "base_score": 1.0,
    },
    dtrain,
    10,
    [(dtrain, "train"), (dvalid, "valid")],
    evals_result=history,
    verbose_eval=False,
)
answers["cox"] = (history, bst.predict(dvalid), bst.predict(dvalid, output_margin=True))
