from __future__ import annotations

import pytest

from costmodel.measure.noise import Noise


class Machine:
    """A machine whose speed and clock a test sets."""

    def __init__(self, *medians: float) -> None:
        self.medians = list(medians)
        self.time = 0.0
        self.slept: list[float] = []
        self.measured = 0

    def measure(self) -> float:
        self.measured += 1
        return self.medians.pop(0) if len(self.medians) > 1 else self.medians[0]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def noise(self) -> Noise:
        return Noise(self.measure, every=5.0, now=lambda: self.time, sleep=self.sleep)


def test_the_floor_is_the_distance_of_the_quartiles():
    noise = Machine(1.0, 1.1, 1.2, 0.9, 0.8).noise()
    assert noise.floor is None
    assert noise.settle() == 1.0
    assert noise.floor == pytest.approx(0.2)  # quartiles 0.9 and 1.1, median 1.0
    assert noise.tolerance == pytest.approx(0.6)


def test_it_is_measured_when_it_is_due():
    machine = Machine(1.0)
    noise = machine.noise()
    noise.settle()
    first = machine.measured
    noise.settle()
    assert machine.measured == first
    machine.time += 5.0
    noise.settle()
    assert machine.measured == first + 1
    noise.settle(now=True)
    assert machine.measured == first + 2


def test_a_disturbance_is_waited_for():
    machine = Machine(1.0)
    noise = machine.noise()
    noise.settle()
    machine.medians = [1.4, 1.4, 1.01]
    assert noise.settle(now=True) == 1.0
    assert machine.slept == [0.05, 0.2]
    assert noise.drift == pytest.approx(1.01)


def test_a_machine_that_stays_slower_is_a_drift():
    machine = Machine(1.0)
    noise = machine.noise()
    noise.settle()
    machine.medians = [1.4]
    assert noise.settle(now=True) == pytest.approx(1.4)
    assert noise.drift == pytest.approx(1.4)
    assert noise.settle(now=True) == 1.0  # it is the usual speed now
    assert noise.floor == 0.0
    machine.medians = [2.8]
    assert noise.settle(now=True) == pytest.approx(2.0)
    assert noise.drift == pytest.approx(2.8)
