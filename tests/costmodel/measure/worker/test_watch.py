from __future__ import annotations

import time

import pytest

from costmodel.measure.worker.watch import Clocks, Watch


class Fake:
    """A machine with all clocks in the hands of the test."""

    def __init__(self) -> None:
        self.now = self.boot = self.wall = self.cpu = self.thread = 100.0
        self.delays = {"1": 5.0, "2": 0.0}

    def clocks(self) -> Clocks:
        return Clocks(
            lambda: self.now,
            lambda: self.boot,
            lambda: self.wall,
            lambda: self.cpu,
            lambda: self.thread,
            lambda: dict(self.delays),
        )

    def run(self, seconds: float) -> None:
        self.now += seconds
        self.boot += seconds
        self.wall += seconds
        self.cpu += seconds
        self.thread += seconds

    def wait(self, seconds: float) -> None:
        """Another program has the CPU of the thread that calls."""
        self.now += seconds
        self.boot += seconds
        self.wall += seconds
        self.delays["1"] += seconds


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


def test_of_one_thread_the_cpu_time_is_what_counts_beside_another_program():
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.1)
    fake.wait(0.3)
    interval = watch.stop()
    assert interval.seconds == pytest.approx(0.4) and interval.lost == pytest.approx(0.75)
    assert interval.net == pytest.approx(0.1) and interval.uncertain == 0.0


def test_of_one_thread_that_is_alone_the_time_counts():
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.1)
    fake.wait(0.001)  # what an interrupt takes
    interval = watch.stop()
    assert interval.net == interval.seconds == pytest.approx(0.101) and interval.uncertain == 0.0


def test_of_several_threads_the_cpu_times_do_not_say_how_long_they_would_have_taken():
    fake = Fake()
    watch = Watch(fake.clocks())
    fake.run(0.1)
    fake.cpu += 0.05  # of another thread
    fake.wait(0.3)
    interval = watch.stop()
    assert interval.net == interval.seconds == pytest.approx(0.4)
    assert interval.uncertain == interval.lost == pytest.approx(0.75)


def test_the_clocks_of_this_machine():
    watch = Watch()
    time.sleep(0.05)
    interval = watch.stop()
    assert interval.seconds >= 0.05 and interval.asleep == 0.0
    assert interval.lost > 0.5  # it did not compute
