from __future__ import annotations

import numpy as np
import pytest

from costmodel.explore import AnnealingExplorer, RandomExplorer
from costmodel.knob import Knob
from costmodel.space import ConfigSpace


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


def test_annealing_finds_the_optimum(space):
    explorer = AnnealingExplorer(space, evaluations=4000)
    found = explorer.propose(8, Bowl(space), set(), rng=np.random.default_rng(0))
    assert space.digits(found[0][0]) == Bowl.optimum
    assert found[0][1] == 0.0
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert len({index for index, _ in found}) == 8


def test_annealing_beats_random_for_the_same_number_of_scores(space):
    score = Bowl(space)
    found = AnnealingExplorer(space, evaluations=600).propose(1, score, set(), rng=np.random.default_rng(3))
    drawn = space.random(np.random.default_rng(3), 600)
    assert found[0][1] > max(Bowl(space)(drawn))


def test_annealing_is_deterministic(space):
    def run(seed):
        explorer = AnnealingExplorer(space, chains=16, evaluations=300)
        first = explorer.propose(10, Bowl(space), set(), rng=np.random.default_rng(seed))
        visited = {index for index, _ in first}
        return first, explorer.propose(10, Bowl(space), visited, rng=np.random.default_rng(seed + 1))

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_visited_configurations_are_not_proposed_again(space):
    best = space.index(Bowl.optimum)
    explorer = AnnealingExplorer(space, evaluations=4000)
    found = explorer.propose(20, Bowl(space), {best}, rng=np.random.default_rng(0), elites=[best])
    assert best not in {index for index, _ in found}
    assert found[0][1] == -1.0


def test_each_configuration_is_scored_once_in_a_proposal(space):
    score = Bowl(space)
    AnnealingExplorer(space, evaluations=500).propose(5, score, set(), rng=np.random.default_rng(0))
    assert len(score.scored) == len(set(score.scored))


@pytest.mark.parametrize("evaluations", [1, 40, 300])
def test_first_scores_are_bounded(space, evaluations):
    explorer = AnnealingExplorer(space, evaluations=evaluations)
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


def test_configurations_without_a_program_are_not_proposed(space):
    def half(indices):
        return np.array([-np.inf if i % 2 else float(i) for i in indices])

    found = AnnealingExplorer(space, evaluations=400).propose(20, half, set(), rng=np.random.default_rng(0))
    assert found and all(index % 2 == 0 for index, _ in found)


def test_nothing_has_a_program(space):
    found = AnnealingExplorer(space, evaluations=100).propose(
        4, lambda indices: np.full(len(indices), -np.inf), set(), rng=np.random.default_rng(0)
    )
    assert found == []


def test_space_of_one_configuration():
    space = ConfigSpace([Knob("choice", "a", (1,), 0)])
    explorer = AnnealingExplorer(space)
    assert explorer.propose(4, lambda i: np.ones(len(i)), set(), rng=np.random.default_rng(0)) == [(0, 1.0)]


def test_chains_must_be_positive(space):
    with pytest.raises(ValueError, match="chains must be at least 1, not 0"):
        AnnealingExplorer(space, chains=0)


def test_random_does_not_call_the_score(space):
    def refuse(indices):
        raise AssertionError("random search has no model")

    explorer = RandomExplorer(space)
    found = explorer.propose(30, refuse, {1, 2, 3}, rng=np.random.default_rng(0))
    assert len({index for index, _ in found} - {1, 2, 3}) == 30
