"""Reading and writing of tables: CSV, Parquet and Arrow files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boost.atomic import new_file
from boost.errors import TableError, unknown

if TYPE_CHECKING:
    import pandas as pd


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _read_arrow(path: Path) -> pd.DataFrame:
    """Read Arrow's file format, which Feather is, or its stream format."""
    import pyarrow as pa

    with pa.memory_map(os.fspath(path)) as source:
        try:
            return pa.ipc.open_file(source).read_pandas()
        except pa.ArrowInvalid:  # without the signature of the file format: the stream format
            source.seek(0)
            return pa.ipc.open_stream(source).read_pandas()


def _write_csv(frame: pd.DataFrame, file: BinaryIO) -> None:
    frame.to_csv(file, index=False, mode="wb")


def _write_parquet(frame: pd.DataFrame, file: BinaryIO) -> None:
    frame.to_parquet(file, index=False)


def _write_arrow(frame: pd.DataFrame, file: BinaryIO) -> None:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
WRITERS: dict[str, Callable[[Any, BinaryIO], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
    ".feather": _write_arrow,
    ".ipc": _write_arrow,
}
EXTENSIONS = tuple(READERS)


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table from a CSV file with a header line, a Parquet file, or an Arrow file, Feather included.

    Raises
    ------
    TableError
        For another extension, a missing or empty file, one that cannot be read, and a table without rows or
        columns.
    """
    path = Path(path)
    extension = path.suffix.lower()
    if extension not in READERS:
        raise TableError(f"{path}: {unknown('extension', path.suffix, EXTENSIONS)}")
    if not path.is_file():
        raise TableError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: the file is empty")
    try:
        frame: pd.DataFrame = READERS[extension](path)
    except ImportError as error:
        raise _without_pyarrow(extension) from error
    except Exception as error:  # each reader raises different classes
        raise TableError(f"{path}: not a readable {extension[1:]} file: {_first_line(error)}") from error
    if frame.empty:
        raise TableError(f"{path}: the table has {len(frame)} rows and {len(frame.columns)} columns")
    return frame


def write_table(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write a CSV, Parquet or Arrow file, by its extension, atomically.

    Raises
    ------
    TableError
        For another extension, a folder that does not exist, and a format that needs pyarrow without it.
    """
    path = Path(path)
    check_extension(path)
    extension = path.suffix.lower()
    try:
        with new_file(path) as file:
            WRITERS[extension](frame, file)
    except ImportError as error:
        raise _without_pyarrow(extension) from error


def check_extension(path: str | os.PathLike[str], known: tuple[str, ...] = EXTENSIONS) -> None:
    """Raise `TableError` unless a file to be written has a known extension and its folder exists."""
    path = Path(path)
    if path.suffix.lower() not in known:
        raise TableError(f"{path}: {unknown('extension', path.suffix, known)}")
    if not path.parent.is_dir():
        raise TableError(f"{path}: there is no folder {path.parent}")


def _without_pyarrow(extension: str) -> TableError:
    return TableError(f"{extension} files need pyarrow: pip install 'espalier[parquet]'")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
