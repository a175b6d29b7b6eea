"""Selections of records: the best, several files as one, and a smaller file with the same best programs."""

from __future__ import annotations

from collections.abc import Iterable

from costmodel.records.record import Record


def best(records: Iterable[Record], task: str | None = None, n: int = 1) -> list[Record]:
    """Return the `n` fastest records, fastest first, each configuration once.

    The winner of the last final comparison of a task on a machine comes before its other records: one whose
    cost is lower was beaten there, or was not confirmed, and counts as one of the winner's cost.

    Parameters
    ----------
    records : iterable of Record
    task : str, optional
        Key of a task: only its records.
    n : int
        Number of records.
    """
    given = [r for r in records if r.ok and (task is None or r.task == task)]
    winners: dict[tuple[str, str], Record] = {}
    for record in given:
        known = winners.get((record.task, record.cpu))
        if record.final and (known is None or known.timestamp <= record.timestamp):
            winners[record.task, record.cpu] = record

    def order(record: Record) -> tuple[float, bool, float, float]:
        winner = winners.get((record.task, record.cpu))
        least = 0.0 if winner is None else winner.cost
        return max(record.cost, least), record is not winner, record.cost, record.timestamp

    ordered = sorted(given, key=order)
    unique: dict[tuple[str, str], Record] = {}
    for record in ordered:
        unique.setdefault((record.task, _spelled(record)), record)
    return list(unique.values())[:n]


def merge(*sequences: Iterable[Record]) -> list[Record]:
    """Return the records of all sequences once each, in the order of their time.

    Two records are the same if all of their fields are.
    """
    unique = {record.line(): record for records in sequences for record in records}
    return sorted(unique.values(), key=lambda r: r.timestamp)


def compact(records: Iterable[Record], keep: int | None = None) -> list[Record]:
    """Return the records without repeated measurements of a configuration, in the order of their time.

    Of those of one configuration of a task on one machine the fastest successful one stays, or the newest
    failure; and of those that won a final comparison the newest.

    Parameters
    ----------
    records : iterable of Record
    keep : int, optional
        The number of the fastest records of each task and machine that stay; by default all, with failures.
    """
    chosen: dict[tuple[str, str, str, bool], Record] = {}

    def order(record: Record) -> tuple[float, float]:
        return 0.0 if record.final else record.cost, -record.timestamp

    for record in records:
        key = (record.task, record.cpu, _spelled(record), record.final)
        known = chosen.get(key)
        if known is None or order(record) < order(known):
            chosen[key] = record
    kept = list(chosen.values())
    if keep is not None:
        groups = dict.fromkeys((r.task, r.cpu) for r in kept)
        kept = [
            r
            for task, cpu in groups
            for r in best([r for r in kept if (r.task, r.cpu) == (task, cpu)], n=keep)
        ]
    return sorted(kept, key=lambda r: r.timestamp)


def _spelled(record: Record) -> str:
    # the values, not the index: it changes when a later version of the space has other options
    return repr(sorted(record.config.items()))
