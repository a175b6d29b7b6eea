"""Record files: lines of JSON that are only appended to, by any number of processes at a time.

Every line is one object with the fields of `Record` and ``"version"``. A line is written with a single call
under a lock, so a killed run leaves at most its last line incomplete; such a line is reported and skipped,
and the next record begins on a new line.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from costmodel.records.record import SCHEMA_VERSION, NewerSchemaError, Record

try:
    import fcntl
except ImportError:  # not on Windows: a single write in append mode is all that protects a line
    fcntl = None  # type: ignore[assignment]


class RecordWarning(UserWarning):
    """Lines or records of a file are set aside."""


@contextmanager
def _locked(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a file for appending and lock it until the block ends; it is created if it does not exist."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _is(path, file):  # `rewrite` has put a new file in its place in the meantime
                    continue
            yield file
            return
        finally:
            os.close(file)  # which releases the lock


def _is(path: str | os.PathLike[str], file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def append(path: str | os.PathLike[str], record: Record) -> None:
    """Append a record to a file, which is created if it does not exist.

    The line is written by one call under an exclusive lock, so that several processes may append to one file.
    If the last line of the file is incomplete, it is ended first.
    """
    line = record.line().encode()
    with _locked(path) as file:
        size = os.fstat(file).st_size
        if size:
            os.lseek(file, size - 1, os.SEEK_SET)
            if os.read(file, 1) != b"\n":
                line = b"\n" + line
        while line:  # a disk that is nearly full takes a part
            line = line[os.write(file, line) :]


def rewrite(path: str | os.PathLike[str], records: Iterable[Record]) -> None:
    """Write a file of these records, which appears complete or not at all.

    An existing file is replaced under its lock, so that a process that appends to it continues in the new
    one.
    """
    from boost.atomic import write_text

    text = "".join(record.line() for record in records)
    if os.path.exists(path):
        with _locked(path):
            write_text(path, text)
    else:
        write_text(path, text)


def load(path: str | os.PathLike[str]) -> list[Record]:
    """Read all records of a file, in the order in which they were written.

    Lines that are no records are skipped with one `RecordWarning` for the file: it names the first of them,
    its reason, and the number of all. Lines of a newer schema are counted in another.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    """
    records = []
    broken: list[str] = []
    newer = 0
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                records.append(Record.parse(line))
            except NewerSchemaError:
                newer += 1
            except ValueError as error:
                broken.append(f"line {number}: skipped: {error}")
    name = Path(path).name
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        warnings.warn(f"{name}, {broken[0]}{more}", RecordWarning, stacklevel=2)
    if newer:
        warnings.warn(
            f"{name}: {newer} records of a schema newer than version {SCHEMA_VERSION} are set aside: "
            "upgrade espalier to read them",
            RecordWarning,
            stacklevel=2,
        )
    return records


def set_aside(counts: Mapping[str, int]) -> str:
    """Return what was set aside as one line, such as ``"12 of another machine, 3 of unknown tasks"``."""
    return ", ".join(f"{number} {reason}" for reason, number in counts.items() if number)
