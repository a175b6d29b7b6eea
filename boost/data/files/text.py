"""Tables from text files, named as XGBoost names them: ``"train.txt?format=libsvm"``."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from boost.data.values import Entries, SparseValues, array_values
from boost.data.values import Values as AnyValues
from boost.errors import DataError, unknown

# The options of each format, with their defaults.
FORMATS: dict[str, dict[str, Any]] = {
    "libsvm": {"indexing_mode": 0},
    "csv": {"label_column": -1, "weight_column": -1, "delimiter": ","},
}
# Read tables: the values, and the fields of `boost.data.meta_info.MetaInfo.set_info` that the file holds.
Read = tuple[AnyValues, dict[str, Any]]


def read_text(name: str) -> Read:
    """Read a table from a text file.

    Parameters
    ----------
    name : str
        A path, and after a question mark "format=libsvm" or "format=csv", with options after "&".

        libsvm: each line holds a label (or ``label:weight``), perhaps ``qid:number``, and entries
        ``column:value``; ``indexing_mode=1`` says that columns are counted from one, -1 that they are if
        there is no column 0. Absent entries are missing; a "#" begins a comment.

        csv: each line holds numbers, where nothing is a missing one. ``label_column`` and ``weight_column``
        are numbers of columns, ``delimiter`` is a character. There is no line of names.

    Returns
    -------
    values : DenseValues or SparseValues
    info : dict of str to array

    Raises
    ------
    DataError
        Without a format, for an unknown option, and for lines that cannot be read; the message has the line.
    OSError
        For a file that cannot be opened.
    """
    path, _, query = name.removeprefix("file://").partition("?")
    if "#" in query:
        raise DataError(
            f"{name!r} names a cache, which text files do not have: give a DataIter to QuantileDMatrix"
        )
    given = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
    kind = given.pop("format", None)
    if kind is None:
        raise DataError(
            f"the format of the text file {path!r} is not given: write {path + '?format=libsvm'!r} or csv"
        )
    if kind not in FORMATS:
        raise DataError(unknown("format of a text file", kind, FORMATS))
    options = dict(FORMATS[kind])
    for key, value in given.items():
        if key not in options:
            raise DataError(unknown(f"option of the format {kind}", key, options))
        try:
            options[key] = type(options[key])(value)
        except ValueError:
            raise DataError(f"{key} must be an integer, got {value!r}") from None
    return _read_csv(path, **options) if kind == "csv" else _read_libsvm(path, **options)


def _read_csv(path: str, label_column: int, weight_column: int, delimiter: str) -> Read:
    import pandas as pd

    try:
        frame = pd.read_csv(path, header=None, sep=delimiter.replace("\\t", "\t"))
    except (ValueError, pd.errors.ParserError) as problem:
        raise DataError(f"{path}: {problem}") from None
    for f, column in frame.items():
        if column.dtype.kind not in "biuf":
            at = int(np.argmax(pd.to_numeric(column, errors="coerce").isna() & ~column.isna()))
            raise DataError(
                f"{path}: line {at + 1} holds {column[at]!r} in column {f}, which is no number: "
                "for names or texts, read the file with pandas, and give the frame"
            )
    table = frame.to_numpy(dtype=np.float32)
    info = {}
    for field, number in (("label", label_column), ("weight", weight_column)):
        if number >= table.shape[1]:
            raise DataError(f"{path}: {field}_column is {number}, but there are {table.shape[1]} columns")
        if number >= 0:
            info[field] = table[:, number]
    rest = [f for f in range(table.shape[1]) if f not in (label_column, weight_column)]
    return array_values(np.ascontiguousarray(table[:, rest]), np.nan, own=False), info


def _read_libsvm(path: str, indexing_mode: int) -> Read:
    labels, weights, groups = [], [], []
    rows: list[dict[int, float]] = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                label, *weight = words[0].split(":")
                labels.append(float(label))
                weights += [float(w) for w in weight]
                entries = [word.split(":") for word in words[1:]]
                groups += [int(value) for key, value in entries if key == "qid"]
                rows.append({int(key): float(value) for key, value in entries if key != "qid"})
            except ValueError:
                raise DataError(
                    f"{path}: line {number} is no line of libsvm: {line.strip()[:60]!r}"
                ) from None
    info: dict[str, Any] = {"label": np.array(labels)}
    for field, values in (("weight", weights), ("qid", groups)):
        if values and len(values) != len(rows):
            raise DataError(
                f"{path}: {len(values)} of {len(rows)} lines have a {field}: give it in all or none"
            )
        if values:
            info[field] = np.array(values)
    least = min((min(row) for row in rows if row), default=0)
    from_one = indexing_mode > 0 or (indexing_mode < 0 and least > 0)
    if least - from_one < 0:
        raise DataError(f"{path}: the least column is {least}, columns are counted from {int(from_one)}")
    return SparseValues(*_entries(rows, int(from_one))), info


def _entries(rows: list[dict[int, float]], first: int) -> tuple[Entries, tuple[int, int]]:
    """Return the entries of rows in CSR layout without NaN, and the shape; `first` is the first column."""
    kept = [sorted((f - first, value) for f, value in row.items() if value == value) for row in rows]
    starts = np.cumsum([0, *map(len, kept)]).astype(np.int64)
    features = np.array([f for row in kept for f, _ in row], dtype=np.int64)
    columns = max((max(row) - first + 1 for row in rows if row), default=0)
    if columns > np.iinfo(np.int32).max:
        raise DataError(f"a table must have fewer than 2**31 columns, got {columns}")
    with np.errstate(over="ignore"):
        values = np.array([value for row in kept for _, value in row]).astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("the file holds infinity, or a number too large for float32")
    return (starts, features.astype(np.int32), values), (len(rows), columns)
