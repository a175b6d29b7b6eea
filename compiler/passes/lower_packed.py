"""Packed types: elements smaller than a byte become bytes, shifts and masks."""

from __future__ import annotations

from collections.abc import Callable

from compiler.errors import ScheduleError
from compiler.ir.address import position, widened
from compiler.ir.dtype import (
    PACKED_TYPES,
    bits_of,
    integer_range,
    is_float,
    lanes_of,
    scalar_of,
    vector_of,
)
from compiler.ir.expr import Broadcast, Buffer, Call, Cast, Const, Expr, Load, Var, binary, maximum, minimum
from compiler.ir.function import PrimFunc
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.stmt import Allocate, For, Prefetch, Region, Stmt, Store
from compiler.ir.visit import walk


def lower_packed(func: PrimFunc) -> PrimFunc:
    """Replace buffers of packed types by buffers of bytes.

    ::

        def f(A: uint4[8], C: int32[8]):            def f(A: uint8[4], C: int32[8]):
            for i in range(8):                 ->       for i in range(8):
                C[i] = cast(A[i], "int32")                  C[i] = cast(A[i // 2] >> i % 2 * 4 & 15, "int32")

    A store reads the byte, replaces the bits of the element and writes it back, so vector loops around such
    stores become serial.

    Raises
    ------
    ValueError
        If two iterations of a parallel loop or two threads may store to one byte, or a row of a parameter
        does not fill its bytes.
    """
    packed = {b for b in _buffers(func) if b.dtype in PACKED_TYPES}
    if not packed:
        return func
    bytes_of = {buffer: _in_bytes(buffer, buffer in func.params) for buffer in packed}
    body = _Lower(func, bytes_of)(func.body)
    return PrimFunc(func.name, tuple(bytes_of.get(p, p) for p in func.params), body)


def _buffers(func: PrimFunc) -> set[Buffer]:
    return {*func.params, *(n.buffer for n in walk(func.body) if type(n) is Allocate)}


def _in_bytes(buffer: Buffer, is_param: bool) -> Buffer:
    each = 8 // bits_of(buffer.dtype)
    if not is_param:
        return Buffer(buffer.name, (-(-buffer.size // each),), "uint8", buffer.scope)
    last = buffer.shape[-1] if buffer.shape else 1
    if isinstance(last, Var) or last % each:
        raise ValueError(f"{buffer!r}: a row of {last} elements of {buffer.dtype} does not fill whole bytes")
    return Buffer(buffer.name, (*buffer.shape[:-1], last // each), "uint8", buffer.scope)


class _Lower(RangeRewriter):
    """Rewrites values of packed types to uint8, whose upper bits are zero."""

    def __init__(self, func: PrimFunc, bytes_of: dict[Buffer, Buffer]) -> None:
        super().__init__(func)
        self.bytes_of = bytes_of
        self.loops: list[For] = []

    def byte(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Buffer, Expr, Expr]:
        """The buffer and the index of the byte of an element, and the position of its lowest bit."""
        bits = bits_of(buffer.dtype)
        index = position(buffer, indices)
        within = binary("*", binary("%", index, 8 // bits), bits)
        return self.bytes_of[buffer], binary("//", index, 8 // bits), within.astype(_like("uint8", index))

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        if node.buffer not in self.bytes_of:
            return inner
        new, index, shift = self.byte(node.buffer, inner.indices)
        return binary("&", binary(">>", Load(new, (index,)), shift), _mask(node.buffer.dtype))

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        if node.buffer not in self.bytes_of:
            return inner
        self.check(node)
        new, index, shift = self.byte(node.buffer, inner.indices)
        mask = binary("<<", _wide(Const(_mask(node.buffer.dtype), "uint8"), shift), shift)
        kept = binary("&", Load(new, (index,)), binary("^", mask, 255))
        return Store(new, (index,), binary("|", kept, binary("<<", inner.value, shift)))

    def check(self, node: Store) -> None:
        """Raise if iterations that run concurrently may store to the same byte."""
        index = position(node.buffer, node.indices)
        each = 8 // bits_of(node.buffer.dtype)
        if lanes_of(index.dtype) > 1:
            raise ScheduleError(
                f"{node.buffer!r}: lanes of a vector may share bytes of {each} elements of a packed type; "
                "store them in a serial loop"
            )
        index = widened(index)
        for loop in self.loops:
            if loop.kind in ("serial", "unroll", "vectorize", "vthread"):
                continue
            simplifier = self.simplifier()
            total = simplifier.sum_of(index)
            step = total.terms.get(loop.var, 0)
            if step and step % each == 0:
                # the other terms of the index must be smaller than the step of this loop
                whole, rest = total.split(abs(step))
                low, high = simplifier.sum_bounds(rest)
                if low >= 0 and high < abs(step):
                    continue
            raise ScheduleError(
                f"{node.buffer!r}: iterations of the {loop.kind} loop {loop.var.name!r} share bytes of "
                f"{each} elements that they store to; let each take whole bytes"
            )

    def _for(self, node: For) -> Stmt:
        self.loops.append(node)
        inner = self.loop(node)
        self.loops.pop()
        if inner.kind != "vectorize" or not any(
            type(n) is Store and n.buffer in self.bytes_of for n in walk(node.body)
        ):
            return inner
        return For(inner.var, inner.extent, "serial", inner.body)

    def _allocate(self, node: Allocate) -> Stmt:
        body = self(node.body)
        if node.buffer in self.bytes_of:
            return Allocate(self.bytes_of[node.buffer], body, node.pragmas)
        return node if body is node.body else Allocate(node.buffer, body, node.pragmas)

    def _cast(self, node: Cast) -> Expr:
        value = self(node.value)
        old, new = scalar_of(node.value.dtype), scalar_of(node.dtype)
        if old in PACKED_TYPES:
            value = _number(value, old)
        if new in PACKED_TYPES:
            return _bits(value, new)
        return value.astype(node.dtype) if value is not node.value else node

    def _prefetch(self, node: Prefetch) -> Stmt:
        if node.buffer not in self.bytes_of:
            return self.descend(node)
        new, index, _ = self.byte(node.buffer, node.indices)
        return Prefetch(new, (index,))

    def _region(self, node: Region) -> Region:
        if node.buffer in self.bytes_of:
            raise ValueError(f"{node.buffer!r}: a copy or an intrinsic of a packed type is not supported")
        return self.descend(node)

    def _call(self, node: Call) -> Expr:
        inner = self.descend(node)
        if scalar_of(node.dtype) not in PACKED_TYPES:
            return inner
        return Call(node.name, inner.args, _like("uint8", node))

    rules: dict[type, Callable] = {
        Load: _load,
        Store: _store,
        For: _for,
        Allocate: _allocate,
        Cast: _cast,
        Prefetch: _prefetch,
        Region: _region,
        Call: _call,
    }


def _like(scalar: str, expr: Expr) -> str:
    """`scalar` with the lanes of an expression."""
    return vector_of(scalar, lanes_of(expr.dtype))


def _wide(value: Expr, like: Expr) -> Expr:
    lanes = lanes_of(like.dtype)
    return value if lanes == 1 else Broadcast(value, lanes)


def _mask(dtype: str) -> int:
    return (1 << bits_of(dtype)) - 1


def _number(byte: Expr, dtype: str) -> Expr:
    """The value, as int32, of the bits of a packed type."""
    value = byte.astype(_like("int32", byte))
    if dtype.startswith("u"):
        return value
    sign = 1 << bits_of(dtype) - 1
    return binary("-", binary("^", value, sign), sign)


def _bits(value: Expr, dtype: str) -> Expr:
    """The bits of a number in a packed type: the low bits of an integer, the nearest value of a float."""
    scalar = scalar_of(value.dtype)
    if is_float(scalar):
        low, high = integer_range(scalar_of(dtype))
        whole = value.astype(_like("int32", value))
        value = minimum(maximum(whole, low), high)
    number = value.astype(_like("uint8", value))
    return binary("&", number, _mask(scalar_of(dtype)))
