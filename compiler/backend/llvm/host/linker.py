"""A linker of x86-64 object files into the memory of this process, which needs no LLVM."""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# of an ELF file: the header, a header of a section, a symbol, a relocation
_ELF, _SECTION, _SYMBOL, _RELOCATION = "<16sHHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IBBHQQ", "<QQq"
_MAGIC, _X86_64, _RELOCATABLE = b"\x7fELF\x02\x01\x01", 62, 1
_SYMBOLS, _ADDENDS, _NO_BITS = 2, 4, 8  # types of sections
_WRITABLE, _ALLOCATED = 1, 2  # flags of a section
_UNDEFINED, _ABSOLUTE, _SPECIAL = 0, 0xFFF1, 0xFF00  # sections of symbols
_ABS64, _PC32, _PLT32, _GOT, _GOTX, _REX_GOTX = 1, 2, 4, 9, 41, 42  # kinds of relocations
_GOTS = (_GOT, _GOTX, _REX_GOTX)
_JUMP = bytes((0xFF, 0x25, 2, 0, 0, 0, 0, 0))  # jmp *[rip + 2]: the address follows, at a multiple of 8
_READ, _WRITE, _EXECUTE = 1, 2, 4


class Unlinkable(ValueError):
    """An object file is of another kind than this linker links."""


def is_supported() -> bool:
    """Whether this process can run what the linker makes."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and ctypes.sizeof(ctypes.c_void_p) == 8


@dataclass(eq=False)
class _Layout:
    """Where the parts of an object file go."""

    places: dict[int, int] = field(default_factory=dict)  # section -> offset
    stubs: dict[str, int] = field(default_factory=dict)  # name -> offset of a jump and its address
    writable: int = 0  # offset from which on memory stays writable
    size: int = 0


class Linked:
    """The code of an object file in memory, which is freed with this object.

    Parameters
    ----------
    code : bytes
        An object file that LLVM wrote: position-independent, without thread-local variables.
    imports : mapping of str to int
        Addresses of names that it imports; other names are looked up in the process.

    Attributes
    ----------
    symbols : dict of str to int
        Addresses of the global names that it defines.

    Raises
    ------
    Unlinkable
        If the file has what this linker does not treat.
    ValueError
        If a name that it imports does not exist.
    """

    def __init__(self, code: bytes, imports: Mapping[str, int]) -> None:
        try:
            sections, symbols = _read(code)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise Unlinkable(f"the object file is damaged: {error}") from error
        relocations = _relocations(code, sections)
        layout = _layout(sections, symbols, relocations)
        # private: a forked child has variables of its own
        self._memory = mmap.mmap(-1, layout.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        view = ctypes.c_char.from_buffer(self._memory)
        base = ctypes.addressof(view)
        for number, at in layout.places.items():
            _, kind, _, _, offset, size, *_ = sections[number]
            if kind != _NO_BITS:
                self._memory[at : at + size] = code[offset : offset + size]
        for name, at in layout.stubs.items():
            target = imports.get(name) or _address_of(name)
            self._memory[at : at + 16] = _JUMP + struct.pack("<Q", target)
        for section, relocation in relocations:
            self._apply(base, layout, symbols, section, relocation)
        executable = layout.writable or layout.size
        if _protect()(base, executable, _READ | _EXECUTE):
            raise ValueError("the system does not allow this process to run code that it made")
        self._view = view
        self.symbols = {
            name: base + layout.places[section] + value
            for name, section, value, is_global in symbols
            if is_global and section in layout.places
        }

    def _apply(self, base: int, layout: _Layout, symbols: Any, section: int, relocation: Any) -> None:
        offset, kind, number, addend = relocation
        name, owner, value, _ = symbols[number]
        at = layout.places[section] + offset
        if owner == _UNDEFINED:
            target = layout.stubs[name]
            target += 8 if kind in _GOTS else 0
        else:
            target = layout.places[owner] + value
        if kind == _ABS64:
            if owner == _UNDEFINED:
                (word,) = struct.unpack("<Q", self._memory[target + 8 : target + 16])
                struct.pack_into("<Q", self._memory, at, (word + addend) % 2**64)
            else:
                struct.pack_into("<Q", self._memory, at, base + target + addend)
        else:
            struct.pack_into("<i", self._memory, at, target + addend - at)


def _read(code: bytes) -> tuple[list[Any], list[tuple[str, int, int, bool]]]:
    """The sections, and the symbols as name, section, value, and whether it is global."""
    if code[: len(_MAGIC)] != _MAGIC:
        raise Unlinkable("this is no 64-bit ELF file")
    header = struct.unpack_from(_ELF, code)
    if header[1] != _RELOCATABLE or header[2] != _X86_64:
        raise Unlinkable("this is no object file for x86-64")
    sections = [struct.unpack_from(_SECTION, code, header[6] + 64 * i) for i in range(header[12])]
    tables = [section for section in sections if section[1] == _SYMBOLS]
    if len(tables) != 1:
        raise Unlinkable(f"it has {len(tables)} tables of symbols")
    (_, _, _, _, offset, size, link, *_), symbols = tables[0], []
    for at in range(offset, offset + size, struct.calcsize(_SYMBOL)):
        name, info, _, section, value, _ = struct.unpack_from(_SYMBOL, code, at)
        begin = sections[link][4] + name
        text = code[begin : code.index(b"\0", begin)].decode()
        if section >= _SPECIAL and section != _ABSOLUTE:
            raise Unlinkable(f"the symbol {text!r} is common")
        symbols.append((text, section, value, info >> 4 != 0))
    return sections, symbols


def _relocations(code: bytes, sections: list[Any]) -> list[tuple[int, tuple[int, int, int, int]]]:
    """The section, offset, kind, symbol and addend of each relocation of what is loaded."""
    found = []
    for _, kind, _, _, offset, size, _, section, *_ in sections:
        if kind != _ADDENDS or not sections[section][2] & _ALLOCATED:
            continue
        for at in range(offset, offset + size, struct.calcsize(_RELOCATION)):
            where, info, addend = struct.unpack_from(_RELOCATION, code, at)
            found.append((section, (where, info & 0xFFFFFFFF, info >> 32, addend)))
    return found


def _layout(sections: list[Any], symbols: list[Any], relocations: list[Any]) -> _Layout:
    """Code and constants, the stubs of imports, then on pages of their own the variables."""
    layout, end = _Layout(), 0
    loaded = [n for n, section in enumerate(sections) if section[2] & _ALLOCATED and section[5]]
    for number in (n for n in loaded if not sections[n][2] & _WRITABLE):
        end = _aligned(end, max(sections[number][8], 1))
        layout.places[number] = end
        end += sections[number][5]
    end = _aligned(end, 16)
    for section, (_, kind, number, _) in relocations:
        name, owner = symbols[number][:2]
        if kind not in (_ABS64, _PC32, _PLT32, *_GOTS) or section not in loaded:
            raise Unlinkable(f"it has a relocation of kind {kind}")
        if owner == _UNDEFINED:
            if name not in layout.stubs:
                layout.stubs[name] = end
                end += 16
        elif owner not in loaded or kind in _GOTS:
            raise Unlinkable(f"it has a relocation of kind {kind} to {name!r}")
    variables = [n for n in loaded if sections[n][2] & _WRITABLE]
    if variables:
        layout.writable = end = _aligned(max(end, 1), mmap.PAGESIZE)
    for number in variables:
        end = _aligned(end, max(sections[number][8], 1))
        layout.places[number] = end
        end += sections[number][5]
    layout.size = max(end, 1)
    return layout


def _aligned(offset: int, multiple: int) -> int:
    return -(-offset // multiple) * multiple


@lru_cache(maxsize=1)
def _protect() -> Any:
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return protect


@lru_cache(maxsize=1)
def _libraries() -> tuple[Any, ...]:
    """This process, and the mathematics that LLVM calls, which a program may lack."""
    return ctypes.CDLL(None), ctypes.CDLL("libm.so.6")


def _address_of(name: str) -> int:
    for library in _libraries():
        try:
            return ctypes.cast(library[name], ctypes.c_void_p).value or 0
        except AttributeError:
            continue
    raise ValueError(f"the compiled code cannot be linked: the process has no {name!r}")
