"""UBJSON: documents written by hand, round trips, and damaged documents."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boost.model.model_io import ModelError
from boost.model.model_io.ubjson import MOST_DEPTH, decode, encode


def length(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ({}, b"{}"),
        ("h\u00e4", b"S" + length(3) + b"h\xc3\xa4"),
        ({"b": True, "a": None}, b"{" + length(1) + b"aZ" + length(1) + b"bT}"),
        (
            [0, -128, 300, -(2**31), 2**40],
            b"[#" + length(5) + b"i\0i\x80I\x01\x2cl\x80\0\0\0L\0\0\1\0\0\0\0\0",
        ),
        ([0.5, 0.1], b"[#" + length(2) + b"d\x3f\0\0\0D\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
        (np.array([1, -2], dtype=np.int32), b"[$l#" + length(2) + b"\0\0\0\1\xff\xff\xff\xfe"),
        (np.array([1.0], dtype=np.float32), b"[$d#" + length(1) + b"\x3f\x80\0\0"),
        (np.array([], dtype=np.uint8), b"[$U#" + length(0)),
    ],
)
def test_documents_written_by_hand(value: Any, raw: bytes) -> None:
    assert encode(value) == raw
    back = decode(raw)
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and back.tolist() == value.tolist()
    else:
        assert back == value


def test_array_without_a_length() -> None:
    assert decode(b"[i\1U\xff[]{}]") == [1, 255, [], {}]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda c: st.lists(c, max_size=4) | st.dictionaries(st.text(), c, max_size=4),
)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    back = decode(encode(value))
    assert back == value and repr(back) == repr(_by_key(value))


def _by_key(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_key(value[key]) for key in sorted(value)}
    return [_by_key(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", "1 bytes are expected, 0 are left, at byte 0 of 0"),
        (b"{}{}", "2 bytes after the end, at byte 2 of 4"),
        (b"{i\1aZ}", "a length of type b'i'"),
        (b"{" + length(1) + b"aZ" + length(1) + b"aZ}", "a second entry 'a'"),
        (b"S" + length(-1), "-1 bytes are expected"),
        (b"S" + length(2**62) + b"x", "bytes are expected, 1 are left"),
        (b"S" + length(1) + b"\xff", "a text that is not UTF-8"),
        (b"[$d#" + length(2**61), "bytes are expected"),
        (b"[$Z#" + length(2**61), "an array of type b'Z'"),
        (b"[$[#" + length(1), "an array of type b'\\['"),
        (b"[$d" + length(1), "an array of type b'd'"),
        (b"[#" + length(2**61) + b"Z", "1 bytes are expected, 0 are left"),
        (b"N", "unknown marker b'N'"),
        (b"[" * 100_000, f"nested deeper than {MOST_DEPTH} levels"),
        ((b"{" + length(1) + b"a") * 100_000, f"nested deeper than {MOST_DEPTH} levels"),
        (b"[i\1", "1 bytes are expected, 0 are left"),
        (b"D\0\0", "8 bytes are expected, 2 are left"),
    ],
)
def test_damaged_documents(raw: bytes, match: str) -> None:
    with pytest.raises(ModelError, match=f"not a UBJSON model: .*{match}"):
        decode(raw)


@given(st.binary(max_size=60))
def test_any_bytes(noise: bytes) -> None:
    try:
        decode(b"{" + length(1) + b"a" + noise)
    except ModelError:
        return
