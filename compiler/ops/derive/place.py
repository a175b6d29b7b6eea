"""Places: the loops of a scheduled stage in which stages that it reads may be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from compiler.ir.expr import Var
from compiler.ops.derive.access import box, shape_of
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, reads_of

REPEATED = 2.0
"""How often an element may be computed, on average, at a place in loops."""

ROOT, INLINE, OUTER, INNER, ONCE = "root", "inline", "outer", "inner", "once"


@dataclass(frozen=True, eq=False)
class Place:
    """A loop, with what one iteration of it covers.

    Attributes
    ----------
    stage : Stage
    axis : IterVar
    widths : dict of Var to int
        For the variable of each data axis the extent inside of the loop.
    trips : int
        Iterations of the loop and of those around it.
    """

    stage: Stage
    axis: IterVar
    widths: dict[Var, int]
    trips: int


class Places:
    """The places of a schedule, found from the consumers back to the producers.

    Parameters
    ----------
    schedule : Schedule
    fixed : set of Stage
        Stages that stay where they are, and what they read.
    """

    def __init__(self, schedule: Schedule, fixed: set[Stage]) -> None:
        self.schedule, self.fixed = schedule, fixed
        self.of: dict[Stage, list[Place]] = {}
        self.chosen: dict[Stage, Place] = {}

    def add(self, stage: Stage, axis: IterVar, widths: dict[Var, int], trips: int) -> None:
        """Add a loop of a stage as a place, inside of those that were added before."""
        self.of.setdefault(stage, []).append(Place(stage, axis, widths, trips))

    def put(self, stage: Stage, wanted: str, factors: Sequence[int] = ()) -> tuple[int, ...]:
        """Compute a stage at the wanted place if that repeats little work, else around it, or at the root.

        Parameters
        ----------
        stage : Stage
        wanted : str
        factors : sequence of int
            Extents of its tiles, which its part is to be divided into.

        Returns
        -------
        tuple of int
            The extents of what is computed each time.
        """
        full = shape_of(stage.tensor)
        if wanted == ROOT or stage.output:
            return full
        consumers = self.schedule.consumers(stage)
        hosts = {self._host(c) for c in consumers}
        if len(hosts) != 1 or None in hosts:
            return full
        host = hosts.pop()
        assert host is not None
        options = [p for p in self.of.get(host, ()) if p.trips > 1 and self._encloses(p, consumers)]
        # without repeated work if there is such a place
        for most in (1.0, REPEATED) if wanted == ONCE else (REPEATED,):
            for place in options[:1] if wanted == OUTER else reversed(options):
                part = self.part(stage, place)
                divided = all(p == n or p % f == 0 for p, n, f in zip(part, full, factors, strict=False))
                if divided and place.trips * prod(part) <= most * prod(full):
                    stage.compute_at(host, place.axis)
                    self.chosen[stage] = place
                    return part
        return full

    def _host(self, stage: Stage) -> Stage | None:
        """The stage at the root in whose loops a stage is computed."""
        while stage.attach is not None:
            stage = stage.attach[0]
        return None if stage in self.fixed else stage

    def _encloses(self, place: Place, consumers: Sequence[Stage]) -> bool:
        loops = place.stage.leaf
        for consumer in consumers:
            while consumer is not place.stage:
                assert consumer.attach is not None
                outer, axis = consumer.attach
                if outer is place.stage and loops.index(axis) < loops.index(place.axis):
                    return False
                consumer = outer
        return True

    def part(self, stage: Stage, place: Place) -> tuple[int, ...]:
        """The extents of the part of a stage that one iteration of a place reads."""
        widest = [1] * len(stage.op.shape)
        for consumer in self.schedule.consumers(stage):
            op = consumer.op
            assert isinstance(op, Compute)
            if consumer is place.stage:
                widths = dict(place.widths)
            else:
                widths = {a.var: n for a, n in zip(op.axes, self.part(consumer, place), strict=True)}
            widths |= {a.var: int(a.start + a.extent) for a in op.reduce_axis}
            reads = [read for read in reads_of(op.exprs) if read.tensor in stage.tensors]
            widest = [max(a, b) for a, b in zip(widest, box(reads, widths), strict=True)]
        return tuple(widest)
