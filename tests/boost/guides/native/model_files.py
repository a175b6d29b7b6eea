"""Model files, raw bytes, pickles, attributes, and the configuration of a booster."""

import json
import pickle
from pathlib import Path

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(3)
X = rng.integers(0, 25, (300, 4)) / 5.0
y = (X[:, 0] * X[:, 1] > 4).astype(int)
table = xgb.DMatrix(X, y, feature_names=["length", "width", "height", "mass"])
bst = xgb.train({"objective": "binary:logistic", "max_depth": 3}, table, 5, verbose_eval=False)
before = bst.predict(table)
answers = {"before": before}
bst.set_attr(owner="me", note="1")
for name in ("model.json", "model.ubj"):
    bst.save_model(name)
    other = xgb.Booster()
    other.load_model(name)
    answers[name] = (other.predict(table), other.attributes(), other.feature_names, other.num_features())
    answers[f"{name} as an argument"] = xgb.Booster(model_file=name).predict(table)
for form in ("json", "ubj"):
    raw = bst.save_raw(raw_format=form)
    other = xgb.Booster()
    other.load_model(raw)
    answers[f"raw {form}"] = (type(raw).__name__, other.predict(table))
answers["pickle"] = pickle.loads(pickle.dumps(bst)).predict(table)
copied = bst.copy()
copied.set_attr(owner=None)
answers["attributes"] = (bst.attr("owner"), copied.attr("owner"), copied.attributes())
model = json.loads(Path("model.json").read_text())
learner = model["learner"]
answers["file"] = {
    "objective": learner["objective"]["name"],
    "booster": learner["gradient_booster"]["name"],
    "trees": learner["gradient_booster"]["model"]["gbtree_model_param"]["num_trees"],
    "names": learner["feature_names"],
}
config = json.loads(bst.save_config())
answers["configuration"] = {
    "objective": config["learner"]["objective"]["name"],
    "depth": config["learner"]["gradient_booster"]["tree_train_param"]["max_depth"],
}
fresh = xgb.Booster()
fresh.load_model("model.json")
fresh.load_config(bst.save_config())
fresh.update(table, 5)
bst.update(table, 5)
answers["continued alike"] = float(np.abs(fresh.predict(table) - bst.predict(table)).max())
answers["dump"] = [json.loads(tree)["nodeid"] for tree in bst.get_dump(dump_format="json", with_stats=True)]
answers["frame"] = list(bst.trees_to_dataframe().columns)
answers["nodes"] = len(bst.trees_to_dataframe())
