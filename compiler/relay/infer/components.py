"""`components`: the strongly connected components of a graph, those that others depend on first."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def components(keys: Iterable[Key], successors: Mapping[Key, Sequence[Key]]) -> list[list[Key]]:
    """Groups of nodes that reach each other (R. Tarjan, SIAM Journal on Computing 1, 1972), successors first.

    Nodes of a group are in the order of `keys`. Time is linear in nodes and edges; nothing recurs.
    """
    keys = list(keys)
    place = {key: at for at, key in enumerate(keys)}
    number: dict[Key, int] = {}
    low: dict[Key, int] = {}
    open_: list[Key] = []
    within: set[Key] = set()
    found: list[list[Key]] = []
    for root in keys:
        if root in number:
            continue
        pending: list[tuple[Key, int]] = [(root, 0)]
        while pending:
            key, at = pending.pop()
            if at == 0:
                number[key] = low[key] = len(number)
                open_.append(key)
                within.add(key)
            below = successors[key]
            while at < len(below):
                other = below[at]
                at += 1
                if other not in number:
                    pending += [(key, at), (other, 0)]
                    break
                if other in within:
                    low[key] = min(low[key], number[other])
            else:
                if low[key] == number[key]:
                    start = open_.index(key)
                    found.append(sorted(open_[start:], key=place.__getitem__))
                    within.difference_update(open_[start:])
                    del open_[start:]
                if pending:
                    above = pending[-1][0]
                    low[above] = min(low[above], low[key])
    return found
