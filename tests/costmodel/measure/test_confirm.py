from __future__ import annotations

import pytest

from costmodel.measure.confirm import confirm, is_surprise
from costmodel.result import MeasureResult, Reason


def ok(*costs: float, noise: float | None = None) -> MeasureResult:
    return MeasureResult(Reason.OK, costs, build_seconds=0.5, total_seconds=1.0, noise=noise)


def other(cost: float, noise: float | None = None) -> MeasureResult:
    """A second measurement, for which nothing is built."""
    return MeasureResult(Reason.OK, (cost,), total_seconds=1.0, noise=noise)


def again(*results: MeasureResult):
    """A candidate whose next measurements are these."""
    left = list(results)
    return lambda: left.pop(0)


def test_what_is_a_surprise():
    assert is_surprise(ok(1.0), None)
    assert is_surprise(ok(1.0), 1.1)
    assert not is_surprise(ok(1.0), 0.9)
    # slower than the best in the median, but perhaps not, for all that is known
    assert is_surprise(ok(0.8, 1.0, 3.0, noise=0.2), 0.9)
    assert not is_surprise(ok(0.8, 1.0, 3.0, noise=0.02), 0.9)
    assert not is_surprise(ok(1.0, 1.1, 3.0, noise=0.2), 0.9)
    assert not is_surprise(MeasureResult(Reason.CRASH), None)


def test_two_that_agree_are_joined():
    found = confirm(ok(1.0, 1.1, noise=0.01), again(other(1.02, noise=0.03)), 0.05)
    assert found.costs == (1.0, 1.1, 1.02)
    assert (found.measured, found.noise) == (2, 0.03)
    assert found.drift == pytest.approx(1.0)
    assert found.build_seconds == 0.5 and found.total_seconds == 2.0


def test_a_best_that_measures_slower_the_second_time_does_not_count():
    # a candidate of cost 1.0 whose first measurement was 40 % too low
    found = confirm(ok(0.6), again(other(1.0), other(1.01)), 0.05)
    assert found.cost == pytest.approx(1.005)
    assert 0.6 not in found.costs and found.measured == 3
    assert found.build_seconds == 0.5 and found.total_seconds == 3.0


def test_without_two_that_agree_the_slowest_counts_and_the_noise_says_so():
    found = confirm(ok(1.0), again(other(1.5), other(2.0), other(2.5), other(3.0)), 0.05)
    assert found.cost == 3.0 and found.measured == 5
    assert found.noise == pytest.approx(0.5)  # quartiles 1.5 and 2.5


def test_a_candidate_that_fails_the_second_time_is_a_failure():
    found = confirm(ok(1.0), again(MeasureResult(Reason.WRONG, message="now it differs")), 0.05)
    assert found.reason is Reason.WRONG and found.measured == 2
