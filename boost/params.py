"""Every training parameter, in one table; checks, estimator signatures and reference are made from it."""

from __future__ import annotations

import ast
import math
import numbers
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boost.errors import nearest

OBJECTIVES = (
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:quantileerror",
    "reg:expectileerror",
    "reg:normal",
    "reg:gamma",
    "reg:tweedie",
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "survival:cox",
    "survival:aft",
    "multi:softmax",
    "multi:softprob",
    "rank:ndcg",
    "rank:map",
    "rank:pairwise",
)
MULTI = ("multi:softmax", "multi:softprob")
RANK = ("rank:ndcg", "rank:map", "rank:pairwise")
LOGISTIC = ("reg:logistic", "binary:logistic", "binary:logitraw", "reg:squarederror")


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
        int, float, bool or str; ``list`` for a name or a list of names; ``object`` for what `parse` takes.
    default : object
    doc : str
    aliases : tuple of str
        Other names that mean the same.
    low, high : float
        The closed range of a number.
    open_low, open_high : bool
        The value must be above `low`, below `high`.
    choices : tuple
        The allowed values of a string.
    optional : bool
        None is a value too.
    only : tuple of str
        The objectives that the parameter is for; empty for all.
    estimator : str or None
        The name in the scikit-learn estimators; None where an estimator has no such parameter.
    parse : callable, optional
        For values that are neither a number nor a name: returns the checked value, or raises ValueError.
    words : str
        The allowed values in words, where there is a `parse`.
    """

    name: str
    kind: type
    default: Any
    doc: str
    aliases: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    only: tuple[str, ...] = ()
    estimator: str | None = None
    parse: Callable[[Any], Any] | None = None
    words: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.words:
            text = self.words
        elif self.choices:
            text = "one of " + ", ".join(map(repr, self.choices))
        elif self.kind is bool:
            text = "True or False"
        elif self.kind is str:
            text = "a string"
        elif self.kind is list:
            text = "a name or a list of names"
        else:
            text = "an integer" if self.kind is int else "a number"
            left, right = math.isfinite(self.low), math.isfinite(self.high)
            above = "above" if self.open_low else "of at least"
            if left and right:
                ends = ("(" if self.open_low else "["), (")" if self.open_high else "]")
                text += f" in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"
            elif left:
                text += f" {above} {self.low:g}"
        return text + (", or None" if self.optional else "")

    def check(self, value: Any) -> Any:
        """Return the value in the parameter's own type, or raise `ParameterError`."""
        if value is None and self.optional:
            return None
        wrong = ParameterError(f"{self.name} must be {self.allowed}, got {value!r}")
        if self.parse is not None:
            try:
                return self.parse(value)
            except ParameterError:
                raise
            except (ValueError, TypeError, SyntaxError) as problem:
                why = f" ({problem})" if isinstance(problem, ValueError) and str(problem) else ""
                raise ParameterError(f"{wrong}{why}") from None
        if self.kind is list:
            names = [value] if isinstance(value, str) else value
            if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
                raise wrong
            return list(names)
        if self.kind is bool:
            return _parse_bool(value, wrong)
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
        if not self.low <= number <= self.high:
            raise wrong
        if (self.open_low and number == self.low) or (self.open_high and number == self.high):
            raise wrong
        if self.kind is not int:
            return number
        return int(value) if isinstance(value, numbers.Integral) else int(number)


def _parse_bool(value: Any, wrong: ParameterError) -> bool:
    if type(value).__name__ in ("bool", "bool_") or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise wrong


def _literal(value: Any) -> Any:
    """Return the Python value that a string spells; XGBoost takes some parameters as text."""
    return ast.literal_eval(value) if isinstance(value, str) else value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _parse_scores(value: Any) -> float | list[float]:
    """Return a number, or a list of one number for each output."""
    if isinstance(value, numbers.Real):
        return _number(value)
    if isinstance(value, str) or len(value) == 0:
        raise TypeError
    return [_number(v) for v in value]


def _parse_levels(value: Any) -> list[float]:
    """Return levels in (0, 1), in the order given."""
    levels = [value] if isinstance(value, numbers.Real) else list(_literal(value))
    if not levels:
        raise ValueError("no level")
    for level in levels:
        if not 0 < _number(level) < 1:
            raise ValueError(f"{level!r} is not between 0 and 1")
    if len(set(levels)) != len(levels):
        raise ValueError("a level comes twice")
    return [float(level) for level in levels]


def _parse_monotone(value: Any) -> dict[str | int, int] | list[int]:
    """Return a direction for each feature, or for the features that are named."""
    given = _literal(value)
    directions = list(given.values()) if isinstance(given, Mapping) else list(given)
    for d in directions:
        if isinstance(d, bool) or not isinstance(d, numbers.Real) or d not in (-1, 0, 1):
            raise ValueError(f"{d!r} is not a direction")
    if isinstance(given, Mapping):
        return {f: int(d) for f, d in given.items()}
    return [int(d) for d in directions]


def _parse_interaction(value: Any) -> list[list[str | int]]:
    """Return groups of features, by name or number."""
    groups = [list(group) for group in _literal(value)]
    for group in groups:
        for f in group:
            if isinstance(f, bool) or not isinstance(f, (str, numbers.Integral)):
                raise ValueError(f"{f!r} is neither a name nor a number of a feature")
    return [[f if isinstance(f, str) else int(f) for f in group] for group in groups]


TABLE: tuple[Param, ...] = (
    Param(
        "objective",
        str,
        "reg:squarederror",
        "The loss to minimise.",
        choices=OBJECTIVES,
        estimator="objective",
    ),
    Param("num_class", int, 0, "Number of classes.", low=0, only=MULTI),
    Param(
        "base_score",
        object,
        None,
        "Prediction before the first tree, on the scale of the labels; estimated from them when None.",
        optional=True,
        estimator="base_score",
        parse=_parse_scores,
        words="a number, or a list of one number for each output",
    ),
    Param(
        "booster",
        str,
        "gbtree",
        "Kind of model: trees, or trees with dropout in training.",
        choices=("gbtree", "dart"),
        estimator="booster",
    ),
    Param("device", str, "cpu", "Where to train.", choices=("cpu",), estimator="device"),
    Param(
        "tree_method",
        str,
        "auto",
        "How splits are proposed: between any two values (exact), at quantiles weighted by the hessian, new "
        "ones for each tree (approx), or at quantiles that are chosen once (hist, and auto).",
        choices=("auto", "hist", "approx", "exact"),
        estimator="tree_method",
    ),
    Param(
        "approx_proposal",
        str,
        "global",
        "Where approx proposes: once for a whole tree, or anew in each node.",
        choices=("global", "local"),
        estimator="approx_proposal",
    ),
    Param(
        "grow_policy",
        str,
        "depthwise",
        "Which nodes are split first: those nearest to the root, or those of the largest gain.",
        choices=("depthwise", "lossguide"),
        estimator="grow_policy",
    ),
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
        "max_leaves",
        int,
        0,
        "Most leaves of a tree; 0 means no limit.",
        low=0,
        high=2**24,
        estimator="max_leaves",
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
        "max_delta_step",
        float,
        None,
        "Largest size of a leaf's weight before the learning rate; 0 means no limit. None means 0.7 for "
        "count:poisson, and 0 for all others.",
        low=0,
        optional=True,
        estimator="max_delta_step",
    ),
    Param(
        "subsample",
        float,
        1.0,
        "Chance of a row to be used by a tree.",
        low=0,
        high=1,
        open_low=True,
        estimator="subsample",
    ),
    Param(
        "sampling_method",
        str,
        "uniform",
        "Whether all rows have the same chance, or rows of large gradients a larger one and a weight that "
        "makes up for it.",
        choices=("uniform", "gradient_based"),
        estimator="sampling_method",
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
        "colsample_bylevel",
        float,
        1.0,
        "Fraction of the tree's features that a level may use.",
        low=0,
        high=1,
        open_low=True,
        estimator="colsample_bylevel",
    ),
    Param(
        "colsample_bynode",
        float,
        1.0,
        "Fraction of the level's features that a node may use.",
        low=0,
        high=1,
        open_low=True,
        estimator="colsample_bynode",
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
        "max_cat_to_onehot",
        int,
        4,
        "A feature of fewer categories is split by one category against the rest; of more, by sets of them.",
        low=1,
        estimator="max_cat_to_onehot",
    ),
    Param(
        "max_cat_threshold",
        int,
        64,
        "Most categories in the smaller set of a split.",
        low=1,
        estimator="max_cat_threshold",
    ),
    Param(
        "monotone_constraints",
        object,
        None,
        "For each feature 1 (predictions must not fall when it grows), -1 (must not rise) or 0.",
        optional=True,
        estimator="monotone_constraints",
        parse=_parse_monotone,
        words="a list of -1, 0 and 1 for the features, or a dict from features to them",
    ),
    Param(
        "interaction_constraints",
        object,
        None,
        "Groups of features that may meet on one way from the root to a leaf; a feature of no group stays "
        "alone.",
        optional=True,
        estimator="interaction_constraints",
        parse=_parse_interaction,
        words="a list of lists of features",
    ),
    Param(
        "num_parallel_tree",
        int,
        1,
        "Trees that each round grows for each output, on samples of their own: above 1, a random forest.",
        low=1,
        high=2**20,
        estimator="num_parallel_tree",
    ),
    Param(
        "multi_strategy",
        str,
        "one_output_per_tree",
        "With several outputs: a tree for each of them, or one tree whose leaves hold a value for each.",
        choices=("one_output_per_tree", "multi_output_tree"),
        estimator="multi_strategy",
    ),
    Param(
        "sample_type",
        str,
        "uniform",
        "dart: whether all trees have the same chance to be dropped, or heavy ones a larger one.",
        choices=("uniform", "weighted"),
        estimator="sample_type",
    ),
    Param(
        "normalize_type",
        str,
        "tree",
        "dart: whether a new tree weighs as much as each dropped tree, or as all of them together.",
        choices=("tree", "forest"),
        estimator="normalize_type",
    ),
    Param(
        "rate_drop",
        float,
        0.0,
        "dart: chance of a tree to be dropped in a round.",
        low=0,
        high=1,
        estimator="rate_drop",
    ),
    Param(
        "one_drop",
        bool,
        False,
        "dart: drop at least one tree in a round that drops.",
        estimator="one_drop",
    ),
    Param(
        "skip_drop",
        float,
        0.0,
        "dart: chance of a round to drop nothing.",
        low=0,
        high=1,
        estimator="skip_drop",
    ),
    Param(
        "scale_pos_weight",
        float,
        1.0,
        "Factor on the weight of the rows of label 1.",
        only=LOGISTIC,
        low=0,
        open_low=True,
        estimator="scale_pos_weight",
    ),
    Param(
        "huber_slope",
        float,
        1.0,
        "Size of a residual where the loss turns from a square to a line.",
        only=("reg:pseudohubererror",),
        low=0,
        open_low=True,
        estimator="huber_slope",
    ),
    Param(
        "quantile_alpha",
        object,
        None,
        "The levels of the quantiles, an output for each; the median when None.",
        only=("reg:quantileerror",),
        optional=True,
        estimator="quantile_alpha",
        parse=_parse_levels,
        words="a number between 0 and 1, or a list of them",
    ),
    Param(
        "expectile_alpha",
        object,
        None,
        "The levels of the expectiles, an output for each; the mean (0.5) when None.",
        only=("reg:expectileerror",),
        optional=True,
        estimator="expectile_alpha",
        parse=_parse_levels,
        words="a number between 0 and 1, or a list of them",
    ),
    Param(
        "tweedie_variance_power",
        float,
        1.5,
        "The variance of a label grows with this power of its mean.",
        only=("reg:tweedie",),
        low=1,
        high=2,
        open_low=True,
        open_high=True,
        estimator="tweedie_variance_power",
    ),
    Param(
        "aft_loss_distribution",
        str,
        "normal",
        "Distribution of the logarithm of the time.",
        only=("survival:aft",),
        choices=("normal", "logistic", "extreme"),
        estimator="aft_loss_distribution",
    ),
    Param(
        "aft_loss_distribution_scale",
        float,
        1.0,
        "Scale of that distribution.",
        only=("survival:aft",),
        low=0,
        open_low=True,
        estimator="aft_loss_distribution_scale",
    ),
    Param(
        "lambdarank_pair_method",
        str,
        "topk",
        "Which rows of a group are compared: each of the first ones by prediction with all (topk), or each "
        "with some drawn by chance (mean).",
        only=RANK,
        choices=("topk", "mean"),
        estimator="lambdarank_pair_method",
    ),
    Param(
        "lambdarank_num_pair_per_sample",
        int,
        None,
        "topk: how many first rows; mean: how many partners of a row. None means 32 and 1.",
        only=RANK,
        low=1,
        high=2**31 - 1,
        optional=True,
        estimator="lambdarank_num_pair_per_sample",
    ),
    Param(
        "lambdarank_normalization",
        bool,
        True,
        "Whether a group's gradients are divided by their number of pairs or the logarithm of their sum.",
        only=RANK,
        estimator="lambdarank_normalization",
    ),
    Param(
        "lambdarank_score_normalization",
        bool,
        True,
        "Whether a pair's change of the metric is divided by the difference of the scores.",
        only=RANK,
        estimator="lambdarank_score_normalization",
    ),
    Param(
        "lambdarank_unbiased",
        bool,
        False,
        "Whether to estimate, and take out, how much more often the first places are clicked.",
        only=RANK,
        estimator="lambdarank_unbiased",
    ),
    Param(
        "lambdarank_bias_norm",
        float,
        1.0,
        "Power of the norm of these estimates.",
        only=RANK,
        low=0,
        estimator="lambdarank_bias_norm",
    ),
    Param(
        "ndcg_exp_gain",
        bool,
        True,
        "Whether the gain of a label l is 2**l - 1, or l.",
        only=RANK,
        estimator="ndcg_exp_gain",
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
        "disable_default_eval_metric",
        bool,
        False,
        "Whether no metric is evaluated when none is named.",
    ),
    Param(
        "nthread",
        int,
        0,
        "Number of threads; 0 or None means all cores. The model does not depend on it.",
        aliases=("n_jobs",),
        low=-1,
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
    Param(
        "validate_parameters",
        bool,
        True,
        "Accepted for XGBoost's sake: parameters are always checked.",
    ),
)

BY_NAME: dict[str, Param] = {name: p for p in TABLE for name in (p.name, *p.aliases)}


def _any_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


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
        if row.only and values["objective"] not in row.only and values[row.name] != row.default:
            raise ParameterError(f"{row.name} is for {_any_of(row.only)} only, not for {values['objective']}")
    return values


def largest_step(params: Mapping[str, Any]) -> float:
    """Return "max_delta_step" of resolved parameters, where None depends on the objective; 0 for no limit."""
    given = params["max_delta_step"]
    if given is None:
        return 0.7 if params["objective"] == "count:poisson" else 0.0
    return float(given)


def describe(
    names: str = "train", changed: Mapping[str, Any] | None = None, rows: Iterable[Param] = TABLE
) -> str:
    """Return the table as the body of a numpydoc section "Parameters".

    Parameters
    ----------
    names : {"train", "estimator"}
        Which names to print.
    changed : mapping, optional
        Defaults that differ from the table's, by printed name.
    rows : iterable of Param
        What to print.
    """
    lines = []
    for p in rows:
        name = p.name if names == "train" else p.estimator
        if name is None:
            continue
        default = (changed or {}).get(name, p.default)
        lines.append(f"{name} : {p.allowed}, default {default!r}")
        text = p.doc + (f" For {_any_of(p.only)} only." if p.only else "")
        text += f" Also {', '.join(p.aliases)}." if names == "train" and p.aliases else ""
        lines.extend(textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)
