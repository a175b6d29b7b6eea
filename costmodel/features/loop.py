"""Features of the loops of a program, in the manner of AutoTVM.

Each loop has a context (Chen et al., Learning to Optimize Tensor Programs, 2018, section 3 and appendix): its
length, its annotation, the products of the loops around and inside of it, the operations of its body, and for
each access its stride, the number of elements that it touches and how often it uses each. The number of
loops differs from program to program, so a vector of all contexts has no fixed length. Here relations of the
context give a fixed one: ``R_t = max of Z_i over the loops with Z_j < 2^t``, for pairs (i, j) of an access's
touched elements, reuse and outer iterations; and the innermost loop of each kind is described in full. A
loop of a single iteration changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from compiler.backend import Hardware
from compiler.ir.function import PrimFunc
from costmodel.features.family import ProgramFeatures
from costmodel.features.store import caches_of
from costmodel.footprint import Access, Footprint, Loop, Operations, StoreNest, measure_footprint

POINTS = 20
BUFFERS = 3
KINDS = ("serial", "unroll", "vectorize", "parallel")


@dataclass(frozen=True)
class Touch:
    """The accesses of a store to one buffer, as a loop around it sees them.

    Parameters
    ----------
    buffer : str
    stride : int
        Elements between the accesses of two iterations of the loop.
    count : int
        Elements that the loop and those inside of it touch: the product of those that move the access.
    reuse : int
        Number of times that each of them is used: the product of the other loops.
    """

    buffer: str
    stride: int
    count: int
    reuse: int


@dataclass(frozen=True)
class LoopContext:
    """What surrounds a loop and what it contains.

    Parameters
    ----------
    loop : Loop
    level : int
        1 for an outermost loop.
    topdown : int
        The product of the lengths of this loop and of those around it.
    bottomup : int
        The largest product of `count` and `reuse` of a touch.
    operations : Operations
        Those of the stores that this loop is the innermost one of.
    touches : tuple of Touch
        In the order of the stores, and of the accesses in them.
    """

    loop: Loop
    level: int
    topdown: int
    bottomup: int
    operations: Operations
    touches: tuple[Touch, ...]


def loop_contexts(function: PrimFunc) -> list[LoopContext]:
    """Return the context of each loop around a store, in the order of the program."""
    return _contexts(measure_footprint(function))


def _contexts(footprint: Footprint) -> list[LoopContext]:
    touches: dict[int, list[Touch]] = {}
    operations: dict[int, Operations] = {}
    around: dict[int, tuple[Loop, tuple[Loop, ...]]] = {}
    for store in footprint.stores:
        for d, loop in enumerate(store.loops):
            around.setdefault(id(loop), (loop, store.loops[: d + 1]))
            touches.setdefault(id(loop), []).extend(_touch(store, access, d) for access in store.accesses)
        if store.loops:
            total, own = operations.setdefault(id(store.loops[-1]), Operations()), store.operations
            for name in vars(own):
                setattr(total, name, getattr(total, name) + getattr(own, name))
    return [
        LoopContext(
            loop,
            len(outer),
            prod(each.extent for each in outer),
            max((touch.count * touch.reuse for touch in touches[key]), default=1),
            operations.get(key, Operations()),
            tuple(touches[key]),
        )
        for key, (loop, outer) in around.items()
    ]


def _touch(store: StoreNest, access: Access, depth: int) -> Touch:
    inside = list(zip(store.loops[depth:], access.strides[depth:], strict=True))
    count = prod([loop.extent for loop, stride in inside if stride])
    reuse = prod([loop.extent for loop, stride in inside if not stride])
    return Touch(access.buffer.name, access.strides[depth], count, reuse)


class LoopFeatures(ProgramFeatures):
    """The family ``"loop"``, see `Features`.

    Parameters
    ----------
    hardware : Hardware, optional
        Of the target; by default one without vector registers.
    """

    family = "loop"
    number = 1

    def _names(self) -> tuple[str, ...]:
        return _names()

    def _values(self, footprint: Footprint) -> Iterator[float]:
        return (value for _, group in _groups(footprint, self.hardware) for value in group.values())


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(f"{of}{name}" for of, group in _groups(Footprint(), Hardware()) for name in group)


def _groups(footprint: Footprint, hardware: Hardware) -> Iterator[tuple[str, dict[str, float]]]:
    """Groups of features: the prefix of their names, and their values before scaling."""
    order = sorted(footprint.stores, key=lambda s: (-s.flops, -s.iterations))
    main = order[0] if order else StoreNest((), (), Operations(), 0)
    contexts = _contexts(footprint)
    own = {id(loop) for loop in main.loops}
    for kind in KINDS:
        chosen = [c for c in contexts if id(c.loop) in own and c.loop.kind == kind and c.loop.extent > 1]
        yield f"{kind}.", _of_kind(chosen)
    accesses = [*main.accesses[:1], *sorted(main.accesses[1:], key=lambda a: -a.touched[0] * a.itemsize)]
    for slot in range(BUFFERS):
        used = accesses[slot : slot + 1]
        yield f"buffer{slot}.", _strides(main, used)
        yield f"buffer{slot}.", _relations([(main, access) for access in used])
    rest = order[1:]
    yield "rest.", _relations([(store, access) for store in rest for access in store.accesses])
    yield (
        "program.",
        {
            "stores": len(order),
            "loops": sum([c.loop.extent > 1 for c in contexts]),
            "flops": sum([s.flops for s in order]),
            "rest.iterations": sum([s.iterations for s in rest]),
            "guards": sum([s.guards for s in order]),
            "local_bytes": sum([a.buffer.nbytes for a in footprint.allocations if a.buffer.scope == "local"]),
            "chunks_per_thread": max([r.extent for r in footprint.regions], default=0) / hardware.threads,
        },
    )
    lanes = max(hardware.vector_bits // 32, 1)
    vector = prod([loop.extent for loop in main.loops if loop.kind == "vectorize"])
    code = prod([loop.extent for loop in main.loops if loop.kind in ("vectorize", "unroll")])
    yield (
        "target.",
        {
            "lanes": lanes,
            "registers": hardware.vector_registers,
            "threads": hardware.threads,
            "vector_per_lane": vector / lanes,
            "code_per_register": code / lanes / max(hardware.vector_registers, 1),
            **{f"cache{n}": size for n, size in enumerate(caches_of(hardware), 1)},
        },
    )


def _of_kind(contexts: Sequence[LoopContext]) -> dict[str, float]:
    """The loops of one kind: their product, and the innermost one."""
    inner = contexts[-1] if contexts else None
    return {
        "loops": len(contexts),
        "product": prod([c.loop.extent for c in contexts]),
        "length": inner.loop.extent if inner else 0,
        "topdown": inner.topdown if inner else 0,
        "bottomup": inner.bottomup if inner else 0,
        "outermost.length": contexts[0].loop.extent if contexts else 0,
        "outermost.topdown": contexts[0].topdown if contexts else 0,
        "add": inner.operations.add if inner else 0,
        "mul": inner.operations.mul if inner else 0,
        "div": inner.operations.div if inner else 0,
    }


def _strides(store: StoreNest, used: Sequence[Access]) -> dict[str, float]:
    """The strides of an access in the innermost loop, and in that of each kind."""
    inner = {loop.kind: d for d, loop in enumerate(store.loops) if loop.extent > 1}
    last = max(inner.values(), default=None)
    at = {"innermost": last, **{kind: inner.get(kind) for kind in KINDS}}
    return {f"stride.{name}": used[0].strides[d] if used and d is not None else 0.0 for name, d in at.items()}


def _relations(accesses: Sequence[tuple[StoreNest, Access]]) -> dict[str, float]:
    """The relations of touched elements, reuse and outer iterations over all loops around accesses."""
    rows = [(1, 1, store.iterations) for store, _ in accesses]  # one iteration
    for store, access in accesses:
        count = reuse = 1
        for d in range(store.depth - 1, -1, -1):
            extent = store.loops[d].extent
            if extent > 1:
                count, reuse = (count * extent, reuse) if access.strides[d] else (count, reuse * extent)
                rows.append((count, reuse, store.outside[d + 1]))
    pairs = {"reuse|count": (1, 0), "count|reuse": (0, 1), "topdown|count": (2, 0), "count|topdown": (0, 2)}
    features: dict[str, float] = {}
    for name, (i, j) in pairs.items():
        # the largest value of each interval of Z_j, and then of all intervals below a threshold
        best = [0] * POINTS
        for row in rows:
            # Z_j < 2^t holds from t = its number of bits
            t = row[j].bit_length()
            if t <= POINTS:
                best[t - 1] = max(best[t - 1], row[i])
        highest = 0
        for t, value in enumerate(best, 1):
            highest = max(highest, value)
            features[f"{name}.{t}"] = highest
    return features
