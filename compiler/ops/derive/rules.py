"""The rules: which choices each operation of a computation has, and the program that they make.

A rule requests its knobs whatever their values are: the set of knobs is a property of the computation.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from operator import or_
from typing import Any

from compiler import te
from compiler.backend import Target
from compiler.ops.derive.access import depends, extents, is_conditional, iterations, work
from compiler.ops.derive.blocking import Choices, Space
from compiler.ops.derive.graph import CHEAP, Graph, Rewriting, reads_of_each
from compiler.ops.derive.lanes import Along, Lanes, factored
from compiler.ops.derive.loops import Plan, Sweep, default_fused
from compiler.ops.derive.packing import tiled
from compiler.ops.derive.place import INLINE, INNER, OUTER, ROOT
from compiler.ops.knob import Request
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Operator
from compiler.ops.requirement import Requirement
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Compute, Operation, Placeholder, Tensor, TensorRead, reads_of

TILE, LANES, OPEN = "tile", "lanes", "open"

CLEAR = 4.0
"""How much faster a rule for a reduction is, by estimate, to be the only one."""

OFTEN = 16
"""Evaluations of each element that are too many, unless they cost less than a load."""

SMALL = 16
"""How many times smaller than the largest operation one is whose vectors do not matter."""

KINDS = ("llvm",)
"""Kinds of targets that the rules are for: CPUs."""


class Branch(Knobs):
    """Knobs that have an effect under one option of another knob, and their defaults.

    Parameters
    ----------
    knobs : Knobs
        Their source.
    """

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.defaults: dict[str, Any] = {}

    def resolve(self, request: Request) -> Any:
        knob = request.knob()
        self.defaults[knob.name] = knob.options[knob.default]
        return self.knobs.resolve(request)

    def restrict(self, requirement: Requirement) -> None:
        self.knobs.restrict(requirement)

    def require_defaults(self, name: str, option: str) -> None:
        """Under an option of the other knob, where they have no effect, these have their defaults."""
        quantities: dict[str, Callable[[Any], int]] = {name: lambda value: 1 if value == option else 0}
        quantities |= {n: _differs(d) for n, d in self.defaults.items()}
        self.knobs.require(
            quantities,
            lambda found: found != 3,
            f"the knobs of another rule than {option!r} have their defaults",
            combine=or_,
        )


@dataclass(frozen=True, eq=False)
class Derivation:
    """What is known of a computation before any choice is made.

    Attributes
    ----------
    graph : Graph
    target : Target
    names : dict of Operation to str
        The prefix of the knobs of each operation.
    hosts : dict of Operation to Operation
        A reduction -> the operation that is computed in its tiles.
    tiles : dict of Operation to Space
        The tiles of each reduction.
    along : dict of Operation to (Along or None)
        The steps that the lanes of each reduction can take.
    """

    graph: Graph
    target: Target
    names: dict[Operation, str]
    hosts: dict[Operation, Operation]
    tiles: dict[Operation, Space]
    along: dict[Operation, Along | None]

    @staticmethod
    def of(outputs: Sequence[Tensor], target: Target) -> Derivation:
        """Analyse a computation."""
        graph = Graph.of(outputs)
        seen: Counter[str] = Counter()
        names = {}
        for op in graph.ops:
            seen[op.name] += 1
            names[op] = op.name if seen[op.name] == 1 else f"{op.name}_{seen[op.name]}"
        hosts: dict[Operation, Operation] = {}
        tiles: dict[Operation, Space] = {}
        along: dict[Operation, Along | None] = {}
        for op in graph.ops:
            if graph.is_reduction(op):
                assert isinstance(op, Compute)
                tiles[op], along[op] = Space.of(op, target), Along.of(op, target)
                host = _consumer_of_elements(graph, op)
                if host is not None and host not in hosts.values():
                    hosts[op] = host
        return Derivation(graph, target, names, hosts, tiles, along)

    # --- choices ------------------------------------------------------------------------------

    def sweep(self, knobs: Knobs, op: Compute) -> Sweep:
        """Where and how an operation stores its elements."""
        name, counts = self.names[op], extents(op.axes)
        place = ROOT
        if not self.graph.is_output(op):
            places = [INNER, OUTER, ROOT] if self._nested() else [INNER, ROOT]
            if self._may_inline(op):
                places.append(INLINE)
            place = knobs.choice(f"{name}.place", places)
        vectors = knobs.choice(f"{name}.vectors", (1, 2, 4), default=2) if self._swept(op) else 1
        fused = 1
        if len(counts) > 1:
            default = default_fused(counts[:-1], self.target.hardware.threads)
            fused = knobs.choice(f"{name}.parallel", tuple(range(1, len(counts))), default=default)
        return Sweep(place, vectors, fused)

    def _nested(self) -> bool:
        """Whether an operation has several loops with a place for what it reads: blocks of tiles, or rows."""
        return any(
            len(op.axes) > 2 or self.rule(op) not in (None, LANES)
            for op in self.graph.ops
            if type(op) is Compute
        )

    def _may_inline(self, op: Operation) -> bool:
        """Whether an operation can be evaluated at each read, and that is not clearly too often."""
        if not self.graph.is_map(op) or op in self.hosts.values() or self._read_by_opaque(op):
            return False
        assert isinstance(op, Compute)
        repeats = max((reads_of_each(op, c) for c in self.graph.consumers[op]), default=0.0)
        return repeats < OFTEN or (work(op) <= CHEAP and not is_conditional(op))

    def _swept(self, op: Compute) -> bool:
        """Whether the vectors in the loop over an operation's elements matter."""
        if not self.graph.is_map(op):
            return False
        tiled_here = any(host is op and self.rule(inner) == TILE for inner, host in self.hosts.items())
        longest = max(iterations(o) for o in self.graph.ops if self.graph.is_map(o))  # type: ignore[arg-type]
        return not tiled_here and iterations(op) * SMALL >= longest

    def rule(self, op: Operation) -> str | None:
        """The rule of a reduction, `OPEN` if a search chooses it; None of another operation."""
        if op not in self.tiles:
            return None
        along, space = self.along[op], self.tiles[op]
        if along is None or along.cost >= CLEAR * space.cost:
            return TILE
        return LANES if along.cost * CLEAR <= space.cost else OPEN

    def _read_by_opaque(self, op: Operation) -> bool:
        return any(c in self.graph.opaque for c in self.graph.consumers[op])

    def reduction(self, knobs: Knobs, op: Compute) -> tuple[str, Choices | None, Lanes | None]:
        """The rule for a reduction, and the choices of each."""
        name, along, space = self.names[op], self.along[op], self.tiles[op]
        known = self.rule(op)
        if known == TILE or along is None:
            return TILE, space.choose(knobs, name, self._held(op)), None
        if known == LANES:
            return LANES, None, along.choose(knobs, name, op, self.target)
        default = LANES if along.cost < space.cost else TILE
        rule = knobs.choice(f"{name}.rule", (TILE, LANES), default=default)
        tiled, laned = Branch(knobs), Branch(knobs)
        lanes = along.choose(laned, name, op, self.target)
        choices = space.choose(tiled, name, self._held(op))
        for chosen, unused in ((LANES, tiled), (TILE, laned)):
            unused.require_defaults(f"{name}.rule", chosen)
        return rule, choices, lanes

    def _held(self, op: Compute) -> list[bool]:
        """For each data axis, whether what is computed before does not depend on it."""
        produced = [r for r in reads_of(op.exprs) if not isinstance(r.tensor.op, Placeholder)]
        return [any(not depends(r, a.var) and len(r.indices) > 1 for r in produced) for a in op.axes]

    # --- the program ----------------------------------------------------------------------------

    def program(self, knobs: Knobs) -> tuple[Schedule, list[Tensor]]:
        """The schedule that the choices describe, and its outputs."""
        plan, rewriting = Plan(), Rewriting()
        tiled_in: dict[Operation, tuple[Choices, Any]] = {}
        sources: dict[Tensor, Tensor] = {}
        for op in self.graph.ops:
            made = rewriting(op)
            if op in self.graph.opaque:
                rewriting.move(op, made)
                plan.opaque.add(made)
                continue
            assert isinstance(op, Compute)
            assert isinstance(made, Compute)
            if self.graph.is_map(op):
                sweep = self.sweep(knobs, op)
                if sweep.place == INLINE:
                    rewriting.inline(op, made)
                    continue
                plan.sweeps[made] = sweep
                if op in tiled_in:
                    plan.hosts[made] = tiled_in[op]
            else:
                host = self.hosts.get(op)
                sweep = Sweep() if host is not None and self.along[op] is None else self.sweep(knobs, op)
                rule, choices, lanes = self.reduction(knobs, op)
                if rule == LANES:
                    along = self.along[op]
                    assert along is not None
                    assert lanes is not None
                    parts = factored(made, along, lanes)
                    made = parts.op
                    plan.factored[made] = parts
                else:
                    assert choices is not None
                    packs = self._packs(op, choices, sources)
                    result = tiled(made, choices, packs, self._only_read(op, sources))
                    plan.packs |= {copy: where for copy, where in result.packed}
                    if host is not None:
                        for tensor in op.outputs:
                            rewriting.elements[tensor] = result.element(tensor.index, choices.tile)
                        tiled_in[host] = choices, result
                        continue
                    body = tuple(
                        result.element(n, choices.tile)(tuple(a.var for a in made.axes))
                        for n in range(len(made.body))
                    )
                    made = Compute.of(op.name, made.axes, body)
                    plan.hosts[made] = choices, result
                plan.sweeps[made] = sweep
            rewriting.move(op, made)
            sources |= dict(zip(op.outputs, made.outputs, strict=True))
        outputs = [rewriting.tensors.get(t, t) for t in self.graph.outputs]
        s = te.create_schedule([t.op for t in outputs])
        plan.apply(s, self.target)
        return s, outputs

    def _only_read(self, op: Compute, sources: dict[Tensor, Tensor]) -> frozenset[Operation]:
        """The operations that nothing but this reduction reads, and no reduction: copies replace them."""
        return frozenset(
            sources[t].op
            for t in op.inputs
            if t in sources
            and self.graph.is_map(t.op)
            and not self.graph.is_output(t.op)
            and self.graph.consumers[t.op] == [op]
            and t.op not in self.hosts.values()
            and sum(r.tensor == t for r in reads_of(op.exprs)) == 1
        )

    def _packs(self, op: Compute, choices: Choices, sources: dict[Tensor, Tensor]) -> dict[TensorRead, str]:
        """Where the copy of each operand is computed, by the reads of the rewritten reduction."""
        reads = (operand.read for operand in self.tiles[op].operands)
        return {
            TensorRead(sources.get(read.tensor, read.tensor), read.indices): where
            for read, where in zip(reads, choices.packs, strict=True)
        }


def _differs(usual: Any) -> Callable[[Any], int]:
    return lambda value: 0 if value == usual else 2


def _consumer_of_elements(graph: Graph, op: Operation) -> Operation | None:
    """The operation that reads each element of a reduction at its own place, if it is the only reader."""
    consumers = graph.consumers[op]
    if graph.is_output(op) or len(consumers) != 1 or not graph.is_map(consumers[0]):
        return None
    (consumer,) = consumers
    assert isinstance(consumer, Compute)
    own = tuple(a.var for a in consumer.axes)
    reads = [r for r in reads_of(consumer.exprs) if r.tensor.op is op]
    same = consumer.shape == op.shape and all(r.indices == own for r in reads)
    return consumer if same else None


@lru_cache(maxsize=64)
def _derivation(outputs: tuple[Tensor, ...], target: Target) -> Derivation:
    return Derivation.of(outputs, target)


def derive(
    tensors: Sequence[Tensor], knobs: Knobs, target: str | Target = "llvm"
) -> tuple[Schedule, list[Tensor]]:
    """A schedule of a computation, by rules that need nothing but the computation and the target.

    The rules are those of Ansor (arXiv 2006.06762, section 4.1) for CPUs: inlining, multi-level tiling with
    sums in registers, fusion of the consumer into the tiles, packed operands, factored reductions, places in
    the loops of consumers, parallel and vector loops, and unrolling. Every choice is a knob, whose default
    follows from the lanes, registers and caches of the target.

    Parameters
    ----------
    tensors : sequence of Tensor
        The inputs of the computation, then its outputs.
    knobs : Knobs
        The source of the choices.
    target : str or Target

    Returns
    -------
    schedule : Schedule
    tensors : list of Tensor
        The same inputs, and the outputs of the schedule, which are new tensors.

    Raises
    ------
    ScheduleError, ValueError
        As `compiler.te.create_schedule`: for a computation without an output, or that reads outside of a
        tensor.
    """
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"a computation is a list of tensors, the inputs before the outputs, not of "
                f"{type(tensor).__name__}; a function that returns a schedule takes 'knobs' first"
            )
    outputs = tuple(t for t in tensors if not isinstance(t.op, Placeholder))
    schedule, made = _derivation(outputs, Target.parse(target)).program(knobs)
    replaced = dict(zip(outputs, made, strict=True))
    return schedule, [replaced.get(t, t) for t in tensors]


def derived(compute: Callable[..., Sequence[Tensor]]) -> Callable[..., tuple[Schedule, list[Tensor]]]:
    """A schedule template from a function that returns a computation.

    Parameters
    ----------
    compute : callable
        ``compute(*values) -> [Tensor, ...]``: the inputs, then the outputs.

    Returns
    -------
    callable
        ``template(knobs, *values, target)``, as `compiler.ops.Operator` takes it; see `derive`.
    """
    computed = lru_cache(maxsize=16)(lambda *values: tuple(compute(*values)))

    def template(knobs: Knobs, *values: Any, target: Target) -> tuple[Schedule, list[Tensor]]:
        return derive(computed(*values), knobs, target)

    signature = inspect.signature(template)
    # errors name the function of the user, and a process that measures imports its module
    wraps(compute)(template)
    template.__signature__ = signature  # type: ignore[attr-defined]
    return template


@lru_cache(maxsize=64)
def with_schedule(operator: Operator, kind: str) -> Operator:
    """An operator with a derived schedule where it states a computation and has none for a kind of CPU."""
    if kind in operator.schedules or operator.compute is None or kind not in KINDS:
        return operator
    return operator.with_schedule(kind, derived(operator.compute))
