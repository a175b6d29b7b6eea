from __future__ import annotations

import numpy as np
import pytest

from compiler.ops.knob import Knob, factorizations
from costmodel.explore import (
    AnnealingExplorer,
    GeneticExplorer,
    GridExplorer,
    IrreversibleExplorer,
    RandomExplorer,
)
from costmodel.explore.knob_move import knob_moves
from costmodel.knob import NOWHERE
from costmodel.space import ConfigSpace

SCORED = pytest.mark.parametrize("kind", [AnnealingExplorer, GeneticExplorer, IrreversibleExplorer])


@pytest.fixture
def space() -> ConfigSpace:
    return ConfigSpace([Knob("choice", f"k{i}", tuple(range(8)), 0) for i in range(5)])  # 32768


class Bowl:
    """A score with one optimum, the digits (3, 5, 1, 7, 2), which keeps the scored indices."""

    optimum = (3, 5, 1, 7, 2)

    def __init__(self, space: ConfigSpace) -> None:
        self.space = space
        self.scored: list[int] = []

    def __call__(self, indices):
        self.scored.extend(indices)
        return np.array(
            [
                -sum(abs(a - b) for a, b in zip(self.space.digits(i), self.optimum, strict=True))
                for i in indices
            ],
            dtype=float,
        )


@SCORED
def test_the_optimum_is_found(space, kind):
    explorer = kind(space, evaluations=4000)
    found = explorer.propose(8, Bowl(space), set(), rng=np.random.default_rng(0))
    assert space.digits(found[0][0]) == Bowl.optimum
    assert found[0][1] == 0.0
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert len({index for index, _ in found}) == 8


@SCORED
def test_scores_find_better_configurations_than_chance(space, kind):
    score = Bowl(space)
    found = kind(space, evaluations=600).propose(1, score, set(), rng=np.random.default_rng(3))
    drawn = space.random(np.random.default_rng(3), 600)
    assert found[0][1] > max(Bowl(space)(drawn))


@SCORED
def test_the_same_seed_gives_the_same_proposals(space, kind):
    def run(seed):
        explorer = kind(space, evaluations=300)
        first = explorer.propose(10, Bowl(space), set(), rng=np.random.default_rng(seed))
        visited = {index for index, _ in first}
        return first, explorer.propose(10, Bowl(space), visited, rng=np.random.default_rng(seed + 1))

    assert run(7) == run(7)
    assert run(7) != run(8)


@SCORED
def test_visited_configurations_are_not_proposed_again(space, kind):
    best = space.index(Bowl.optimum)
    explorer = kind(space, evaluations=4000)
    found = explorer.propose(20, Bowl(space), {best}, rng=np.random.default_rng(0), elites=[best])
    assert best not in {index for index, _ in found}
    assert found[0][1] == -1.0


@SCORED
def test_each_configuration_is_scored_once_in_a_proposal(space, kind):
    score = Bowl(space)
    kind(space, evaluations=500).propose(5, score, set(), rng=np.random.default_rng(0))
    assert len(score.scored) == len(set(score.scored))


@SCORED
@pytest.mark.parametrize("evaluations", [1, 40, 300])
def test_first_scores_are_bounded(space, evaluations, kind):
    explorer = kind(space, evaluations=evaluations)
    seen: set[int] = set()
    for turn in range(3):
        score = Bowl(space)
        explorer.propose(5, score, set(), rng=np.random.default_rng(turn))
        assert len(set(score.scored) - seen) <= evaluations
        seen |= set(score.scored)


def test_chains_continue_from_their_last_points(space):
    explorer = AnnealingExplorer(space, chains=8, evaluations=50)
    explorer.propose(5, Bowl(space), set(), rng=np.random.default_rng(0))
    kept = list(explorer.points)
    score = Bowl(space)
    explorer.propose(5, score, set(), rng=np.random.default_rng(1))
    assert score.scored[: len(kept)] == kept


def test_chains_start_at_elites(space):
    score = Bowl(space)
    explorer = AnnealingExplorer(space, chains=8, evaluations=50)
    explorer.propose(5, score, {11, 12}, rng=np.random.default_rng(0), elites=[11, 12, 13, 14])
    assert score.scored[:2] == [11, 12]  # a quarter of the chains


def test_early_stop_ends_a_search_without_changes():
    space = ConfigSpace([Knob("choice", "a", tuple(range(40)), 0)])
    calls = []

    def flat(indices):
        calls.append(len(indices))
        return np.zeros(len(indices))

    explorer = AnnealingExplorer(space, chains=4, iterations=10_000, early_stop=5, evaluations=10_000)
    explorer.propose(3, flat, set(), rng=np.random.default_rng(0))
    assert sum(calls) <= 40


@SCORED
def test_configurations_without_a_program_are_not_proposed(space, kind):
    def half(indices):
        return np.array([-np.inf if i % 2 else float(i) for i in indices])

    found = kind(space, evaluations=400).propose(20, half, set(), rng=np.random.default_rng(0))
    assert found and all(index % 2 == 0 for index, _ in found)


@SCORED
def test_nothing_has_a_program(space, kind):
    found = kind(space, evaluations=100).propose(
        4, lambda indices: np.full(len(indices), -np.inf), set(), rng=np.random.default_rng(0)
    )
    assert found == []


@SCORED
def test_space_of_one_configuration(kind):
    space = ConfigSpace([Knob("choice", "a", (1,), 0)])
    explorer = kind(space)
    assert explorer.propose(4, lambda i: np.ones(len(i)), set(), rng=np.random.default_rng(0)) == [(0, 1.0)]


@pytest.mark.parametrize("kind", [AnnealingExplorer, IrreversibleExplorer])
def test_chains_must_be_positive(space, kind):
    with pytest.raises(ValueError, match="chains must be at least 1, not 0"):
        kind(space, chains=0)


def test_a_population_and_temperatures_must_be_positive(space):
    with pytest.raises(ValueError, match="population must be at least 1, not 0"):
        GeneticExplorer(space, population=0)
    with pytest.raises(ValueError, match="temperatures must be positive numbers, not \\(1.0, 0.0\\)"):
        IrreversibleExplorer(space, temperatures=(1.0, 0.0))


def test_random_does_not_call_the_score(space):
    def refuse(indices):
        raise AssertionError("random search has no model")

    explorer = RandomExplorer(space)
    found = explorer.propose(30, refuse, {1, 2, 3}, rng=np.random.default_rng(0))
    assert len({index for index, _ in found} - {1, 2, 3}) == 30


def test_grid_proposes_in_order(space):
    assert GridExplorer(space).propose(3, len, {0, 2}, rng=np.random.default_rng(0)) == [
        (1, 0.0),
        (3, 0.0),
        (4, 0.0),
    ]
    small = ConfigSpace([Knob("choice", "a", (1, 2), 0)])
    assert GridExplorer(small).propose(3, len, {0}, rng=np.random.default_rng(0)) == [(1, 0.0)]


MIXED = ConfigSpace(
    [
        Knob("split", "tiles", factorizations(12, 3), 0),
        Knob("split", "narrow", factorizations(64, 2, 16), 0),
        Knob("choice", "unroll", (16, 1, 4, 2), 0),
        Knob("choice", "one", (1,), 0),
        Knob("annotate", "loop", ("none", "unroll", "parallel"), 0),
    ]
)


def test_steps_follow_the_order_of_the_options():
    moves = knob_moves(MIXED)
    assert [m.position for m in moves] == [0, 0, 0, 1, 2, 4]
    numbers = moves[4]._steps[1]  # 1, 2, 4, 16 are the options 1, 3, 2, 0
    np.testing.assert_array_equal(numbers[0], [NOWHERE, 3, 0, 2])
    np.testing.assert_array_equal(moves[5]._steps[1][0], [1, 2, 0])  # a circle
    tiles = MIXED.knobs[0].options
    lengths = moves[0]._steps[1]  # from the first factor to the second, by 2, 4 and 3
    start = tiles.index((12, 1, 1))
    assert [tiles[options[start]] for options in lengths] == [(6, 2, 1), (3, 4, 1), (4, 3, 1)]


def test_every_step_is_undone_by_the_opposite_one():
    for move in knob_moves(MIXED):
        down, up = move._steps
        for there, back in ((up, down), (down, up)):
            lengths, start = np.nonzero(there != NOWHERE)
            np.testing.assert_array_equal(back[lengths, there[lengths, start]], start)


def test_chains_over_knobs_reach_every_configuration_equally_often():
    # no scores: the distribution is uniform over all 18 * 5 * 4 * 3 configurations
    from costmodel.sampling import JumpSampler

    sampler = JumpSampler(lambda digits: np.zeros(len(digits)), knob_moves(MIXED), refresh=0.05)
    samples = sampler.sample(
        np.tile(MIXED.digits(0), (2000, 1)), 10, rng=np.random.default_rng(0), thin=40, warmup=150
    )
    indices = [MIXED.index(d) for d in samples.points.reshape(-1, 5).tolist()]
    counts = np.bincount(indices, minlength=MIXED.size)
    expected = 20_000 / MIXED.size
    assert abs(((counts - expected) ** 2 / expected).sum() / MIXED.size - 1.0) < 0.2
