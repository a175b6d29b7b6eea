"""Expressions of the loop IR as LLVM instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from compiler.backend.llvm import foreign
from compiler.backend.llvm.conversion import convert
from compiler.backend.llvm.index import IndexArithmetic, always, combine, lane_zero, stride_of, wide_literal
from compiler.backend.llvm.mathematics.extreme import extreme
from compiler.backend.llvm.mathematics.functions import apply, in_float32
from compiler.backend.llvm.mathematics.integer import divide, shift
from compiler.backend.llvm.mathematics.products import Term, dot
from compiler.backend.llvm.memory import STRIDES, Memory, Place, keeps_inactive_lanes, only_index
from compiler.backend.llvm.writer import Frame, Index, Wide, literal, llvm_type, mangled, splat_literal
from compiler.ir.dtype import integer_range, is_float, lanes_of, scalar_of, vector_of
from compiler.ir.expr import (
    Binary,
    Broadcast,
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Reinterpret,
    Select,
    Var,
)
from compiler.ir.foreign import C, is_foreign
from compiler.ir.operators import COMPARISON, LOGIC
from compiler.ir.recursion import LEVELS, Recursive, recursive
from compiler.ir.stmt import Prefetch, Store
from compiler.ir.visit import children, walk

_FLOAT_COMPARISON = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
_FLOAT_OPERATORS = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
_INTEGER_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor"}


class Expressions(Recursive):
    """Writes expressions into the frame that is set.

    Attributes
    ----------
    frame : Frame
        The function that is being written.
    allocated : set of Buffer
        Those that the function allocates: an element that was never stored has no value for LLVM.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._index = IndexArithmetic()
        self._reads: dict[int, tuple[Expr, bool]] = {}
        self.allocated: set[Buffer] = set()
        # those of functions that are not the compiler's own
        self.calls: list[Call] = []
        self.transposed: dict[Place, str] = {}  # vectors of strided elements that were loaded together
        # the lanes that may access memory; None for all
        self._mask: str | None = None
        self._mask_lanes = 1

    def value(self, node: Expr) -> str:
        """The value of `node` in its type: a register or a literal."""
        level = self.level
        if level == LEVELS:
            return self.deeper(self.value, node)
        self.level = level + 1
        text = _RULES[type(node)](self, node)
        self.level = level
        return text

    def index(self, node: Expr) -> Wide:
        """The value of a scalar integer expression in 64 bits."""
        wide = self._index.wide(self.frame, node)
        if wide is not None:
            return wide
        return self._extended(self._settled(self.value(node), node), node.dtype)

    def _extended(self, text: str, dtype: str) -> Wide:
        """A scalar integer in 64 bits."""
        bits = int(llvm_type(dtype)[1:])
        low, high = integer_range(dtype)
        if bits < 64:
            extend = "zext" if dtype.startswith("u") else "sext"
            text = self.frame.emit(f"{extend} i{bits} {text} to i64")
        return Wide(text, low, high)

    def access(self, node: Expr) -> Index:
        """A scalar index of an access."""
        return self._index.access(self.frame, node) or Index(self.index(node))

    def condition(self, node: Expr) -> str:
        """A scalar condition.

        Raises
        ------
        ValueError
            If it is a vector.
        """
        if node.dtype != "bool":
            raise ValueError(f"a branch takes one condition, not {node.dtype}")
        return self._settled(self.value(node), node)

    def _settled(self, text: str, node: Expr) -> str:
        """The value `text` of `node`; any value where it depends on elements that were never stored.

        LLVM may otherwise remove all code around a branch, a loop or a division by such an element.
        """
        if text[0] != "%" or not self.allocated:
            return text
        if self.allocated.isdisjoint(below.buffer for below in walk(node) if type(below) is Load):
            return text
        return self.frame.emit(f"freeze {llvm_type(node.dtype)} {text}")

    # Memory

    def place(self, node: Load | Store) -> Place | None:
        """The elements of a vector access; None for a scalar or masked one, and without a stride."""
        index = only_index(node)
        lanes = lanes_of(index.dtype)
        if lanes == 1 or (type(node) is Store and keeps_inactive_lanes(node)):
            return None
        base, stride = self._ramp(index)
        return None if base is None else Place(node.buffer, base, lanes, stride)

    def store_interleaved(self, places: Sequence[Place], values: Sequence[tuple[str, str]]) -> None:
        """Write values, given by text and type, to the places of a group."""
        buffer, first, lanes, _ = places[0]
        texts = [
            self.splat(buffer.dtype, text, lanes) if lanes_of(dtype) == 1 else text for text, dtype in values
        ]
        Memory(self.frame, buffer).store_interleaved(first, texts, lanes)

    def store(self, node: Store) -> None:
        """Write a `Store`.

        Raises
        ------
        ValueError
            If it has more than one index, or a value of another type than its buffer.
        """
        buffer, index = node.buffer, only_index(node)
        lanes = lanes_of(index.dtype)
        if scalar_of(node.value.dtype) != buffer.dtype or lanes_of(node.value.dtype) not in (1, lanes):
            raise ValueError(f"a value of {node.value.dtype} is stored to {lanes} element(s) of {buffer}")
        value, mask = node.value, None
        if lanes > 1 and keeps_inactive_lanes(node):
            # a masked store, which leaves the lanes unchanged for which the condition is false
            condition, value = value.args[:2]  # type: ignore[attr-defined]
            mask = self.value(condition)
            text = self._under(mask, lanes, value)
        else:
            text = self.value(value)
        if lanes > lanes_of(value.dtype):
            text = self.splat(buffer.dtype, text, lanes)
        memory = Memory(self.frame, buffer)
        base, stride = (self.access(index), 1) if lanes == 1 else self._ramp(index)
        if base is not None and stride == -1 and mask is None:
            memory.store_reversed(base, text, lanes)
        elif base is None or stride != 1:
            memory.scatter(self.value(index), index.dtype, text, mask)
        elif mask is None:
            memory.store(base, text, lanes)
        else:
            memory.store_masked(base, text, lanes, mask)

    def dot(self, products: Sequence[Term], most: int) -> bool:
        """Write sums of a group of products, of `most` lanes at most, as one instruction if it exists."""
        (sums, scalar, vector), lanes = products[0], lanes_of(products[0].sums.dtype)
        types = scalar.buffer.dtype, vector.buffer.dtype
        if (
            lanes not in (4, 8, 16)
            or lanes > most
            or types == ("uint8", "uint8")
            or stride_of(sums.indices[0]) != 1
        ):
            return False
        firsts = self._beginning(scalar), self._beginning(vector)
        for offset, (_, one, other) in enumerate(products):
            index, lane = self._beginning(one), self._beginning(other)
            beside = index == firsts[0]._replace(offset=firsts[0].offset + offset)
            if not (beside and lane == firsts[1]._replace(offset=firsts[1].offset + offset)):
                return False
            if one.buffer is not scalar.buffer or other.buffer is not vector.buffer:
                return False
        words = Memory(self.frame, scalar.buffer).load_words(firsts[0], 1)
        right = Memory(self.frame, vector.buffer).load_words(firsts[1], lanes)
        left = self.splat("int32", words, lanes)
        total = dot(self.frame, lanes, self.value(sums), left, right, types)
        Memory(self.frame, sums.buffer).store(self.access(lane_zero(sums.indices[0])), total, lanes)
        return True

    def _beginning(self, node: Load) -> Index:
        """The index of the first lane; a literal is all offset, so that others can be compared with it."""
        first = node.indices[0]
        index = self.access(first if lanes_of(first.dtype) == 1 else lane_zero(first))
        if not index.varying.is_literal:
            return index
        return Index(wide_literal(0), index.varying.low + index.offset)

    def prefetch(self, node: Prefetch) -> None:
        """Write a `Prefetch`."""
        Memory(self.frame, node.buffer).prefetch(self.access(only_index(node)))

    def _load(self, node: Load) -> str:
        index, mask = only_index(node), self._mask
        lanes = lanes_of(index.dtype)
        memory = Memory(self.frame, node.buffer)
        if lanes == 1:
            return memory.load(self.access(index))
        base, stride = self._ramp(index)
        if base is not None and stride == 0:
            first = base
            return self._guarded(node.dtype, lambda: self.splat(memory.dtype, memory.load(first), lanes))
        if base is not None and stride == 1:
            return memory.load(base, lanes) if mask is None else memory.load_masked(base, lanes, mask)
        if base is not None and mask is None and stride in STRIDES:
            remainder = self._index.remainder(self.frame, lane_zero(index), abs(stride))
            return memory.load_strided(base, lanes, stride, remainder)
        known = self.transposed.get(Place(node.buffer, base, lanes, stride)) if base and not mask else None
        return known or memory.gather(self.value(index), index.dtype, mask)

    def _ramp(self, index: Expr) -> tuple[Index | None, int]:
        """A vector index as its first lane and a constant stride; None for an index without one."""
        stride = stride_of(index)
        return (None, 0) if stride is None else (self._first_lane(index), stride)

    def _first_lane(self, index: Expr) -> Index:
        if type(index) is Ramp or type(index) is Broadcast:
            first = index.base if type(index) is Ramp else index.value  # type: ignore[union-attr]
            if self._mask is None or not self.reads_memory(first):
                return self.access(first)
            return Index(self._extended(self._scalar(first), first.dtype))
        assert type(index) is Binary
        return combine(index.op, self.frame, self._first_lane(index.a), self._first_lane(index.b))

    # Lanes

    def splat(self, dtype: str, text: str, lanes: int) -> str:
        """A scalar of type `dtype` in every lane."""
        scalar, kind = llvm_type(dtype), llvm_type(vector_of(dtype, lanes))
        if text[0] != "%":
            return splat_literal(dtype, text)
        first = self.frame.invariant(f"insertelement {kind} poison, {scalar} {text}, i64 0", text)
        return self.frame.invariant(
            f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer", text
        )

    @recursive
    def reads_memory(self, node: Expr) -> bool:
        """Whether an evaluation of `node` loads anything, or calls a C function."""
        known = self._reads.get(id(node))
        if known is None:
            reads = type(node) is Load or (type(node) is Call and node.name.startswith(C))
            reads = reads or any(self.reads_memory(child) for child in children(node))  # type: ignore[arg-type]
            known = self._reads[id(node)] = (node, reads)
        return known[1]

    def _guarded(self, dtype: str, write: Callable[[], str]) -> str:
        """The result of `write` without a mask, evaluated only if any lane of the mask is active."""
        if self._mask is None:
            return write()
        lanes, mask = self._mask_lanes, self._mask
        any_lane = self.frame.emit(f"call i1 @llvm.vector.reduce.or.v{lanes}i1(<{lanes} x i1> {mask})")
        any_lane = self.frame.emit(f"freeze i1 {any_lane}")
        self._mask = None
        try:
            return self._branch(dtype, any_lane, write, lambda: "zeroinitializer")
        finally:
            self._mask = mask

    def _scalar(self, node: Expr) -> str:
        """A scalar inside a vector expression."""
        if self._mask is None or not self.reads_memory(node):
            return self.value(node)
        return self._guarded(node.dtype, lambda: self.value(node))

    def _under(self, mask: str, lanes: int, node: Expr) -> str:
        """A vector expression evaluated in the active lanes for which `mask` holds."""
        if not self.reads_memory(node):
            return self.value(node)
        outer, outer_lanes = self._mask, self._mask_lanes
        kind = f"<{lanes} x i1>"
        self._mask = mask if outer is None else self.frame.emit(f"and {kind} {outer}, {mask}")
        self._mask_lanes = lanes
        try:
            return self.value(node)
        finally:
            self._mask, self._mask_lanes = outer, outer_lanes

    def _branch(
        self, dtype: str, condition: str, then: Callable[[], str], otherwise: Callable[[], str]
    ) -> str:
        """One of two values; the other one is not evaluated."""
        if condition in ("true", "false"):
            return then() if condition == "true" else otherwise()
        frame, kind = self.frame, llvm_type(dtype)
        *labels, joined = map(frame.label, ("then", "else", "join"))
        frame.effect(f"br i1 {condition}, label %{labels[0]}, label %{labels[1]}")
        frame.guards, arms = frame.guards + 1, []
        for label, write in zip(labels, (then, otherwise), strict=True):
            frame.begin(label)
            text = write()
            arms.append(f"[ {text}, %{frame.block} ]")
            frame.effect(f"br label %{joined}")
        frame.guards -= 1
        frame.begin(joined)
        return frame.emit(f"phi {kind} {', '.join(arms)}")

    # Leaves

    def _var(self, node: Var) -> str:
        named = self.frame.value(node)
        return self._narrow(self.frame.variable(node), node.dtype) if named is None else named

    def _const(self, node: Const) -> str:
        text = literal(node)
        lanes = lanes_of(node.dtype)
        return text if lanes == 1 else splat_literal(node.dtype, text)

    def _ramp_value(self, node: Ramp) -> str:
        scalar, lanes = node.base.dtype, node.lanes
        if lanes == 1:
            return self.value(node.base)
        kind, element = llvm_type(node.dtype), llvm_type(scalar)
        if is_float(scalar) or scalar == "bool":
            raise ValueError(f"a Ramp counts in integers, not in {scalar}")
        base, stride = self._scalar(node.base), self._scalar(node.stride)
        if stride[0] == "%":
            iota = ", ".join(f"{element} {lane}" for lane in range(lanes))
            steps = self.frame.emit(f"mul {kind} {self.splat(scalar, stride, lanes)}, <{iota}>")
        else:
            bits = int(element[1:])
            wrapped = [(int(stride) * lane) & (2**bits - 1) for lane in range(lanes)]
            steps = f"<{', '.join(f'{element} {_signed(step, bits)}' for step in wrapped)}>"
        return self.frame.emit(f"add {kind} {self.splat(scalar, base, lanes)}, {steps}")

    def _broadcast(self, node: Broadcast) -> str:
        def write() -> str:
            return self.splat(node.value.dtype, self.value(node.value), node.lanes)

        if node.lanes == 1:
            return self.value(node.value)
        return self._guarded(node.dtype, write) if self.reads_memory(node) else write()

    def _narrow(self, wide: Wide, dtype: str) -> str:
        if wide.is_literal:
            return str(wide.low)
        kind, flag = llvm_type(dtype), "nuw" if dtype.startswith("u") else "nsw"
        return wide.ref if kind == "i64" else self.frame.emit(f"trunc {flag} i64 {wide.ref} to {kind}")

    # Operations

    def _binary(self, node: Binary) -> str:
        op = node.op
        if scalar_of(node.a.dtype) == "bfloat16":
            return self.value(in_float32(node))
        if op in LOGIC:
            return self._logic(node)
        if op in COMPARISON:
            return self._compare(node)
        wide = self._index.wide(self.frame, node)
        if wide is not None:
            return self._narrow(wide, node.dtype)
        dtype, kind = node.dtype, llvm_type(node.dtype)
        if scalar_of(dtype) == "bool":
            raise ValueError(f"`{op}` takes numbers, not {dtype}")
        if op in ("//", "%"):
            a, b = self.value(node.a), self.value(node.b)
            return divide(self.frame, node, a, self._settled(b, node.b))
        a, b = self.value(node.a), self.value(node.b)
        scalar = scalar_of(dtype)
        if is_float(scalar):
            if op in ("min", "max"):
                return extreme(self.frame, node, a, b)
            return self.frame.emit(f"{_FLOAT_OPERATORS[op]} contract {kind} {a}, {b}")
        if op in ("min", "max"):
            name = f"llvm.{'u' if scalar.startswith('u') else 's'}{op}.{mangled(dtype)}"
            return self.frame.emit(f"call {kind} @{name}({kind} {a}, {kind} {b})")
        if op in ("<<", ">>"):
            return shift(self.frame, node, a, b)
        if op not in _INTEGER_OPERATORS:
            raise ValueError(f"`{op}` takes floats, not {dtype}")
        return self.frame.emit(f"{_INTEGER_OPERATORS[op]} {kind} {a}, {b}")

    def _select(self, condition: str, lanes: int, kind: str, a: str, b: str, flags: str = "") -> str:
        test = "i1" if lanes == 1 else f"<{lanes} x i1>"
        return self.frame.emit(f"select {flags}{test} {condition}, {kind} {a}, {kind} {b}")

    def _compare(self, node: Binary) -> str:
        dtype, kind = node.a.dtype, llvm_type(node.a.dtype)
        wide_a = self._index.wide(self.frame, node.a)
        wide_b = self._index.wide(self.frame, node.b) if wide_a is not None else None
        if wide_a is not None and wide_b is not None:
            known = always(node.op, wide_a, wide_b)
            if known is not None:
                return "true" if known else "false"
            return self.frame.emit(f"icmp {_integer_test(node.op, dtype)} i64 {wide_a.ref}, {wide_b.ref}")
        a, b = self.value(node.a), self.value(node.b)
        if is_float(dtype):
            return self.frame.emit(f"fcmp contract {_FLOAT_COMPARISON[node.op]} {kind} {a}, {b}")
        return self.frame.emit(f"icmp {_integer_test(node.op, dtype)} {kind} {a}, {b}")

    def _logic(self, node: Binary) -> str:
        a, b = self.value(node.a), self.value(node.b)
        neutral = "true" if node.op == "and" else "false"
        if neutral in (a, b):
            return b if a == neutral else a
        return self.frame.emit(f"{node.op} {llvm_type(node.dtype)} {a}, {b}")

    def _not(self, node: Not) -> str:
        kind, text = llvm_type(node.dtype), self.value(node.a)
        if text in ("true", "false"):
            return "false" if text == "true" else "true"
        true = "true" if lanes_of(node.dtype) == 1 else splat_literal(node.dtype, "true")
        return self.frame.emit(f"xor {kind} {text}, {true}")

    def _choose(self, node: Select) -> str:
        lanes, kind = lanes_of(node.condition.dtype), llvm_type(node.dtype)
        condition = self._scalar(node.condition) if lanes == 1 else self.value(node.condition)
        if condition in ("true", "false"):
            return self.value(node.a if condition == "true" else node.b)
        flags = "contract " if is_float(node.dtype) and scalar_of(node.dtype) != "bfloat16" else ""
        return self._select(condition, lanes, kind, self.value(node.a), self.value(node.b), flags)

    def _cast(self, node: Cast) -> str:
        return convert(self.frame, self.value(node.value), node.value.dtype, node.dtype)

    def _reinterpret(self, node: Reinterpret) -> str:
        text, source, target = self.value(node.value), llvm_type(node.value.dtype), llvm_type(node.dtype)
        return text if source == target else self.frame.emit(f"bitcast {source} {text} to {target}")

    def _call(self, node: Call) -> str:
        if node.name == "if_then_else":
            return self._if_then_else(node)
        if is_foreign(node.name):
            return self._foreign(node)
        if scalar_of(node.args[0].dtype) == "bfloat16":
            return self.value(in_float32(node))
        args = [self.value(arg) for arg in node.args]
        return apply(self.frame, node.name, args, node.args[0].dtype)

    def _foreign(self, node: Call) -> str:
        """A C function is called once for each lane that needs its value; an intrinsic once for all."""
        args = [self.value(arg) for arg in node.args]
        self.calls.append(node)
        if not node.name.startswith(C):
            return foreign.intrinsic(self.frame, node, args)
        return foreign.each_lane(self.frame, node, args, self._in_lane)

    def _in_lane(self, dtype: str, lane: int, lanes: int, write: Callable[[], str]) -> str:
        """The result of `write`, a scalar of one lane, evaluated only if the lane is active."""
        if self._mask is None or lanes == 1:
            return self._guarded(dtype, write)
        active = self.frame.emit(f"extractelement <{lanes} x i1> {self._mask}, i64 {lane}")
        return self._branch(dtype, active, write, lambda: "zeroinitializer")

    def _if_then_else(self, node: Call) -> str:
        condition, a, b = node.args
        lanes = lanes_of(condition.dtype)
        if lanes == 1:
            test = self._settled(self._scalar(condition), condition)
            return self._branch(node.dtype, test, lambda: self.value(a), lambda: self.value(b))
        test, kind = self.value(condition), llvm_type(node.dtype)
        others = test
        if self.reads_memory(b):
            others = self.frame.emit(f"xor <{lanes} x i1> {test}, {splat_literal(condition.dtype, 'true')}")
        arms = self._under(test, lanes, a), self._under(others, lanes, b)
        return self._select(test, lanes, kind, *arms)


_RULES: dict[type, Callable[[Expressions, Any], str]] = {
    Var: Expressions._var,
    Const: Expressions._const,
    Binary: Expressions._binary,
    Not: Expressions._not,
    Select: Expressions._choose,
    Cast: Expressions._cast,
    Reinterpret: Expressions._reinterpret,
    Load: Expressions._load,
    Call: Expressions._call,
    Ramp: Expressions._ramp_value,
    Broadcast: Expressions._broadcast,
}


def _integer_test(op: str, dtype: str) -> str:
    if op in ("==", "!="):
        return "eq" if op == "==" else "ne"
    sign = "u" if dtype.startswith("u") or scalar_of(dtype) == "bool" else "s"
    return sign + {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[op]


def _signed(value: int, bits: int) -> int:
    return value - 2**bits if value >= 2 ** (bits - 1) else value
