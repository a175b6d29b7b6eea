"""The parameters of a training, checked and complete.

``record.pyi`` is written by ``python -m boost.params.stub``: it gives editors the type of each attribute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from boost.config import warn, warnings_as_errors
from boost.errors import ParameterError, nearest
from boost.params.reference import join_names
from boost.params.table import BY_NAME, TABLE

# What is given for the parameters of a training.
Given = Mapping[str, Any] | Iterable[tuple[str, Any]]
# The updaters that grow trees, with the tree methods that they stand for, and those that change trees.
GROWERS = {"grow_quantile_histmaker": "hist", "grow_histmaker": "approx", "grow_colmaker": "exact"}
CHANGERS = ("refresh", "prune")
# The parameters that apply to some objectives only.
RESTRICTED = tuple(row for row in TABLE if row.only)


class Params(Mapping[str, Any]):
    """All parameters of a training: one checked value for each row of the table; immutable.

    A value is an attribute under each of its names in the table (``params.eta``, ``params.learning_rate``,
    ``params.reg_lambda``), and an item under the first of them (``params["eta"]``). A record equals another
    mapping of the same items.

    Parameters
    ----------
    params : mapping of str to value, or pairs of them, optional
        Names or aliases of the table; the rest are defaults, and so is None. Values may be text. Of several
        pairs of one name the last one counts; those of "eval_metric" are joined.

    Raises
    ------
    ParameterError
        For a value outside its type or range, and one parameter given under two names.

    Warns
    -----
    UserWarning
        For an unknown name and for a parameter of another objective, which are not used; not with
        validate_parameters=False.
    """

    def __init__(self, params: Given | None = None) -> None:
        # The values are the attributes of the instance, under their first names.
        self.__dict__.update(_check(params))

    def replace(self, **changes: Any) -> Params:
        """Return a record with some values changed, by names or aliases; checked as a new one is."""
        record = object.__new__(Params)
        record.__dict__.update(_check(changes, self.__dict__))
        return record

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __getattr__(self, name: str) -> Any:
        row = BY_NAME.get(name)
        if row is None:
            raise AttributeError(f"no parameter {name!r}{nearest(name, BY_NAME)}")
        return self.__dict__[row.name]  # an alias

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"parameters are immutable: use replace({name}=...), which makes a new record")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("parameters are immutable")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *BY_NAME})

    def __repr__(self) -> str:
        changed = {p.name: self.__dict__[p.name] for p in TABLE if self.__dict__[p.name] != p.default}
        return f"Params({changed!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Params, (dict(self.__dict__),)


def resolve(params: Given | None, *, strict: bool = False) -> Params:
    """Check parameters against the table, and fill in the defaults.

    Parameters
    ----------
    params : mapping of str to value, pairs of them, or None
        Names or aliases of the table. A `Params` is returned as it is; the dict that earlier versions kept in
        pickled models becomes a `Params` of the same values.
    strict : bool
        Whether a parameter that is not used is an error, in place of a warning.

    Returns
    -------
    Params

    Raises
    ------
    ParameterError
        As `Params`.
    """
    if strict:
        with warnings_as_errors():
            return resolve(params)
    return params if isinstance(params, Params) else Params(params)


def largest_step(params: Params) -> float:
    """Return the value of "max_delta_step", where the default depends on the objective; 0 for no limit."""
    given = params["max_delta_step"]
    if given is None:
        return 0.7 if params["objective"] == "count:poisson" else 0.0
    return float(given)


def seed_of(params: Params) -> int:
    """Return the seed as a number of at least 0, as NumPy's generators need it."""
    seed = params["seed"] or 0
    return int(seed if seed >= 0 else seed % 2**64)


def as_dict(params: Given | None) -> dict[str, Any]:
    """Return parameters that are given as a mapping or as pairs; values of "eval_metric" are joined.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if isinstance(params, Mapping):
        return dict(params)
    try:
        pairs = [] if params is None else [(name, value) for name, value in params]
    except (TypeError, ValueError):
        raise ParameterError(
            f"params must be a dict of names and values, or a list of such pairs, got {params!r:.60}"
        ) from None
    joined: dict[str, Any] = {}
    for name, value in pairs:
        if name == "eval_metric" and name in joined:
            before = joined[name]
            value = [*([before] if isinstance(before, str) else before), value]
        joined[name] = value
    return joined


def _check_updaters(values: dict[str, Any]) -> None:
    """Set "tree_method" to what an updater that grows trees stands for; raise for other sequences."""
    names, update = values["updater"] or (), values["process_type"] == "update"
    known = CHANGERS if update else (*GROWERS, "prune")
    for name in names:
        if name not in known:
            raise ParameterError(
                f"updater must be of {join_names(known)} with process_type={values['process_type']!r}, got "
                f"{name!r}{nearest(name, known)}"
            )
    growers = [name for name in names if name in GROWERS]
    if update and not names:
        raise ParameterError(f"process_type='update' needs updater={' or '.join(map(repr, CHANGERS))}")
    if not update and names and (len(growers) != 1 or names[0] != growers[0]):
        raise ParameterError(
            f"updater must be one that grows trees, and perhaps prune after it, got {', '.join(names)}; "
            "to change the trees of a model, give process_type='update'"
        )
    if growers:
        values["tree_method"] = GROWERS[growers[0]]


def _check(params: Given | None, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a value for each row of the table: given ones, and those of `before` or the defaults."""
    given = as_dict(params)
    values = {p.name: p.default for p in TABLE} if before is None else dict(before)
    source: dict[str, str] = {}
    unused = []
    for name, value in given.items():
        row = BY_NAME.get(name)
        if row is None:
            unused.append(f"unknown parameter {name!r} is not used{nearest(str(name), BY_NAME)}")
            continue
        if row.name in source:
            raise ParameterError(
                f"{source[row.name]!r} and {name!r} are the same parameter: give one of them"
            )
        source[row.name] = name
        values[row.name] = row.check(value)
    objective = values["objective"]
    for row in RESTRICTED:
        if row.name == "num_class":  # the number of outputs of a custom loss, too, see `start`
            continue
        if row.name in source and objective not in row.only and values[row.name] != row.default:
            only = f"it is for {join_names(row.only)} only"
            unused.append(f"parameter {row.name!r} is not used with {objective}: {only}")
    if "process_type" in source and "updater" not in source:
        values["updater"] = None  # those of before are for the other process type
    if source.keys() & {"updater", "process_type"}:
        _check_updaters(values)
    for message in unused if values["validate_parameters"] else ():
        warn(message)
    return values
