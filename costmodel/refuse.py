"""`refusal`: why a candidate is not compiled, as far as its loop nest shows that it cannot be fast.

A schedule that keeps more sums than the target has registers moves some of them through memory in the
innermost loop, and a schedule whose unrolled loops make too much code is compiled for seconds or minutes.
Both are seen in the loop nest, in a fraction of the time of a compilation. What a template means a block to
fit into, such as a level of cache, only the template says: by `compiler.ops.Knobs.require`.
"""

from __future__ import annotations

from compiler.backend.protocol import Hardware
from compiler.ir.dtype import bits_of
from compiler.ir.function import PrimFunc
from compiler.passes.code_size import LANE_LIMIT, VECTOR_BITS, code_size, excess
from costmodel.footprint import Footprint, StoreNest

WRITTEN_OUT = ("unroll", "vectorize")


def refusal(function: PrimFunc, footprint: Footprint, hardware: Hardware) -> str | None:
    """Return why a candidate need not be compiled; None if nothing speaks against it.

    Parameters
    ----------
    function : PrimFunc
        Its loop nest, before any pass.
    footprint : Footprint
        Of that loop nest.
    hardware : Hardware
        Of the target.

    Returns
    -------
    str or None
        One of three reasons: a vectorized loop of more lanes, or unrolled loops of more stores or operations,
        than the limits of `compiler.passes.code_size`; a tile of sums that leaves no vector register for an
        operand.
    """
    return (
        _too_wide(footprint)
        or _too_much_code(function, hardware)
        or next((reason for nest in footprint.stores if (reason := _spilled(nest, hardware))), None)
    )


def _too_wide(footprint: Footprint) -> str | None:
    for nest in footprint.stores:
        for loop in nest.loops:
            if loop.kind == "vectorize" and loop.extent > LANE_LIMIT:
                return (
                    f"the vectorized loop over {loop.var.name!r} has {loop.extent} iterations, more than "
                    f"{LANE_LIMIT} lanes, which would take very long to compile"
                )
    return None


def _too_much_code(function: PrimFunc, hardware: Hardware) -> str | None:
    size = code_size(function.body, vector_bits=hardware.vector_bits or VECTOR_BITS)
    found = excess(size)
    if not found:
        return None
    return (
        f"unrolled loops make {found}, which would take very long to compile; the largest part is in the "
        f"loops {', '.join(map(str, size.loops))}"
    )


def _spilled(nest: StoreNest, hardware: Hardware) -> str | None:
    """Why the sums of a store do not fit the registers.

    The sums are the elements that each iteration of the innermost loop that is not written out adds to. They
    are meant to stay in registers if they are in local memory, or if loops over them are unrolled.
    """
    registers = hardware.vector_registers
    if not registers or not nest.accesses:
        return None
    target = nest.accesses[0]
    rolled = [d for d, loop in enumerate(nest.loops) if loop.extent > 1 and loop.kind not in WRITTEN_OUT]
    if not rolled or not target.reads or not nest.is_reduction(rolled[-1]):
        return None
    inside = [d for d in range(rolled[-1] + 1, nest.depth) if not target.is_reused(d)]
    if target.buffer.scope != "local" and all(nest.loops[d].kind != "unroll" for d in inside):
        return None
    # a vector has the lanes of one vectorized loop; without one, each sum has a register
    lanes = 1
    for d in inside:
        if nest.loops[d].kind == "vectorize":
            lanes *= nest.loops[d].extent
    bits = bits_of(target.buffer.dtype)
    sums = target.touched[rolled[-1] + 1]
    vectors = -(-sums // lanes) * -(-lanes * bits // max(hardware.vector_bits, bits))
    if vectors + 1 <= registers:
        return None
    return (
        f"the sums of {target.buffer.name!r} need {vectors} vector registers in the loop over "
        f"{nest.loops[rolled[-1]].var.name!r}, and the target has {registers}, one of them for an operand"
    )
