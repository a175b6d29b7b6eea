"""Where compiled kernels are kept: Numba's cache, and machine code that came with a package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as ll
import numba
from numba.core import config
from numba.core.caching import FunctionCache, IndexDataCacheFile

# The folders and modules whose sources any kernel may be made of; more are added by `stamp_sources`.
_SOURCES: dict[str, Path] = {"sketch": Path(__file__).parent}


def stamp_sources(package: str, folder: Path, parts: tuple[str, ...]) -> None:
    """Make sources of one more package part of the key of every kernel's cache.

    Parameters
    ----------
    package : str
        The name of the package.
    folder : Path
        Its folder.
    parts : tuple of str
        The folders and modules of the package that hold kernels, or are imported by those that do.
    """
    _SOURCES.update({f"{package}/{part}": folder / part for part in parts})
    source_stamp.cache_clear()


@cache
def source_stamp() -> str:
    """Return a digest of all sources that kernels may be made of, and of the versions of the compiler.

    A kernel is compiled from the functions that it calls and the constants that they name, in any file: an
    edit of any of them must not leave old machine code in use.
    """
    digest = hashlib.blake2b(f"{numba.__version__} {llvmlite.__version__}".encode(), digest_size=16)
    for name, source in sorted(_SOURCES.items()):
        for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(f"{name}/{path.relative_to(source).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


# What a CPU must have for machine code of a level, the highest first; see the x86-64 psABI.
LEVELS = {
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "bmi2", "fma", "f16c"),
    "x86-64-v3": ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
    "x86-64-v2": ("cx16", "popcnt", "sse4.1", "sse4.2", "ssse3"),
}
# Folders with machine code that came with a package, a folder in each for every level.
_LIBRARIES: list[Path] = []


def use_library(folder: Path) -> None:
    """Take kernels from a folder that `boost.kernel_library` has written, if it is there."""
    if folder.is_dir() and folder not in _LIBRARIES:
        _LIBRARIES.append(folder)


@cache
def host_level() -> str:
    """Return the highest level of machine code that this CPU runs, "" for none."""
    if config.CPU_NAME is not None or not ll.get_process_triple().startswith("x86_64"):
        return ""
    features = ll.get_host_cpu_features()
    return next((name for name, needed in LEVELS.items() if all(features.get(f) for f in needed)), "")


def cache_file(folder: Path | str, name: str) -> IndexDataCacheFile:
    """Return the files of one kernel in a folder.

    Numba compares the version of an index before it reads the rest, and the stamp afterwards. The rest
    names types of its time, such as records that a later version has moved: the stamp is part of the version.
    """
    file = IndexDataCacheFile(cache_path=str(folder), filename_base=name, source_stamp=source_stamp())
    file._version = f"{file._version} {source_stamp()}"
    return file


class KernelCache(FunctionCache):
    """Numba's cache, whose entries hold as long as no source changes, and what a package came with.

    Parameters
    ----------
    py_func : callable
    on_miss : callable, optional
        Called before a kernel is compiled.
    """

    def __init__(self, py_func: Callable[..., Any], on_miss: Callable[[], None] | None = None) -> None:
        super().__init__(py_func)
        self._on_miss = on_miss
        self._cache_file = cache_file(self._cache_path, self._impl.filename_base)

    def _library_file(self, folder: Path, level: str) -> IndexDataCacheFile:
        return cache_file(folder / level / self._py_func.__module__, self._impl.filename_base)

    def _library_key(self, sig: Any, codegen: Any, level: str) -> Any:
        _, (triple, *_), code = self._index_key(sig, codegen)
        return sig, (triple, level), code

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        data = super()._load_overload(sig, target_context)
        if data is None:
            data = self._load_from_library(sig, target_context)
        if data is None and self._on_miss is not None:
            self._on_miss()
        return data

    def _load_from_library(self, sig: Any, target_context: Any) -> Any:
        level = host_level() if _LIBRARIES else ""
        for folder in _LIBRARIES if level else []:
            key = self._library_key(sig, target_context.codegen(), level)
            payload = self._library_file(folder, level).load(key)
            if payload is not None:
                return self._impl.rebuild(target_context, payload)
        return None

    def save_in_library(self, sig: Any, result: Any, folder: Path, level: str) -> None:
        """Write a compiled kernel where `use_library` looks for it."""
        file = self._library_file(folder, level)
        Path(file._cache_path).mkdir(parents=True, exist_ok=True)
        file.save(self._library_key(sig, result.codegen, level), self._impl.reduce(result))
