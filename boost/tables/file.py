"""Tables in files: CSV, Parquet and Arrow, read and written whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        except pa.ArrowInvalid:  # without the file format's mark: a stream
            source.seek(0)
            return pa.ipc.open_stream(source).read_pandas()


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)


def _write_arrow(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
WRITERS: dict[str, Callable[[Any, Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
    ".feather": _write_arrow,
    ".ipc": _write_arrow,
}
EXTENSIONS = tuple(READERS)


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The table of a CSV file (with a header line), a Parquet file, or an Arrow file (Feather among them).

    Raises
    ------
    TableError
        For another extension, a missing or empty file, or one that cannot be read.
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
    except Exception as error:  # each reader has its own kinds
        raise TableError(f"{path}: not a readable {extension[1:]} file: {_first_line(error)}") from error
    if frame.empty:
        raise TableError(f"{path}: the table has {len(frame)} rows and {len(frame.columns)} columns")
    return frame


def write_table(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write a file of one of `EXTENSIONS` under a temporary name, and rename it."""
    path = Path(path)
    check_extension(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        WRITERS[path.suffix.lower()](frame, temporary)
        os.replace(temporary, path)
    except ImportError as error:
        raise _without_pyarrow(path.suffix.lower()) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_extension(path: str | os.PathLike[str], known: tuple[str, ...] = EXTENSIONS) -> None:
    """Raise TableError unless a file to be written has a known extension and its folder exists."""
    path = Path(path)
    if path.suffix.lower() not in known:
        raise TableError(f"{path}: {unknown('extension', path.suffix, known)}")
    if not path.parent.is_dir():
        raise TableError(f"{path}: there is no folder {path.parent}")


def _without_pyarrow(extension: str) -> TableError:
    return TableError(f"{extension} files need pyarrow: pip install 'espalier[parquet]'")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
