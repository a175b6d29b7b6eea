"""Loads and stores of one buffer as LLVM instructions."""

from __future__ import annotations

from compiler.backend.llvm.writer import Frame, Index, llvm_type, mangled, memory_type, splat_literal
from compiler.ir.dtype import PACKED_TYPES, bits_of, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Buffer, Call, Expr, Load
from compiler.ir.stmt import Prefetch, Store


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
        return self._value(lanes, self._raw(self._address(index), lanes))

    def load_masked(self, index: Index, lanes: int, mask: str) -> str:
        """The `lanes` elements from `index` on, where `mask` holds."""
        kind = memory_type(vector_of(self.dtype, lanes))
        pointer = self._address(index, inside=False)
        text = self.frame.emit(
            f"call {kind} @llvm.masked.load.{self._name(lanes)}.p0(ptr align {self.alignment} {pointer}, "
            f"<{lanes} x i1> {mask}, {kind} zeroinitializer)"
        )
        return self._value(lanes, text)

    def load_every_other(self, index: Index, lanes: int) -> str:
        """The elements at `index`, `index` + 2, and so on.

        Two overlapping vectors, one from the first and one up to the last of them, and a shuffle of both.
        """
        kind = memory_type(vector_of(self.dtype, lanes))
        first = self._address(index)
        last = self.frame.once(f"getelementptr inbounds {self.element}, ptr {first}, i64 {lanes - 1}")
        low, high = self._raw(first, lanes), self._raw(last, lanes)
        picks = [2 * lane if 2 * lane < lanes else 2 * lane + 1 for lane in range(lanes)]
        mask = ", ".join(f"i32 {pick}" for pick in picks)
        text = self.frame.emit(f"shufflevector {kind} {low}, {kind} {high}, <{lanes} x i32> <{mask}>")
        return self._value(lanes, text)

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

    def store(self, index: Index, text: str, lanes: int = 1) -> None:
        """Set the element at `index`, or the `lanes` elements from there on."""
        kind = memory_type(vector_of(self.dtype, lanes))
        text = self._stored(text, lanes)
        pointer = self._address(index)
        self.frame.write(f"store {kind} {text}, ptr {pointer}, align {self.alignment}", self.buffer)

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
