"""Text files of columns: separators are recognized, gzip is unpacked, decimal commas are read as numbers."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boost.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Characters and lines at the start of a file in which the separator is looked for.
SAMPLE, SAMPLE_LINES = 1 << 16, 100
# Values of a column that are tried first.
TRIED = 20
NUMBER_WITH_COMMA = r"\s*[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+(e[+-]?\d+)?\s*"


def read_delimited(path: Path, notes: list[str]) -> pd.DataFrame:
    """Read a text file with a header line, such as ``.csv``, ``.tsv`` or ``.txt.gz``.

    Parameters
    ----------
    path : Path
    notes : list of str
        Gets a line for each thing that the reader should know: another separator than the comma, decimal
        commas.

    Raises
    ------
    TableError
        For bytes that are not UTF-8.
    """
    import pandas as pd

    separator = find_separator(_sample(path), "\t" if ".tsv" in path.suffixes else ",")
    if separator != "," and ".tsv" not in path.suffixes:
        notes.append(f"{path.name}: columns are separated by {SEPARATORS[separator]}")
    try:
        frame = pd.read_csv(path, sep=separator, compression="infer", low_memory=False)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}): convert it first, as by "
            "iconv -f latin1 -t utf-8"
        ) from error
    return _with_decimal_commas(frame, separator, path.name, notes)


def write_delimited(frame: pd.DataFrame, file: BinaryIO, path: Path) -> None:
    """Write a text file, packed by gzip if its name ends with ``.gz``; the separator is that of its name."""
    separator = "\t" if ".tsv" in path.suffixes else ","
    text = frame.to_csv(index=False, sep=separator).encode()
    file.write(gzip.compress(text, mtime=0) if is_gzip(path) else text)


def is_gzip(path: Path) -> bool:
    """Whether a file is packed by gzip, by its name."""
    return path.suffix.lower() == ".gz"


def find_separator(text: str, default: str = ",") -> str:
    """Return the separator that divides the lines of a text into the same, largest number of columns.

    Parameters
    ----------
    text : str
        The start of a file.
    default : str
        The separator of a text of one column.
    """
    best, most = default, 1
    for separator in (default, *(s for s in SEPARATORS if s != default)):
        rows = [row for row in csv.reader(text.splitlines()[:SAMPLE_LINES], delimiter=separator) if row]
        widths = {len(row) for row in rows}
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = separator, width
    if most > 1:
        return best
    # lines of several lengths: a separator within texts without quotes, or a damaged file
    header = text.partition("\n")[0]
    counts = {s: header.count(s) for s in (default, *SEPARATORS)}
    return max(counts, key=lambda s: counts[s])


def _sample(path: Path) -> str:
    opened = gzip.open if is_gzip(path) else open
    with opened(path, "rb") as file:
        raw = file.read(SAMPLE)
        ended = len(raw) < SAMPLE
    text = raw.decode("utf-8-sig", errors="replace")
    return text if ended else text.rpartition("\n")[0] or text


def _are_numbers(text: pd.Series) -> bool:
    """Whether each text is a number with a decimal comma, or a whole one."""
    return bool(text.astype(str).str.fullmatch(NUMBER_WITH_COMMA + r"|\s*[+-]?\d+\s*").all())


def _with_decimal_commas(frame: pd.DataFrame, separator: str, name: str, notes: list[str]) -> pd.DataFrame:
    """Return the table with columns such as "1,5" as numbers, unless commas separate its columns."""
    import pandas as pd

    found = []
    for column in frame.columns[[pd.api.types.is_string_dtype(dtype) for dtype in frame.dtypes]]:
        present = frame[column].dropna()
        # a few first, as most columns of text show by these that they are no numbers
        if len(present) and all(_are_numbers(part) for part in (present.iloc[:TRIED], present)):
            found.append(column)
    if not found:
        return frame
    names = ", ".join(map(repr, map(str, found[:5]))) + (" ..." if len(found) > 5 else "")
    if separator == ",":
        notes.append(
            f"{name}: {names} hold numbers with commas, such as {frame[found[0]].dropna().iloc[0]!r}: they "
            "are read as text, as commas separate the columns"
        )
        return frame
    notes.append(f"{name}: decimal commas are read as numbers in {names}")
    for column in found:
        text = frame[column].astype("string").str.replace(".", "", regex=False)
        frame[column] = (
            text.str.replace(",", ".", regex=False).astype("Float64").to_numpy(float, na_value=float("nan"))
        )
    return frame
