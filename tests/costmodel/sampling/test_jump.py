"""The jump sampler: exact matrices of finite states, and chains against their targets."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from costmodel.sampling import (
    GammaMove,
    GaussianMove,
    JumpSampler,
    MatrixMove,
    ProposalPair,
    effective_sample_size,
    net_flow,
    transition_matrix,
)


def random_case(seed: int, n: int = 40) -> tuple[np.ndarray, MatrixMove]:
    rng = np.random.default_rng(seed)
    target = rng.dirichlet(np.ones(n))
    return target, MatrixMove(rng.dirichlet(np.ones(n), n), rng.dirichlet(np.ones(n), n))


def ring(n: int, step: int) -> np.ndarray:
    return np.roll(np.eye(n), step, axis=1)


@pytest.mark.parametrize("refresh", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_target_with_uniform_directions_is_invariant(seed: int, refresh: float) -> None:
    target, move = random_case(seed)
    matrix = transition_matrix(target, move, refresh=refresh)
    lifted = np.tile(target, 2) / 2
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(lifted @ matrix, lifted, atol=1e-12)


def test_the_flow_along_a_direction_is_that_against_it() -> None:
    # skew detailed balance: pi(z) P((z, +), (y, +)) = pi(y) P((y, -), (z, -)); A has no row sums
    target, move = random_case(7)
    n = len(target)
    matrix = transition_matrix(target, move)
    forward = target[:, np.newaxis] * matrix[:n, :n]
    backward = target[:, np.newaxis] * matrix[n:, n:]
    np.testing.assert_allclose(forward, backward.T, atol=1e-15)
    flow = np.tile(target, 2)[:, np.newaxis] * matrix / 2
    antisymmetric = (flow - flow.T) / 2
    np.testing.assert_allclose(antisymmetric.sum(axis=1), 0.0, atol=1e-15)


def test_probability_circulates_unless_both_proposals_are_one() -> None:
    target, move = random_case(3)
    lifted = np.tile(target, 2) / 2
    assert net_flow(lifted, transition_matrix(target, move)) > 1e-4
    one = MatrixMove(move.forward, move.forward)
    assert net_flow(lifted, transition_matrix(target, one)) < 1e-16


def lift(forward: np.ndarray, backward: np.ndarray, turn: bool) -> np.ndarray:
    """Return the matrix of accepted transitions in both directions, with what is rejected turned or not."""
    n = len(forward)
    matrix = np.zeros((2 * n, 2 * n))
    for here, other, accepted in ((0, n, forward), (n, 0, backward)):
        matrix[here : here + n, here : here + n] = accepted
        to = other if turn else here
        matrix[here : here + n, to : to + n] += np.diag(1.0 - accepted.sum(axis=1))
    return matrix


@pytest.mark.parametrize("fault", ["none", "the same reverse density", "no turn"])
def test_a_wrong_kernel_is_not_invariant(fault: str) -> None:
    # negative controls: the checks above can fail
    target, move = random_case(1)
    f, g = move.forward, move.backward
    # with the same reverse density each direction is Metropolis-Hastings with its own proposal
    reverse = (f.T, g.T) if fault == "the same reverse density" else (g.T, f.T)
    ratios = (
        target * back / (target[:, np.newaxis] * there) for there, back in zip((f, g), reverse, strict=True)
    )
    accepted = (there * np.minimum(1.0, ratio) for there, ratio in zip((f, g), ratios, strict=True))
    matrix = lift(*accepted, turn=fault != "no turn")
    lifted = np.tile(target, 2) / 2
    error = np.abs(lifted @ matrix - lifted).max()
    if fault == "none":
        np.testing.assert_allclose(matrix, transition_matrix(target, move), atol=1e-15)
        assert error < 1e-15
    else:
        assert error > 1e-4


def test_chains_make_the_transitions_of_the_matrix() -> None:
    target, move = random_case(11, n=4)
    refresh = 0.2
    sampler = JumpSampler(lambda z: np.log(target[z]), move, refresh=refresh)
    rng = np.random.default_rng(0)
    matrix = transition_matrix(target, move, refresh=refresh)
    count = 20_000
    for state in range(4):
        for sign in (1, -1):
            chains = sampler.start(np.full(count, state), rng)
            chains.signs[:] = sign
            sampler.step(chains, rng)
            reached = np.bincount(chains.points + 4 * (chains.signs[:, 0] < 0), minlength=8)
            expected = matrix[state + 4 * (sign < 0)] * count
            assert (reached[expected == 0] == 0).all()
            kept = expected > 0
            assert scipy.stats.chisquare(reached[kept], expected[kept]).pvalue > 1e-4
            np.testing.assert_array_equal(chains.values, np.log(target[chains.points]))


def test_a_line_is_crossed_sooner_than_by_a_random_walk() -> None:
    # the reference's toy: a flat line of 64 states
    n = 64
    up = np.eye(n, k=1)
    down = np.eye(n, k=-1)
    up[-1, -1] = down[0, 0] = 1.0  # no way on: the proposal is the state itself
    walk = (up + down) / 2

    def spectral_time(matrix: np.ndarray, weights: np.ndarray, values: np.ndarray) -> float:
        # asymptotic variance of the mean of `values`, over their variance
        centred = values - weights @ values
        solved = np.linalg.lstsq(np.eye(len(weights)) - matrix, centred, rcond=None)[0]
        solved -= weights @ solved
        return float(2 * (weights * centred) @ solved / ((weights * centred) @ centred) - 1)

    target = np.full(n, 1 / n)
    index = np.arange(n, dtype=float)
    metropolis = spectral_time(walk, target, index)
    lifted = np.zeros((2 * n, 2 * n))
    lifted[:n, :n], lifted[n:, n:] = np.eye(n, k=1), np.eye(n, k=-1)
    lifted[n - 1, 2 * n - 1] = lifted[n, 0] = 1.0
    turn = np.roll(np.eye(2 * n), n, axis=1)
    lifted = lifted @ (0.98 * np.eye(2 * n) + 0.02 * turn)
    irreversible = spectral_time(lifted, np.tile(target, 2) / 2, np.tile(index, 2))
    assert 1500 < metropolis < 1800  # 1638 by the reference
    assert 25 < irreversible < 45  # 33
    # and the chain itself makes that lifted walk, with moves that are not possible at the ends
    sampler = JumpSampler(lambda z: np.zeros(len(z)), _Line(n), refresh=0.02)
    samples = sampler.sample(np.arange(n), 1500, rng=np.random.default_rng(0))
    assert 20 < samples.points.size / effective_sample_size(samples.points) < 50


class _Line:
    """One step up or down a line of n states."""

    def __init__(self, n: int) -> None:
        self.n = n

    def propose(self, points, signs, rng):
        proposed = points + signs
        return proposed, np.where((proposed >= 0) & (proposed < self.n), 0.0, -np.inf)


@pytest.mark.parametrize(
    "moves",
    [GammaMove(4.0, 1.0), GammaMove(2.0, 2.0), GaussianMove(4.0), [GammaMove(3.0, 0.5), GaussianMove(8.0)]],
    ids=["gamma 4", "gamma 2", "gaussian", "both"],
)
@pytest.mark.parametrize("scan", ["random", "systematic"])
def test_thinned_chains_have_the_distribution_of_the_target(moves, scan) -> None:
    target = scipy.stats.t(3)
    sampler = JumpSampler(lambda z: target.logpdf(z[:, 0]), moves, refresh=0.05, scan=scan)
    samples = sampler.sample(np.zeros((1000, 1)), 2, rng=np.random.default_rng(5), thin=60)
    assert scipy.stats.kstest(samples.points[:, :, 0].ravel(), target.cdf).pvalue > 1e-3


def test_gamma_jumps_mix_better_than_a_random_walk_on_a_heavy_tail() -> None:
    target = scipy.stats.t(3)

    def size(move) -> float:
        sampler = JumpSampler(lambda z: target.logpdf(z[:, 0]), move)
        samples = sampler.sample(np.zeros((200, 1)), 1000, rng=np.random.default_rng(2), warmup=100)
        return effective_sample_size(np.clip(samples.points[:, :, 0], -10, 10)) / samples.values.size

    assert size(GammaMove(4.0, 1.0)) > 1.4 * size(GaussianMove(8.0))  # 1/4.1 and 1/7.6 by the reference


class _Shift:
    """A Gaussian step with a drift."""

    def __init__(self, drift: float) -> None:
        self.drift = drift

    def draw(self, points, rng):
        return points + self.drift + rng.standard_normal(points.shape)

    def log_density(self, proposed, points):
        return -0.5 * ((proposed - points - self.drift) ** 2).sum(axis=1)


def test_joint_distribution_of_parameter_and_data() -> None:
    # Geweke's test: alternating posterior steps with new data leaves the prior of the parameter as it is
    rng = np.random.default_rng(3)
    chains, rounds = 500, 25
    theta = rng.standard_normal((chains, 1))
    pair = ProposalPair(_Shift(0.7), _Shift(-0.7))
    for _ in range(rounds):
        data = theta + rng.standard_normal((chains, 3))

        def posterior(z, data=data):
            return -0.5 * (z[:, 0] ** 2 + ((data - z) ** 2).sum(axis=1))

        sampler = JumpSampler(posterior, pair, refresh=0.1)
        state = sampler.start(theta, rng)
        for _ in range(3):
            sampler.step(state, rng)
        theta = state.points
    assert scipy.stats.kstest(theta[:, 0], scipy.stats.norm.cdf).pvalue > 1e-3


def test_acceptance_is_reported_for_each_move() -> None:
    sampler = JumpSampler(lambda z: -0.5 * z[:, 0] ** 2, [GaussianMove(0.1), GaussianMove(100.0)])
    samples = sampler.sample(np.zeros((50, 1)), 100, rng=np.random.default_rng(0))
    small, large = samples.acceptance
    assert small > 0.9 and large < 0.1


def test_the_same_seed_gives_the_same_samples() -> None:
    def points(seed):
        sampler = JumpSampler(lambda z: -(z[:, 0] ** 2), GammaMove(2.0, 1.0), refresh=0.1)
        return sampler.sample(np.zeros((3, 1)), 20, rng=np.random.default_rng(seed)).points

    np.testing.assert_array_equal(points(1), points(1))
    assert (points(1) != points(2)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"moves": []}, "at least one move"),
        ({"refresh": 1.5}, "refresh is a probability, not 1.5"),
        ({"scan": "sorted"}, "scan must be 'random' or 'systematic', not 'sorted'"),
    ],
)
def test_wrong_settings(arguments, message) -> None:
    settings = {"moves": GammaMove(1.0, 1.0), **arguments}
    with pytest.raises(ValueError, match=message):
        JumpSampler(lambda z: np.zeros(len(z)), settings.pop("moves"), **settings)


def test_a_start_outside_of_the_support_is_refused() -> None:
    sampler = JumpSampler(lambda z: np.where(z[:, 0] > 0, 0.0, -np.inf), GammaMove(1.0, 1.0))
    with pytest.raises(ValueError, match="chain 1 starts where the target has no density"):
        sampler.sample(np.array([[1.0], [-1.0]]), 5, rng=np.random.default_rng(0))
    samples = sampler.sample(np.array([[1.0], [2.0]]), 200, rng=np.random.default_rng(0))
    assert (samples.points > 0).all()
    with pytest.raises(ValueError, match="samples 0"):
        sampler.sample(np.array([[1.0]]), 0, rng=np.random.default_rng(0))


@pytest.mark.parametrize("make", [lambda: GammaMove(0.0, 1.0), lambda: GaussianMove(-1.0)])
def test_steps_need_a_positive_length(make) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        make()


def test_matrices_must_be_stochastic() -> None:
    with pytest.raises(ValueError, match="rows of backward must be probabilities"):
        MatrixMove(np.eye(3), np.ones((3, 3)))
    with pytest.raises(ValueError, match="square matrix"):
        MatrixMove(np.ones((2, 3)), np.eye(3))
    with pytest.raises(ValueError, match="shapes differ"):
        MatrixMove(ring(3, 1), np.eye(2))
