"""Tables in binary files: arrays and names in NumPy's archive, without pickles."""

from __future__ import annotations

import json
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from boost.atomic import new_file
from boost.data.values import DenseValues, SparseValues
from boost.errors import DataError

MAGIC = b"PK"
KIND = "espalier table 1"
ENTRIES = ("starts", "features", "entries")


def is_binary(path: str) -> bool:
    """Whether a file begins as an archive does."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def write_table(path: Any, values: Any, info: dict[str, NDArray], columns: dict[str, Any]) -> None:
    """Write a table.

    Parameters
    ----------
    path : path
    values : DenseValues or SparseValues
    info : dict of str to array
        The fields of the meta information that are set.
    columns : dict
        Names, types and dictionaries of the columns: what JSON can hold.

    Raises
    ------
    DataError
        For values of which only the bins are stored.
    """
    arrays: dict[str, Any] = {f"info_{name}": array for name, array in info.items()}
    if isinstance(values, DenseValues):
        arrays["value_values"] = values.array
    elif isinstance(values, SparseValues):
        arrays |= {f"value_{name}": array for name, array in zip(ENTRIES, values.by_row, strict=True)}
    else:
        raise DataError("a table from batches holds bins, no values: it cannot be saved")
    header = json.dumps({"kind": KIND, "shape": values.shape, **columns})
    arrays["header"] = np.frombuffer(header.encode("utf-8"), np.uint8)
    with new_file(path) as file:
        np.savez(file, **arrays)


def read_table(path: str) -> tuple[DenseValues | SparseValues, dict[str, NDArray], dict[str, Any]]:
    """Read a table; the results are what `write_table` was given.

    Raises
    ------
    DataError
        For a file that `write_table` did not write.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            if header.pop("kind") != KIND:
                raise KeyError
            held = {name: archive[name] for name in archive.files}
        shape = tuple(header.pop("shape"))
        info = {name.removeprefix("info_"): a for name, a in held.items() if name.startswith("info_")}
        if "value_values" in held:
            return DenseValues(held["value_values"]), info, header
        starts, features, entries = (held[f"value_{name}"] for name in ENTRIES)
        return SparseValues((starts, features, entries), (shape[0], shape[1])), info, header
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as problem:
        raise DataError(f"{path} is no table that save_binary wrote ({problem!r})") from None
