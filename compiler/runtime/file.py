"""`write_file`: the only function of the compiler that writes files, atomically."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_file(path: str | os.PathLike[str], *parts: bytes) -> None:
    """Write a file completely, or leave what is at `path` as it is.

    The bytes go to a temporary file in the same folder, which is then renamed to `path`. The file gets the
    permissions that the process's umask leaves of 0666, as from `open`.

    Parameters
    ----------
    path : str or path
        Its folder must exist; an existing file is replaced.
    *parts : bytes
        Written one after another.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags, 0o666)  # the kernel applies the umask
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
