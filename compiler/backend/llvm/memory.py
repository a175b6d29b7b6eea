"""Loads and stores of one buffer as LLVM instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from compiler.backend.llvm.index import stride_of
from compiler.backend.llvm.writer import Frame, Index, llvm_type, mangled, memory_type, splat_literal
from compiler.ir.dtype import PACKED_TYPES, bits_of, is_float, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Buffer, Call, Expr, Load, Var
from compiler.ir.node import CHILDREN, Node
from compiler.ir.stmt import Let, Prefetch, Stmt, Store
from compiler.ir.visit import walk

STRIDES = (-1, 2, 3, 4)
"""The strides of loads that are made of adjacent vectors and shuffles; others are gathers."""


class Place(NamedTuple):
    """The elements of a buffer that a vector access reads or sets: `lanes` of them, `stride` apart."""

    buffer: Buffer
    first: Index
    lanes: int
    stride: int


def interleaved(places: Sequence[Place]) -> list[tuple[int, ...]]:
    """Stores that set all elements of a range together, for strides of two and more.

    Parameters
    ----------
    places : sequence of Place
        Of adjacent stores, whose values do not depend on each other.

    Returns
    -------
    list of tuple of int
        The positions in `places` of the stores of a group, in the order of their first elements; a single
        one where the stores beside it leave gaps. Groups are in the order of their first stores.
    """
    at: dict[tuple[Buffer, int, int, str], dict[int, int]] = {}
    bases: dict[Buffer, set[str]] = {}
    for position, (buffer, first, lanes, stride) in enumerate(places):
        at.setdefault((buffer, lanes, stride, first.varying.ref), {})[first.offset] = position
        bases.setdefault(buffer, set()).add(first.varying.ref)
    alone: list[tuple[int, ...]] = [(position,) for position in range(len(places))]
    if sum(map(len, at.values())) < len(places) or len(at) > len(bases):
        return alone  # two stores may set the same element, so their order matters
    groups: list[tuple[int, ...]] = []
    for (_, lanes, stride, _), positions in at.items():
        offsets = sorted(positions)
        while offsets:
            start = offsets[0]
            taken = [o for o in offsets if o < start + stride]
            offsets = offsets[len(taken) :]
            if offsets and offsets[0] < start + stride * lanes:
                return alone
            whole = 2 <= stride <= max(STRIDES) and len(taken) == stride
            groups += [tuple(positions[o] for o in taken)] if whole else [(positions[o],) for o in taken]
    return sorted(groups, key=min)


class Memory:
    """Loads and stores of a buffer's elements in one function.

    A masked access touches only the lanes whose mask is set; the others are read as zero, and their
    addresses may be invalid.

    Parameters
    ----------
    frame : Frame
        The function that is being written.
    buffer : Buffer
        A parameter of the function, or a buffer that is allocated around the access.
    """

    def __init__(self, frame: Frame, buffer: Buffer) -> None:
        if buffer.dtype in PACKED_TYPES:
            raise ValueError(
                f"{buffer} has a packed type; lower it to bytes (lower_packed) before code is generated"
            )
        self.frame = frame
        self.dtype = buffer.dtype
        pointer = frame.pointer(buffer)
        self.base = pointer.ref
        self.buffer = buffer
        self.element = memory_type(buffer.dtype)
        self.alignment = bits_of(buffer.dtype) // 8
        self.size = pointer.nbytes // self.alignment

    def load(self, index: Index, lanes: int = 1) -> str:
        """The element at `index`, or the `lanes` elements from there on."""
        if not self.frame.is_constant(self.buffer, index.varying.ref):
            return self._value(lanes, self._raw(self._address(index), lanes))
        varying, offset, pointer = index.varying, index.offset, self.base
        if varying.is_literal:
            offset += varying.low
        else:
            pointer = self._address(Index(varying))
        if offset:
            step = f"getelementptr inbounds {self.element}, ptr {pointer}, i64 {offset}"
            pointer = self.frame.invariant(step, varying.ref)
        kind = memory_type(vector_of(self.dtype, lanes))
        load = f"load {kind}, ptr {pointer}, align {self.alignment}"
        return self._value(lanes, self.frame.invariant(load, index.varying.ref))

    def load_masked(self, index: Index, lanes: int, mask: str) -> str:
        """The `lanes` elements from `index` on, where `mask` holds."""
        kind = memory_type(vector_of(self.dtype, lanes))
        pointer = self._address(index, inside=False)
        text = self.frame.emit(
            f"call {kind} @llvm.masked.load.{self._name(lanes)}.p0(ptr align {self.alignment} {pointer}, "
            f"<{lanes} x i1> {mask}, {kind} zeroinitializer)"
        )
        return self._value(lanes, text)

    def load_strided(self, index: Index, lanes: int, stride: int, remainder: int | None = None) -> str:
        """The elements at `index`, `index` + `stride`, and so on, for a stride of `STRIDES`.

        Adjacent vectors from the first element on, the last one up to the last element, and shuffles of them.
        Where the `remainder` of the index by the stride is known, and whole periods fill the buffer, the
        vectors begin at the period of the first element, so that loads of the other remainders share them.
        """
        if stride < 0:
            first = Index(index.varying, index.offset + (lanes - 1) * stride)
            return self._value(lanes, self._reversed(self._strided(first, lanes, -stride, None), lanes))
        return self._value(lanes, self._strided(index, lanes, stride, remainder))

    def _strided(self, index: Index, lanes: int, stride: int, remainder: int | None) -> str:
        kind = memory_type(vector_of(self.dtype, lanes))
        if stride == 1:
            return self._raw(self._address(index), lanes)
        whole = remainder is not None and _has_periods(self.buffer, stride)
        begin = remainder if whole and remainder is not None else 0
        pointer = self._address(Index(index.varying, index.offset - begin))
        end = stride * lanes if whole else stride * (lanes - 1) + 1
        starts = [min(part * lanes, end - lanes) for part in range(stride)]
        parts = []
        for start in starts:
            step = f"getelementptr inbounds {self.element}, ptr {pointer}, i64 {start}"
            parts.append(self._raw(self.frame.once(step) if start else pointer, lanes))
        result, source = parts[0], [(begin + stride * lane) // lanes for lane in range(lanes)]
        for part in range(1, stride):
            picks = [
                str(lanes + begin + stride * lane - starts[part])
                if source[lane] == part
                else "poison"
                if source[lane] > part
                else str(begin + stride * lane if part == 1 else lane)
                for lane in range(lanes)
            ]
            result = self._shuffle(kind, result, parts[part], picks)
        return result

    def _reversed(self, text: str, lanes: int) -> str:
        kind = memory_type(vector_of(self.dtype, lanes))
        return self._shuffle(kind, text, "poison", [str(lane) for lane in reversed(range(lanes))])

    def _shuffle(self, kind: str, a: str, b: str, picks: Sequence[str]) -> str:
        mask = ", ".join(f"i32 {pick}" for pick in picks)
        return self.frame.emit(f"shufflevector {kind} {a}, {kind} {b}, <{len(picks)} x i32> <{mask}>")

    def load_transposed(self, index: Index, lanes: int, stride: int, count: int) -> list[str]:
        """The `count` vectors of strided elements that begin at `index`, `index` + 1, and so on.

        The rows of the matrix that they are the columns of, each a vector of `count` elements, are
        interleaved in halves as often as there are powers of two in the lanes.
        """
        kind, half = memory_type(vector_of(self.dtype, count)), lanes // 2
        starts = (Index(index.varying, index.offset + lane * stride) for lane in range(lanes))
        rows = [self._raw(self._address(start), count) for start in starts]
        picks = [str(n // 2 + n % 2 * count) for n in range(2 * count)]
        for _ in range(lanes.bit_length() - 1):
            pairs = list(zip(rows[:half], rows[half:], strict=True))
            rows = [
                self._shuffle(kind, a, b, part) for a, b in pairs for part in (picks[:count], picks[count:])
            ]
        if lanes == count:
            return rows
        parts = [[str(at + n) for n in range(lanes)] for at in range(0, count, lanes)]
        return [self._shuffle(kind, row, "poison", part) for row in rows for part in parts]

    def gather(self, index: str, index_dtype: str, mask: str | None) -> str:
        """The elements at a vector of indices."""
        lanes = lanes_of(index_dtype)
        kind = memory_type(vector_of(self.dtype, lanes))
        pointers = self._addresses(index, index_dtype, inside=mask is None)
        mask = mask or splat_literal(f"boolx{lanes}", "true")
        text = self.frame.emit(
            f"call {kind} @llvm.masked.gather.{self._name(lanes)}.v{lanes}p0({pointers}, "
            f"<{lanes} x i1> {mask}, {kind} zeroinitializer)"
        )
        return self._value(lanes, text)

    def load_words(self, index: Index, lanes: int) -> str:
        """The elements from `index` on as lanes of int32, of which each has four bytes of them."""
        kind = "i32" if lanes == 1 else f"<{lanes} x i32>"
        pointer = self._address(index)
        return self.frame.read(f"load {kind}, ptr {pointer}, align {self.alignment}", self.buffer)

    def store(self, index: Index, text: str, lanes: int = 1) -> None:
        """Set the element at `index`, or the `lanes` elements from there on."""
        kind = memory_type(vector_of(self.dtype, lanes))
        text = self._stored(text, lanes)
        pointer = self._address(index)
        self.frame.write(f"store {kind} {text}, ptr {pointer}, align {self.alignment}", self.buffer)

    def store_reversed(self, index: Index, text: str, lanes: int) -> None:
        """Set the `lanes` elements from `index` on downwards."""
        first = Index(index.varying, index.offset - (lanes - 1))
        kind = memory_type(vector_of(self.dtype, lanes))
        text = self._reversed(self._stored(text, lanes), lanes)
        pointer = self._address(first)
        self.frame.write(f"store {kind} {text}, ptr {pointer}, align {self.alignment}", self.buffer)

    def store_interleaved(self, index: Index, texts: Sequence[str], lanes: int) -> None:
        """Set the elements from `index` on to the first lane of each value, then to the second of each..."""
        kind = memory_type(vector_of(self.dtype, lanes))
        values = [self._stored(text, lanes) for text in texts]
        count, pointer = len(values), self._address(index)
        for part in range(count):
            place = range(part * lanes, (part + 1) * lanes)
            result = values[0]
            for other in range(1, count):
                picks = [
                    str(lanes + at // count)
                    if at % count == other
                    else "poison"
                    if at % count > other
                    else str(at // count if other == 1 else lane)
                    for lane, at in enumerate(place)
                ]
                result = self._shuffle(kind, result, values[other], picks)
            step = f"getelementptr inbounds {self.element}, ptr {pointer}, i64 {part * lanes}"
            at = self.frame.once(step) if part else pointer
            self.frame.write(f"store {kind} {result}, ptr {at}, align {self.alignment}", self.buffer)

    def store_masked(self, index: Index, text: str, lanes: int, mask: str) -> None:
        """Set those of the `lanes` elements from `index` on for which `mask` holds."""
        kind = memory_type(vector_of(self.dtype, lanes))
        text = self._stored(text, lanes)
        pointer = self._address(index, inside=False)
        self.frame.write(
            f"call void @llvm.masked.store.{self._name(lanes)}.p0({kind} {text}, "
            f"ptr align {self.alignment} {pointer}, <{lanes} x i1> {mask})",
            self.buffer,
        )

    def scatter(self, index: str, index_dtype: str, text: str, mask: str | None) -> None:
        """Set the elements at a vector of indices where `mask` holds, the last lane last."""
        lanes = lanes_of(index_dtype)
        kind = memory_type(vector_of(self.dtype, lanes))
        text = self._stored(text, lanes)
        pointers = self._addresses(index, index_dtype, inside=mask is None)
        mask = mask or splat_literal(f"boolx{lanes}", "true")
        self.frame.write(
            f"call void @llvm.masked.scatter.{self._name(lanes)}.v{lanes}p0({kind} {text}, "
            f"{pointers}, <{lanes} x i1> {mask})",
            self.buffer,
        )

    def prefetch(self, index: Index) -> None:
        """Prefetch the element at `index`, which may be outside of the buffer, to the first cache."""
        self.frame.effect(
            f"call void @llvm.prefetch.p0(ptr {self._address(index, inside=False)}, i32 0, i32 3, i32 1)"
        )

    def _address(self, index: Index, inside: bool = True) -> str:
        frame, pointer, (varying, offset) = self.frame, self.base, index
        if varying.is_literal:
            offset += varying.low
        # an address inside of the buffer may be computed from one outside
        elif inside and offset:
            inside = varying.low >= 0 and varying.high <= self.size
        step = f"getelementptr {'inbounds ' if inside else ''}{self.element}, ptr"
        if not varying.is_literal:
            pointer = frame.invariant(f"{step} {pointer}, i64 {varying.ref}", varying.ref)
        return frame.once(f"{step} {pointer}, i64 {offset}") if offset else pointer

    def _addresses(self, index: str, index_dtype: str, inside: bool) -> str:
        lanes, kind = lanes_of(index_dtype), llvm_type(index_dtype)
        if llvm_type(scalar_of(index_dtype)) != "i64":
            extend = "zext" if index_dtype.startswith("u") else "sext"
            index = self.frame.emit(f"{extend} {kind} {index} to <{lanes} x i64>")
        flag = "inbounds " if inside else ""
        pointers = self.frame.emit(
            f"getelementptr {flag}{self.element}, ptr {self.base}, <{lanes} x i64> {index}"
        )
        return f"<{lanes} x ptr> align {self.alignment} {pointers}"

    def _raw(self, pointer: str, lanes: int) -> str:
        kind = memory_type(vector_of(self.dtype, lanes))
        return self.frame.read(f"load {kind}, ptr {pointer}, align {self.alignment}", self.buffer)

    def _value(self, lanes: int, text: str) -> str:
        if self.dtype != "bool":
            return text
        return self.frame.emit(f"icmp ne {memory_type(vector_of('bool', lanes))} {text}, zeroinitializer")

    def _stored(self, text: str, lanes: int) -> str:
        if self.dtype != "bool":
            return text
        dtype = vector_of("bool", lanes)
        return self.frame.emit(f"zext {llvm_type(dtype)} {text} to {memory_type(dtype)}")

    def _name(self, lanes: int) -> str:
        return mangled(vector_of("uint8" if self.dtype == "bool" else self.dtype, lanes))


def load_together(frame: Frame, places: Iterable[Place], most: int) -> dict[Place, str]:
    """Load vectors of strided elements that are beside each other, as the columns of a matrix.

    Gathers of 16 elements of four bytes are as fast on the CPUs that have such vectors.

    Parameters
    ----------
    frame : Frame
    places : iterable of Place
    most : int
        Bits of a vector.

    Returns
    -------
    dict of Place to str
        The values of the vectors of groups: as many as a power of two, at least the lanes of each.
    """
    at: dict[tuple[Buffer, str, int, int], dict[int, Place]] = {}
    for place in places:
        varying, offset = place.first
        if varying.is_literal:
            varying, offset = varying._replace(ref=""), offset + varying.low
        at.setdefault((place.buffer, varying.ref, place.lanes, place.stride), {})[offset] = place
    values: dict[Place, str] = {}
    for (buffer, _, lanes, stride), found in at.items():
        widest, bits = most // bits_of(buffer.dtype), bits_of(buffer.dtype)
        if lanes < 4 or lanes & (lanes - 1) or lanes > widest or lanes * min(bits, 32) >= 512:
            continue
        for offset in sorted(found):
            beside = next(n for n in range(widest + 1) if n == widest or offset + n not in found)
            count = 1 << beside.bit_length() >> 1
            if count >= lanes:
                loaded = Memory(frame, buffer).load_transposed(found[offset].first, lanes, stride, count)
                values |= {found.pop(offset + n): value for n, value in enumerate(loaded)}
    return values


def keeps_inactive_lanes(node: Store) -> bool:
    """Whether a store leaves the lanes unchanged for which a vector condition is false."""
    value = node.value
    return (
        type(value) is Call
        and value.name == "if_then_else"
        and lanes_of(value.args[0].dtype) == lanes_of(node.indices[0].dtype)
        and value.args[2] == Load(node.buffer, node.indices)
    )


def only_index(node: Load | Store | Prefetch) -> Expr:
    """The index of an access after all passes."""
    if len(node.indices) != 1:
        raise ValueError(
            f"an access to {node.buffer} has {len(node.indices)} indices; flatten it to one index "
            "before code is generated"
        )
    return node.indices[0]


def _has_periods(buffer: Buffer, stride: int) -> bool:
    """Whether the buffer consists of whole periods of `stride` elements, whatever its dynamic extents are."""
    if buffer.strides is not None:
        return False
    return any(not isinstance(extent, Var) and extent % stride == 0 for extent in buffer.shape)


def store_in(stmt: Stmt) -> Any:
    """The store inside of the `Let` of its common subexpressions, if `stmt` is one."""
    while type(stmt) is Let and (is_float(stmt.var.dtype) or lanes_of(stmt.var.dtype) > 1):
        stmt = stmt.body
    return stmt


def is_strided(stmt: Stmt) -> bool:
    """Whether `stmt` is a store of lanes that are more than one element apart."""
    store = store_in(stmt)
    return type(store) is Store and (stride_of(store.indices[0]) or 0) > 1


def strided_stores(stmts: Sequence[Stmt]) -> list[Stmt]:
    """The leading stores with a stride of which none reads what another one sets."""
    run = list(takewhile(is_strided, stmts))
    stored = {store_in(stmt).buffer for stmt in run}
    for count, stmt in enumerate(run):
        own = store_in(stmt)
        for node in walk(stmt):
            reads = type(node) is Load and node.buffer in stored
            if reads and (node.buffer is not own.buffer or node.indices != own.indices):  # type: ignore[attr-defined]
                return run[:count] if count else run[:1]
    return run


def strided_loads(stmts: Sequence[Stmt]) -> tuple[int, list[Load]]:
    """The number of leading stores, and the vector loads that all of them execute whatever they store."""
    run = list(takewhile(lambda stmt: type(store_in(stmt)) is Store, stmts))
    loads = list(_unconditional(run))
    stored = {store_in(stmt).buffer for stmt in run} if loads else set()
    return len(run), [load for load in loads if load.buffer not in stored]


def _unconditional(stmts: Sequence[Stmt]) -> Iterator[Load]:
    """The loads with large strides, each once: the copies of an unrolled loop share expressions."""
    pending: list[Node] = list(stmts[::-1])
    seen: set[int] = set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        kind = type(part)
        if kind is Load:
            index = only_index(part)  # type: ignore[arg-type]
            far = (stride_of(index) or 0) > max(STRIDES) and part.buffer.dtype != "bool"  # type: ignore[attr-defined]
            if far and not any(type(below) is Load for below in walk(index)):
                yield part  # type: ignore[misc]
        elif kind is Store:
            pending.append(part.value)  # type: ignore[attr-defined]
        elif not (kind is Call and part.name == "if_then_else"):  # type: ignore[attr-defined]
            pending += CHILDREN[kind](part)
