"""`Requirement`: a condition on the values of several knobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from compiler.suggest import unknown


@dataclass(frozen=True)
class Requirement:
    """A condition on the values of several knobs, which the configurations of a space meet.

    Parameters
    ----------
    names : tuple of str
        Of the knobs.
    reason : str
        What holds, for error messages.
    quantities : tuple of (callable or None)
        For each knob, from its value to what the condition takes; None for the value itself.
    condition : callable
        ``condition(*quantities) -> bool``; with `combine`, ``condition(combined)``.
    combine : callable, optional
        An associative and commutative function of two quantities.
    """

    names: tuple[str, ...]
    reason: str
    quantities: tuple[Callable[[Any], Any] | None, ...] = field(compare=False)
    condition: Callable[..., object] = field(compare=False)
    combine: Callable[[Any, Any], Any] | None = field(compare=False, default=None)

    def quantity(self, name: str, value: Any) -> Any:
        """Return what the condition takes for a knob of this value."""
        function = self.quantities[self.names.index(name)]
        return value if function is None else self._call(function, value)

    def met_by(self, quantities: Sequence[Any]) -> bool:
        """Whether the condition holds for one quantity of each knob; with `combine`, for the combined one.

        Raises
        ------
        ValueError
            If the condition raises.
        """
        return bool(self._call(self.condition, *quantities))

    def _call(self, function: Callable[..., Any], *given: Any) -> Any:
        try:
            return function(*given)
        except Exception as error:
            raise ValueError(
                f"the requirement {self.reason!r} of the knobs {', '.join(self.names)} failed for "
                f"{', '.join(map(repr, given))}: {type(error).__name__}: {error}"
            ) from error

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether values of the knobs meet the condition."""
        quantities = [self.quantity(name, values[name]) for name in self.names]
        return self.met_by([reduce(self.combine, quantities)] if self.combine is not None else quantities)

    def broken_by(self, values: Mapping[str, Any]) -> str:
        """Return the words of an error about values that do not meet the condition."""
        given = ", ".join(f"{name}={values[name]!r}" for name in self.names)
        return f"breaks the requirement {self.reason!r}: {given}"

    def check_names(self, known: Iterable[str]) -> None:
        """Raise ValueError for a knob that was not requested before."""
        for name in self.names:
            if name not in known:
                raise ValueError(
                    f"the requirement {self.reason!r} names a knob that was not requested before: "
                    + unknown("knob", name, known)
                )


def requirement(
    knobs: Sequence[str] | Mapping[str, Callable[[Any], Any]],
    condition: Callable[..., object],
    reason: str,
    combine: Callable[[Any, Any], Any] | None = None,
) -> Requirement:
    """Return the requirement of the arguments of `Knobs.require`.

    Raises
    ------
    ValueError
        If no knobs are named, one is named twice, or there is no reason.
    """
    names = (knobs,) if isinstance(knobs, str) else tuple(knobs)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a requirement names one or more different knobs, not {names}")
    if not isinstance(reason, str) or not reason:
        raise ValueError(
            f"a requirement states its reason as text, such as 'the tile fits the registers', not {reason!r}"
        )
    quantities = tuple(knobs.values()) if isinstance(knobs, Mapping) else (None,) * len(names)
    return Requirement(names, reason, quantities, condition, combine)
