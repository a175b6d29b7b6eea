"""Index arithmetic in 64 bits.

An expression of loop variables and literals whose every intermediate result provably fits its 32-bit
type has the same value in 64 bits. There LLVM needs no sign extension at an address and knows that
nothing overflows, so strided accesses become addressing modes and loops have plain induction variables.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import TypeGuard

from compiler.backend.llvm.writer import Frame, Index, Wide
from compiler.ir.dtype import SCALAR_TYPES, integer_range, is_float, is_integer, scalar_of
from compiler.ir.expr import Binary, Broadcast, Cast, Const, Expr, Ramp, Var
from compiler.ir.recursion import Recursive, counted, recursive
from compiler.ir.simplify.modular import Modular, modular_set

# the values of an integer type that signed 64 bits hold
_BOUNDS = {t: integer_range(t) for t in SCALAR_TYPES if is_integer(t)} | {"uint64": (0, 2**63 - 1)}
_OPERATORS = ("+", "-", "*", "//", "%", "min", "max", "<<", ">>", "&")


class IndexArithmetic(Recursive):
    """Writes integer expressions of loop variables as 64-bit arithmetic with known bounds."""

    def __init__(self) -> None:
        # keyed by identity; the node is stored too, so that its id is not reused
        self._plain: dict[int, tuple[Expr, bool]] = {}

    def is_plain(self, node: Expr) -> bool:
        """Whether `node` is arithmetic on scalar variables and literals only."""
        known = self._plain.get(id(node))
        return self._is_plain(node) if known is None else known[1]

    @counted
    def _is_plain(self, node: Expr) -> bool:
        kind = type(node)
        if kind is Binary:
            plain = (
                node.op in _OPERATORS  # type: ignore[attr-defined]
                and self.is_plain(node.a)  # type: ignore[attr-defined]
                and self.is_plain(node.b)  # type: ignore[attr-defined]
            )
        elif kind is Cast:  # of the same value; `_written` proves that the type holds it
            plain = node.dtype in _BOUNDS and self.is_plain(node.value)  # type: ignore[attr-defined]
        else:
            plain = (kind is Var or kind is Const) and node.dtype in _BOUNDS
        self._plain[id(node)] = (node, plain)
        return plain

    def access(self, frame: Frame, node: Expr) -> Index | None:
        """`node` in 64 bits, split into a varying part and a constant offset; None as for `wide`."""
        known = frame.indices.get(id(node))
        if known is not None:
            return known[1]
        index = None
        if self.is_plain(node):
            if _is_sum(node):
                index = self._sum(frame, node)
            else:
                whole = self._wide(frame, node)
                index = None if whole is None else Index(whole)
        frame.indices[id(node)] = (node, index)
        return index

    def wide(self, frame: Frame, node: Expr) -> Wide | None:
        """`node` in 64 bits, or None where the result might differ from the arithmetic of its type."""
        if not self.is_plain(node):
            return None
        return self._wide(frame, node)

    def remainder(self, frame: Frame, node: Expr, divisor: int) -> int | None:
        """The remainder of `node` by a positive literal, if all values of the variables give the same."""
        exact = self.access(frame, node) is not None  # nothing wraps around, so it is that of the integers
        return _modular(node).remainder(divisor) if exact else None

    def _sum(self, frame: Frame, node: Expr) -> Index | None:
        """A sum, added up in the order of the loops, outermost first, so that partial sums can be hoisted."""
        terms: list[Wide] = []
        pending = [node]
        while pending:
            part = pending.pop()
            if _is_sum(part):
                pending.append(part.a)
                if part.op == "+":
                    pending.append(part.b)
                else:
                    terms.append(wide_literal(-int(part.b.value)))  # type: ignore[attr-defined]
                continue
            term = self._wide(frame, part)
            if term is None:
                return None
            terms.append(term)
        low, high = _BOUNDS[node.dtype]
        # a partial sum may leave the type, since wrapping around cancels out, but not 64 bits
        least, most = sum(min(t.low, 0) for t in terms), sum(max(t.high, 0) for t in terms)
        if sum(t.low for t in terms) < low or sum(t.high for t in terms) > high:
            return None
        if least < -(2**63) or most >= 2**63:
            return None
        varying = sorted((t for t in terms if not t.is_literal), key=lambda t: frame.level(t.ref))
        total = reduce(partial(_add, frame), varying, wide_literal(0))
        return Index(total, sum(t.low for t in terms if t.is_literal))

    def _wide(self, frame: Frame, node: Expr) -> Wide | None:
        cached = frame.numbers.get(id(node))
        if cached is not None:
            return cached[1]
        wide = self._written(frame, node)
        if wide is not None:
            frame.numbers[id(node)] = (node, wide)
        return wide

    @counted
    def _written(self, frame: Frame, node: Expr) -> Wide | None:
        kind = type(node)
        if kind is Var:  # a `Let` of a type that signed 64 bits do not hold is no index
            return frame.variable(node) if frame.value(node) is None else None  # type: ignore[arg-type]
        if kind is Const:
            value = int(node.value)  # type: ignore[attr-defined]
            return wide_literal(value) if value < 2**63 else None
        if kind is Cast:
            wide = self._wide(frame, node.value)  # type: ignore[attr-defined]
            low, high = _BOUNDS[node.dtype]
            return wide if wide is not None and low <= wide.low and wide.high <= high else None
        if _is_sum(node):
            total = self._sum(frame, node)
            return None if total is None else _whole(frame, total)
        a = self._wide(frame, node.a)  # type: ignore[attr-defined]
        if a is None:
            return None
        b = self._wide(frame, node.b)  # type: ignore[attr-defined]
        if b is None:
            return None
        result = _RULES[node.op](frame, a, b)  # type: ignore[attr-defined]
        low, high = _BOUNDS[node.dtype]
        return result if result is not None and low <= result.low and result.high <= high else None


def _is_sum(node: Expr) -> TypeGuard[Binary]:
    """Whether `node` is a sum, or the difference of an expression and a literal."""
    return type(node) is Binary and (node.op == "+" or (node.op == "-" and type(node.b) is Const))


@recursive
def _modular(node: Expr) -> Modular:
    """The set of an index of which no part wraps around."""
    return modular_set(node, _modular, lambda _: (0, 0))


def wide_literal(value: int) -> Wide:
    """A literal in 64 bits."""
    return Wide(str(value), value, value)


def _write(frame: Frame, instruction: str, a: str, b: str | int) -> str:
    text = f"{instruction} i64 {a}, {b}"
    return frame.invariant(text, a) if isinstance(b, int) else frame.invariant(text, a, b)


def _add(frame: Frame, a: Wide, b: Wide) -> Wide:
    low, high = a.low + b.low, a.high + b.high
    if low == high:
        return wide_literal(low)
    if a.is_literal and a.low == 0:
        return b
    if b.is_literal and b.low == 0:
        return a
    return Wide(_write(frame, "add nsw", a.ref, b.ref), low, high)


def _subtract(frame: Frame, a: Wide, b: Wide) -> Wide:
    low, high = a.low - b.high, a.high - b.low
    if low == high:
        return wide_literal(low)
    if b.is_literal and b.low == 0:
        return a
    return Wide(_write(frame, "sub nsw", a.ref, b.ref), low, high)


def _multiply(frame: Frame, a: Wide, b: Wide) -> Wide:
    corners = (a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
    low, high = min(corners), max(corners)
    if low == high:
        return wide_literal(low)
    if a.is_literal and a.low == 1:
        return b
    if b.is_literal and b.low == 1:
        return a
    return Wide(_write(frame, "mul nsw", a.ref, b.ref), low, high)


def _floor_divide(frame: Frame, a: Wide, b: Wide) -> Wide | None:
    if b.low <= 0:
        return None
    if not b.is_literal:
        if a.low < 0:
            return None
        return Wide(_write(frame, "udiv", a.ref, b.ref), a.low // b.high, a.high // b.low)
    by = b.low
    low, high = a.low // by, a.high // by
    if low == high:
        return wide_literal(low)
    if by == 1:
        return a
    if a.low >= 0:
        return Wide(_write(frame, "udiv", a.ref, by), low, high)
    if by & (by - 1) == 0:
        return Wide(_write(frame, "ashr", a.ref, by.bit_length() - 1), low, high)
    quotient = _write(frame, "sdiv", a.ref, by)
    rest = _write(frame, "srem", a.ref, by)
    below = _write(frame, "ashr", rest, 63)
    return Wide(_write(frame, "add nsw", quotient, below), low, high)


def _modulo(frame: Frame, a: Wide, b: Wide) -> Wide | None:
    if b.low <= 0:
        return None
    if not b.is_literal:
        if a.low < 0:
            return None
        return Wide(_write(frame, "urem", a.ref, b.ref), 0, min(a.high, b.high - 1))
    by = b.low
    if a.low // by == a.high // by:  # all within one period
        return _subtract(frame, a, wide_literal(a.low // by * by))
    if by & (by - 1) == 0:
        return Wide(_write(frame, "and", a.ref, by - 1), 0, by - 1)
    if a.low >= 0:
        return Wide(_write(frame, "urem", a.ref, by), 0, by - 1)
    rest = _write(frame, "srem", a.ref, by)
    below = _write(frame, "ashr", rest, 63)
    return Wide(_write(frame, "add nsw", rest, _write(frame, "and", below, by)), 0, by - 1)


def _minimum(frame: Frame, a: Wide, b: Wide) -> Wide:
    if a.high <= b.low:
        return a
    if b.high <= a.low:
        return b
    ref = frame.invariant(f"call i64 @llvm.smin.i64(i64 {a.ref}, i64 {b.ref})", a.ref, b.ref)
    return Wide(ref, min(a.low, b.low), min(a.high, b.high))


def _maximum(frame: Frame, a: Wide, b: Wide) -> Wide:
    if a.low >= b.high:
        return a
    if b.low >= a.high:
        return b
    ref = frame.invariant(f"call i64 @llvm.smax.i64(i64 {a.ref}, i64 {b.ref})", a.ref, b.ref)
    return Wide(ref, max(a.low, b.low), max(a.high, b.high))


def _shift_left(frame: Frame, a: Wide, b: Wide) -> Wide | None:
    return _multiply(frame, a, wide_literal(1 << b.low)) if b.is_literal and 0 <= b.low < 63 else None


def _shift_right(frame: Frame, a: Wide, b: Wide) -> Wide | None:
    return _floor_divide(frame, a, wide_literal(1 << b.low)) if b.is_literal and 0 <= b.low < 63 else None


def _and(frame: Frame, a: Wide, b: Wide) -> Wide | None:
    if a.is_literal:
        a, b = b, a
    if not b.is_literal or b.low < 0:
        return None
    if a.is_literal:
        return wide_literal(a.low & b.low)
    high = b.low if a.low < 0 else min(a.high, b.low)
    return Wide(_write(frame, "and", a.ref, b.low), 0, high)


_RULES = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "//": _floor_divide,
    "%": _modulo,
    "min": _minimum,
    "max": _maximum,
    "<<": _shift_left,
    ">>": _shift_right,
    "&": _and,
}


def combine(op: str, frame: Frame, a: Index, b: Index) -> Index:
    """``a op b`` for a sum, a difference or a product."""
    if op == "*":
        return Index(_multiply(frame, _whole(frame, a), _whole(frame, b)))
    if op == "+":
        return Index(_add(frame, a.varying, b.varying), a.offset + b.offset)
    return Index(_subtract(frame, a.varying, b.varying), a.offset - b.offset)


def _whole(frame: Frame, index: Index) -> Wide:
    return _add(frame, index.varying, wide_literal(index.offset))


def always(op: str, a: Wide, b: Wide) -> bool | None:
    """Whether ``a op b`` holds for all values within the bounds, for none, or (None) for some."""
    if op in (">", ">="):
        return always({">": "<", ">=": "<="}[op], b, a)
    if op == "<":
        return True if a.high < b.low else False if a.low >= b.high else None
    if op == "<=":
        return True if a.high <= b.low else False if a.low > b.high else None
    same = True if a.is_literal and a == b else False if a.high < b.low or b.high < a.low else None
    if op == "!=":
        return None if same is None else not same
    return same


def stride_of(index: Expr) -> int | None:
    """The constant difference between the lanes of a vector index, or None."""
    kind = type(index)
    if kind is Broadcast:
        return 0
    if kind is Ramp:
        return known_number(index.stride)  # type: ignore[attr-defined]
    return _stride_of_binary(index) if kind is Binary else None  # type: ignore[arg-type]


@recursive
def _stride_of_binary(index: Binary) -> int | None:
    if index.op not in ("+", "-", "*"):
        return None
    a, b = stride_of(index.a), stride_of(index.b)
    if a is None or b is None:
        return None
    if index.op != "*":
        return a + b if index.op == "+" else a - b
    for stride, factor in ((a, index.b), (b, index.a)):
        number = known_number(factor)
        if number is not None:
            return stride * number
    return 0 if a == 0 and b == 0 else None


@recursive
def lane_zero(index: Expr) -> Expr:
    """The first lane of a vector index that has a constant stride."""
    if type(index) is Binary:
        return Binary(index.op, lane_zero(index.a), lane_zero(index.b), scalar_of(index.dtype))
    return index.base if type(index) is Ramp else index.value  # type: ignore[attr-defined]


def known_number(node: Expr) -> int | None:
    """The value of an integer literal, or of one in every lane."""
    if type(node) is Broadcast:
        return known_number(node.value)
    return int(node.value) if type(node) is Const and not is_float(node.dtype) else None
