"""The parameters of a model as text: XGBoost's ``save_config``, a JSON document of nested sections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from boost.errors import ParameterError
from boost.model.model_io.write import document
from boost.params import BY_NAME, TABLE, as_dict

if TYPE_CHECKING:
    from boost.model.model import Model

# The sections of the parameters, as paths; all others are "tree_train_param".
SECTIONS = {
    ("generic_param",): (
        "device",
        "fail_on_invalid_gpu_id",
        "nthread",
        "seed",
        "seed_per_iteration",
        "validate_parameters",
        "verbosity",
    ),
    ("learner_train_param",): (
        "booster",
        "disable_default_eval_metric",
        "multi_strategy",
        "objective",
    ),
    ("gradient_booster", "gbtree_train_param"): ("process_type", "tree_method", "updater"),
    ("gradient_booster", "gbtree_model_param"): ("num_parallel_tree",),
}
TREES = ("gradient_booster", "tree_train_param")
SECTION_OF = {name: path for path, names in SECTIONS.items() for name in names}
# The sections that describe the trained model: no parameters of the next rounds.
OF_MODEL = ("learner_model_param",)


def to_text(model: Model) -> str:
    """Return the parameters of a model as JSON; those that are None are left out, all values are strings."""
    params = model.params
    of_model = document(model)["learner"]["learner_model_param"]
    if not of_model["base_score"].startswith("["):
        of_model["base_score"] = f"[{of_model['base_score']}]"  # always a list here, since XGBoost 3.1
    learner: dict[str, Any] = {
        "learner_model_param": of_model,
        "objective": model.objective.file_entry(),
        "metrics": [{"name": name} for name in params.eval_metric or (model.objective.metric,)],
        "gradient_booster": {"name": params.booster},
    }
    for row in TABLE:
        value = params[row.name]
        if value is None or row.name in ("eval_metric", "num_class", "base_score"):
            continue
        section = learner
        for key in SECTION_OF.get(row.name, TREES):
            section = section.setdefault(key, {})
        section |= dict.fromkeys((row.name, *row.aliases), _text(value))
    learner["gradient_booster"]["gbtree_model_param"]["num_trees"] = str(model.forest.trees)
    return json.dumps({"learner": learner, "version": document(model)["version"]}, sort_keys=True)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return ",".join(value)
    return str(value)


def from_text(text: str) -> dict[str, Any]:
    """Return the parameters of such a document, of either library, as `boost.params.Params` takes them.

    Raises
    ------
    ParameterError
        For text that is no JSON with the entry "learner".
    """
    try:
        learner = json.loads(text)["learner"]
        metrics = [entry["name"] for entry in learner.get("metrics", ())]
        classes = int(learner.get("learner_model_param", {}).get("num_class", 0))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise ParameterError(f"config must be the text that save_config returns ({problem!r})") from None
    pairs = {
        BY_NAME[name].name: value for name, value in _strings(learner) if name in BY_NAME and value != ""
    }
    if metrics:
        pairs["eval_metric"] = metrics
    if classes:
        pairs["num_class"] = classes
    if pairs.get("process_type") != "update":
        pairs.pop("updater", None)  # XGBoost writes the one that "tree_method" stands for
    return as_dict(pairs)


def _strings(section: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and the texts of a document, without the sections of the trained model."""
    for name, value in section.items() if isinstance(section, dict) else ():
        if isinstance(value, str):
            yield name, value
        elif name not in OF_MODEL:
            yield from _strings(value)
