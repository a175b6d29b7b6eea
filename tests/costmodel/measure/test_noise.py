from __future__ import annotations

import pytest

from costmodel.measure.noise import Noise


class Machine:
    """A machine whose measurements and clock a test sets."""

    def __init__(self, *costs: float) -> None:
        self.costs = list(costs)
        self.time = 0.0
        self.measured = 0

    def measure(self) -> float:
        self.measured += 1
        return self.costs.pop(0) if len(self.costs) > 1 else self.costs[0]

    def noise(self) -> Noise:
        return Noise(self.measure, every=5.0, now=lambda: self.time)


def test_the_floor_is_the_distance_of_the_quartiles():
    noise = Machine(1.0, 1.02, 1.04, 0.98, 0.96).noise()
    assert noise.floor is None
    noise.update()
    assert noise.floor == pytest.approx(0.04)  # quartiles 0.98 and 1.02, median 1.0
    assert noise.tolerance == pytest.approx(0.082)


@pytest.mark.parametrize("costs, tolerance", [([1.0], 0.03), ([1.0, 2.0, 3.0, 4.0, 5.0], 0.15)])
def test_the_tolerance_has_bounds(costs, tolerance):
    noise = Machine(*costs).noise()
    noise.update()
    assert noise.tolerance == tolerance


def test_the_program_is_measured_when_it_is_due():
    machine = Machine(1.0)
    noise = machine.noise()
    noise.update()
    first = machine.measured
    noise.update()
    assert machine.measured == first > 1
    machine.time += 5.0
    noise.update()
    assert machine.measured == first + 1


def test_the_drift_is_that_of_the_last_measurements():
    noise = Machine(1.0).noise()
    assert noise.drift == 1.0
    for drift in (1.0, 1.0, 1.0, 1.0, 1.4, 1.4, 9.0, 1.4):
        noise.observe(drift)
    assert noise.drift == 1.4
