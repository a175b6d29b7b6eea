"""Files that appear complete or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

# As in `open`: the operating system applies the umask.
MODE = 0o666


@contextmanager
def new_file(path: Any, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` when the block ends without an error.

    Until then it has a temporary name in the same folder. Readers see the old file or the new one, complete;
    after an error the old file is unchanged and the new one is removed.

    Parameters
    ----------
    path : str, bytes or os.PathLike
    durable : bool
        Whether the data is forced to the disk before the rename, so that the file is complete even after a
        loss of power.

    Yields
    ------
    binary file
        Closed when the block ends.

    Raises
    ------
    OSError
        When the file cannot be written; a missing folder is reported with the name that was given.
    """
    name = os.path.abspath(os.fsdecode(path))
    handle, temporary = _create(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


def write_bytes(path: Any, raw: bytes, *, durable: bool = False) -> None:
    """Write a file of these bytes; see `new_file` for the parameters and errors."""
    with new_file(path, durable=durable) as file:
        file.write(raw)


def write_text(path: Any, text: str) -> None:
    """Write a file of this text in UTF-8, line ends as they are; errors as in `new_file`."""
    write_bytes(path, text.encode("utf-8"))


def _create(name: str) -> tuple[int, str]:
    """Return the descriptor and the name of a new file in the folder of another one."""
    while True:
        temporary = os.path.join(os.path.dirname(name), f".{os.urandom(8).hex()}.tmp")
        try:
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), temporary
        except FileExistsError:
            continue
        except OSError as error:
            raise type(error)(error.errno, error.strerror, name) from None
