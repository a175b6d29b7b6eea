"""Several ways to do the same work, timed in turns, so that a slow phase of the machine affects all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from compiler.runtime import set_num_threads
from costmodel.measure.host import wait_until_idle


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float] | tuple[float, ...]) -> Spread:
        """The spread of at least one number."""
        if not values:
            raise ValueError("a spread needs at least one value")
        low, high = np.quantile(values, (0.25, 0.75))
        return cls(statistics.median(values), float(low), float(high))

    def scaled(self, factor: float) -> Spread:
        """The spread of the values times a positive factor."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def format(self, digits: int = 2) -> str:
        """``median [lower quartile, upper quartile]``."""
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one way, one number a round."""

    seconds: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Median and quartiles of the seconds per call."""
        return Spread.of(self.seconds)

    def rate(self, work: float) -> Spread:
        """Median and quartiles of `work` per second, such as operations per second."""
        return Spread.of([work / s for s in self.seconds])

    def speedup_over(self, other: Timing) -> Spread:
        """How many times faster this is than `other`, round by round; above one is faster."""
        return Spread.of([theirs / ours for ours, theirs in zip(self.seconds, other.seconds, strict=True)])


def interleave(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    min_seconds: float = 0.05,
    prepare: Mapping[str, Callable[[], object]] | None = None,
    seed: int = 0,
) -> dict[str, Timing]:
    """Time every way once a round, in an order drawn anew for each round.

    Parameters
    ----------
    ways : mapping of str to callable
        What is timed. Each is called before, and is not timed then.
    rounds : int
        Numbers per way.
    min_seconds : float
        A way that is faster than this is called several times in a row for one number; with 0, none is.
    prepare : mapping of str to callable, optional
        Called before the turn of a way, untimed; sets a number of threads, for example.
    seed : int
        Of the order.

    Returns
    -------
    dict of str to Timing
        In the order of `ways`.
    """
    before = prepare or {}
    repeats = {}
    for name, way in ways.items():
        before.get(name, _nothing)()
        way()
        repeats[name] = 1
        if min_seconds > 0:
            start = time.perf_counter()
            way()
            repeats[name] = max(1, round(min_seconds / max(time.perf_counter() - start, 1e-9)))
    rng = np.random.default_rng(seed)
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for position in rng.permutation(len(names)):
            name = names[position]
            way, count = ways[name], repeats[name]
            before.get(name, _nothing)()
            wait_until_idle()
            start = time.perf_counter()
            for _ in range(count):
                way()
            seconds[name].append((time.perf_counter() - start) / count)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def interleave_threads(
    ways: Mapping[str, tuple[Callable[[], object], int]],
    *,
    rounds: int = 15,
    set_threads: Callable[[int], None] | None = None,
) -> dict[str, Timing]:
    """Time ways that run on given numbers of threads: our pool and NumPy's BLAS are set before each call.

    Parameters
    ----------
    ways : mapping of str to (callable, int)
        What is timed, and its threads.
    rounds : int
        Numbers per way.
    set_threads : callable, optional
        Sets the number of threads of another library.
    """
    from threadpoolctl import ThreadpoolController

    blas = ThreadpoolController()

    def use(threads: int) -> None:
        set_num_threads(threads)
        blas.limit(limits=threads)
        if set_threads is not None:
            set_threads(threads)

    return interleave(
        {name: call for name, (call, _) in ways.items()},
        rounds=rounds,
        prepare={name: partial(use, threads) for name, (_, threads) in ways.items()},
    )


def _nothing() -> None:
    pass
