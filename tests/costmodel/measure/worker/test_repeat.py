from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from costmodel.measure.worker.repeat import Plan, median_error, repeat
from costmodel.measure.worker.watch import Interval


class Program:
    """A program whose samples a test gives: seconds per call, or (seconds per call, asleep, lost)."""

    def __init__(self, *given) -> None:
        self.given = itertools.chain(given, itertools.repeat(given[-1]))
        self.numbers: list[int] = []

    def __call__(self, number: int) -> Interval:
        self.numbers.append(number)
        cost, asleep, lost = one if isinstance(one := next(self.given), tuple) else (one, 0.0, 0.0)
        return Interval(cost * number, asleep, lost)


class Shared:
    """A program of one thread on a core that others share: the time is anything, the CPU time is right."""

    def __init__(self, cost: float, *waits: float) -> None:
        self.cost = cost
        self.waits = itertools.cycle(waits)
        self.numbers: list[int] = []

    def __call__(self, number: int) -> Interval:
        self.numbers.append(number)
        busy, wait = self.cost * number, next(self.waits)
        return Interval(busy + wait, 0.0, wait / (busy + wait), busy)


def timed(program: Program, seconds: float, plan: Plan, reference: Program | None = None) -> list[float]:
    """The costs of a program in turns with a reference program of a second."""
    other = Program(1.0) if reference is None else reference
    return repeat(program, lambda: other(1), seconds, plan).costs


def test_the_error_of_a_median():
    assert median_error([1.0]) == math.inf
    assert median_error([2.0, 2.0, 2.0]) == 0.0
    # quartiles 1.5 and 2.5, median 2
    assert median_error([1.0, 2.0, 3.0]) == pytest.approx(0.929 * 1.0 / 2 / math.sqrt(3), rel=1e-3)


def test_the_error_of_a_median_of_normal_samples():
    rng = np.random.default_rng(0)
    many = rng.normal(100.0, 5.0, (2000, 101))
    estimated = np.mean([median_error(list(row)) for row in many])
    assert estimated == pytest.approx(np.median(many, axis=1).std() / 100.0, rel=0.1)


def test_a_quiet_program_is_measured_as_often_as_it_must_be():
    samples = Program(1e-3)
    assert timed(samples, 1e-3, Plan(repeat=3, min_repeat_ms=4.0)) == [1e-3] * 3
    assert samples.numbers == [4, 4, 4]


def test_a_noisy_program_is_measured_until_the_spread_is_small():
    noisy = Program(1.0e-3, 1.3e-3, 0.7e-3, 1.0e-3, 1.0e-3, 1.0e-3, 1.0e-3, 1.0e-3)
    costs = timed(noisy, 1e-3, Plan(repeat=3, min_repeat_ms=4.0, precision=0.01))
    assert 3 < len(costs) <= 8 and median_error(costs) <= 0.01
    assert median_error(costs[:-1]) > 0.01


def test_the_time_limit_holds():
    noisy = Program(*itertools.islice(itertools.cycle((1e-3, 2e-3)), 1000))
    costs = timed(noisy, 1e-3, Plan(repeat=3, min_repeat_ms=4.0, budget_ms=20.0, precision=0.0))
    assert len(costs) == 4  # 4 + 8 + 4 ms leave room for one more like the last


def test_a_sample_that_is_longer_than_the_time_limit():
    assert timed(Program(1.0), 1.0, Plan(budget_ms=60.0)) == [1.0]


def test_a_hopeless_program_is_measured_once():
    assert timed(Program(5e-3), 5e-3, Plan(best=1e-3)) == [5e-3]
    assert len(timed(Program(1.5e-3), 1.5e-3, Plan(repeat=3, best=1e-3))) == 3


def test_disturbed_samples_are_replaced():
    samples = Program((9e-3, 0.0, 0.8), 1e-3, (5e-3, 0.0, 0.5), 1e-3, 1e-3)
    assert timed(samples, 1e-3, Plan(repeat=3, min_repeat_ms=1.0)) == [1e-3] * 3


def test_if_all_are_disturbed_the_least_disturbed_count():
    samples = Program(
        (2e-3, 0.0, 0.5), (9e-3, 0.0, 0.9), (2.1e-3, 0.0, 0.5), (9e-3, 0.0, 0.9), (2.2e-3, 0.0, 0.5)
    )
    plan = Plan(repeat=2, min_repeat_ms=1.0, budget_ms=15.0)
    assert timed(samples, 1e-3, plan) == [2e-3, 2.1e-3]


def test_samples_of_a_machine_that_slept_do_not_count():
    samples = Program(1e-3, (60.0, 60.0, 0.0), 1e-3, 1e-3)
    assert timed(samples, 1e-3, Plan(repeat=3, min_repeat_ms=1.0)) == [1e-3] * 3


def test_the_number_of_calls_grows_if_the_estimate_was_too_high():
    samples = Program(1e-5)
    costs = timed(samples, 1e-3, Plan(repeat=3, min_repeat_ms=4.0))
    assert costs == pytest.approx([1e-5] * 3)
    assert samples.numbers == [4, 400, 400, 400]


def test_a_change_of_speed_is_taken_out():
    # everything takes 1.4 times as long from the third sample on; the reference is seen before and after
    program = Program(1e-3, 1e-3, 1.4e-3)
    reference = Program(0.5, 0.5, 0.5, 0.7)
    found = repeat(program, lambda: reference(1), 1e-3, Plan(repeat=5, min_repeat_ms=1.0, usual=0.5))
    assert found.costs == pytest.approx([1e-3, 1e-3, 1.4e-3 / 1.2, 1e-3, 1e-3])
    assert found.drift == pytest.approx(1.2)  # the median of 1, 1, 1.2, 1.4 and 1.4


def test_a_disturbed_reference_counts_as_a_disturbed_sample():
    reference = Program(1.0, (9.0, 0.0, 0.9), 1.0)
    plan = Plan(repeat=3, min_repeat_ms=1.0, usual=1.0)
    assert timed(Program(1e-3), 1e-3, plan, reference) == pytest.approx([1e-3] * 3)


def test_a_reference_before_which_the_machine_slept_does_not_count():
    reference = Program(1.0, (60.0, 60.0, 0.0), 1.0)
    plan = Plan(repeat=3, min_repeat_ms=1.0, usual=1.0)
    assert timed(Program(1e-3), 1e-3, plan, reference) == pytest.approx([1e-3] * 3)


def test_on_a_shared_core_the_cpu_time_counts_for_the_program_and_its_reference():
    # costs of 3, 6, 56 and 638 us in one trial, by the clock
    program, reference = Shared(1e-5, 0.0, 12e-3, 24e-3, 3e-3), Shared(3e-5, 16e-3, 0.0, 8e-3)
    plan = Plan(repeat=4, min_repeat_ms=3.0, budget_ms=45.0, usual=3e-5)
    found = repeat(program, lambda: reference(1), 1e-5, plan)
    assert found.costs == pytest.approx([1e-5] * len(found.costs)) and len(found.costs) >= 4
    assert found.drift == pytest.approx(1.0) and found.uncertain == 0.0


def test_samples_beside_no_other_program_come_before_those_by_cpu_time():
    # what another program leaves in the caches makes the CPU time longer, too
    costs = iter([1.2e-3, 1e-3, 1.2e-3, 1e-3, 1e-3])
    waits = iter([9e-3, 0.0, 9e-3, 0.0, 0.0])

    def sample(number: int) -> Interval:
        busy, wait = next(costs) * number, next(waits)
        return Interval(busy + wait, 0.0, wait / (busy + wait), busy)

    plan = Plan(repeat=3, min_repeat_ms=1.0, usual=1.0)
    assert repeat(sample, lambda: Interval(1.0, 0.0, 0.0), 1e-3, plan).costs == pytest.approx([1e-3] * 3)


def test_of_several_threads_what_is_disturbed_is_marked():
    program = Program((2e-3, 0.0, 0.5), (9e-3, 0.0, 0.9), (2e-3, 0.0, 0.4))
    plan = Plan(repeat=2, min_repeat_ms=1.0, budget_ms=15.0)
    found = repeat(program, lambda: Interval(1.0, 0.0, 0.0), 1e-3, plan)
    assert found.uncertain == pytest.approx(0.4)


def test_an_estimate_is_corrected_by_cpu_time():
    # a sample of 12 ms by the clock, of which 11.9 ms were those of another program
    program = Shared(1e-5, 12e-3, 0.0, 0.0)
    found = repeat(program, lambda: Interval(1.0, 0.0, 0.0), 1e-3, Plan(repeat=2, min_repeat_ms=3.0))
    assert found.costs == pytest.approx([1e-5] * len(found.costs))
    assert program.numbers == [3, 300, 300]
