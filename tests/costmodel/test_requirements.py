"""Spaces whose knobs requirements connect: exact sizes, indices, neighbours and samples."""

from __future__ import annotations

import operator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ops import Defaults
from compiler.ops.knob import Knob, factorizations
from compiler.ops.requirement import Requirement, requirement
from costmodel.explore import AnnealingExplorer, GeneticExplorer, IrreversibleExplorer
from costmodel.group import LIMIT
from costmodel.space import ConfigSpace, Recorder, Replay


def numbers(*counts: int) -> list[Knob]:
    return [Knob("choice", f"k{i}", tuple(range(1, n + 1)), 0) for i, n in enumerate(counts)]


@st.composite
def requirements(draw, knobs: int) -> list[Requirement]:
    """Random conditions on some of the knobs; the defaults, all ones, meet them."""
    made = []
    for _ in range(draw(st.integers(0, 3))):
        names = [
            f"k{i}" for i in draw(st.lists(st.integers(0, knobs - 1), min_size=1, max_size=3, unique=True))
        ]
        limit = draw(st.integers(1, 12))
        kind = draw(st.sampled_from(["product", "sum", "ascending", "parity"]))
        if kind == "product":
            made.append(
                requirement(
                    dict.fromkeys(names, int), lambda p, limit=limit: p <= limit, f"p {names}", operator.mul
                )
            )
        elif kind == "sum":
            limit = max(limit, len(names))
            made.append(requirement(names, lambda *v, limit=limit: sum(v) <= limit, f"sum {names}"))
        elif kind == "ascending":
            made.append(requirement(names, lambda *v: list(v) == sorted(v), f"ascending {names}"))
        else:
            made.append(
                requirement(
                    {n: (lambda v: v % 2) for n in names}, lambda *v: len(set(v)) == 1, f"parity {names}"
                )
            )
    return made


@st.composite
def spaces(draw) -> ConfigSpace:
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    return ConfigSpace(numbers(*counts), draw(requirements(len(counts))))


def allowed(space: ConfigSpace) -> list[tuple[int, ...]]:
    """Every allowed configuration, by trying all: option numbers in the order of the mixed-radix number."""
    found = []
    for digits in product(*map(range, reversed(space.radices))):
        values = {k.name: k.options[d] for k, d in zip(space.knobs, reversed(digits), strict=True)}
        if all(r.holds(values) for r in space.requirements):
            found.append(digits[::-1])
    return found


@given(spaces())
@settings(max_examples=150, deadline=None)
def test_the_space_is_what_trying_every_configuration_leaves(space):
    expected = allowed(space)
    assert space.size == len(expected)
    assert {space.digits(i) for i in range(space.size)} == set(expected)
    assert [space.index(space.digits(i)) for i in range(space.size)] == list(range(space.size))
    if len(space.groups) == 1:  # the numbers follow the order of the numbers without requirements
        assert [space.digits(i) for i in range(space.size)] == expected


@given(spaces(), st.data())
@settings(max_examples=100, deadline=None)
def test_configurations_that_break_a_requirement_have_no_index(space, data):
    digits = tuple(data.draw(st.integers(0, r - 1)) for r in space.radices)
    values = {k.name: k.options[d] for k, d in zip(space.knobs, digits, strict=True)}
    if digits in set(allowed(space)):
        assert space.find(digits) == space.config(values).index
    else:
        assert space.find(digits) is None
        with pytest.raises(ValueError, match=r"the configuration breaks the requirement .*: k\d=\d"):
            space.config(values)


@given(spaces(), st.data(), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_neighbours_are_the_allowed_changes_of_one_knob(space, data, seed):
    index = data.draw(st.integers(0, space.size - 1))
    digits = space.digits(index)

    def changes(other):
        return sum(a != b for a, b in zip(digits, other, strict=True))

    expected = {space.index(d) for d in allowed(space) if changes(d) == 1}
    found = list(space.neighbours(index))
    assert len(found) == len(set(found)) and set(found) == expected
    drawn = space.neighbour(index, np.random.default_rng(seed))
    assert 0 <= drawn < space.size
    changed = {k for k, (a, b) in enumerate(zip(digits, space.digits(drawn), strict=True)) if a != b}
    if len(changed) > 1:  # all of one group, drawn anew
        (group,) = [g for g in space.groups if changed & set(g.positions)]
        assert group.requirements and changed <= set(group.positions)
    for knob in space.knobs:
        below, above = space.along(index, knob.name)
        at = digits[space.knobs.index(knob)]
        assert [space.digits(i)[space.knobs.index(knob)] for i in below] == sorted(
            (space.digits(i)[space.knobs.index(knob)] for i in below), reverse=True
        )
        assert all(space.digits(i)[space.knobs.index(knob)] > at for i in above)
        assert set(below) | set(above) <= expected


@given(spaces(), st.integers(0, 2**32), st.integers(0, 60), st.data())
@settings(max_examples=100, deadline=None)
def test_samples_are_distinct_and_outside_the_excluded(space, seed, n, data):
    exclude = frozenset(data.draw(st.sets(st.integers(0, space.size - 1), max_size=20)))
    drawn = space.random(np.random.default_rng(seed), n, exclude)
    assert len(drawn) == len(set(drawn)) == min(n, space.size - len(exclude))
    assert not set(drawn) & exclude and all(0 <= i < space.size for i in drawn)


def test_samples_are_uniform_over_what_is_allowed():
    space = ConfigSpace(
        numbers(6, 6, 2), [requirement(("k0", "k1"), lambda a, b: a * b <= 8, "the product is small")]
    )
    rng = np.random.default_rng(0)
    counts = np.bincount([space.random(rng, 1)[0] for _ in range(20 * space.size)], minlength=space.size)
    assert abs(((counts - 20) ** 2 / 20).sum() / space.size - 1.0) < 0.5


def wide(knobs):
    """Seven splits into four loops, all connected, and a choice."""
    names = [f"s{i}" for i in range(7)]
    for name, extent in zip(names, (512, 128, 56, 56, 64, 3, 3), strict=True):
        knobs.split(name, extent, 4)
    knobs.choice("unroll", tuple(range(32)))
    calls = []

    def fits(inner):
        calls.append(inner)
        return inner <= 64

    knobs.require({n: (lambda f: f[-1]) for n in names}, fits, "the tile is small", combine=operator.mul)
    return calls


def test_a_wide_space_is_counted_with_few_conditions_and_indexed_with_none():
    recorder = Recorder()
    calls = wide(recorder)
    space = ConfigSpace(tuple(recorder.knobs.values()), recorder.requirements)
    assert space.size > 10**12
    tried = len(calls)
    assert tried < 20_000
    indices = space.random(np.random.default_rng(0), 50)
    for index in indices:
        digits = space.digits(index)
        assert space.index(digits) == index
        assert np.prod([k.options[d][-1] for k, d in zip(space.knobs[:7], digits, strict=False)]) <= 64
        space.neighbour(index, np.random.default_rng(1))
    assert len(calls) == tried
    visited = set(indices)
    assert not visited & set(space.random(np.random.default_rng(0), 50, visited))


def test_the_size_of_a_wide_space_is_exact():
    """By another count: distributions of the product over the knobs, one after the other."""
    space = ConfigSpace.record(wide)
    ways = {1: 1}
    for knob in space.knobs[:7]:
        after: dict[int, int] = {}
        for inner, count in ways.items():
            for factors in knob.options:
                after[inner * factors[-1]] = after.get(inner * factors[-1], 0) + count
        ways = after
    assert space.size == 32 * sum(count for inner, count in ways.items() if inner <= 64)


def test_groups_beyond_64_bits():
    knobs = [Knob("choice", f"k{i}", tuple(range(100)), 0) for i in range(12)]
    names = {k.name: (lambda v: v % 2) for k in knobs}
    space = ConfigSpace(knobs, [requirement(names, lambda s: s % 2 == 0, "even", operator.add)])
    assert space.size == 100**12 // 2
    drawn = space.random(np.random.default_rng(0), 20)
    assert max(drawn) > 2**64
    assert [space.index(space.digits(i)) for i in drawn] == drawn


def test_indices_of_knobs_without_requirements_are_as_before():
    plain = ConfigSpace(numbers(3, 4, 2))
    free = ConfigSpace(numbers(3, 4, 2), [requirement(("k0", "k1"), lambda a, b: True, "always")])
    assert [plain.digits(i) for i in range(24)] == [free.digits(i) for i in range(24)]
    assert plain.digits(7) == (1, 2, 0)


def tiles(knobs):
    rows = knobs.split("rows", 16, 2, default=4)
    vectors = knobs.choice("vectors", (1, 2, 4), default=2)
    knobs.require(("rows", "vectors"), lambda r, v: r[-1] * v <= 8, "the sums fit the registers")
    return rows, vectors


def test_templates_state_requirements():
    space = ConfigSpace.record(tiles)
    assert space.size == 4 + 3 + 2  # 1, 2, 4, 8 rows of one vector, ...
    assert tiles(space.default) == tiles(Defaults()) == ((4, 4), 2)
    replay = Replay(space.config({"rows": [2, 8], "vectors": 1}))
    assert tiles(replay) == ((2, 8), 1)
    with pytest.raises(
        ValueError, match=r"breaks the requirement 'the sums fit the registers': rows=\(2, 8\)"
    ):
        space.config({"rows": [2, 8], "vectors": 2})


def test_requirements_must_not_depend_on_values():
    def fickle(knobs):
        first = knobs.choice("first", (1, 2))
        knobs.choice("second", (1, 2))
        knobs.require(("second",), lambda second: second <= first or first == 1, "depends on first")

    space = ConfigSpace.record(fickle)
    assert space.size == 4
    fickle(space.config({"first": 2, "second": 2}))

    def unrecorded(knobs):
        if knobs.choice("first", (1, 2)) == 2:
            knobs.require(("first",), lambda first: True, "only sometimes")

    space = ConfigSpace.record(unrecorded)
    with pytest.raises(ValueError, match="which its space did not have when it was recorded"):
        unrecorded(space.config({"first": 2}))


@pytest.mark.parametrize(
    "made, message",
    [
        (
            [requirement(("k0",), lambda a: a > 9, "k0 is large")],
            r"no configuration meets the requirement 'k0 is large' of the knobs k0",
        ),
        (
            [
                requirement(("k0", "k1"), lambda a, b: a < b, "ascending"),
                requirement(("k0", "k1"), lambda a, b: a > b, "descending"),
            ],
            r"no configuration meets all of the requirements 'ascending', 'descending' of the knobs k0, k1",
        ),
        (
            [requirement(("k0", "k1"), lambda a, b: a < b, "ascending")],
            r"the default of the template breaks the requirement 'ascending': k0=1, k1=1; allowed is, for "
            r"example, k0=1, k1=2",
        ),
        (
            [requirement(("k0", "k9"), lambda a, b: True, "unknown")],
            r"the requirement 'unknown' names a knob that was not requested before: unknown knob 'k9'",
        ),
        (
            [requirement({"k0": lambda v: [v]}, lambda a: True, "lists")],
            r"takes \(\[1\],\) of 1: it must take numbers, text or tuples",
        ),
        (
            [requirement({"k0": lambda v: v.rows}, lambda a: True, "rows")],
            r"the requirement 'rows' of the knobs k0 failed for 1: AttributeError",
        ),
    ],
)
def test_requirements_that_are_refused(made, message):
    with pytest.raises(ValueError, match=message):
        ConfigSpace(numbers(4, 4, 4), made)


def test_requirements_of_too_many_combinations_are_refused_before_they_are_tried():
    knobs = [Knob("split", f"s{i}", factorizations(512, 4), 0) for i in range(4)]
    calls = []

    def condition(*factors):
        calls.append(factors)
        return True

    names = tuple(k.name for k in knobs)
    with pytest.raises(
        ValueError, match=f"s0 .220 options.* need more than {LIMIT} evaluations .*lambda tile"
    ):
        ConfigSpace(knobs, [requirement(names, condition, "all of them")])
    assert not calls


def test_splits_along_their_inner_factor():
    space = ConfigSpace.record(tiles)
    index = space.default.index
    below, above = space.along(index, "rows")
    assert [space.at(i)["rows"] for i in below] == [(8, 2), (16, 1)] and above == []
    with pytest.raises(ValueError, match="unknown knob 'row'; did you mean 'rows'"):
        space.along(index, "row")
    other = ConfigSpace([Knob("annotate", "loop", ("none", "unroll"), 0)])
    with pytest.raises(ValueError, match="the options of annotate knob 'loop' have no order"):
        other.along(0, "loop")


# equal knobs: no single knob can change, so that only the group as a whole can
EQUAL = ConfigSpace(numbers(8, 8, 3), [requirement(("k0", "k1"), operator.eq, "square")])


def test_groups_in_which_no_single_knob_can_change_are_drawn_anew():
    reached = {0}
    rng = np.random.default_rng(0)
    index = 0
    for _ in range(500):
        index = EQUAL.neighbour(index, rng)
        reached.add(index)
    assert reached == set(range(EQUAL.size))


@pytest.mark.parametrize("kind", [AnnealingExplorer, GeneticExplorer, IrreversibleExplorer])
@pytest.mark.parametrize("space", [EQUAL, ConfigSpace.record(tiles)], ids=["equal", "tiles"])
def test_explorers_find_the_best_allowed_configuration(kind, space):
    best = space.size - 1

    def score(indices):
        assert all(0 <= i < space.size for i in indices)
        return -np.abs(np.array(indices, dtype=float) - best)

    found = kind(space, evaluations=200).propose(3, score, set(), rng=np.random.default_rng(0))
    assert found[0] == (best, 0.0)
