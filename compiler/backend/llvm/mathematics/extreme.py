"""The minimum and the maximum of floats as LLVM instructions."""

from __future__ import annotations

from compiler.backend.llvm.writer import Frame, llvm_type, splat_literal
from compiler.ir.dtype import is_float, lanes_of, scalar_of
from compiler.ir.expr import Binary, Broadcast, Cast, Const, Expr

# float type -> the NaN whose bits are all ones, as the double that LLVM spells it by
_ALL_ONES = {
    "float16": "0xFFFFFC0000000000",
    "float32": "0xFFFFFFFFE0000000",
    "float64": "0xFFFFFFFFFFFFFFFF",
}


def extreme(frame: Frame, node: Binary, a: str, b: str) -> str:
    """The minimum or maximum of floats: NaN where either is, `a` where they are equal.

    A comparison and a select are one instruction, whose result is `a` where either is NaN. That is right
    where `b` is not NaN; otherwise a NaN of `b` is blended in. In a reduction `b` is the term, so the next
    iteration waits for the instruction and the blend only.
    """
    kind, lanes = llvm_type(node.dtype), lanes_of(node.dtype)
    condition = "i1" if lanes == 1 else f"<{lanes} x i1>"
    order = "lt" if node.op == "min" else "gt"
    first, second = _is_number(node.a), _is_number(node.b)
    # an unordered comparison selects `b` also where one is NaN, which can only be `b` if `a` is a number
    test = frame.emit(f"fcmp contract {'u' if first and not second else 'o'}{order} {kind} {b}, {a}")
    result = frame.emit(f"select contract {condition} {test}, {kind} {b}, {kind} {a}")
    if first or second:
        return result
    # a literal NaN, as LLVM would join two selections of `b`, and lose the instruction; of all ones, since
    # they are blended in by a bitwise or
    nan = _ALL_ONES[scalar_of(node.dtype)]
    nan = nan if lanes == 1 else splat_literal(node.dtype, nan)
    test = frame.emit(f"fcmp uno {kind} {b}, {b}")
    return frame.emit(f"select {condition} {test}, {kind} {nan}, {kind} {result}")


def _is_number(node: Expr) -> bool:
    """Whether a float is known not to be NaN: a literal, a converted integer, or an extreme of these."""
    if type(node) is Const:
        return node.value == node.value
    if type(node) is Cast:
        return not is_float(scalar_of(node.value.dtype)) or _is_number(node.value)
    if type(node) is Broadcast:
        return _is_number(node.value)
    return type(node) is Binary and node.op in ("min", "max") and _is_number(node.a) and _is_number(node.b)
