"""One training parameter: its names, type, default, range and documentation."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boost.config import warn
from boost.errors import ParameterError, nearest
from boost.params.parse import read_flag, read_number, scalar


@dataclass(frozen=True, slots=True)
class Param:
    """One row of the table of parameters.

    Attributes
    ----------
    name : str
        XGBoost's name.
    kind : type
        int, float, bool or str; ``list`` for a name or a list of names; ``object`` for a value that `parse`
        checks.
    default : object
    doc : str
    aliases : tuple of str
        Other names of the parameter.
    low, high : float
        The closed range of a number.
    open_low, open_high : bool
        Whether `low`, `high` themselves are excluded.
    choices : tuple
        The allowed values of a string.
    optional : bool
        Whether None is allowed.
    only : tuple of str
        The objectives to which the parameter applies; empty for all.
    estimator : str or None
        The name in the scikit-learn estimators; None where an estimator has no such parameter.
    parse : callable, optional
        For values that are neither one number nor one name: returns the checked value, or raises ValueError.
    words : str
        The description of the allowed values, required with `parse`.
    renamed : tuple of (str, str)
        Earlier names of values, which are accepted with a warning, and their names now.
    hints : tuple of (str, str)
        Values that XGBoost allows, or allowed, and what to do in place of them.
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
    renamed: tuple[tuple[str, str], ...] = ()
    hints: tuple[tuple[str, str], ...] = ()

    @property
    def allowed(self) -> str:
        """The description of the allowed values, as in ``"an integer in [0, 10]"``."""
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
        """Return the value converted to the type of the parameter.

        Numbers and booleans may be NumPy's, or text, as in XGBoost. None means the default.

        Raises
        ------
        ParameterError
            For a value of another type or outside the range.
        """
        value = scalar(value)
        if value is None:
            return None if self.optional else self.default
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
            names = [value] if isinstance(value, str) else getattr(value, "tolist", lambda: value)()
            if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
                raise wrong
            return tuple(names)
        if self.kind is bool:
            value = read_flag(value) if isinstance(value, str) else value
            if isinstance(value, int) and value in (0, 1):
                return bool(value)
            raise wrong
        if self.kind is str:
            if not isinstance(value, str):
                raise wrong
            if value in (names := dict(self.renamed)):
                warn(f"{self.name}={value!r} is now called {names[value]!r}")
                value = names[value]
            if self.choices and value not in self.choices:
                hint = dict(self.hints).get(value)
                raise ParameterError(f"{wrong}{f': {hint}' if hint else nearest(value, self.choices)}")
            return value
        return self._check_number(read_number(value) if isinstance(value, str) else value, wrong)

    def _check_number(self, value: Any, wrong: ParameterError) -> int | float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise wrong
        number = float(value)
        if not math.isfinite(number) or (self.kind is int and number != int(number)):
            raise wrong
        if not self.low <= number <= self.high:
            raise wrong
        if (self.open_low and number == self.low) or (self.open_high and number == self.high):
            raise wrong
        if self.kind is not int:
            return number
        return int(value) if isinstance(value, numbers.Integral) else int(number)
