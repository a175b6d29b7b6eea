"""The constructors of the estimators: signatures and documentation made from the table of parameters."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from boost.params import TABLE, Param, describe
from boost.preset.preset import PRESETS, ROUNDS

Kind = TypeVar("Kind", bound=type)
# Parameters that may be functions here; in `train`, functions are arguments, not parameters.
FUNCTIONS = ("objective", "eval_metric")
# A type with at least this many choices gets a name in the stub file.
MANY = 8


def _number_or_nan(value: Any) -> float:
    return float(value)


def _class_weight(value: Any) -> Any:
    if isinstance(value, str) and value != "balanced":
        raise TypeError
    if not isinstance(value, (str, Mapping, list)):
        raise TypeError
    return value


def _as_given(value: Any) -> Any:
    return value


# The parameters of the estimators besides those of `train`.
EXTRA = (
    Param(
        "preset",
        str,
        "xgboost",
        "What chooses the parameters that are None. espalier: by the size of the table, and the number of "
        "rounds by rows that are left out, see `boost.preset`; xgboost: the defaults of XGBoost.",
        choices=PRESETS,
        estimator="preset",
    ),
    Param(
        "n_estimators",
        int,
        ROUNDS,
        "Number of boosting rounds; for a random forest, of its trees.",
        low=0,
        estimator="n_estimators",
    ),
    Param(
        "early_stopping_rounds",
        int,
        None,
        "As for `boost.train`; `fit` needs evaluation tables: eval_set, or validation_fraction.",
        low=1,
        optional=True,
        estimator="early_stopping_rounds",
    ),
    Param(
        "validation_fraction",
        float,
        None,
        "Share of the rows (of each class, or of the query groups) that `fit` draws by random_state and "
        "evaluates in place of training on them. None: only eval_set is evaluated.",
        low=0,
        high=1,
        open_low=True,
        open_high=True,
        optional=True,
        estimator="validation_fraction",
    ),
    Param(
        "warm_start",
        bool,
        False,
        "Whether `fit` continues from the model of the last fit, up to n_estimators rounds in all.",
        estimator="warm_start",
    ),
    Param(
        "callbacks",
        object,
        None,
        "Called before and after each round.",
        optional=True,
        estimator="callbacks",
        parse=list,
        words="a list of boost.callback.TrainingCallback",
    ),
    Param(
        "missing",
        float,
        math.nan,
        'A number that means "missing" besides NaN.',
        estimator="missing",
        parse=_number_or_nan,
        words="a number",
    ),
    Param(
        "feature_types",
        object,
        None,
        'Types of the features, as for `DMatrix`: "c" marks a column of an array as categorical.',
        optional=True,
        estimator="feature_types",
        parse=_as_given,
        words="a list of types",
    ),
    Param(
        "feature_weights",
        object,
        None,
        "Relative probabilities with which features are drawn, as for `DMatrix`.",
        optional=True,
        estimator="feature_weights",
        parse=_as_given,
        words="a list of numbers for the features",
    ),
    Param(
        "enable_categorical",
        bool,
        True,
        "False refuses frames with categorical columns.",
        estimator="enable_categorical",
    ),
    Param(
        "importance_type",
        str,
        "gain",
        "Kind of `feature_importances_`: number of splits, mean or total gain, mean or total cover.",
        choices=("weight", "gain", "cover", "total_gain", "total_cover"),
        estimator="importance_type",
    ),
)
CLASS_WEIGHT = Param(
    "class_weight",
    object,
    None,
    "Factors on the weights of the rows of each class. balanced: rows / (classes * rows of the class).",
    optional=True,
    estimator="class_weight",
    parse=_class_weight,
    words="a dict from labels to numbers, or 'balanced'",
)
FUNCTIONS_TEXT = """
    The objective may be a function that returns gradients and hessians from labels and margins, and
    eval_metric one that returns a number to minimize from labels and predictions, or a list of names and
    functions. A function with a parameter sample_weight is given the weights of the rows; the derivatives of
    an objective without it are multiplied by them. A metric of a ranker is called for each query group.

Parameters
----------
"""
ATTRIBUTES_TEXT = """

Attributes
----------
booster_ : Booster
n_features_in_ : int
feature_names_in_ : array of str
    When fitted on a frame.
feature_importances_ : float64 array of shape (features,)
    Importance of each feature, of the kind importance_type, as a share of the sum.
evals_result_ : dict
    The metrics of each round, when fitted with evaluation tables.
best_iteration_ : int
    When the number of rounds was found by stopping.
chosen_ : boost.preset.Choice
    What the preset chose; its text has the reasons.
"""


def constructor(**changed: Any) -> Callable[[Kind], Kind]:
    """Return a decorator that gives a class its constructor and its documentation.

    Parameters
    ----------
    changed
        Defaults that differ from those of the table.
    """

    def finish(kind: Kind) -> Kind:
        rows = parameters(kind)
        defaults = {str(p.estimator): changed.get(str(p.estimator), p.default) for p in rows}

        def __init__(self: Any, **params: Any) -> None:
            named = self._assign(params)
            for name, default in defaults.items():
                setattr(self, name, named.get(name, default))

        kind.defaults = defaults  # type: ignore[attr-defined]
        names = ((alias, str(p.estimator)) for p in rows for alias in (p.name, *p.aliases))
        kind.aliases = dict(names)  # type: ignore[attr-defined]
        signature = _signature(rows, changed)
        __init__.__signature__ = signature  # type: ignore[attr-defined]
        __init__.__qualname__ = f"{kind.__name__}.__init__"
        kind.__init__ = __init__  # type: ignore[misc]
        table = describe("estimator", changed, rows)
        kind.__doc__ = f"{kind.__doc__}\n{FUNCTIONS_TEXT}{table}{ATTRIBUTES_TEXT}"
        return kind

    return finish


def parameters(kind: type) -> list[Param]:
    """Return the parameters of an estimator, the extra ones first."""
    extra: tuple[Param, ...] = kind.extra  # type: ignore[attr-defined]
    omitted: tuple[str, ...] = kind.omitted  # type: ignore[attr-defined]
    return [p for p in (*extra, *TABLE) if p.estimator is not None and p.estimator not in omitted]


def _signature(rows: Sequence[Param], changed: Mapping[str, Any]) -> inspect.Signature:
    """Return a signature with keyword-only parameters."""
    out = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for p in rows:
        name = str(p.estimator)
        default = changed.get(name, p.default)
        kind = inspect.Parameter.KEYWORD_ONLY
        text = _annotation(p)
        if default is None and not text.endswith(("None", "Any")):
            text += " | None"
        out.append(inspect.Parameter(name, kind, default=default, annotation=text))
    return inspect.Signature(out, return_annotation=None)


def _annotation(p: Param) -> str:
    if p.kind is object:
        return "Any"
    if len(p.choices) >= MANY:
        text = p.name.capitalize()
    elif p.choices:
        text = f"Literal[{', '.join(map(quoted, p.choices))}]"
    else:
        text = "str | Sequence[str]" if p.kind is list else p.kind.__name__
    if p.name in FUNCTIONS:
        text += " | Callable[..., Any]"
    return f"{text} | None" if p.optional else text


def quoted(value: Any) -> str:
    """Return the Python source of a default."""
    if isinstance(value, str):
        return f'"{value}"'
    return 'float("nan")' if isinstance(value, float) and math.isnan(value) else repr(value)
