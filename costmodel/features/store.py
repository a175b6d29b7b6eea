"""Features of the stores of a program, in the manner of Ansor.

They describe the loop nest and the target, not the configuration that the program comes from, so a model can
be transferred from one operator, shape or machine to another. They follow Ansor's groups (Zheng et al.,
Ansor, 2020, appendix B): operation counts, loop annotations, accesses per buffer, an arithmetic-intensity
curve, allocations; and add the memory traffic of caches of several sizes, and what the program needs in
proportion to what the target has: registers, lanes, caches, threads. The store with the most work is
described in full (``main.``), all others by their sums (``rest.``), the program as a whole by allocations and
parallel regions (``program.``), the machine by ``target.``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import log2, prod

import numpy as np

from compiler.backend import Hardware
from costmodel.features.family import ProgramFeatures
from costmodel.footprint import LINE_BYTES, Access, Footprint, Operations, StoreNest

# bytes: a register file, the usual first and second level, a shared cache
CAPACITIES = (2**11, 2**14, 2**15, 2**17, 2**19, 2**20, 2**22, 2**25)
BUFFERS = 4
INTENSITY_POINTS = 10
CACHES = 3
# of a target whose caches are unknown
_UNKNOWN_CACHES = (2**15, 2**18)


class StoreFeatures(ProgramFeatures):
    """The family ``"store"``, see `Features`.

    Parameters
    ----------
    hardware : Hardware, optional
        Of the target; by default one without vector registers.
    """

    family = "store"
    number = 2

    def _names(self) -> tuple[str, ...]:
        return _names()

    def _values(self, footprint: Footprint) -> Iterator[float]:
        return (value for _, group in _groups(footprint, self.hardware) for value in group.values())


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(f"{of}{name}" for of, group in _groups(Footprint(), Hardware()) for name in group)


def caches_of(hardware: Hardware) -> tuple[int, ...]:
    """Return the bytes of three levels of cache; the last is repeated where there are fewer."""
    caches = hardware.caches or _UNKNOWN_CACHES
    return tuple(caches[min(level, len(caches) - 1)] for level in range(CACHES))


def _groups(footprint: Footprint, hardware: Hardware) -> Iterator[tuple[str, dict[str, float]]]:
    """Groups of features: the prefix of their names, and their values before scaling."""
    # of two stores with equal work the first of the program
    order = sorted(footprint.stores, key=lambda s: (-s.flops, -s.iterations))
    main = order[0] if order else StoreNest((), (), Operations(), 0)
    capacities = (*CAPACITIES, *caches_of(hardware))
    levels = _fetching_levels(main, capacities)
    fetched = traffic(main, capacities)
    yield "main.", _main(main)
    yield "main.", _loops(main)
    yield "main.", _kernel(main)
    yield "main.intensity.", {str(p): float(v) for p, v in enumerate(_intensity(main))}
    yield "main.", dict(zip(_TRAFFIC, fetched, strict=True))
    yield "main.", _registers(main, hardware)
    yield "main.", _fit(main, hardware, fetched[len(CAPACITIES) :])
    # after the written buffer, the one with most bytes first; of equal ones the first that is read
    accesses = [*main.accesses[:1], *sorted(main.accesses[1:], key=lambda a: -a.touched[0] * a.itemsize)]
    for slot in range(BUFFERS):
        access = accesses[slot] if slot < len(accesses) else None
        yield f"main.buffer{slot}.", _buffer(main, access, levels)
    rest = _rest(order[1:], capacities)
    yield "rest.", rest
    yield "program.", _program(footprint, hardware)
    yield "ratio.", _ratios(main, rest, fetched)
    yield "target.", _target(hardware)


def _main(store: StoreNest) -> dict[str, float]:
    operations, iterations = store.operations, store.iterations
    return {
        "add.total": operations.add * iterations,
        "mul.total": operations.mul * iterations,
        "div.total": operations.div * iterations,
        "compare.total": operations.compare * iterations,
        "math.total": operations.math * iterations,
        "select.total": operations.select * iterations,
        "integer.total": operations.integer * iterations,
        "flops.iteration": operations.flops,
        "guards": store.guards,
        "loops": store.depth,
        "iterations": iterations,
        "innermost_extent": store.loops[-1].extent if store.loops else 0,
    }


def _loops(store: StoreNest) -> dict[str, float]:
    features: dict[str, float] = {}
    loops = store.loops
    for kind in ("vectorize", "unroll", "parallel"):
        at = [d for d, loop in enumerate(loops) if loop.kind == kind]
        features[f"{kind}.loops"] = len(at)
        features[f"{kind}.product"] = prod([loops[d].extent for d in at])
        features[f"{kind}.reduction_product"] = prod([loops[d].extent for d in at if d in store.sums])
        features[f"{kind}.innermost_extent"] = loops[at[-1]].extent if at else 0
        # distance from the innermost loop: 0 for none, 1 for the innermost itself
        features[f"{kind}.position"] = store.depth - at[-1] if at else 0
        features[f"{kind}.outside"] = store.outside[at[0]] if at else 0
        features[f"{kind}.inside"] = store.iterations / store.outside[at[-1] + 1] if at else 0
    return features


def _levels(store: StoreNest) -> tuple[int, int]:
    """The level of the straight-line body of unrolled and vectorized loops, and that of the tile inside the
    innermost sum.
    """
    body = store.depth
    while body and store.loops[body - 1].kind in ("unroll", "vectorize"):
        body -= 1
    return body, store.sums[-1] + 1 if store.sums else store.depth


def _kernel(store: StoreNest) -> dict[str, float]:
    body, tile = _levels(store)
    features: dict[str, float] = {}
    for name, level in (("body", body), ("tile", tile)):
        inside = store.iterations / store.outside[level]
        features[f"{name}.iterations"] = inside
        features[f"{name}.flops"] = inside * store.operations.flops
        features[f"{name}.bytes"] = store.footprint(level)
        features[f"{name}.written"] = store.accesses[0].touched[level] if store.accesses else 0
        features[f"{name}.read"] = sum([a.touched[level] for a in store.accesses[1:]])
    features["body.around_extent"] = store.loops[body - 1].extent if body else 0
    features["body.around_is_reduction"] = body - 1 in store.sums
    features["reduction.product"] = prod([store.loops[d].extent for d in store.sums])
    features["reduction.innermost_extent"] = store.loops[store.sums[-1]].extent if store.sums else 0
    return features


def _registers(store: StoreNest, hardware: Hardware) -> dict[str, float]:
    """Vector registers and instructions of the tile inside the innermost sum, for the target."""
    body, tile = _levels(store)
    vector = [d for d, loop in enumerate(store.loops) if loop.kind == "vectorize"]
    bits = 8 * store.accesses[0].itemsize if store.accesses else 32
    lanes = max(hardware.vector_bits // bits, 1)
    extent = store.loops[vector[-1]].extent if vector else 1
    # scalars take a register each
    width = min(extent, lanes)
    accumulators, contiguous, single = 0.0, 0.0, 0.0
    for number, access in enumerate(store.accesses):
        # elements that one instruction loads, or broadcasts to all lanes
        together = vector and abs(access.strides[vector[-1]]) == 1
        count = access.touched[tile] / (width if together else 1)
        if number == 0:
            accumulators = count
        elif together:
            contiguous += count
        else:
            single += count
    inside = store.iterations / store.outside[tile]
    instructions = inside * max(store.operations.flops, 1) / 2 / width
    registers = hardware.vector_registers or 1
    return {
        "register.accumulators": accumulators,
        "register.accumulators_share": accumulators / registers,
        "register.operands": contiguous,
        "register.broadcasts": single,
        # one row of operands is loaded and kept while the broadcasts pass
        "register.pressure": (accumulators + contiguous + 1) / registers,
        "register.loads_per_operation": (contiguous + single) / max(instructions, 1e-9),
        "register.memory_per_operation": store.footprint(tile) / max(inside * store.operations.flops, 1),
        "vector.fill": extent / lanes,
        "vector.idle": -(-extent // lanes) * lanes / extent - 1,
        "body.instructions": store.iterations / store.outside[body] / width,
        "work.instructions": store.iterations * store.operations.flops / width,
    }


def _fit(store: StoreNest, hardware: Hardware, fetched: Sequence[float]) -> dict[str, float]:
    """What the loops need of each cache of the target, in proportion to what it has."""
    features: dict[str, float] = {}
    footprints = store.footprints
    _, tile = _levels(store)
    around = store.sums[-1] if store.sums else max(tile - 1, 0)
    for level, (size, flow) in enumerate(zip(caches_of(hardware), fetched, strict=True), 1):
        inner = min(bisect_left(footprints, -size, key=lambda f: -f), store.depth)
        features[f"cache{level}.whole"] = footprints[0] / size
        features[f"cache{level}.sum"] = footprints[around] / size
        features[f"cache{level}.used"] = footprints[inner] / size
        features[f"cache{level}.next"] = footprints[max(inner - 1, 0)] / size
        features[f"cache{level}.iterations"] = store.iterations / store.outside[inner]
        features[f"cache{level}.flops_per_byte"] = store.flops / max(flow, 1)
        features[f"cache{level}.repeated"] = flow / max(sum([a.lines[0] for a in store.accesses]), 1)
    return features


def _intensity(store: StoreNest) -> np.ndarray:
    """Return operations per byte at each loop level, from the innermost outwards.

    Ten points, spaced evenly over the logarithm of the work.
    """
    if not store.flops or not store.accesses:
        return np.zeros(INTENSITY_POINTS)
    levels = range(store.depth, -1, -1)
    work = np.array([store.operations.flops * store.iterations / store.outside[d] for d in levels])
    intensity = work / np.array(store.footprints[::-1], dtype=np.float64)
    at = log2(store.flops) * np.arange(1, INTENSITY_POINTS + 1) / INTENSITY_POINTS
    return np.interp(at, np.log2(work), intensity)


def traffic(store: StoreNest, capacities: Sequence[int] = CAPACITIES) -> list[float]:
    """Return the bytes that a cache of each capacity would fetch for a store.

    Within the outermost level whose footprint fits, everything is fetched once. The loop around it still
    reuses what its next iteration shares; what the loops outside that one share has been evicted.
    """
    return [
        float(store.outside[level] * LINE_BYTES * sum([a.lines[level] for a in store.accesses]))
        for level in _fetching_levels(store, capacities)
    ]


def _fetching_levels(store: StoreNest, capacities: Sequence[int]) -> list[int]:
    """The level around the outermost one that fits in each capacity."""
    rising = [-size for size in store.footprints]
    # where no level fits, the innermost
    return [max(min(bisect_left(rising, -capacity), store.depth) - 1, 0) for capacity in capacities]


_TRAFFIC = tuple(f"traffic.{c}" for c in (*CAPACITIES, *(f"cache{n}" for n in range(1, CACHES + 1))))


def _buffer(store: StoreNest, access: Access | None, levels: Sequence[int]) -> dict[str, float]:
    if access is None:
        return dict.fromkeys(_BUFFER_NAMES, 0.0)
    loops, depth = store.loops, store.depth
    size = access.itemsize
    moved = store.iterations * access.count * size
    # the innermost loop whose iterations access the same elements
    at = next((d for d in range(depth - 1, -1, -1) if loops[d].extent > 1 and access.is_reused(d)), None)
    count = loops[at].extent if at is not None else 1
    distance = store.iterations // store.outside[at + 1] if at is not None else 0
    vector = [d for d, loop in enumerate(loops) if loop.kind == "vectorize"]
    parallel = [d for d, loop in enumerate(loops) if loop.kind == "parallel"]
    inner = max(depth - 1, 0)
    line_count = store.outside[inner] * access.lines[inner]
    values = [
        1.0,
        access.buffer.scope == "local",
        access.writes and access.reads,
        moved,
        access.touched[0] * size,
        line_count,
        access.lines[0],
        count,
        distance,
        store.footprint(at + 1) if at is not None else 0,
        moved / count,
        line_count / count,
        moved / (access.touched[0] * size),
        access.strides[-1] if loops else 0,
        access.strides[vector[-1]] if vector else 0,
        access.strides[parallel[0]] if parallel else 0,
        *[store.outside[level] * LINE_BYTES * access.lines[level] for level in levels],
    ]
    return dict(zip(_BUFFER_NAMES, values, strict=True))


_BUFFER_NAMES = (
    "present",
    "local",
    "read_and_written",
    "bytes",
    "unique_bytes",
    "lines",
    "unique_lines",
    "reuse_count",
    "reuse_distance",
    "reuse_distance_bytes",
    "bytes_per_reuse",
    "lines_per_reuse",
    "accesses_per_element",
    "stride",
    "vector_stride",
    "parallel_stride",
    *_TRAFFIC,
)


def _rest(stores: list[StoreNest], capacities: Sequence[int]) -> dict[str, float]:
    """Sums over all stores but the main one."""
    sums: dict[str, float] = dict.fromkeys(_REST_NAMES, 0)
    flows = [0.0] * len(capacities)
    for store in stores:
        kinds = {loop.kind for loop in store.loops}
        sums["stores"] += 1
        sums["flops"] += store.flops
        sums["iterations"] += store.iterations
        sums["vectorized"] += store.iterations if "vectorize" in kinds else 0
        sums["unrolled_copies"] += prod([loop.extent for loop in store.loops if loop.kind == "unroll"])
        sums["in_parallel"] += store.iterations if "parallel" in kinds else 0
        sums["guarded"] += store.iterations if store.guards else 0
        sums["selects"] += store.iterations * store.operations.select
        for access in store.accesses:
            moved = store.iterations * access.count * access.itemsize
            sums["bytes"] += moved
            sums["strided_bytes"] += moved if store.loops and abs(access.strides[-1]) > 1 else 0
        flows = [a + b for a, b in zip(flows, traffic(store, capacities), strict=True)]
    return sums | dict(zip(_TRAFFIC, flows, strict=True))


_REST_NAMES = (
    "stores",
    "flops",
    "iterations",
    "bytes",
    "vectorized",
    "unrolled_copies",
    "in_parallel",
    "guarded",
    "selects",
    "strided_bytes",
)


def _program(footprint: Footprint, hardware: Hardware) -> dict[str, float]:
    """Allocations and parallel regions."""
    features: dict[str, float] = {}
    for scope in ("local", "global"):
        allocations = [a for a in footprint.allocations if a.buffer.scope == scope]
        features[f"{scope}_allocations"] = len(allocations)
        features[f"{scope}_bytes"] = sum([a.buffer.nbytes for a in allocations])
        features[f"{scope}_allocated_times"] = sum([a.times for a in allocations])
    regions = footprint.regions
    features["parallel_regions"] = len(regions)
    features["parallel_entries"] = sum([r.entries for r in regions])
    features["parallel_chunks"] = max([r.extent for r in regions], default=0)
    # few chunks leave some threads of the pool idle
    features["parallel_fewest_chunks"] = min([r.extent for r in regions], default=0)
    features["serial_iterations"] = sum(
        [s.iterations for s in footprint.stores if all(loop.kind != "parallel" for loop in s.loops)]
    )
    threads = max(hardware.threads, 1)
    features["chunks_per_thread"] = features["parallel_chunks"] / threads
    features["idle_threads"] = max(
        [-(-r.extent // threads) * threads / r.extent - 1 for r in regions], default=threads - 1
    )
    return features


def _ratios(main: StoreNest, rest: dict[str, float], fetched: Sequence[float]) -> dict[str, float]:
    """The cost of all other stores in proportion to the main one: packing, padding, copies."""
    flows = dict(zip(_TRAFFIC, fetched, strict=True))
    return {
        "flops": rest["flops"] / max(main.flops, 1),
        "iterations": rest["iterations"] / max(main.iterations, 1),
        "scalar_iterations": (rest["iterations"] - rest["vectorized"]) / max(main.iterations, 1),
        "strided_bytes": rest["strided_bytes"] / max(main.flops, 1),
        **{name: rest[name] / max(flows[name], 1) for name in _TRAFFIC[len(CAPACITIES) :]},
    }


def _target(hardware: Hardware) -> dict[str, float]:
    return {
        "vector_bits": hardware.vector_bits,
        "registers": hardware.vector_registers,
        "threads": hardware.threads,
        "byte_products": hardware.byte_products,
        **{f"cache{level}": size for level, size in enumerate(caches_of(hardware), 1)},
    }
