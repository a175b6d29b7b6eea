"""Dictionaries of categories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boost import DataError
from boost.data.frames.dictionary import encode_positions, join, recode

WORDS = st.lists(st.text(max_size=3), max_size=8)


def test_codes_are_positions_among_the_sorted_values_that_occur() -> None:
    codes, known = encode_positions(np.array([2, -1, 0, 2, 3]), ["b", "unused", "a", None], "c")
    np.testing.assert_array_equal(codes, [0, np.nan, 1, 0, np.nan])
    assert known == ["a", "b"]


def test_a_value_declared_twice_has_one_code() -> None:
    codes, known = encode_positions(np.array([0, 1, 2]), ["b", "a", "b"], "c")
    np.testing.assert_array_equal(codes, [1, 0, 1])
    assert known == ["a", "b"]


@given(WORDS, WORDS)
def test_joined_dictionaries_hold_all_values(a: list[str], b: list[str]) -> None:
    assert join([sorted(set(a)), sorted(set(b))], "c") == sorted({*a, *b})


@given(st.lists(st.text(max_size=2), min_size=1, max_size=8, unique=True), st.data())
def test_recoding_keeps_the_values(known: list[str], data: st.DataObject) -> None:
    old = sorted(known)
    new = data.draw(st.permutations([*old, "another"]))
    values = np.arange(len(old), dtype=np.float32).reshape(-1, 1)
    got = recode(values, {0: old}, {0: new})[:, 0]
    assert [new[int(code)] for code in got] == old


def test_strings_and_numbers_do_not_join() -> None:
    with pytest.raises(DataError, match="column 'c' mixes strings and numbers"):
        join([["a"], [1]], "c")
