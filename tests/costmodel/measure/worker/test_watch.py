from __future__ import annotations

import time

import pytest

from costmodel.measure.worker.watch import Clocks, Watch


class Fake:
    """A machine with all clocks in the hands of the test."""

    def __init__(self) -> None:
        self.now = self.boot = self.wall = self.cpu = 100.0
        self.delays = {"1": 5.0, "2": 0.0}

    def clocks(self) -> Clocks:
        return Clocks(
            lambda: self.now,
            lambda: self.boot,
            lambda: self.wall,
            lambda: self.cpu,
            lambda: dict(self.delays),
        )

    def run(self, seconds: float) -> None:
        self.now += seconds
        self.boot += seconds
        self.wall += seconds
        self.cpu += seconds


def test_an_undisturbed_interval():
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.5)
    interval = watch.stop()
    assert (interval.seconds, interval.asleep, interval.lost) == (pytest.approx(0.5), 0.0, 0.0)


@pytest.mark.parametrize("clock", ["boot", "wall"])
def test_a_machine_that_was_asleep(clock):
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.5)
    setattr(fake, clock, getattr(fake, clock) + 60.0)
    assert watch.stop().asleep == pytest.approx(60.0)


def test_another_program_had_the_cpu():
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.5)
    fake.delays["2"] += 0.1
    fake.delays["3"] = 7.0  # a new thread: nothing is known of its past
    assert watch.stop().lost == pytest.approx(0.2)


def test_a_process_that_stood_still():
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.1)
    fake.now, fake.boot, fake.wall = fake.now + 0.3, fake.boot + 0.3, fake.wall + 0.3
    assert watch.stop().lost == pytest.approx(0.75)


def test_the_clocks_of_this_machine():
    watch = Watch()
    time.sleep(0.05)
    interval = watch.stop()
    assert interval.seconds >= 0.05 and interval.asleep == 0.0
    assert interval.lost > 0.5  # it did not compute
