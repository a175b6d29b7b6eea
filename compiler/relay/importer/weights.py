"""The large tensors of a model file, left where they are: a model without them, and their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LEAST_BYTES = 4096
"""A tensor of fewer bytes stays in the model."""

HERE = "\0here"
"""The location of external data that are in the model itself; no file has such a name."""

# Numbers of fields in messages: of a model its graph; of a graph nodes and initializers; of a node its
# attributes; of an attribute graphs. The kind of the message in each.
_INNER = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {6: "graph", 11: "graph"},
}
_RAW_DATA = 9
_DEEPEST = 256


@dataclass(frozen=True)
class Origin:
    """Where the tensors of a model are.

    Parameters
    ----------
    folder : str
        Of the model's file, in which external data are; empty if there is none.
    data : memoryview, optional
        The bytes of the model, for tensors whose location is `HERE`.
    mapped : bool
        Whether files are mapped into memory, instead of read.
    """

    folder: str = ""
    data: Any = None
    mapped: bool = False


class _Damaged(Exception):
    """The bytes are not those of a model; the parser says why."""


def without_weights(data: memoryview) -> bytes:
    """A model in which the bytes of large initializers are replaced by their place in `data`.

    What is no model is returned as it is.
    """
    try:
        return b"".join(_reduced(data, 0, len(data), "model", 0))
    except (_Damaged, IndexError):
        return bytes(data)


def _reduced(data: memoryview, begin: int, end: int, kind: str, depth: int) -> list[Any]:
    """The pieces of a message of a kind, without large tensors."""
    inner = _INNER.get(kind, {})
    pieces: list[Any] = []
    copied = begin  # up to where the message is in the pieces
    for start, at, stop, number in _fields(data, begin, end):
        if kind == "tensor" and number == _RAW_DATA and stop - at >= LEAST_BYTES:
            place = _external(at, stop - at)
        elif number in inner and depth < _DEEPEST:
            found = _reduced(data, at, stop, inner[number], depth + 1)
            if len(found) == 1:
                continue
            head = bytes([number << 3 | 2]) + _varint(sum(map(len, found)))
            place = [head, *found]
        else:
            continue
        pieces += [data[copied:start], *place]
        copied = stop
    pieces.append(data[copied:end])
    return pieces


def _fields(data: memoryview, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message that have a length: where each, its content and its end are; its number."""
    at = begin
    while at < end:
        start = at
        key, at = _number(data, at)
        wire = key & 7
        if wire == 0:
            _, at = _number(data, at)
        elif wire == 1:
            at += 8
        elif wire == 5:
            at += 4
        elif wire == 2:
            length, at = _number(data, at)
            if at + length > end:
                raise _Damaged
            yield start, at, at + length, key >> 3
            at += length
        else:
            raise _Damaged
    if at != end:
        raise _Damaged


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise _Damaged


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _external(offset: int, length: int) -> list[bytes]:
    """The fields of a tensor that say that its data are at a place of the model itself."""
    entries = {"location": HERE, "offset": str(offset), "length": str(length)}
    pairs = [_field(1, key.encode()) + _field(2, value.encode()) for key, value in entries.items()]
    return [*(_field(13, pair) for pair in pairs), bytes([14 << 3, 1])]
