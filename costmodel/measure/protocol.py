"""`Runner`: what a search needs of whatever measures its candidates, on this machine or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from costmodel.measure.comparison import Comparison
from costmodel.result import MeasureResult
from costmodel.space import Config
from costmodel.task import Task

Choice = Config | Mapping[str, Any] | int


class Runner(Protocol):
    """Measures candidates: `costmodel.Measurer` on this machine, `costmodel.DaskMeasurer` on a cluster."""

    @property
    def machine(self) -> str:
        """Name of the machine in records: the CPU and the number of threads."""
        ...

    def start(self) -> None:
        """Start what is needed, without waiting for it."""
        ...

    def check(self, target: str) -> None:
        """Refuse a target whose programs cannot run there.

        Raises
        ------
        ValueError
            That says why.
        """
        ...

    def measure_many(self, task: Task, configs: Sequence[Choice]) -> Iterator[MeasureResult]:
        """Build, check and time candidates; each result is there as soon as it is known.

        Parameters
        ----------
        task : Task
        configs : sequence of Config, mapping or int

        Yields
        ------
        MeasureResult
            In the order of `configs`. Failures of a candidate are results, not exceptions.

        Raises
        ------
        MeasureError
            If no candidate can be measured, because the operator cannot be registered there, for example.
        """
        ...

    def compare(
        self, task: Task, configs: Mapping[str, Config], *, baseline: bool = False, rounds: int = 15
    ) -> list[Comparison]:
        """Measure several programs of one task interleaved; see `Measurer.compare`."""
        ...

    def context(self) -> dict[str, Any]:
        """Return the conditions of the measurements as plain values: noise floor, drift, CPUs."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...
