"""Numbers, strings, names and constants as text, and back: literals, and the metadata of large constants."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compiler.ir.dtype import SCALAR_TYPES
from compiler.relay.language.expr import Constant, constant

INLINE = 16
"""Elements of a constant that is written where it is used; a larger one is in the metadata."""

SECTION = "relay.Constant"
"""The name of the constants in the metadata: ``meta[relay.Constant][0]``."""

SUFFIXES: Mapping[str, str] = {
    "int32": "",
    "int8": "i8",
    "int16": "i16",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "float32": "f",
    "float16": "f16",
    "float64": "f64",
    "bfloat16": "bf16",
}
"""Element type -> what follows a number of it; a bool is ``True`` or ``False``."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(text: str) -> str:
    """A string in quotes."""
    return json.dumps(text)


def name_text(sigil: str, name: str) -> str:
    """The name of a variable or function: ``%x``, or ``%"x:0"`` where it is no identifier."""
    return sigil + (name if NAME.fullmatch(name) else quoted(name))


def attribute_text(value: Any) -> str:
    """The value of an attribute; tuples are in brackets."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(attribute_text, value))}]"
    return quoted(value) if isinstance(value, str) else repr(value)


def literal(value: Constant) -> str | None:
    """A small constant as text; None for one that is large, empty, or not written by numbers alone."""
    data = value.data
    if data.size == 0 or data.size > INLINE:
        return None
    try:
        texts = [_number(element, value.dtype) for element in data.reshape(-1)]
    except ValueError:
        return None
    return _nested(texts, data.shape)


def _nested(texts: Sequence[str], shape: Sequence[int]) -> str:
    if not shape:
        return texts[0]
    step = len(texts) // shape[0]
    return f"[{', '.join(_nested(texts[i : i + step], shape[1:]) for i in range(0, len(texts), step))}]"


def _number(element: Any, dtype: str) -> str:
    """The text of one element, which `number` converts to the same bits."""
    if dtype == "bool":
        return "True" if element else "False"
    if dtype not in SUFFIXES:
        raise ValueError(dtype)
    value = element
    if dtype == "bfloat16":
        value = np.uint32(int(element) << 16).view("float32")
    if dtype.startswith(("float", "bfloat")) and not math.isfinite(value):
        raise ValueError("no number")
    for text in (str(value), repr(float(value))):
        short = text.removesuffix(".0")
        if number(short, dtype).data.tobytes() == element.tobytes():
            return short + SUFFIXES[dtype]
    raise ValueError("no number")


def number(text: str, dtype: str) -> Constant:
    """The scalar constant of a number.

    Raises
    ------
    ValueError
        If it is no value of the type.
    """
    if dtype.startswith(("float", "bfloat")):
        value = float(text)
        with np.errstate(over="ignore"):
            made = constant(value, dtype)
        if not math.isfinite(value) or (dtype != "bfloat16" and not np.isfinite(made.data)):
            raise ValueError(f"{text} is beyond the range of {dtype}")
        return made
    integer, limits = int(text), np.iinfo(dtype)
    if not limits.min <= integer <= limits.max:
        raise ValueError(f"{text} is beyond the range of {dtype}")
    return Constant(np.asarray(integer, dtype))


def metadata_text(constants: Sequence[Constant]) -> str:
    """The metadata section: element type, shape and the bytes (little endian, base 64) of each constant."""
    entries = [
        {
            "dtype": c.dtype,
            "shape": list(c.data.shape),
            "data": base64.b64encode(c.data.astype(c.data.dtype.newbyteorder("<")).tobytes()).decode("ascii"),
        }
        for c in constants
    ]
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    return f'#[metadata]\n{{"{SECTION}": [\n{lines}\n]}}\n'


def metadata_constants(text: str) -> list[Constant]:
    """The constants of a metadata section.

    Raises
    ------
    ValueError
        If the section is damaged; says which constant.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the metadata is no JSON: {error}") from None
    entries = content.get(SECTION) if isinstance(content, dict) else None
    if not isinstance(entries, list) or set(content) != {SECTION}:
        raise ValueError(f'the metadata is no object of the form {{"{SECTION}": [...]}}')
    return [_restored(at, entry) for at, entry in enumerate(entries)]


def _restored(at: int, entry: Any) -> Constant:
    what = f"constant {at} of the metadata"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data"}:
        raise ValueError(f"{what} has not the keys dtype, shape and data")
    dtype, shape, data = entry["dtype"], entry["shape"], entry["data"]
    if dtype not in SCALAR_TYPES:
        raise ValueError(f"{what} is of the unknown element type {dtype!r}")
    if not isinstance(shape, list) or not all(type(d) is int and d >= 0 for d in shape):
        raise ValueError(f"{what} has the shape {shape!r}; a list of integers is needed")
    held = np.dtype("uint16" if dtype == "bfloat16" else dtype)
    stored = held.newbyteorder("<")
    try:
        raw = base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"the data of {what} is not in base 64") from None
    needed = math.prod(shape) * stored.itemsize
    if len(raw) != needed:
        raise ValueError(f"{what} has {len(raw)} bytes of data; its shape needs {needed}")
    array = np.frombuffer(raw, stored).reshape(shape)
    return Constant(array.astype(held), dtype)
