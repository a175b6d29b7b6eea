"""The subset of UBJSON that XGBoost writes: big-endian, lengths as int64, arrays of one type packed."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import ModelError

# The type markers of numbers, and their dtypes.
NUMBERS: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
MARKERS: dict[np.dtype[Any], bytes] = {kind.newbyteorder("="): marker for marker, kind in NUMBERS.items()}
CONSTANTS = {b"Z": None, b"T": True, b"F": False}
LENGTH = struct.Struct(">q")
# Deeper than any model is nested.
MOST_DEPTH = 64


def encode(value: Any) -> bytes:
    """Return a document as UBJSON; the entries of objects are sorted by name.

    Parameters
    ----------
    value : dict, list, str, int, float, bool, None, or array of one dimension
    """
    out = bytearray()
    _write(value, out)
    return bytes(out)


def _write(value: Any, out: bytearray) -> None:
    if isinstance(value, dict):
        out += b"{"
        for key in sorted(value):
            _write_text(key, out)
            _write(value[key], out)
        out += b"}"
    elif isinstance(value, np.ndarray):
        marker = MARKERS[value.dtype]
        out += b"[$" + marker + b"#L" + LENGTH.pack(value.size) + value.astype(NUMBERS[marker]).tobytes()
    elif isinstance(value, (list, tuple)):
        out += b"[#L" + LENGTH.pack(len(value))
        for item in value:
            _write(item, out)
    elif isinstance(value, str):
        out += b"S"
        _write_text(value, out)
    elif value is None or isinstance(value, bool):
        out += {None: b"Z", True: b"T", False: b"F"}[value]
    else:
        _write_number(value, out)


def _write_text(text: str, out: bytearray) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    out += b"L" + LENGTH.pack(len(raw)) + raw


def _write_number(value: int | float, out: bytearray) -> None:
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            fitting = [b"d" if float(np.float32(value)) == value else b"D"]
    else:
        fitting = [m for m in (b"i", b"I", b"l", b"L") if abs(2 * value + 1) < 256 ** NUMBERS[m].itemsize]
    out += fitting[0] + np.array(value, dtype=NUMBERS[fitting[0]]).tobytes()


def decode(raw: bytes) -> Any:
    """Return the document of UBJSON bytes; arrays of one type become NumPy arrays.

    Raises
    ------
    ModelError
        For bytes that end early, continue after the end, are nested deeper than any model, or hold what
        XGBoost does not write. Memory use is proportional to the number of bytes.
    """
    reader = _Reader(raw)
    value = reader.value(0)
    if reader.at != len(raw):
        raise reader.wrong(f"{len(raw) - reader.at} bytes after the end")
    return value


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw, self.at = raw, 0

    def wrong(self, what: str) -> ModelError:
        return ModelError(f"not a UBJSON model: {what}, at byte {self.at} of {len(self._raw)}")

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._raw) - self.at:
            raise self.wrong(f"{count} bytes are expected, {len(self._raw) - self.at} are left")
        out = self._raw[self.at : self.at + count]
        self.at += count
        return out

    def length(self) -> int:
        if (marker := self.take(1)) != b"L":
            raise self.wrong(f"a length of type {marker!r}")
        count: int = LENGTH.unpack(self.take(8))[0]
        return count

    def text(self) -> str:
        try:
            return self.take(self.length()).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self.wrong("a text that is not UTF-8") from None

    def skip(self, marker: bytes) -> bool:
        """Skip a marker and return True, if it is next."""
        is_next = self._raw[self.at : self.at + 1] == marker
        self.at += is_next
        return is_next

    def value(self, depth: int) -> Any:
        marker = self.take(1)
        if marker in NUMBERS:
            kind = NUMBERS[marker]
            return np.frombuffer(self.take(kind.itemsize), kind)[0].item()
        if marker == b"S":
            return self.text()
        if marker in CONSTANTS:
            return CONSTANTS[marker]
        if marker not in (b"{", b"["):
            raise self.wrong(f"unknown marker {marker!r}")
        if depth >= MOST_DEPTH:
            raise self.wrong(f"nested deeper than {MOST_DEPTH} levels")
        return self.object(depth + 1) if marker == b"{" else self.array(depth + 1)

    def object(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while not self.skip(b"}"):
            key = self.text()
            if key in out:
                raise self.wrong(f"a second entry {key!r}")
            out[key] = self.value(depth)
        return out

    def array(self, depth: int) -> list[Any] | NDArray:
        if self.skip(b"$"):
            kind = NUMBERS.get(marker := self.take(1))
            if kind is None or not self.skip(b"#"):
                raise self.wrong(f"an array of type {marker!r}")
            raw = self.take(self.length() * kind.itemsize)
            return np.frombuffer(raw, kind).astype(kind.newbyteorder("="))
        if self.skip(b"#"):
            # A value has at least one byte: a length that is too large fails before it fills the memory.
            return [self.value(depth) for _ in range(self.length())]
        out = []
        while not self.skip(b"]"):
            out.append(self.value(depth))
        return out
