"""How the files of this folder were made. They are kept: later versions must read them as they are.

``PYTHONPATH=. python tests/boost/models/make.py NAME ...`` adds files that are not there yet, with the
predictions of the library that wrote them, and needs that library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
COLUMNS = ["size", "weight", "age", "colour", "shop"]
ROWS = 120
SHOWN = 16


def table() -> pd.DataFrame:
    """Return rows with missing values, zeros, and two columns of categories."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, 3)).round(2)
    x[rng.random(x.shape) < 0.15] = np.nan
    x[rng.random(x.shape) < 0.15] = 0.0
    frame = pd.DataFrame(x.astype(np.float32), columns=COLUMNS[:3])
    frame["colour"] = pd.Categorical(rng.choice(["red", "green", "blue", None], ROWS))
    frame["shop"] = pd.Categorical(rng.choice([7, 5, 10, 2, 3, 11], ROWS))
    return frame


def labels(frame: pd.DataFrame) -> np.ndarray:
    """Return a number for each row."""
    x = np.nan_to_num(frame[COLUMNS[:3]].to_numpy())
    y = x[:, 0] - x[:, 1] ** 2 + (frame["colour"] == "red") + (frame["shop"].astype(int) % 3 == 1)
    return y.to_numpy().astype(np.float32)


FRAME = table()
Y = labels(FRAME)
X = FRAME[COLUMNS[:3]].to_numpy()
CLASS = np.digitize(Y, [-1, 0])
MULTI = {"objective": "multi:softprob", "num_class": 3}
# Parameters, table and labels of boosted models, ours and XGBoost's.
BOOSTED: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "regression": ({}, X, Y),
    "binary": ({"objective": "binary:logistic"}, X, Y > 0),
    "classes": (MULTI, X, CLASS),
    "poisson": ({"objective": "count:poisson"}, X, np.abs(Y).round()),
    "categories": ({"max_cat_to_onehot": 4}, FRAME, Y),
    "dart": ({"booster": "dart", "rate_drop": 0.5}, X, Y),
    "forest": ({"num_parallel_tree": 3, "subsample": 0.5}, X, Y),
    "vectors": ({"multi_strategy": "multi_output_tree"}, X, np.stack((Y, -Y), axis=1)),
}
LIGHTGBM: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "regression": ({}, X, Y),
    "zero_as_missing": ({"zero_as_missing": True}, X, Y),
    "no_missing": ({"use_missing": False}, X, Y),
    "categories": ({"min_data_per_group": 5}, FRAME, Y),
    "binary": ({"objective": "binary", "sigmoid": 2.0}, X, Y > 0),
    "classes": ({"objective": "multiclass", "num_class": 3}, X, CLASS),
    "one_against_all": ({"objective": "multiclassova", "num_class": 3}, X, CLASS),
    "forest": ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, X, Y),
    "dart": ({"boosting": "dart"}, X, Y),
    "poisson": ({"objective": "poisson"}, X, np.abs(Y).round()),
}


def make_espalier(kind: str, ending: str) -> tuple[bytes, Any, Any]:
    """Return the file of a model of ours, the rows, and its predictions."""
    import boost

    params, rows, label = BOOSTED[kind]
    model = boost.train({"max_depth": 3, "seed": 1, **params}, boost.DMatrix(rows, label), 3)
    return bytes(model.save_raw(ending)), rows, model.predict(rows)


def make_xgboost(kind: str, ending: str) -> tuple[bytes, Any, Any]:
    """Return the file of a model of XGBoost, the rows, and its predictions."""
    import xgboost

    params, rows, label = BOOSTED[kind]
    data = xgboost.DMatrix(rows, label, enable_categorical=True)
    model = xgboost.train({"max_depth": 3, "seed": 1, **params}, data, 3)
    return bytes(model.save_raw(ending)), rows, model.predict(data)


def make_lightgbm(kind: str, ending: str) -> tuple[bytes, Any, Any]:
    """Return the file of a model of LightGBM, the rows, and its predictions."""
    import lightgbm

    params, rows, label = LIGHTGBM[kind]
    fixed = {"verbose": -1, "num_leaves": 6, "min_data_in_leaf": 3, "num_threads": 1, "seed": 1}
    model = lightgbm.train({**fixed, **params}, lightgbm.Dataset(rows, label), 3)
    return model.model_to_string().encode(), rows, model.predict(rows)


def plain(rows: Any) -> list[list[Any]]:
    """Return rows as lists, None for what is missing."""
    values = rows.astype(object).where(rows.notna(), None).to_numpy() if hasattr(rows, "columns") else rows
    return [[None if v is None or v != v else v for v in row] for row in values.tolist()]


def main(names: list[str]) -> None:
    """Add files."""
    makers = {"espalier": make_espalier, "xgboost": make_xgboost, "lightgbm": make_lightgbm}
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    for name in names:
        if name in expected:
            raise SystemExit(f"{name} is there, and is kept as it is")
        stem, _, ending = name.partition(".")
        library, _, kind = stem.partition("-")
        raw, rows, values = makers[library](kind, ending)
        (HERE / name).write_bytes(raw)
        expected[name] = {
            "rows": plain(rows[:SHOWN]),
            "predictions": np.asarray(values[:SHOWN], float).tolist(),
        }
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(expected.items())]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
