"""Compiled programs on disk, by what they were compiled from: a second build of a model loads."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import compiler
from compiler.backend.llvm.machine import ENVIRONMENT as CPU
from compiler.backend.llvm.machine import fingerprint
from compiler.relay.execute.load import load
from compiler.runtime.artifact import ModuleFileError
from compiler.runtime.file import write_file
from compiler.runtime.threads import num_threads

if TYPE_CHECKING:
    from compiler.relay.execute.settings import Settings
    from compiler.relay.language.module import IRModule

ENVIRONMENT = "ESPALIER_CACHE"
"""The folder of the cache; ``off`` for none. By default ``espalier`` in the user's folder for caches."""

LEAST_SECONDS = 0.5
"""A build that takes less is not kept."""

MOST_BYTES = 4 * 1024**3
"""Of all programs; those that were used last longest ago are removed."""


def folder() -> Path | None:
    """The folder of the cache, or None if it is off."""
    given = os.environ.get(ENVIRONMENT)
    if given == "off":
        return None
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "espalier"


def key_of(module: IRModule, settings: Settings) -> str | None:
    """What a program is found by; None where something has a part in its compilation that has no key."""
    if _has_choosers():
        return None
    from compiler.relay.language.equal import structural_hash

    names = [param.name for param in module.main.params]
    target = str(settings.target)
    return digest("module", structural_hash(module), *names, target, str(settings.level), *settings.without)


def _has_choosers() -> bool:
    """Whether something chooses schedules, which only a module that is loaded can do."""
    chosen = sys.modules.get("compiler.ops.chosen")
    return chosen is not None and chosen.has_choosers()


def digest(*parts: str) -> str:
    """A key: a digest of texts, the number of threads, this machine and the compiler itself."""
    here = (str(num_threads()), str(fingerprint()), os.environ.get(CPU, ""), _versions())
    return hashlib.sha256("\n".join((*parts, *here)).encode()).hexdigest()


@lru_cache(maxsize=1)
def _versions() -> str:
    """A digest of the compiler itself and of LLVM's version."""
    result = hashlib.sha256()
    llvm = find_spec("llvmlite")  # which is not imported: it takes as much memory as all of a small model
    if llvm is not None and llvm.origin is not None:
        with suppress(OSError):
            result.update(Path(llvm.origin).with_name("_version.py").read_bytes())
    root = Path(compiler.__file__).parent
    for path in sorted(root.rglob("*.py")):
        result.update(str(path.relative_to(root)).encode())
        result.update(path.read_bytes())
    return result.hexdigest()


def cached(key: str | None, make: Callable[[], Any]) -> Any:
    """The program of a key; if there is none, it is made, and kept if that took long."""
    key = None if _has_choosers() else key
    program = None if key is None else found(key)
    if program is None:
        start = time.perf_counter()
        program = make()
        if key is not None and time.perf_counter() - start >= LEAST_SECONDS:
            keep(key, program)
            program = found(key) or program  # its constants are in the file, and take no memory
        _trim()
    return program


def _trim() -> None:
    """Give the memory that a compilation has freed back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def found(key: str) -> Any:
    """The program of a key, or None. A file that is damaged is as if it were not there."""
    where = folder()
    if where is None:
        return None
    path = where / f"{key}.program"
    try:
        program = load(path)
    except (OSError, ModuleFileError):
        return None
    with suppress(OSError):
        os.utime(path)  # it was used now
    return program


def note(key: str) -> Any:
    """The plain data of a key, or None."""
    where = folder()
    if where is None:
        return None
    try:
        return json.loads((where / f"{key}.json").read_text())
    except (OSError, ValueError):
        return None


def keep_note(key: str, data: Any) -> None:
    """Keep plain data; what cannot be written is not kept."""
    where = folder()
    if where is not None:
        with suppress(OSError):
            where.mkdir(parents=True, exist_ok=True)
            write_file(where / f"{key}.json", json.dumps(data).encode())


def keep(key: str, program: Any) -> None:
    """Keep a program; what cannot be written is not kept."""
    where = folder()
    if where is None:
        return
    with suppress(OSError):
        where.mkdir(parents=True, exist_ok=True)
        program.save(where / f"{key}.program")
        _prune(where)


def _prune(where: Path) -> None:
    """Remove the programs that were used last longest ago, until the others are no more than `MOST_BYTES`."""
    files = [(path.stat(), path) for path in where.glob("*.[pj]*")]
    total = sum(stat.st_size for stat, _ in files)
    for stat, path in sorted(files, key=lambda item: item[0].st_mtime):
        if total <= MOST_BYTES:
            break
        path.unlink(missing_ok=True)
        total -= stat.st_size
