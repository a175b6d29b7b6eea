"""Products of bytes: four statements of a reduction as one instruction that multiplies and adds bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from compiler.backend.llvm.index import stride_of
from compiler.backend.llvm.writer import Frame
from compiler.ir.dtype import scalar_of
from compiler.ir.expr import Binary, Broadcast, Cast, Expr, Load
from compiler.ir.stmt import Stmt, Store


class ByteProduct(NamedTuple):
    """The statement ``sums = sums + scalar * vector`` on lanes of int32, of products of bytes."""

    sums: Load
    scalar: Load
    vector: Load


def byte_products(stmts: Sequence[Stmt], first: int) -> list[ByteProduct] | None:
    """The parts of the four statements from `first` on that add products of bytes to the same lanes."""
    found: list[ByteProduct] = []
    for stmt in stmts[first : first + 4]:
        product = _byte_product(stmt)
        if product is None or (found and product.sums != found[0].sums):
            return None
        found.append(product)
    return found if len(found) == 4 else None


def _byte_product(stmt: Stmt) -> ByteProduct | None:
    if type(stmt) is not Store or type(stmt.value) is not Binary or scalar_of(stmt.value.dtype) != "int32":
        return None
    sums, product = stmt.value.a, stmt.value.b
    if stmt.value.op != "+" or sums != Load(stmt.buffer, stmt.indices):
        return None
    if type(product) is not Binary or product.op != "*":
        return None
    for one, other in ((product.a, product.b), (product.b, product.a)):
        scalar = _byte(one.value) if type(one) is Broadcast else None
        if scalar is None and type(one) is Cast and type(one.value) is Broadcast:
            scalar = _byte(Cast(one.value.value, "int32"))
        vector = _byte(other)
        if scalar is not None and vector is not None and stride_of(vector.indices[0]) == 4:
            return ByteProduct(sums, scalar, vector)  # type: ignore[arg-type]
    return None


def _byte(value: Expr) -> Load | None:
    """The load of bytes that are converted to int32."""
    inner = value.value if type(value) is Cast and scalar_of(value.dtype) == "int32" else None
    is_byte = type(inner) is Load and inner.buffer.dtype in ("int8", "uint8")
    return inner if is_byte else None  # type: ignore[return-value]


def dot(frame: Frame, lanes: int, sums: str, scalar: str, vector: str, types: tuple[str, str]) -> str:
    """``sums`` plus the products of the four bytes of each lane of `scalar` and `vector`.

    The instruction multiplies unsigned by signed bytes. Of two signed ones, 128 is added to those of
    `vector`, and 128 times the bytes of `scalar`, which is the same for all vectors of a row, is subtracted.

    Parameters
    ----------
    frame : Frame
    lanes : int
        4, 8 or 16.
    sums, scalar, vector : str
        Lanes of int32; those of `scalar` are equal.
    types : tuple of str
        Those of the bytes of `scalar` and `vector`, of which one at most is ``"uint8"``.
    """
    kind = f"<{lanes} x i32>"
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
