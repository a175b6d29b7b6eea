"""Every training parameter, in one table; checks, estimator signatures and reference are made from it."""

from __future__ import annotations

import difflib
import inspect
import math
import numbers
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OBJECTIVES = ("reg:squarederror", "binary:logistic", "multi:softprob", "rank:pairwise")


class ParameterError(ValueError):
    """An unknown parameter, or a value outside a parameter's type or range."""


@dataclass(frozen=True, slots=True)
class Param:
    """One row of the table.

    Attributes
    ----------
    name : str
        XGBoost's name.
    kind : type
        int, float or str; ``list`` for a name or a list of names.
    default : object
    doc : str
    aliases : tuple of str
        Other names that mean the same.
    low, high : float
        The closed range of a number.
    open_low : bool
        The value must be above `low`.
    choices : tuple
        The allowed values of a string.
    optional : bool
        None is a value too.
    only : str
        The one objective that the parameter is for; empty for all.
    estimator : str or None
        The name in the scikit-learn estimators; None where an estimator has no such parameter.
    """

    name: str
    kind: type
    default: Any
    doc: str
    aliases: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    only: str = ""
    estimator: str | None = None

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            text = "one of " + ", ".join(map(repr, self.choices))
        elif self.kind is str:
            text = "a string"
        elif self.kind is list:
            text = "a name or a list of names"
        else:
            text = "an integer" if self.kind is int else "a number"
            left, right = math.isfinite(self.low), math.isfinite(self.high)
            above = "above" if self.open_low else "of at least"
            if left and right:
                text += f" in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}]"
            elif left:
                text += f" {above} {self.low:g}"
        return text + (", or None" if self.optional else "")

    def check(self, value: Any) -> Any:
        """Return the value in the parameter's own type, or raise `ParameterError`."""
        if value is None and self.optional:
            return None
        wrong = ParameterError(f"{self.name} must be {self.allowed}, got {value!r}")
        if self.kind is list:
            names = [value] if isinstance(value, str) else value
            if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
                raise wrong
            return list(names)
        if self.kind is str:
            if not isinstance(value, str):
                raise wrong
            if self.choices and value not in self.choices:
                raise ParameterError(f"{wrong}{nearest(value, self.choices)}")
            return value
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise wrong
        number: int | float = float(value)
        if not math.isfinite(number) or (self.kind is int and number != int(number)):
            raise wrong
        if not self.low <= number <= self.high or (self.open_low and number == self.low):
            raise wrong
        if self.kind is not int:
            return number
        return int(value) if isinstance(value, numbers.Integral) else int(number)


TABLE: tuple[Param, ...] = (
    Param(
        "objective",
        str,
        "reg:squarederror",
        "The loss to minimise.",
        choices=OBJECTIVES,
        estimator="objective",
    ),
    Param("num_class", int, 0, "Number of classes.", low=0, only="multi:softprob"),
    Param(
        "base_score",
        float,
        None,
        "Prediction before the first tree, on the scale of the labels; estimated from them when None.",
        optional=True,
        estimator="base_score",
    ),
    Param("booster", str, "gbtree", "Kind of model.", choices=("gbtree",)),
    Param("device", str, "cpu", "Where to train.", choices=("cpu",)),
    Param("tree_method", str, "hist", "How splits are proposed.", choices=("auto", "hist")),
    Param("grow_policy", str, "depthwise", "Which nodes are split first.", choices=("depthwise",)),
    Param(
        "eta",
        float,
        0.3,
        "Factor on the weight of each new leaf.",
        aliases=("learning_rate",),
        low=0,
        high=1,
        open_low=True,
        estimator="learning_rate",
    ),
    Param(
        "max_depth",
        int,
        6,
        "Largest depth of a tree; 0 means no limit.",
        low=0,
        high=10_000,
        estimator="max_depth",
    ),
    Param(
        "min_child_weight",
        float,
        1.0,
        "Smallest sum of hessians in a child.",
        low=0,
        estimator="min_child_weight",
    ),
    Param(
        "gamma",
        float,
        0.0,
        "Smallest gain of a split.",
        aliases=("min_split_loss",),
        low=0,
        estimator="gamma",
    ),
    Param(
        "lambda",
        float,
        1.0,
        "L2 penalty on leaf weights.",
        aliases=("reg_lambda",),
        low=0,
        estimator="reg_lambda",
    ),
    Param(
        "alpha",
        float,
        0.0,
        "L1 penalty on leaf weights.",
        aliases=("reg_alpha",),
        low=0,
        estimator="reg_alpha",
    ),
    Param(
        "subsample",
        float,
        1.0,
        "Chance of a row to be used by a round's trees.",
        low=0,
        high=1,
        open_low=True,
        estimator="subsample",
    ),
    Param(
        "colsample_bytree",
        float,
        1.0,
        "Fraction of the features that a tree may use; at least one feature is kept.",
        low=0,
        high=1,
        open_low=True,
        estimator="colsample_bytree",
    ),
    Param(
        "max_bin",
        int,
        255,
        "Most histogram bins of a feature, beside that of missing values. Up to 255, a code is a byte.",
        low=2,
        high=65535,
        estimator="max_bin",
    ),
    Param(
        "scale_pos_weight",
        float,
        1.0,
        "Factor on the weight of the rows of label 1.",
        only="binary:logistic",
        low=0,
        open_low=True,
        estimator="scale_pos_weight",
    ),
    Param(
        "lambdarank_num_pair_per_sample",
        int,
        512,
        "Most rows that a row is compared with. A larger group is cut into parts of this size by chance, "
        "anew each round; within a part, and in a smaller group, all pairs count.",
        only="rank:pairwise",
        low=2,
        estimator="lambdarank_num_pair_per_sample",
    ),
    Param(
        "eval_metric",
        list,
        None,
        "Metric or metrics of the evaluation sets; the objective's own when None.",
        optional=True,
        estimator="eval_metric",
    ),
    Param(
        "nthread",
        int,
        0,
        "Number of threads; 0 or None means all cores. The model does not depend on it.",
        aliases=("n_jobs",),
        low=0,
        optional=True,
        estimator="n_jobs",
    ),
    Param(
        "seed",
        int,
        0,
        "Seed of all random choices; None means 0.",
        aliases=("random_state",),
        low=0,
        optional=True,
        estimator="random_state",
    ),
    Param(
        "verbosity",
        int,
        1,
        "0: do not even say that kernels are being compiled.",
        low=0,
        high=3,
        estimator="verbosity",
    ),
)

BY_NAME: dict[str, Param] = {name: p for p in TABLE for name in (p.name, *p.aliases)}


def nearest(given: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name that is closest, or nothing when none is close."""
    close = difflib.get_close_matches(str(given), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def resolve(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Check parameters against the table, and fill in the defaults.

    Parameters
    ----------
    params : mapping of str to value, or None
        Names or aliases of the table.

    Returns
    -------
    dict
        One entry for each row of the table, by its first name.

    Raises
    ------
    ParameterError
        For an unknown name, a value outside its type or range, one parameter given under two names, and a
        parameter of another objective.
    """
    if params is not None and not isinstance(params, Mapping):
        raise ParameterError(f"params must be a dict of names and values, got {type(params).__name__}")
    values = {p.name: p.default for p in TABLE}
    source: dict[str, str] = {}
    for name, value in (params or {}).items():
        row = BY_NAME.get(name)
        if row is None:
            raise ParameterError(f"unknown parameter {name!r}{nearest(name, BY_NAME)}")
        if row.name in source:
            raise ParameterError(
                f"{source[row.name]!r} and {name!r} are the same parameter: give one of them"
            )
        source[row.name] = name
        values[row.name] = row.check(value)
    for row in TABLE:
        if row.only not in ("", values["objective"]) and values[row.name] != row.default:
            raise ParameterError(f"{row.name} is for {row.only} only, not for {values['objective']}")
    return values


def estimator_signature(extra: Mapping[str, Any], changed: Mapping[str, Any]) -> inspect.Signature:
    """Return the signature of an estimator: its own parameters, then the table's, all of them keywords.

    Parameters
    ----------
    extra : mapping
        Names and defaults of the estimator's own parameters.
    changed : mapping
        Defaults that differ from the table's, by estimator name.
    """
    defaults = dict(extra)
    for p in TABLE:
        if p.estimator is not None:
            defaults[p.estimator] = changed.get(p.estimator, p.default)
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    return inspect.Signature(own + [inspect.Parameter(n, keyword, default=v) for n, v in defaults.items()])


def describe(names: str = "train", changed: Mapping[str, Any] | None = None) -> str:
    """Return the table as the body of a numpydoc section "Parameters".

    Parameters
    ----------
    names : {"train", "estimator"}
        Which names to print.
    changed : mapping, optional
        Defaults that differ from the table's, by printed name.
    """
    lines = []
    for p in TABLE:
        name = p.name if names == "train" else p.estimator
        if name is None:
            continue
        default = (changed or {}).get(name, p.default)
        lines.append(f"{name} : {p.allowed}, default {default!r}")
        text = p.doc + (f" For {p.only} only." if p.only else "")
        text += f" Also {', '.join(p.aliases)}." if names == "train" and p.aliases else ""
        lines.extend(textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)
