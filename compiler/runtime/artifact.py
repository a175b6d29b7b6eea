"""`Artifact`: a compiled function as data, and the module file that it is saved to.

The file, all numbers little-endian::

    16 bytes   MAGIC
     4 bytes   version of the format
     4 bytes   length of the header
               header: JSON, see `Artifact`, with the lengths of the two parts behind it
               code
               source text, compressed by zlib
    32 bytes   SHA-256 of everything before

The header names the back end by the field ``kind``; files from before there were several have none and are
of kind ``llvm``. The checksum detects damage, not manipulation: a module is machine code. Load one only from
sources whose shared libraries you would load.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, is_integer
from compiler.ir.expr import Buffer, Var
from compiler.ir.scope import is_scope
from compiler.runtime.file import write_file

MAGIC = b"\x93espalier module"
VERSION = 1
_PREFIX = struct.Struct("<16sII")
_CHECKSUM_BYTES = 32
_KIND_OF_OLD_FILES = "llvm"


class ModuleFileError(ValueError):
    """A file is not a module, or cannot be loaded here."""


class HeaderError(ValueError):
    """A field of a header is missing or invalid."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The result of a back end's compilation of a function; another process can load it.

    Parameters
    ----------
    kind : str
        The kind of the target: which back end loads it.
    name : str
        The function's name.
    params : tuple of Buffer
        The dtypes and shapes of a call's arrays.
    stored : frozenset of int
        Positions of the parameters that are written to.
    target : str
        The target, as a user spells it.
    workspace_bytes : int
        Bytes of scratch memory of one call.
    code : bytes
        The compiled code, such as an object file.
    text : str
        The source that `code` was made from.
    details : mapping of str to object
        Further data that the back end needs to load it: plain JSON, checked by the back end.
    """

    kind: str
    name: str
    params: tuple[Buffer, ...]
    stored: frozenset[int]
    target: str
    workspace_bytes: int
    code: bytes
    text: str
    details: Mapping[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, completely or not at all."""
        sizes = list(dict.fromkeys(size for buffer in self.params for size in buffer.sizes))
        text = zlib.compress(self.text.encode(), 6)
        header = {
            **{name: getattr(self, name) for name in _PLAIN},
            **self.details,
            "stored": sorted(self.stored),
            "sizes": [{"name": v.name, "dtype": v.dtype, "bounds": v.bounds} for v in sizes],
            "params": [
                {
                    "name": b.name,
                    "dtype": b.dtype,
                    "scope": b.scope,
                    **{
                        key: [e if isinstance(e, int) else {"size": sizes.index(e)} for e in numbers]
                        for key, numbers in (("shape", b.shape), ("strides", b.strides))
                        if numbers is not None
                    },
                }
                for b in self.params
            ],
            "lengths": [len(self.code), len(text)],
        }
        encoded = json.dumps(header, separators=(",", ":")).encode()
        data = b"".join((_PREFIX.pack(MAGIC, VERSION, len(encoded)), encoded, self.code, text))
        write_file(path, data, hashlib.sha256(data).digest())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Artifact:
        """Read a file that `save` wrote. No code in it is run or linked.

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
            raise ModuleFileError(
                f"{where} is cut off: it has {len(data)} bytes, fewer than {_PREFIX.size + _CHECKSUM_BYTES}"
            )
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
            raise invalid_header(path, error) from error


def invalid_header(path: str | os.PathLike[str], error: Exception) -> ModuleFileError:
    """The error for a file with a valid checksum and invalid fields in its header."""
    return ModuleFileError(f"{os.fspath(path)} has an invalid header: {error}")


def field(header: Mapping[str, Any], name: str, kind: type) -> Any:
    """A field of a header.

    Raises
    ------
    HeaderError
        If it is missing, or its type is not `kind`.
    """
    if name not in header:
        raise HeaderError(f"{name} is missing")
    return _of(kind, header[name], name)


_PLAIN = {"kind": str, "name": str, "target": str, "workspace_bytes": int}


def _checked(header: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Artifact` but code and text, from a header; raises for an invalid field."""
    header.setdefault("kind", _KIND_OF_OLD_FILES)
    fields = {name: field(header, name, kind) for name, kind in _PLAIN.items()}
    if fields["workspace_bytes"] < 0:
        raise ValueError(f"workspace_bytes is {fields['workspace_bytes']}")
    sizes = []
    for size in header["sizes"]:
        low, high = (_of(int, bound, "a bound") for bound in size["bounds"])
        if low > high or not is_integer(size["dtype"]):
            raise ValueError(f"the size {size}")
        sizes.append(Var(field(size, "name", str), size["dtype"], (low, high)))
    params = []
    for param in header["params"]:
        if param["dtype"] not in SCALAR_TYPES + PACKED_TYPES or not is_scope(param["scope"]):
            raise ValueError(f"the parameter {param}")
        shape, strides = (
            None
            if key not in param
            else tuple(
                sizes[field(e, "size", int)] if isinstance(e, dict) else _of(int, e, "an extent")
                for e in param[key]
            )
            for key in ("shape", "strides")
        )
        if shape is None or any((e if isinstance(e, int) else e.bounds[0]) < 0 for e in shape):  # type: ignore[index]
            raise ValueError(f"the shape of {param}")
        if strides is not None and len(strides) != len(shape):
            raise ValueError(f"the strides of {param}")
        params.append(Buffer(field(param, "name", str), shape, param["dtype"], param["scope"], strides))
    stored = frozenset(_of(int, i, "a position") for i in header["stored"])
    if not stored <= set(range(len(params))):
        raise ValueError(f"the stored parameters {sorted(stored)}")
    common = {*_PLAIN, "sizes", "params", "stored", "lengths"}
    details = {name: value for name, value in header.items() if name not in common}
    return {**fields, "params": tuple(params), "stored": stored, "details": details}


def _of(kind: type, value: Any, what: str) -> Any:
    if type(value) is not kind:
        raise HeaderError(f"{what} is {value!r}")
    return value
