"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from typing import Any


def write_text(path: Any, text: str) -> None:
    """Write a file of UTF-8 under another name, and give it its own when it is complete."""
    name = os.fspath(path)
    handle, temporary = tempfile.mkstemp(
        dir=os.path.dirname(os.path.abspath(name)), prefix=".", suffix=".tmp"
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise
