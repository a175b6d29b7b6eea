"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from typing import Any


def write_text(path: Any, text: str) -> None:
    """Write a file of UTF-8, see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Any, raw: bytes) -> None:
    """Write a file under another name, and give it its own when it is complete."""
    name = os.path.abspath(os.fsdecode(path))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(name), prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise
