"""Features: a vector of fixed length that describes a program, the input of a cost model.

The features describe the loop nest alone, not the configuration that it comes from, so a model can
be transferred from one operator or shape to another. They follow Ansor's groups (Zheng et al., Ansor, 2020,
appendix B): operation counts, loop annotations, accesses per buffer, an arithmetic-intensity curve,
allocations; and add the memory traffic of caches of several sizes. The store with the most work
is described in full (``main.``), all others by their sums (``rest.``), the program as a whole by
allocations and parallel regions (``program.``).
Magnitudes are in ``log2(1 + x)``, strides keep their sign.
"""

from __future__ import annotations

from functools import lru_cache
from math import log2, prod

import numpy as np

from compiler.ir.function import PrimFunc
from costmodel.footprint import LINE_BYTES, Access, Footprint, Operations, StoreNest, measure_footprint

# bytes: a register file, the usual first and second level, a shared cache
CAPACITIES = (2**11, 2**14, 2**15, 2**17, 2**19, 2**20, 2**22, 2**25)
BUFFERS = 4
INTENSITY_POINTS = 10


def extract(function: PrimFunc) -> np.ndarray:
    """Return the features of a loop nest.

    Parameters
    ----------
    function : PrimFunc
        As `compiler.loop_nest` returns it: loops have their kinds, buffers all their dimensions.

    Returns
    -------
    ndarray of float32, shape (len(feature_names()),)
    """
    return np.array(list(_features(measure_footprint(function)).values()), dtype=np.float32)


@lru_cache(maxsize=1)
def feature_names() -> tuple[str, ...]:
    """Return the names of the features, in order."""
    return tuple(_features(Footprint()))


def _log(value: float) -> float:
    return log2(1.0 + value) if value >= 0 else -log2(1.0 - value)


def _features(footprint: Footprint) -> dict[str, float]:
    # of two stores with equal work the first of the program
    order = sorted(footprint.stores, key=lambda s: (-s.flops, -s.iterations))
    main = order[0] if order else StoreNest((), (), Operations(), 0)
    features = {f"main.{name}": value for name, value in _main(main).items()}
    features |= {f"rest.{name}": _log(value) for name, value in _rest(order[1:]).items()}
    features |= {f"program.{name}": _log(value) for name, value in _program(footprint).items()}
    return features


def _main(store: StoreNest) -> dict[str, float]:
    features: dict[str, float] = {}
    operations = store.operations
    for name in ("add", "mul", "div", "compare", "math", "select", "integer"):
        features[f"{name}.total"] = _log(getattr(operations, name) * store.iterations)
    features["flops.iteration"] = _log(operations.flops)
    features["guards"] = float(store.guards)
    features |= _loops(store)
    features |= _kernel(store)
    for point, value in enumerate(_intensity(store)):
        features[f"intensity.{point}"] = _log(value)
    for capacity, value in zip(CAPACITIES, traffic(store), strict=True):
        features[f"traffic.{capacity}"] = _log(value)
    # after the written buffer, the one with most bytes first; of equal ones the first that is read
    read = sorted(store.accesses[1:], key=lambda a: -a.touched[0] * a.itemsize)
    for slot in range(BUFFERS):
        access = None
        if slot == 0 and store.accesses:
            access = store.accesses[0]
        elif 0 < slot <= len(read):
            access = read[slot - 1]
        features |= {f"buffer{slot}.{name}": value for name, value in _buffer(store, access).items()}
    return features


def _loops(store: StoreNest) -> dict[str, float]:
    features: dict[str, float] = {"loops": float(store.depth), "iterations": _log(store.iterations)}
    loops = store.loops
    for kind in ("vectorize", "unroll", "parallel"):
        at = [d for d, loop in enumerate(loops) if loop.kind == kind]
        product = 1
        over_sum = 1
        for d in at:
            product *= loops[d].extent
            over_sum *= loops[d].extent if store.accesses and store.is_reduction(d) else 1
        features[f"{kind}.loops"] = float(len(at))
        features[f"{kind}.product"] = _log(product)
        features[f"{kind}.reduction_product"] = _log(over_sum)
        features[f"{kind}.innermost_extent"] = _log(loops[at[-1]].extent if at else 0)
        # distance from the innermost loop: 0 for none, 1 for the innermost itself
        features[f"{kind}.position"] = float(store.depth - at[-1]) if at else 0.0
        features[f"{kind}.outside"] = _log(store.outside[at[0]] if at else 0)
        features[f"{kind}.inside"] = _log(store.iterations / store.outside[at[-1] + 1] if at else 0)
    features["innermost_extent"] = _log(loops[-1].extent if loops else 0)
    return features


def _kernel(store: StoreNest) -> dict[str, float]:
    """The straight-line body of unrolled and vectorized loops, and the tile inside the innermost sum."""
    depth = store.depth
    body = depth
    while body and store.loops[body - 1].kind in ("unroll", "vectorize"):
        body -= 1
    sums = [d for d in range(depth) if store.accesses and store.is_reduction(d)]
    tile = sums[-1] + 1 if sums else depth
    features: dict[str, float] = {}
    for name, level in (("body", body), ("tile", tile)):
        inside = store.iterations / store.outside[level]
        features[f"{name}.iterations"] = _log(inside)
        features[f"{name}.flops"] = _log(inside * store.operations.flops)
        features[f"{name}.bytes"] = _log(store.footprint(level))
        features[f"{name}.written"] = _log(store.accesses[0].touched[level] if store.accesses else 0)
        features[f"{name}.read"] = _log(sum(a.touched[level] for a in store.accesses[1:]))
    features["body.around_extent"] = _log(store.loops[body - 1].extent if body else 0)
    features["body.around_is_reduction"] = float(
        bool(body and store.accesses) and store.is_reduction(body - 1)
    )
    features["reduction.product"] = _log(prod(store.loops[d].extent for d in sums))
    features["reduction.innermost_extent"] = _log(store.loops[sums[-1]].extent if sums else 0)
    return features


def _intensity(store: StoreNest) -> np.ndarray:
    """Return operations per byte at each loop level, from the innermost outwards.

    Ten points, spaced evenly over the logarithm of the work.
    """
    if not store.flops or not store.accesses:
        return np.zeros(INTENSITY_POINTS)
    levels = range(store.depth, -1, -1)
    work = np.array([store.operations.flops * store.iterations / store.outside[d] for d in levels])
    intensity = work / np.array([store.footprint(d) for d in levels], dtype=np.float64)
    at = np.log2(store.flops) * np.arange(1, INTENSITY_POINTS + 1) / INTENSITY_POINTS
    return np.interp(at, np.log2(work), intensity)


def traffic(store: StoreNest, access: Access | None = None) -> list[float]:
    """Return the bytes that a cache of each of `CAPACITIES` would fetch for a store, or for one of its
    buffers.

    Within the outermost level whose footprint fits, everything is fetched once. The loop around it still
    reuses what its next iteration shares; what the loops outside that one share has been evicted.
    """
    accesses = store.accesses if access is None else (access,)
    footprints = [store.footprint(d) for d in range(store.depth + 1)]
    result = []
    for capacity in CAPACITIES:
        fits = next((d for d, size in enumerate(footprints) if size <= capacity), store.depth)
        level = max(fits - 1, 0)
        result.append(float(store.outside[level] * LINE_BYTES * sum(a.lines[level] for a in accesses)))
    return result


def _buffer(store: StoreNest, access: Access | None) -> dict[str, float]:
    if access is None:
        return dict.fromkeys(_BUFFER_NAMES, 0.0)
    loops, depth = store.loops, store.depth
    size = access.itemsize
    moved = store.iterations * access.count * size
    # the innermost loop whose iterations access the same elements
    reusing = [d for d in range(depth) if loops[d].extent > 1 and access.is_reused(d)]
    at = reusing[-1] if reusing else None
    count = loops[at].extent if at is not None else 1
    distance = store.iterations // store.outside[at + 1] if at is not None else 0
    vector = [d for d, loop in enumerate(loops) if loop.kind == "vectorize"]
    parallel = [d for d, loop in enumerate(loops) if loop.kind == "parallel"]
    inner = max(depth - 1, 0)
    line_count = store.outside[inner] * access.lines[inner]
    values = [
        1.0,
        float(access.buffer.scope == "local"),
        float(access.writes and access.reads),
        _log(moved),
        _log(access.touched[0] * size),
        _log(line_count),
        _log(access.lines[0]),
        _log(count),
        _log(distance),
        _log(store.footprint(at + 1) if at is not None else 0),
        _log(moved / count),
        _log(line_count / count),
        _log(moved / (access.touched[0] * size)),
        _log(access.strides[-1] if loops else 0),
        _log(access.strides[vector[-1]] if vector else 0),
        _log(access.strides[parallel[0]] if parallel else 0),
        *map(_log, traffic(store, access)),
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
    *(f"traffic.{capacity}" for capacity in CAPACITIES),
)


def _rest(stores: list[StoreNest]) -> dict[str, float]:
    """Sums over all stores but the main one, not in logarithms."""
    names = [
        "stores",
        "flops",
        "iterations",
        "bytes",
        "vectorized",
        "unrolled_copies",
        "in_parallel",
        "guarded",
    ]
    sums: dict[str, float] = dict.fromkeys([*names, "selects", "strided_bytes"], 0.0)
    flows = [0.0] * len(CAPACITIES)
    for store in stores:
        kinds = {loop.kind for loop in store.loops}
        sums["stores"] += 1
        sums["flops"] += store.flops
        sums["iterations"] += store.iterations
        sums["vectorized"] += store.iterations if "vectorize" in kinds else 0
        sums["unrolled_copies"] += prod(loop.extent for loop in store.loops if loop.kind == "unroll")
        sums["in_parallel"] += store.iterations if "parallel" in kinds else 0
        sums["guarded"] += store.iterations if store.guards else 0
        sums["selects"] += store.iterations * store.operations.select
        for access in store.accesses:
            moved = store.iterations * access.count * access.itemsize
            sums["bytes"] += moved
            sums["strided_bytes"] += moved if store.loops and abs(access.strides[-1]) > 1 else 0
        flows = [a + b for a, b in zip(flows, traffic(store), strict=True)]
    sums |= {f"traffic.{capacity}": flow for capacity, flow in zip(CAPACITIES, flows, strict=True)}
    return sums


def _program(footprint: Footprint) -> dict[str, float]:
    """Allocations and parallel regions, not in logarithms."""
    features: dict[str, float] = {}
    for scope in ("local", "global"):
        allocations = [a for a in footprint.allocations if a.buffer.scope == scope]
        features[f"{scope}_allocations"] = len(allocations)
        features[f"{scope}_bytes"] = sum(a.buffer.nbytes for a in allocations)
        features[f"{scope}_allocated_times"] = sum(a.times for a in allocations)
    regions = footprint.regions
    features["parallel_regions"] = len(regions)
    features["parallel_entries"] = sum(r.entries for r in regions)
    features["parallel_chunks"] = max((r.extent for r in regions), default=0)
    # few chunks leave some threads of the pool idle
    features["parallel_fewest_chunks"] = min((r.extent for r in regions), default=0)
    features["serial_iterations"] = sum(
        s.iterations for s in footprint.stores if all(loop.kind != "parallel" for loop in s.loops)
    )
    return features
