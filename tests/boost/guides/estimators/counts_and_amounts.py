"""Counts, amounts and constraints through the estimators: the other losses, weights of features, forests."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.integers(0, 30, (500, 4)) / 10.0
mean = np.exp(0.5 * X[:, 0] - 0.3 * X[:, 1])
answers = {}
for objective, y in (
    ("count:poisson", rng.poisson(mean)),
    ("reg:gamma", rng.gamma(2.0, mean / 2.0) + 0.01),
    ("reg:tweedie", rng.poisson(mean) * rng.gamma(2.0, mean / 2.0)),
    ("reg:squaredlogerror", mean),
    ("reg:logistic", mean / (1.0 + mean)),
):
    # The best constant is the default here; of this loss, it is 0.5 in XGBoost.
    start = 0.5 if objective == "reg:squaredlogerror" else None
    model = xgb.XGBRegressor(objective=objective, n_estimators=6, max_depth=3, base_score=start)
    model.fit(X, y, eval_set=[(X, y)], verbose=False)
    answers[objective] = (model.predict(X), model.evals_result())
tweedie = xgb.XGBRegressor(objective="reg:tweedie", tweedie_variance_power=1.3, n_estimators=5, max_depth=3)
tweedie.fit(X, np.floor(mean), eval_set=[(X, np.floor(mean))], verbose=False)
answers["power"] = (tweedie.predict(X), list(tweedie.evals_result()["validation_0"]))
model = xgb.XGBRegressor(monotone_constraints=(1, -1, 0, 0), n_estimators=5, max_depth=3)
answers["monotone"] = model.fit(X, mean).predict(X)
model = xgb.XGBRegressor(interaction_constraints="[[0, 2], [1, 3]]", n_estimators=5, max_depth=3)
answers["interaction"] = model.fit(X, mean).predict(X)
y = mean + rng.normal(size=500) * 0.1
forest = xgb.XGBRFRegressor(n_estimators=40, subsample=0.8, colsample_bynode=0.8, random_state=42).fit(X, y)
answers["forest"] = forest.score(X, y)
only = xgb.XGBRegressor(feature_weights=[0, 0, 1, 1], colsample_bynode=0.5, n_estimators=10, max_depth=3)
answers["weights of features"] = only.fit(X, y).feature_importances_[:2]
skewed = (y > 2.5).astype(int)
balanced = xgb.XGBClassifier(
    scale_pos_weight=float((skewed == 0).sum() / skewed.sum()), n_estimators=5, max_depth=3
)
answers["balanced"] = balanced.fit(X, skewed).predict_proba(X)
leaf = xgb.XGBRegressor(
    grow_policy="lossguide", max_leaves=8, max_depth=0, reg_lambda=2.0, reg_alpha=0.5, gamma=0.1
)
answers["penalties"] = leaf.set_params(n_estimators=5, min_child_weight=3.0).fit(X, y).predict(X)
deep = xgb.XGBClassifier(max_delta_step=0.5, n_estimators=5, max_depth=3).fit(X, skewed)
answers["step"] = deep.predict_proba(X)
close = {"forest": 0.02}
