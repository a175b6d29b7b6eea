"""Whether the clauses of a match cover every value; the patterns that are left out otherwise.

L. Maranget, "Warnings for pattern matching", Journal of Functional Programming 17 (2007), sections 3 and 5: a
matrix of patterns is specialised by each constructor of the first column, until a row of values is found that
no row of patterns matches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.relay.language.expr import (
    Constructor,
    Match,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    PatternWildcard,
)
from compiler.relay.language.types import GlobalTypeVar

_ANYTHING = PatternWildcard()


def missing_case(match: Match, data_types: Mapping[GlobalTypeVar, Any]) -> str | None:
    """A value that no clause of a match covers, as a pattern: ``Cons(_, Nil)``; None if there is none."""
    rows = [(clause.pattern,) for clause in match.clauses]
    found = _uncovered(rows, 1, data_types)
    return None if found is None else found[0]


def _uncovered(
    rows: Sequence[Sequence[Any]], width: int, data_types: Mapping[GlobalTypeVar, Any]
) -> list[str] | None:
    """`width` patterns of values that no row matches."""
    if width == 0:
        return None if rows else []
    heads = [row[0] for row in rows if not isinstance(row[0], (PatternVar, PatternWildcard))]
    if not heads:
        rest = _uncovered([row[1:] for row in rows], width - 1, data_types)
        return None if rest is None else ["_", *rest]
    if isinstance(heads[0], PatternTuple):
        return _specialized(rows, width, None, len(heads[0].patterns), data_types)
    of_type = data_types[heads[0].constructor.belongs_to]
    named = {head.constructor.tag for head in heads if isinstance(head, PatternConstructor)}
    absent = [c for c in of_type.constructors if c.tag not in named]
    for constructor in of_type.constructors:
        if constructor.tag in named:
            found = _specialized(rows, width, constructor, len(constructor.inputs), data_types)
            if found is not None:
                return found
    if not absent:
        return None
    rest = _uncovered(
        [row[1:] for row in rows if isinstance(row[0], (PatternVar, PatternWildcard))], width - 1, data_types
    )
    return None if rest is None else [_text(absent[0], ["_"] * len(absent[0].inputs)), *rest]


def _specialized(
    rows: Sequence[Sequence[Any]],
    width: int,
    constructor: Constructor | None,
    count: int,
    data_types: Mapping[GlobalTypeVar, Any],
) -> list[str] | None:
    kept = []
    for head, *rest in rows:
        if isinstance(head, (PatternVar, PatternWildcard)):
            kept.append([_ANYTHING] * count + rest)
        elif constructor is None or head.constructor.tag == constructor.tag:
            kept.append([*head.patterns, *rest])
    found = _uncovered(kept, count + width - 1, data_types)
    if found is None:
        return None
    return [_text(constructor, found[:count]), *found[count:]]


def _text(constructor: Constructor | None, inner: Sequence[str]) -> str:
    if constructor is None:
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    return f"{constructor.name}({', '.join(inner)})" if inner else constructor.name
