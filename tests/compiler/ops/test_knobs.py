"""Knobs: the defaults of a template."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul

import numpy as np
import pytest

from compiler import build, te
from compiler.ops import Defaults


def test_a_split_takes_the_default_factors() -> None:
    knobs = Defaults()
    assert knobs.split("tile", 24, 3, default=(2, 4)) == (3, 2, 4)
    assert knobs.split("tile", 24, 2, max_inner=4, default=(4,)) == (6, 4)
    assert knobs.split("tile", 24, 1, default=()) == (24,)


def test_a_split_without_a_default_is_all_outside() -> None:
    assert Defaults().split("tile", 7, 3) == (7, 1, 1)
    assert Defaults().split("tile", 1, 2) == (1, 1)


def test_a_split_with_a_tail_rounds_the_outer_factor_up() -> None:
    knobs = Defaults()
    assert knobs.split("tile", 100, 2, tail=True, policy="power2", default=16) == (7, 16)
    assert knobs.split("other", 100, 3, tail=True, policy="power2", default=(4, 8)) == (4, 4, 8)


def test_a_filter_moves_the_default_to_the_first_option_that_is_left() -> None:
    assert Defaults().split("tile", 24, 2, filter=lambda f: f[1] >= 4) == (6, 4)
    assert Defaults().split("tile", 24, 2, candidates=[8, 4]) == (3, 8)


def test_requirements_that_the_defaults_meet() -> None:
    knobs = Defaults()
    knobs.choice("rows", (1, 2, 4), default=4)
    knobs.split("columns", 64, 2, default=2)
    knobs.require(("rows", "columns"), lambda rows, columns: rows * columns[-1] <= 8, "the tile fits")
    knobs.require(
        {"rows": lambda r: r, "columns": lambda c: c[-1]}, lambda n: n == 8, "fits exactly", combine=mul
    )


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
        r"split knob 'tile': the default \(5,\) does not split 24 into 2 factors: with tail=True",
    ),
    (
        lambda k: k.split("tile", 24, 2, default=(2, 2)),
        r"split knob 'tile': a default names the inner 1 factors, not 2: \(2, 2\)",
    ),
    (lambda k: k.split("tile", 24, 2, default=(0,)), r"the default \(0,\) does not split 24"),
    (lambda k: k.split("tile", 24, 2, default=0, tail=True), r"the default \(0,\) does not split 24"),
    (
        lambda k: k.split("tile", 24, 3, max_inner=4, default=(1, 8)),
        r"default \(3, 1, 8\) of split knob 'tile' is not one of its options: \(24, 1, 1\)",
    ),
    (lambda k: k.split("tile", 24, 2, policy="pow2"), r"unknown policy 'pow2'; did you mean 'power2'"),
    (
        lambda k: k.split("tile", 24, 2, candidates=[4, 5]),
        r"split knob 'tile': the candidate \(5,\) does not split 24 into 2 factors",
    ),
    (
        lambda k: k.split("tile", 24, 2, filter=lambda f: f[1] > 24),
        r"split knob 'tile': its filter drops all of its 8 options",
    ),
    (
        lambda k: k.split("tile", 24, 2, default=4, filter=lambda f: f[1] > 4),
        r"default \(6, 4\) of split knob 'tile' is not one of its options: \(4, 6\)",
    ),
    (
        lambda k: k.split("tile", 2**20, 12),
        r"split knob 'tile': .* can be split into 12 factors in more than 100000 ways: .* max_inner",
    ),
    (
        lambda k: k.annotate("mark", ["none", "unroll"], default="unrol"),
        r"annotate knob 'mark': unknown option 'unrol'; did you mean 'unroll'\? \(known: none, unroll\)",
    ),
    (
        lambda k: k.reorder("order", "ab", [(0, 1)], default=(1, 0)),
        r"default \(1, 0\) of reorder knob 'order' is not one of its options: \(0, 1\)",
    ),
    (lambda k: k.reorder("order", "ab", policy="any"), r"reorder knob 'order': unknown policy 'any'"),
    (
        lambda k: k.reorder("order", "abc", policy="interval"),
        r"reorder knob 'order': policy 'interval' takes an interval",
    ),
    (
        lambda k: k.reorder("order", "abc", policy="all", groups=[(0, 1), (2,)]),
        r"reorder knob 'order': policy 'all' takes neither interval nor groups",
    ),
    (
        lambda k: k.reorder("order", "abc", policy="interval", interval=(1, 4)),
        r"the interval 1, 4 is not inside of 0, 3",
    ),
    (
        lambda k: k.reorder("order", "abc", policy="interleave", groups=[(0, 1), (1, 2)]),
        r"the groups \(\(0, 1\), \(1, 2\)\) do not divide 3 positions",
    ),
    (
        lambda k: k.reorder("order", "abcdefghi"),
        r"reorder knob 'order' has 362880 orders, more than 100000: name an interval",
    ),
    (lambda k: k.require(("tile",), bool, "a reason"), r"a knob that was not requested before.*'tile'"),
    (lambda k: k.require((), bool, "a reason"), r"names one or more different knobs, not \(\)"),
    (lambda k: k.require(("a", "a"), bool, "a reason"), r"different knobs, not \('a', 'a'\)"),
    (lambda k: k.require(("a",), bool, ""), r"states its reason as text"),
    (
        lambda k: (k.choice("a", (3, 4)), k.require(("a",), lambda a: a > 3, "a is large")),
        r"the default of the template breaks the requirement 'a is large': a=3",
    ),
    (
        lambda k: (k.choice("a", (3, 4)), k.require(("a",), lambda a: a[0], "a is large")),
        r"the requirement 'a is large' of the knobs a failed for 3: TypeError: 'int' object",
    ),
]


@pytest.mark.parametrize(("choose", "message"), REFUSED)
def test_refused(choose: Callable[[Defaults], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(Defaults())


@pytest.mark.parametrize("extent, inner", [(100, (16,)), (97, (4, 8)), (7, (2, 2)), (5, (5,))])
def test_loops_with_a_tail_compute_every_element_once(extent: int, inner: tuple[int, ...]) -> None:
    factors = Defaults().split("tile", extent, len(inner) + 1, tail=True, candidates=[inner], default=inner)
    A = te.placeholder((extent,), "A")
    B = te.compute((extent,), lambda i: A[i] * 2.0 + 1.0, "B")
    s = te.create_schedule(B.op)
    axis = B.op.axis[0]
    extents = []
    for factor in reversed(factors[1:]):
        axis, at = s[B].split(axis, factor)
        extents.append(at.extent)
    s[B].vectorize(at)
    assert (axis.extent, *reversed(extents)) == factors
    a, out = np.arange(extent, dtype="float32"), np.full(extent, np.nan, "float32")
    build(s, [A, B])(a, out)
    np.testing.assert_array_equal(out, 2 * a + 1)
