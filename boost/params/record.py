"""The parameters of a training, checked and complete.

``record.pyi`` is written by ``python -m boost.params.stub``: it gives editors the type of each attribute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from boost.errors import ParameterError, nearest
from boost.params.param import Param
from boost.params.reference import join_names
from boost.params.table import BY_NAME, TABLE

# The parameters that apply to some objectives only.
RESTRICTED = tuple(row for row in TABLE if row.only)


class Params(Mapping[str, Any]):
    """All parameters of a training: one checked value for each row of the table; immutable.

    A value is an attribute under each of its names in the table (``params.eta``, ``params.learning_rate``,
    ``params.reg_lambda``), and an item under the first of them (``params["eta"]``). A record equals another
    mapping of the same items.

    Parameters
    ----------
    params : mapping of str to value, optional
        Names or aliases of the table; the rest are defaults.

    Raises
    ------
    ParameterError
        For an unknown name, a value outside its type or range, one parameter given under two names, and a
        parameter of another objective.
    """

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        # The values are the attributes of the instance, under their first names.
        self.__dict__.update(_check(params))

    def replace(self, **changes: Any) -> Params:
        """Return a record with some values changed, by names or aliases; checked as a new one is."""
        names = [BY_NAME[name].name if name in BY_NAME else name for name in changes]
        if len(set(names)) < len(names):
            _check(changes)  # raises, with both names
        values = dict(self.__dict__)
        for name, value in zip(names, changes.values(), strict=True):
            values[name] = _row(name).check(value)
        _check_objective(values)
        record = object.__new__(Params)
        record.__dict__.update(values)
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


def resolve(params: Mapping[str, Any] | None) -> Params:
    """Check parameters against the table, and fill in the defaults.

    Parameters
    ----------
    params : mapping of str to value, or None
        Names or aliases of the table. A `Params` is returned as it is; the dict that earlier versions kept in
        pickled models becomes a `Params` of the same values.

    Returns
    -------
    Params

    Raises
    ------
    ParameterError
        As `Params`.
    """
    return params if isinstance(params, Params) else Params(params)


def largest_step(params: Params) -> float:
    """Return the value of "max_delta_step", where the default depends on the objective; 0 for no limit."""
    given = params["max_delta_step"]
    if given is None:
        return 0.7 if params["objective"] == "count:poisson" else 0.0
    return float(given)


def _check(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a value for each row of the table."""
    if params is not None and not isinstance(params, Mapping):
        raise ParameterError(f"params must be a dict of names and values, got {type(params).__name__}")
    values = {p.name: p.default for p in TABLE}
    source: dict[str, str] = {}
    for name, value in (params or {}).items():
        row = _row(name)
        if row.name in source:
            raise ParameterError(
                f"{source[row.name]!r} and {name!r} are the same parameter: give one of them"
            )
        source[row.name] = name
        values[row.name] = row.check(value)
    _check_objective(values)
    return values


def _row(name: str) -> Param:
    row = BY_NAME.get(name)
    if row is None:
        raise ParameterError(f"unknown parameter {name!r}{nearest(name, BY_NAME)}")
    return row


def _check_objective(values: Mapping[str, Any]) -> None:
    """Raise for a parameter of another objective that is not at its default."""
    objective = values["objective"]
    for row in RESTRICTED:
        if objective not in row.only and values[row.name] != row.default:
            raise ParameterError(f"{row.name} is for {join_names(row.only)} only, not for {objective}")
