"""Reading and writing of tables: text, Parquet and Arrow files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boost.atomic import new_file
from boost.errors import TableError, unknown
from boost.tables.delimited import read_delimited, write_delimited

if TYPE_CHECKING:
    import pandas as pd


def _read_parquet(path: Path, notes: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _read_arrow(path: Path, notes: list[str]) -> pd.DataFrame:
    """Read Arrow's file format, which Feather is, or its stream format."""
    import pyarrow as pa

    with pa.memory_map(os.fspath(path)) as source:
        try:
            return pa.ipc.open_file(source).read_pandas()
        except pa.ArrowInvalid:  # without the signature of the file format: the stream format
            source.seek(0)
            return pa.ipc.open_stream(source).read_pandas()


def _write_parquet(frame: pd.DataFrame, file: BinaryIO, path: Path) -> None:
    frame.to_parquet(file, index=False)


def _write_arrow(frame: pd.DataFrame, file: BinaryIO, path: Path) -> None:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


TEXT = (".csv", ".tsv", ".txt")
TEXTS = (*TEXT, *(f"{extension}.gz" for extension in TEXT))
READERS: dict[str, Callable[[Path, list[str]], Any]] = {
    **dict.fromkeys(TEXTS, read_delimited),
    ".parquet": _read_parquet,
    **dict.fromkeys((".arrow", ".feather", ".ipc"), _read_arrow),
}
WRITERS: dict[str, Callable[[Any, BinaryIO, Path], None]] = {
    **dict.fromkeys(TEXTS, write_delimited),
    ".parquet": _write_parquet,
    **dict.fromkeys((".arrow", ".feather", ".ipc"), _write_arrow),
}
EXTENSIONS = tuple(READERS)


def read_table(path: str | os.PathLike[str], notes: list[str] | None = None) -> pd.DataFrame:
    """Read a table from a text file with a header line, a Parquet file, or an Arrow file, Feather included.

    Parameters
    ----------
    path : path
        Of a text file (``.csv``, ``.tsv``, ``.txt``, each also with ``.gz``) the separator is recognized.
    notes : list of str, optional
        Gets a line for each thing about the file that a reader should know.

    Raises
    ------
    TableError
        For another extension, a missing or empty file, one that cannot be read, and a table without rows or
        columns.
    """
    path = Path(path)
    extension = extension_of(path)
    if extension not in READERS:
        raise TableError(f"{path}: {unknown('extension', extension, EXTENSIONS)}")
    if not path.is_file():
        raise TableError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: the file is empty")
    try:
        frame: pd.DataFrame = READERS[extension](path, [] if notes is None else notes)
    except ImportError as error:
        raise _without_pyarrow(extension) from error
    except TableError:
        raise
    except Exception as error:  # each reader raises different classes
        raise TableError(f"{path}: not a readable {extension[1:]} file: {_first_line(error)}") from error
    if frame.empty:
        raise TableError(f"{path}: the table has {len(frame)} rows and {len(frame.columns)} columns")
    return frame


def write_table(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write a text, Parquet or Arrow file, by its extension, atomically.

    Raises
    ------
    TableError
        For another extension, a folder that does not exist, and a format that needs pyarrow without it.
    """
    path = Path(path)
    check_extension(path)
    extension = extension_of(path)
    try:
        with new_file(path) as file:
            WRITERS[extension](frame, file, path)
    except ImportError as error:
        raise _without_pyarrow(extension) from error


def check_extension(path: str | os.PathLike[str], known: tuple[str, ...] = EXTENSIONS) -> None:
    """Raise `TableError` unless a file to be written has a known extension and its folder exists."""
    path = Path(path)
    if extension_of(path) not in known:
        raise TableError(f"{path}: {unknown('extension', extension_of(path), known)}")
    if not path.parent.is_dir():
        raise TableError(f"{path}: there is no folder {path.parent}")


def extension_of(path: Path) -> str:
    """Return the extension of a file in lower case, with that before ``.gz``."""
    last = path.suffix.lower()
    return "".join(s.lower() for s in path.suffixes[-2:]) if last == ".gz" else last


def _without_pyarrow(extension: str) -> TableError:
    return TableError(f"{extension} files need pyarrow: pip install 'espalier[parquet]'")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
