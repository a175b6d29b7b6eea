"""Products in groups: statements of a reduction as one instruction that multiplies integers and adds them.

It multiplies bytes in fours, or int16 in pairs, and adds the products to lanes of int32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from compiler.backend.llvm.index import stride_of
from compiler.backend.llvm.writer import Frame
from compiler.backend.protocol import Hardware
from compiler.ir.dtype import scalar_of
from compiler.ir.expr import Binary, Broadcast, Cast, Expr, Load
from compiler.ir.stmt import Stmt, Store

# the instruction for int16, by the lanes of int32 that it adds to
_PAIRS = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}


class Term(NamedTuple):
    """The statement ``sums = sums + scalar * vector`` on lanes of int32, of products of small integers."""

    sums: Load
    scalar: Load
    vector: Load


def group_sizes(hardware: Hardware) -> dict[str, int]:
    """How many products of each type of operands one instruction of the hardware forms and adds."""
    bytes_ = {"int8": 4, "uint8": 4} if hardware.byte_products else {}
    return bytes_ | ({"int16": 2} if hardware.pair_products else {})


def product_group(stmts: Sequence[Stmt], first: int, sizes: Mapping[str, int]) -> list[Term] | None:
    """The parts of the statements from `first` on that add a group of products to the same lanes.

    Parameters
    ----------
    stmts : sequence of Stmt
    first : int
    sizes : mapping of str to int
        From `group_sizes`.
    """
    found: list[Term] = []
    for stmt in stmts[first : first + max(sizes.values())]:
        term = _term(stmt, sizes)
        if term is None or (found and term.sums != found[0].sums):
            return None
        found.append(term)
        if len(found) == sizes[term.vector.buffer.dtype]:
            return found
    return None


def _term(stmt: Stmt, sizes: Mapping[str, int]) -> Term | None:
    if type(stmt) is not Store or type(stmt.value) is not Binary or scalar_of(stmt.value.dtype) != "int32":
        return None
    sums, product = stmt.value.a, stmt.value.b
    if stmt.value.op != "+" or sums != Load(stmt.buffer, stmt.indices):
        return None
    if type(product) is not Binary or product.op != "*":
        return None
    for one, other in ((product.a, product.b), (product.b, product.a)):
        scalar = _operand(one.value) if type(one) is Broadcast else None
        if scalar is None and type(one) is Cast and type(one.value) is Broadcast:
            scalar = _operand(Cast(one.value.value, "int32"))
        vector = _operand(other)
        if scalar is None or vector is None:
            continue
        size = sizes.get(vector.buffer.dtype)
        if size == sizes.get(scalar.buffer.dtype) and stride_of(vector.indices[0]) == size:
            return Term(sums, scalar, vector)  # type: ignore[arg-type]
    return None


def _operand(value: Expr) -> Load | None:
    """The load of small integers that are converted to int32."""
    inner = value.value if type(value) is Cast and scalar_of(value.dtype) == "int32" else None
    is_small = type(inner) is Load and inner.buffer.dtype in ("int8", "uint8", "int16")
    return inner if is_small else None  # type: ignore[return-value]


def dot(frame: Frame, lanes: int, sums: str, scalar: str, vector: str, types: tuple[str, str]) -> str:
    """``sums`` plus the products of the four bytes, or two int16, of each lane of `scalar` and `vector`.

    The instruction for bytes multiplies unsigned by signed ones. Of two signed ones, 128 is added to those of
    `vector`, and 128 times the bytes of `scalar`, which is the same for all vectors of a row, is subtracted.

    Parameters
    ----------
    frame : Frame
    lanes : int
        4, 8 or 16.
    sums, scalar, vector : str
        Lanes of int32; those of `scalar` are equal.
    types : tuple of str
        Those of the elements of `scalar` and `vector`: both ``"int16"``, or bytes of which one at most is
        ``"uint8"``.
    """
    kind = f"<{lanes} x i32>"
    if types == ("int16", "int16"):
        return _add_pairs(frame, lanes, sums, scalar, vector)
    name = f"@llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    frame.declare(f"declare {kind} {name}({kind}, {kind}, {kind})")

    def instruction(start: str, unsigned: str, signed: str) -> str:
        return frame.once(f"call {kind} {name}({kind} {start}, {kind} {unsigned}, {kind} {signed})")

    if types[0] == "uint8":
        return instruction(sums, scalar, vector)
    if types[1] == "uint8":
        return instruction(sums, vector, scalar)
    offset = "splat (i32 -2139062144)"  # 0x80 in each byte
    added = frame.once(f"xor {kind} {vector}, {offset}")
    extra = instruction("zeroinitializer", offset, scalar)
    return instruction(frame.emit(f"sub {kind} {sums}, {extra}"), added, scalar)


def _add_pairs(frame: Frame, lanes: int, sums: str, scalar: str, vector: str) -> str:
    kind, name = f"<{lanes} x i32>", f"@llvm.x86.{_PAIRS[lanes]}"
    halves = f"<{2 * lanes} x i16>"
    frame.declare(f"declare {kind} {name}({halves}, {halves})")
    left, right = (frame.once(f"bitcast {kind} {x} to {halves}") for x in (scalar, vector))
    return frame.emit(
        f"add {kind} {sums}, " + frame.once(f"call {kind} {name}({halves} {left}, {halves} {right})")
    )
