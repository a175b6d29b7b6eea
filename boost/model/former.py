"""Pickled boosters of version 0.1, which held the attributes of a `Model` themselves."""

from __future__ import annotations

from typing import Any

from boost.model.model import Model
from boost.params import resolve


def model_of(state: dict[str, Any]) -> Model:
    """Return the model of the pickled attributes of a booster of version 0.1."""
    objective = state["objective"]
    objective.params = resolve(objective.params)
    model = Model(resolve(state["params"]), objective)
    model.base_score, model.forest = state["_base_score"], state["forest"]
    model.n_features, model.attributes = state["features"], state["_attributes"]
    for name in ("feature_names", "feature_types", "categories", "best_iteration", "best_score"):
        setattr(model, name, state[name])
    return model
