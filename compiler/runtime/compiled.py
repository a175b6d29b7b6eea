"""`Compiled`: a compiled function as data, and the file that it is saved to.

The file, all numbers little-endian::

    16 bytes   MAGIC
     4 bytes   version of the format
     4 bytes   length of the header
               header: JSON, see `Compiled`, with the lengths of the two parts behind it
               object code
               LLVM text, compressed by zlib
    32 bytes   SHA-256 of all before

A checksum finds damage, not malice: whoever can write the file decides what the machine runs. Load a module
from those only whose shared libraries you would load.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, is_integer
from compiler.ir.expr import Buffer, Var, is_scope

MAGIC = b"\x93espalier module"
VERSION = 1
_PREFIX = struct.Struct("<16sII")
_CHECKSUM_BYTES = 32


class ModuleFileError(ValueError):
    """A file that no module can be loaded from."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled function.

    Parameters
    ----------
    name : str
        The function's name.
    params : tuple of Buffer
        What the arrays of a call must be.
    stored : frozenset of int
        Positions of the parameters that are written to.
    entry : str
        Symbol of ``void entry(ptr slots, ptr workspace)``.
    workspace_bytes : int
        Scratch memory of one call.
    is_parallel : bool
        Whether the code calls the thread pool.
    target : str
        What it was compiled for, as a user spells it.
    triple : str
        Architecture, vendor and system.
    cpu : str
        The CPU, as LLVM names it.
    needs : tuple of str, optional
        Features that a CPU must have to run the code, as LLVM names them; None where it must be that CPU.
    code : bytes
        An object file.
    text : str
        The LLVM program that it was made from.
    """

    name: str
    params: tuple[Buffer, ...]
    stored: frozenset[int]
    entry: str
    workspace_bytes: int
    is_parallel: bool
    target: str
    triple: str
    cpu: str
    needs: tuple[str, ...] | None
    code: bytes
    text: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all."""
        sizes = list(dict.fromkeys(size for buffer in self.params for size in buffer.sizes))
        text = zlib.compress(self.text.encode(), 6)
        header = {
            **{name: getattr(self, name) for name in _PLAIN},
            "needs": None if self.needs is None else list(self.needs),
            "stored": sorted(self.stored),
            "sizes": [{"name": v.name, "dtype": v.dtype, "bounds": v.bounds} for v in sizes],
            "params": [
                {
                    "name": b.name,
                    "dtype": b.dtype,
                    "scope": b.scope,
                    "shape": [e if isinstance(e, int) else {"size": sizes.index(e)} for e in b.shape],
                }
                for b in self.params
            ],
            "lengths": [len(self.code), len(text)],
        }
        encoded = json.dumps(header, separators=(",", ":")).encode()
        data = b"".join((_PREFIX.pack(MAGIC, VERSION, len(encoded)), encoded, self.code, text))
        path = Path(path)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.write(hashlib.sha256(data).digest())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Compiled:
        """Read a file that `save` wrote. No code in it is run, nor linked.

        Raises
        ------
        ModuleFileError
            If it is no module, is cut off or damaged, or of a newer version of the format.
        OSError
            If it cannot be read.
        """
        data = Path(path).read_bytes()
        where = f"{os.fspath(path)}"
        if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
            raise ModuleFileError(f"{where} is not a saved module")
        if len(data) < _PREFIX.size + _CHECKSUM_BYTES:
            raise ModuleFileError(f"{where} is cut off: it has {len(data)} bytes only")
        _, version, header_bytes = _PREFIX.unpack_from(data)
        if version > VERSION:
            raise ModuleFileError(
                f"{where} has version {version} of the format, and this is of version {VERSION}: "
                "it was saved by a newer Espalier, update this one"
            )
        if hashlib.sha256(data[:-_CHECKSUM_BYTES]).digest() != data[-_CHECKSUM_BYTES:]:
            raise ModuleFileError(f"{where} is cut off or damaged: its checksum does not match")
        start = _PREFIX.size + header_bytes
        try:
            header = json.loads(data[_PREFIX.size : start])
            code_bytes, text_bytes = header["lengths"]
            if start + code_bytes + text_bytes + _CHECKSUM_BYTES != len(data):
                raise ValueError("its lengths do not add up")
            code = data[start : start + code_bytes]
            text = zlib.decompress(data[start + code_bytes : -_CHECKSUM_BYTES]).decode()
            return cls(**_checked(header), code=code, text=text)
        except (
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            zlib.error,
            RecursionError,
        ) as error:
            raise ModuleFileError(f"{where} has a header that makes no sense: {error}") from error


_PLAIN = {"name": str, "entry": str, "workspace_bytes": int, "is_parallel": bool, "target": str}
_PLAIN |= {"triple": str, "cpu": str}


def _checked(header: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a header; whoever wrote it may have made a mistake."""
    fields = {name: _of(kind, header[name], name) for name, kind in _PLAIN.items()}
    if fields["workspace_bytes"] < 0:
        raise ValueError(f"workspace_bytes is {fields['workspace_bytes']}")
    sizes = []
    for size in header["sizes"]:
        low, high = (_of(int, bound, "a bound") for bound in size["bounds"])
        if not 0 <= low <= high or not is_integer(size["dtype"]):
            raise ValueError(f"the size {size}")
        sizes.append(Var(_of(str, size["name"], "a size"), size["dtype"], (low, high)))
    params = []
    for param in header["params"]:
        if param["dtype"] not in SCALAR_TYPES + PACKED_TYPES or not is_scope(param["scope"]):
            raise ValueError(f"the parameter {param}")
        shape = tuple(
            sizes[_of(int, e["size"], "a size")] if isinstance(e, dict) else _of(int, e, "an extent")
            for e in param["shape"]
        )
        if any(isinstance(extent, int) and extent < 0 for extent in shape):
            raise ValueError(f"the shape of {param}")
        params.append(Buffer(_of(str, param["name"], "a name"), shape, param["dtype"], param["scope"]))
    stored = frozenset(_of(int, i, "a position") for i in header["stored"])
    if not stored <= set(range(len(params))):
        raise ValueError(f"the stored parameters {sorted(stored)}")
    needs = header["needs"]
    if needs is not None:
        needs = tuple(_of(str, feature, "a feature") for feature in _of(list, needs, "needs"))
    return {**fields, "params": tuple(params), "stored": stored, "needs": needs}


def _of(kind: type, value: Any, what: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{what} is {value!r}")
    return value
