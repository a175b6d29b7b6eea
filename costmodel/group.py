"""`Group`: knobs that requirements connect; their allowed joint options, counted and numbered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from compiler.ops.knob import Knob
from compiler.ops.requirement import Requirement

LIMIT = 1_000_000
"""Maximum number of conditions that are evaluated to count a group."""

# For each requirement, while knobs are decided one by one: None before its first knob and after its last one,
# else the quantities so far, or the combined one
_State = tuple[Any, ...]


class Group:
    """Knobs that requirements connect, and their allowed joint options.

    The allowed joint options are numbered in the order of the mixed-radix numbers of their options, the first
    knob being the least significant digit. They are counted by dynamic programming: knobs are decided from
    the last to the first, and choices after which the requirements that are not yet decided have seen the
    same quantities share one state. So the work depends on the number of states, not of joint options.

    Parameters
    ----------
    positions : tuple of int
        Of the knobs in their space, ascending.
    knobs : sequence of Knob
        The knobs at these positions.
    requirements : sequence of Requirement
        Those that depend on these knobs, all of whose knobs are here.

    Raises
    ------
    ValueError
        If no joint option is allowed, a condition raises, or there are too many states.
    """

    def __init__(
        self, positions: tuple[int, ...], knobs: Sequence[Knob], requirements: Sequence[Requirement] = ()
    ) -> None:
        self.positions = positions
        self.knobs = tuple(knobs)
        self.requirements = tuple(requirements)
        self._levels: list[_Level] = []
        self._cumulative: dict[tuple[int, int], list[int]] = {}
        if self.requirements:
            self._count()
        else:
            (knob,) = self.knobs
            self.size = len(knob.options)

    def _count(self) -> None:
        """Make a level for each knob, from the last to the first, then count from the first to the last."""
        states: dict[_State, int] = {(None,) * len(self.requirements): 0}
        budget = LIMIT
        for depth in reversed(range(len(self.knobs))):
            level = _Level(self, depth, states)
            budget -= level.evaluations
            if budget < 0:
                raise ValueError(self._too_many())
            self._levels.append(level)
            states = level.following
        counts = [1] * len(states)
        for level in reversed(self._levels):
            level.counts = counts
            counts = [
                sum(n * counts[s] for n, s in zip(level.shares, row, strict=True) if s is not None)
                for row in level.rows
            ]
        self.size = counts[0] if counts else 0
        if not self.size:
            raise ValueError(self._nothing_left())

    def digits(self, number: int) -> tuple[int, ...]:
        """Return the option numbers of the joint option `number`, one per knob, in their order."""
        if not self.requirements:
            return (number,)
        state, digits = 0, []
        for depth, level in enumerate(self._levels):
            before = self._before(depth, state)
            option = bisect_right(before, number) - 1
            number -= before[option]
            digits.append(option)
            following = level.after(state, option)
            assert following is not None
            state = following
        return tuple(reversed(digits))

    def number(self, digits: Sequence[int]) -> int | None:
        """Return the number of a joint option, given the option number of each knob; None if not allowed."""
        if not self.requirements:
            return int(digits[0])
        state, number = 0, 0
        for depth, (level, option) in enumerate(zip(self._levels, reversed(digits), strict=True)):
            following = level.after(state, option)
            if following is None or not level.counts[following]:
                return None
            number += self._before(depth, state)[option]
            state = following
        return number

    def _before(self, depth: int, state: int) -> list[int]:
        """Return for each option of a level how many joint options come before it in a state."""
        key = depth, state
        if key not in self._cumulative:
            level = self._levels[depth]
            counts = [0 if s is None else level.counts[s] for s in level.rows[state]]
            # an option without joint options has the same number as the next one: a search from the right
            # passes over it
            self._cumulative[key] = list(accumulate((counts[c] for c in level.columns), initial=0))[:-1]
        return self._cumulative[key]

    def _too_many(self) -> str:
        counts = ", ".join(f"{k.name} ({len(k.options)} options)" for k in self.knobs)
        reasons = "; ".join(r.reason for r in self.requirements)
        return (
            f"the requirements of {counts} need more than {LIMIT} evaluations ({reasons}): state quantities "
            "of fewer different values, as {'tile': lambda tile: tile[-1]}, or a function that combines them"
        )

    def _nothing_left(self) -> str:
        for requirement in self.requirements:
            if len(self.requirements) == 1 or self._alone(requirement) is None:
                names = ", ".join(requirement.names)
                return f"no configuration meets the requirement {requirement.reason!r} of the knobs {names}"
        reasons = ", ".join(repr(r.reason) for r in self.requirements)
        return f"no configuration meets all of the requirements {reasons} of the knobs " + ", ".join(
            k.name for k in self.knobs
        )

    def _alone(self, requirement: Requirement) -> Group | None:
        knobs = [k for k in self.knobs if k.name in requirement.names]
        try:
            return Group(tuple(range(len(knobs))), knobs, (requirement,))
        except ValueError:
            return None


class _Level:
    """The decision of one knob, from each state of the knobs decided before it.

    Attributes
    ----------
    columns : list of int
        For each option the column of its quantities.
    shares : list of int
        Number of options of each column.
    rows : list of lists of (int or None)
        State, then column -> state after it, None if a requirement is broken.
    following : dict of state to int
        The states after it, numbered.
    counts : list of int
        The number of joint options of the knobs that are decided later, from each state of `following`.
    evaluations : int
        Number of combinations of states and quantities that were tried.
    """

    def __init__(self, group: Group, depth: int, states: dict[_State, int]) -> None:
        knob = group.knobs[depth]
        later = {k.name for k in group.knobs[:depth]}
        active = [i for i, r in enumerate(group.requirements) if knob.name in r.names]
        self.columns, kinds = _columns(knob, [group.requirements[i] for i in active])
        self.shares = [0] * len(kinds)
        for column in self.columns:
            self.shares[column] += 1
        self.following: dict[_State, int] = {}
        self.rows: list[list[int | None]] = []
        self.counts: list[int] = []
        self.evaluations = len(states) * len(kinds)
        if self.evaluations > LIMIT:  # before anything is tried
            return
        for state in states:
            row: list[int | None] = []
            for quantities in kinds:
                after = _decide(group.requirements, active, state, quantities, knob.name, later)
                row.append(None if after is None else self.following.setdefault(after, len(self.following)))
            self.rows.append(row)

    def after(self, state: int, option: int) -> int | None:
        """Return the state after an option; None if a requirement is broken."""
        return self.rows[state][self.columns[option]]


def _columns(knob: Knob, requirements: Sequence[Requirement]) -> tuple[list[int], list[tuple[Any, ...]]]:
    """Return for each option its column, and the quantities of each column.

    Options share a column if all requirements take equal quantities of them.
    """
    kinds: list[tuple[Any, ...]] = []
    seen: dict[Any, int] = {}
    columns = []
    for option in knob.options:
        quantities = tuple(r.quantity(knob.name, option) for r in requirements)
        key = tuple((type(q), q) for q in quantities)
        try:
            number = seen.setdefault(key, len(kinds))
        except TypeError as error:
            raise ValueError(
                f"a requirement of knob {knob.name!r} takes {quantities!r} of {option!r}: it must take "
                f"numbers, text or tuples ({error})"
            ) from error
        if number == len(kinds):
            kinds.append(quantities)
        columns.append(number)
    return columns, kinds


def _decide(
    requirements: Sequence[Requirement],
    active: Sequence[int],
    state: _State,
    quantities: Sequence[Any],
    name: str,
    later: set[str],
) -> _State | None:
    """Return the state after a knob has been given its quantities; None if a requirement is broken."""
    after = list(state)
    for i, quantity in zip(active, quantities, strict=True):
        requirement, partial = requirements[i], state[i]
        if requirement.combine is not None:
            value = quantity if partial is None else requirement.combine(partial[0], quantity)
            partial = (value,)
        else:
            partial = ((name, quantity), *(partial or ()))
        if later.isdisjoint(requirement.names):
            if requirement.combine is None:
                found = dict(partial)
                partial = tuple(found[n] for n in requirement.names)
            if not requirement.met_by(partial):
                return None
            partial = None
        after[i] = partial
    return tuple(after)


def connected(knobs: Sequence[Knob], requirements: Sequence[Requirement]) -> Iterator[Group]:
    """Yield the groups of a space, in the order of their first knobs; a knob without requirements is one."""
    position = {knob.name: i for i, knob in enumerate(knobs)}
    parent = list(range(len(knobs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for requirement in requirements:
        for name in requirement.names[1:]:
            a, b = root(position[requirement.names[0]]), root(position[name])
            parent[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = {}
    for i in range(len(knobs)):
        members.setdefault(root(i), []).append(i)
    for positions in members.values():
        names = {knobs[i].name for i in positions}
        inside = [r for r in requirements if r.names[0] in names]
        yield Group(tuple(positions), [knobs[i] for i in positions], inside)
