"""The parameters of an estimator: their other names, their defaults, and those that only `train` has."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from boost.params import BY_NAME, TABLE, Param

if TYPE_CHECKING:
    from typing_extensions import Self

# Parameters that a model with trees cannot change.
FIXED = ("objective", "booster", "num_parallel_tree", "multi_strategy")


class Parameters(BaseEstimator):
    """The parameters of an estimator, as its constructor, `get_params` and `set_params` treat them.

    A parameter that is None has its default. The names of `train` and its aliases (``eta``, ``nthread``,
    ``seed``, ``lambda``) are names here too. Other names are given to `train`, which warns about those that
    it does not have; they are in the attribute `kwargs`.

    Attributes
    ----------
    extra : tuple of Param
        Parameters besides those of `train`.
    omitted : tuple of str
        Names of parameters that the class does not have.
    defaults : mapping of str to object
        Set by `boost.estimator.constructor.constructor`.
    aliases : mapping of str to str
        From other names to names of `defaults`; set there too.
    """

    extra: tuple[Param, ...] = ()
    omitted: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = {}
    aliases: Mapping[str, str] = {}

    def _assign(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the parameters that only `train` has, and return the others under their names here.

        Raises
        ------
        TypeError
            For a parameter under two names, and one that concerns rounds for a random forest.
        """
        named: dict[str, Any] = {}
        others = dict(self._others())
        for given, value in params.items():
            name = self.aliases.get(given, given)
            if name in named:
                raise TypeError(f"{type(self).__name__} got {name!r} under two names, one is {given!r}")
            if name in self.defaults or "__" in name:
                named[name] = value
            elif name not in self.omitted:
                others[name] = value
            elif value is not None:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}")
        if others:
            self.kwargs = others
        return named

    def _others(self) -> dict[str, Any]:
        """Return the parameters that only `train` has."""
        others: dict[str, Any] = self.__dict__.get("kwargs", {})
        return others

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled estimator; of earlier versions, all of which had XGBoost's defaults, too."""
        super().__setstate__(state)
        earlier = {name: value for name, value in self.defaults.items() if name not in self.__dict__}
        if "preset" in earlier:
            earlier["preset"] = "xgboost"
        self.__dict__.update(earlier)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, those for `train` alone included."""
        return {**super().get_params(deep), **self._others()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, under any of their names; a fitted model gets those that it can change."""
        named = self._assign(params)
        super().set_params(**named)
        booster = self.__dict__.get("booster_")
        if booster is not None:
            rows = [p for p in TABLE if p.estimator in named and p.name not in FIXED]
            values = {p.name: self._value(str(p.estimator)) for p in rows}
            values = {name: v for name, v in values.items() if v is not None or BY_NAME[name].optional}
            booster.set_param({name: _plain(name, v) for name, v in values.items() if not callable(v)})
        return self

    def _value(self, name: str) -> Any:
        """Return a parameter by its name here, or its default when it is None or not in the class."""
        given = getattr(self, name, None)
        return self.defaults.get(name) if given is None else given

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters of `train`; functions are left out.

        What the preset of a fitted estimator chose is among them; before, it is None. A `random_state` that
        is a generator is drawn from: each call returns another seed.
        """
        own = {p.name: p.estimator for p in TABLE if p.estimator in self.defaults}
        values = {p.name: p.default for p in TABLE if p.estimator is not None}
        values |= {name: _plain(name, self._value(str(estimator))) for name, estimator in own.items()}
        if "chosen_" in self.__dict__:
            values |= {n: v for n, v in self.chosen_.params.items() if values.get(n) is None}
        values |= self._others()
        return {name: value for name, value in values.items() if not callable(value)}

    def _check_extra(self) -> None:
        """Raise `ParameterError` for a wrong value of a parameter that `train` does not have."""
        for p in self.extra:
            if p.estimator not in self.omitted:
                p.check(getattr(self, p.name))


def _plain(name: str, value: Any) -> Any:
    return draw_seed(value) if name == "seed" else value


def draw_seed(random_state: Any) -> Any:
    """Return a seed: a number as it is, and one that is drawn from a generator of NumPy."""
    if random_state is None or isinstance(random_state, numbers.Integral):
        return random_state
    limit = np.iinfo(np.int32).max
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(limit))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(limit))
    return random_state
