"""`Watch`: how long something took, and for how much of that time the machine did something else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# an interval counts as disturbed if another program had the CPU for more of its time than this
DISTURBED = 0.03
# a program is of one thread if the thread that calls it has all of the process' CPU time but for this share
_OTHER_THREADS = 0.03
# a step of the wall clock, or of the clock that runs while the machine sleeps, that is no rounding error
_ASLEEP_SECONDS = 0.2


@dataclass(frozen=True)
class Clocks:
    """The clocks of this process, in seconds; a test has its own.

    Parameters
    ----------
    now : callable
        Monotonic, of the highest resolution.
    since_boot : callable
        Monotonic, and goes on while the machine is asleep.
    wall : callable
        The time of day.
    cpu : callable
        CPU time of all threads of this process.
    thread_cpu : callable
        CPU time of the calling thread.
    delays : callable
        Thread to the time that it was ready to run while another one had the CPU; empty where the system does
        not tell.
    """

    now: Callable[[], float] = time.perf_counter
    since_boot: Callable[[], float] = field(default=lambda: _since_boot())
    wall: Callable[[], float] = time.time
    cpu: Callable[[], float] = time.process_time
    thread_cpu: Callable[[], float] = time.thread_time
    delays: Callable[[], dict[str, float]] = field(default=lambda: _delays())


def _since_boot() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _delays() -> dict[str, float]:
    try:
        found = {}
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/schedstat", encoding="ascii") as file:
                found[thread] = int(file.read().split()[1]) * 1e-9
        return found
    except (OSError, ValueError, IndexError):  # not on Linux, or a thread has just ended
        return {}


class Watch:
    """Measures one interval, from its creation to `stop`.

    Parameters
    ----------
    clocks : Clocks, optional
    """

    def __init__(self, clocks: Clocks | None = None) -> None:
        self.clocks = clocks or Clocks()
        self._delays = self.clocks.delays()
        self._cpu, self._thread = self.clocks.cpu(), self.clocks.thread_cpu()
        self._wall, self._boot = self.clocks.wall(), self.clocks.since_boot()
        self._began = self.clocks.now()

    def stop(self) -> Interval:
        """Return what happened since the creation."""
        clocks = self.clocks
        seconds = clocks.now() - self._began
        boot, wall = clocks.since_boot() - self._boot, clocks.wall() - self._wall
        thread, cpu = clocks.thread_cpu() - self._thread, clocks.cpu() - self._cpu
        delays = clocks.delays()
        delay = max((later - self._delays.get(name, later) for name, later in delays.items()), default=0.0)
        asleep = max(boot - seconds, abs(wall - seconds))
        lost = 0.0 if seconds <= 0 else max(delay, seconds - cpu, 0.0) / seconds
        alone = thread > 0 and thread >= (1.0 - _OTHER_THREADS) * cpu
        return Interval(
            seconds, asleep if asleep > _ASLEEP_SECONDS else 0.0, min(lost, 1.0), thread if alone else None
        )


@dataclass(frozen=True)
class Interval:
    """One interval of time.

    Parameters
    ----------
    seconds : float
    asleep : float
        Seconds for which the machine slept, or by which its clock was set; 0 if it was awake.
    lost : float
        Share of the time, from 0 to 1, in which a thread was ready to run and another program had its CPU, or
        in which all threads of the process stood still.
    busy : float or None
        CPU time of the calling thread, if it did all of the work: then it is what the interval would have
        taken without other programs. None if several threads worked, whose CPU times do not say that.
    """

    seconds: float
    asleep: float
    lost: float
    busy: float | None = None

    @property
    def net(self) -> float:
        """Seconds, without the time of other programs where that is known."""
        return self.seconds if self.lost <= DISTURBED or self.busy is None else min(self.busy, self.seconds)

    @property
    def uncertain(self) -> float:
        """Share of `net` that may be the time of other programs."""
        return 0.0 if self.lost <= DISTURBED or self.busy is not None else self.lost
