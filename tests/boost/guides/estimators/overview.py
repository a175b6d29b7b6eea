"""The estimators: regression, classes, grid search, pickles, parts of pipelines, parameters."""

import pickle

import numpy as np
import xgboost as xgb
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import confusion_matrix, mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

answers = {}
folds = KFold(n_splits=2, shuffle=True, random_state=31)
cancer = load_breast_cancer()
X, y = np.round(cancer.data / cancer.data.std(axis=0) * 8), cancer.target
answers["two classes"] = []
for train, test in folds.split(X):
    model = xgb.XGBClassifier(n_jobs=1, max_depth=3, n_estimators=10).fit(X[train], y[train])
    answers["two classes"] += [
        confusion_matrix(y[test], model.predict(X[test])),
        model.predict_proba(X[test]),
    ]
iris = load_iris()
model = xgb.XGBClassifier(n_jobs=1, max_depth=3, n_estimators=10).fit(iris.data, iris.target)
answers["classes"] = (
    model.predict(iris.data),
    model.predict_proba(iris.data),
    model.classes_,
    model.n_classes_,
    model.score(iris.data, iris.target),
)
answers["margins"] = model.predict(iris.data, output_margin=True)
answers["leaves"] = model.apply(iris.data)
answers["rounds"] = model.predict(iris.data, iteration_range=(0, 1))

diabetes = load_diabetes()
X, y = np.round(diabetes.data * 40), diabetes.target
model = xgb.XGBRegressor(n_jobs=1, n_estimators=10, max_depth=3).fit(X, y)
answers["regression"] = (model.predict(X), mean_squared_error(y, model.predict(X)), model.n_features_in_)
answers["intercept"] = np.ravel(model.intercept_)
answers["importance"] = model.feature_importances_
for kind in ("weight", "total_gain", "cover"):
    answers[kind] = (
        xgb.XGBRegressor(n_estimators=4, max_depth=3, importance_type=kind).fit(X, y).feature_importances_
    )
search = GridSearchCV(xgb.XGBRegressor(n_jobs=1), {"max_depth": [2, 4], "n_estimators": [5, 10]}, cv=KFold(3))
search.fit(X, y)
answers["search"] = (search.best_params_, search.best_score_)
answers["scores"] = cross_val_score(xgb.XGBRegressor(max_depth=2, n_estimators=10), X, y, cv=KFold(3))
chain = make_pipeline(StandardScaler(), xgb.XGBRegressor(max_depth=2, n_estimators=5, tree_method="exact"))
answers["pipeline"] = chain.fit(X, y).predict(X)
answers["pickle"] = pickle.loads(pickle.dumps(model)).predict(X)

params = model.get_params()
answers["parameters"] = {name: params[name] for name in ("max_depth", "n_estimators", "n_jobs", "objective")}
answers["native"] = {name: model.get_xgb_params()[name] for name in ("max_depth", "objective")}
copied = clone(model).set_params(max_depth=2, learning_rate=0.5)
answers["set"] = copied.fit(X, y).predict(X)
again = xgb.XGBRegressor(**params).fit(X, y)
answers["again"] = again.predict(X)
answers["aliases"] = (
    xgb.XGBRegressor(eta=0.5, nthread=1, seed=3, n_estimators=3, max_depth=3).fit(X, y).predict(X)
)
answers["booster"] = model.get_booster().predict(xgb.DMatrix(X))
answers["rounds of it"] = (model.get_num_boosting_rounds(), model.get_booster().num_boosted_rounds())
model.save_model("model.json")
loaded = xgb.XGBRegressor()
loaded.load_model("model.json")
answers["file"] = loaded.predict(X)
general = xgb.XGBModel(objective="reg:squarederror", max_depth=3, n_estimators=4)
answers["general"] = general.fit(X, y).predict(X)
weighted = xgb.XGBRegressor(max_depth=3, n_estimators=4).fit(X, y, sample_weight=np.arange(442) + 1)
answers["weights"] = weighted.predict(X)
answers["margin"] = model.predict(X, base_margin=np.full(442, 3.0))
named = xgb.XGBClassifier(n_estimators=3, max_depth=2).fit(load_iris(as_frame=True).data, iris.target)
answers["names"] = named.feature_names_in_
