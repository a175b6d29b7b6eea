"""Knobs: the defaults of a template."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compiler.ops import Defaults


def test_a_split_takes_the_default_factors() -> None:
    knobs = Defaults()
    assert knobs.split("tile", 24, 3, default=(2, 4)) == (3, 2, 4)
    assert knobs.split("tile", 24, 2, max_inner=4, default=(4,)) == (6, 4)
    assert knobs.split("tile", 24, 1, default=()) == (24,)


def test_a_split_without_a_default_is_all_outside() -> None:
    assert Defaults().split("tile", 7, 3) == (7, 1, 1)
    assert Defaults().split("tile", 1, 2) == (1, 1)


def test_choices() -> None:
    knobs = Defaults()
    assert knobs.choice("pack", [False, True]) is False
    assert knobs.choice("pack", [False, True], default=True) is True
    assert knobs.annotate("unroll", ["none", "unroll"]) == "none"
    assert knobs.annotate("unroll", ["none", "unroll"], default="unroll") == "unroll"
    assert knobs.reorder("order", "abc", [(2, 1, 0), (0, 1, 2)]) == ("c", "b", "a")
    assert knobs.reorder("order", "abc", [(2, 1, 0), (0, 1, 2)], default=(0, 1, 2)) == ("a", "b", "c")


REFUSED: list[tuple[Callable[[Defaults], object], str]] = [
    (
        lambda k: k.split("tile", 24, 2, default=(5,)),
        r"knob 'tile': the default \(5,\) does not split 24 into 2 factors",
    ),
    (
        lambda k: k.split("tile", 24, 2, default=(2, 2)),
        r"the default \(2, 2\) does not split 24 into 2 factors",
    ),
    (lambda k: k.split("tile", 24, 2, default=(0,)), r"the default \(0,\) does not split 24"),
    (
        lambda k: k.split("tile", 24, 3, max_inner=4, default=(1, 8)),
        r"knob 'tile': the default \(1, 8\) ends above max_inner=4",
    ),
    (
        lambda k: k.annotate("mark", ["none", "unroll"], default="unrol"),
        r"knob 'mark': unknown option 'unrol'; did you mean 'unroll'\? \(known: none, unroll\)",
    ),
    (lambda k: k.reorder("order", "ab", [(0, 1)], default=(1, 0)), r"knob 'order': unknown option \(1, 0\)"),
]


@pytest.mark.parametrize(("choose", "message"), REFUSED)
def test_refused(choose: Callable[[Defaults], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(Defaults())
