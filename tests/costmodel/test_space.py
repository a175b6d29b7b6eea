from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.ops.knob import Knob, factorizations
from compiler.ops.knobs import Defaults
from costmodel.space import Config, ConfigSpace, Recorder, Replay


def template(knobs):
    return (
        knobs.split("tile", 24, 3, max_inner=4, default=(2, 4)),
        knobs.choice("pack", [False, True]),
        knobs.reorder("order", ("i", "j"), [(0, 1), (1, 0)], default=(1, 0)),
        knobs.annotate("loop", ["none", "unroll"], default="unroll"),
    )


@pytest.fixture
def space() -> ConfigSpace:
    return ConfigSpace.record(template)


def spaces():
    radices = st.lists(st.integers(1, 7), min_size=1, max_size=6)
    return radices.map(
        lambda r: ConfigSpace([Knob("choice", f"k{i}", tuple(range(n)), 0) for i, n in enumerate(r)])
    )


def test_defaults_are_those_of_the_compiler(space):
    assert template(space.default) == template(Defaults())
    assert space.default["tile"] == (3, 2, 4)


def test_replay_gives_the_chosen_values(space):
    config = space.config({"tile": [6, 4, 1], "pack": True, "order": [0, 1], "loop": "none"})
    assert template(config) == ((6, 4, 1), True, ("i", "j"), "none")


def test_size_is_the_product_of_the_options(space):
    # factorizations of 24 in 3 parts: C(5,2) * 3 = 30, of which the last factor is 1, 2, 3 or 4 in 22
    expected = sum(1 for f in factorizations(24, 3) if f[-1] <= 4)
    assert len(space) == space.size == expected * 2 * 2 * 2


@given(spaces(), st.data())
def test_index_and_digits_are_inverse(space, data):
    index = data.draw(st.integers(0, space.size - 1))
    digits = space.digits(index)
    assert space.index(digits) == index
    assert all(0 <= d < r for d, r in zip(digits, space.radices, strict=True))


@given(spaces())
def test_digits_differ_for_every_index(space):
    sample = range(min(space.size, 300))
    assert len({space.digits(i) for i in sample}) == len(sample)


def test_first_knob_is_the_least_significant_digit():
    space = ConfigSpace([Knob("choice", "a", (0, 1, 2), 0), Knob("choice", "b", (0, 1), 0)])
    assert [space.digits(i) for i in range(4)] == [(0, 0), (1, 0), (2, 0), (0, 1)]


@given(spaces(), st.data())
def test_values_and_index_are_inverse(space, data):
    config = space.at(data.draw(st.integers(0, space.size - 1)))
    assert space.config(dict(config)) == config
    assert space.config(config.plain()).index == config.index


@given(spaces(), st.integers(0, 2**32), st.data())
def test_neighbour_differs_in_exactly_one_knob(space, seed, data):
    index = data.draw(st.integers(0, space.size - 1))
    moved = space.neighbour(index, np.random.default_rng(seed))
    differing = sum(a != b for a, b in zip(space.digits(index), space.digits(moved), strict=True))
    assert differing == (0 if space.size == 1 else 1)


def test_neighbours_are_all_one_knob_moves(space):
    found = list(space.neighbours(5))
    assert len(found) == len(set(found)) == sum(r - 1 for r in space.radices)
    assert all(sum(a != b for a, b in zip(space.digits(5), space.digits(i), strict=True)) == 1 for i in found)


@given(spaces(), st.integers(0, 2**32), st.integers(0, 40), st.data())
def test_random_is_distinct_and_outside_the_excluded(space, seed, n, data):
    exclude = frozenset(data.draw(st.sets(st.integers(0, space.size - 1), max_size=20)))
    drawn = space.random(np.random.default_rng(seed), n, exclude)
    assert len(drawn) == len(set(drawn)) == min(n, space.size - len(exclude))
    assert not set(drawn) & exclude
    assert all(0 <= i < space.size for i in drawn)


def test_random_reaches_spaces_beyond_64_bits():
    space = ConfigSpace([Knob("choice", f"k{i}", tuple(range(1000)), 0) for i in range(30)])
    drawn = space.random(np.random.default_rng(0), 4)
    assert space.size == 1000**30
    assert len(set(drawn)) == 4
    assert max(drawn) > 2**64
    assert all(space.index(space.digits(i)) == i for i in drawn)


def test_config_reads_as_a_mapping(space):
    config = space.default
    assert isinstance(config, Config)
    assert list(config) == ["tile", "pack", "order", "loop"]
    assert config.plain() == {"tile": [3, 2, 4], "pack": False, "order": [1, 0], "loop": "unroll"}
    assert "tile=3x2x4" in repr(config)


def test_unknown_knob_names_the_nearest(space):
    values = space.default.plain()
    values["tlie"] = values.pop("tile")
    with pytest.raises(ValueError, match="unknown knob 'tlie'; did you mean 'tile'"):
        space.config(values)
    with pytest.raises(KeyError, match="did you mean 'pack'"):
        space.default["pak"]


def test_missing_knob_is_named(space):
    values = space.default.plain()
    del values["pack"]
    with pytest.raises(ValueError, match="no value for 'pack'"):
        space.config(values)


@pytest.mark.parametrize(
    "name, value",
    [("tile", [5, 5, 1]), ("tile", [24, 1]), ("pack", 1), ("order", [1, 1]), ("loop", "vectorise")],
)
def test_value_that_is_not_an_option(space, name, value):
    with pytest.raises(ValueError, match=f"knob '{name}' cannot be"):
        space.config({**space.default.plain(), name: value})


def test_knobs_must_not_depend_on_their_values():
    def fickle(knobs):
        if knobs.choice("first", [False, True]):
            knobs.choice("second", [1, 2])

    space = ConfigSpace.record(fickle)
    with pytest.raises(ValueError, match="requests a knob 'second' that it did not request"):
        fickle(space.config({"first": True}))


def test_missing_knob_requests_are_refused():
    def fickle(knobs):
        if not knobs.choice("first", [False, True]):
            knobs.choice("second", [1, 2])

    space = ConfigSpace.record(fickle)
    replay = Replay(space.config({"first": True, "second": 1}))
    fickle(replay)
    with pytest.raises(ValueError, match="did not request 'second' under this configuration"):
        replay.finish()


def test_options_must_not_depend_on_values():
    def fickle(knobs):
        first = knobs.split("first", 8, 2)
        knobs.split("second", first[0], 2)

    space = ConfigSpace.record(fickle)
    with pytest.raises(ValueError, match="options must not depend on the values of knobs"):
        fickle(space.config({"first": [4, 2], "second": [8, 1]}))


@pytest.mark.parametrize(
    "choose, message",
    [
        (lambda k: k.choice("a", []), "choice knob 'a' has no options"),
        (lambda k: k.choice("a", [1, 2], default=3), "default 3 of choice knob 'a'"),
        (lambda k: k.split("a", 0, 2), "extent 0 and parts 2 must be at least 1"),
        (lambda k: k.split("a", 8, 3, default=(2,)), "a default names the inner 2 factors, not 1"),
        (lambda k: k.split("a", 8, 2, default=(3,)), r"split knob 'a': the default \(3,\) does not split 8"),
        (lambda k: k.split("a", 8, 2, max_inner=2, default=(4,)), "default .* of split knob 'a'"),
        (lambda k: k.reorder("a", "xy", [(0, 0)]), r"candidate \(0, 0\) is not a permutation of 2"),
        (lambda k: (k.choice("a", [1]), k.choice("a", [1])), "knob 'a' is requested twice"),
    ],
)
def test_knobs_that_are_refused(choose, message):
    with pytest.raises(ValueError, match=message):
        choose(Recorder())


@pytest.mark.parametrize("index", [-1, 10**9])
def test_index_outside_the_space(space, index):
    with pytest.raises(ValueError, match="outside the space"):
        space.at(index)


def test_digits_outside_the_space(space):
    with pytest.raises(ValueError, match="4 option numbers are needed"):
        space.index([0])
    with pytest.raises(ValueError, match="knob 'pack' has options 0 to 1, not 2"):
        space.index([0, 2, 0, 0])


def test_digits_that_were_forgotten_are_computed_again(monkeypatch):
    space = ConfigSpace.record(lambda k: (k.choice("a", list(range(5))), k.choice("b", list(range(7)))))
    expected = [space.digits(i) for i in range(space.size)]
    monkeypatch.setattr("costmodel.space.KNOWN", 3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        for i in rng.permutation(space.size).tolist():
            assert space.digits(i) == expected[i]
            moved = space.neighbour(i, rng)
            assert space.digits(moved) == expected[moved] and space.index(expected[moved]) == moved
