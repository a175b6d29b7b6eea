"""Parameters of operators: their plain forms, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops.parameter import Parameter, pads, pair


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        ("size", 3, 3),
        ("size", np.int64(3), 3),
        ("count", 0, 0),
        ("pair", 3, 3),
        ("pair", (3, 3), 3),
        ("pair", [3, 5], (3, 5)),
        ("pads", 0, 0),
        ("pads", (1, 1), 1),
        ("pads", (1, 2, 1, 2), (1, 2)),
        ("pads", (2, 2, 2, 2), 2),
        ("pads", [0, 1, 2, 3], (0, 1, 2, 3)),
        ("shape", [4, 4], (4, 4)),
        ("axes", [0, 2], (0, 2)),
        ("word", "b", "b"),
    ],
)
def test_plain_form(kind: str, value: object, plain: object) -> None:
    got = Parameter("x", kind, options=("a", "b")).check("op", value)
    assert got == plain
    assert type(got) is type(plain)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("size", 0, r"op: x is 0; a positive whole number is needed"),
        ("size", True, r"op: x is True; a positive"),
        ("size", 2.0, r"op: x is 2\.0; a positive"),
        ("size", (1, 2), r"op: x is \(1, 2\); a positive"),
        ("count", -1, r"op: x is -1; a whole number of at least zero"),
        ("pair", (1, 2, 3), r"op: x is \(1, 2, 3\); a positive whole number, or two"),
        ("pair", (1, 0), r"op: x is \(1, 0\)"),
        ("pads", (1, 2, 3), r"op: x is \(1, 2, 3\); a whole number of at least zero, two"),
        ("pads", -1, r"op: x is -1; a whole number of at least zero"),
        ("shape", 4, r"op: x is 4; a tuple of positive whole numbers is needed"),
        ("shape", (), r"op: x is \(\); a tuple"),
        ("axes", (-1,), r"op: x is \(-1,\); a tuple of whole numbers of at least zero"),
        ("word", "aa", r"op: unknown x 'aa'; did you mean 'a'"),
    ],
)
def test_refused(kind: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parameter("x", kind, options=("a", "b")).check("op", value)


def test_sides() -> None:
    assert pair(3) == (3, 3)
    assert pair((3, 5)) == (3, 5)
    assert pads(1) == (1, 1, 1, 1)
    assert pads((1, 2)) == (1, 2, 1, 2)
    assert pads((1, 2, 3, 4)) == (1, 2, 3, 4)
