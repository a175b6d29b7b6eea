"""Division of integers as LLVM instructions."""

from __future__ import annotations

from compiler.backend.llvm.index import known_number
from compiler.backend.llvm.writer import Frame, llvm_type, splat_literal
from compiler.ir.dtype import lanes_of
from compiler.ir.expr import Binary


def divide(frame: Frame, node: Binary, a: str, b: str) -> str:
    """Floor division and its remainder; by zero gives zero, and nothing traps."""
    emit, dtype, kind = frame.emit, node.dtype, llvm_type(node.dtype)
    lanes, signed = lanes_of(dtype), not dtype.startswith("u")
    divides = node.op == "//"

    def number(value: int) -> str:
        return str(value) if lanes == 1 else splat_literal(dtype, str(value))

    known = known_number(node.b)
    if known == 0:
        return number(0)
    if known is not None and known > 0 and (not signed or known & (known - 1) == 0):
        if not signed:
            return emit(f"{'udiv' if divides else 'urem'} {kind} {a}, {number(known)}")
        if divides:
            return emit(f"ashr {kind} {a}, {number(known.bit_length() - 1)}")
        return emit(f"and {kind} {a}, {number(known - 1)}")
    if known is not None and known != -1:
        safe, zero, minus = b, None, None
    else:
        zero = emit(f"icmp eq {kind} {b}, {number(0)}")
        minus = emit(f"icmp eq {kind} {b}, {number(-1)}") if signed else None
        unsafe = zero if minus is None else emit(f"or {_test_type(lanes)} {zero}, {minus}")
        # the smallest number divided by -1 traps as zero does, so neither reaches the instruction
        safe = _select(frame, unsafe, lanes, kind, number(1), b)
    if not signed:
        result = emit(f"{'udiv' if divides else 'urem'} {kind} {a}, {safe}")
        return _select(frame, str(zero), lanes, kind, number(0), result)
    rest = emit(f"srem {kind} {a}, {safe}")
    inexact = emit(f"icmp ne {kind} {rest}, {number(0)}")
    against = emit(f"icmp slt {kind} {emit(f'xor {kind} {rest}, {safe}')}, {number(0)}")
    adjust = emit(f"and {_test_type(lanes)} {inexact}, {against}")
    if divides:
        quotient = emit(f"sdiv {kind} {a}, {safe}")
        result = emit(f"add {kind} {quotient}, {emit(f'sext {_test_type(lanes)} {adjust} to {kind}')}")
    else:
        result = emit(f"add {kind} {rest}, {_select(frame, adjust, lanes, kind, safe, number(0))}")
    if minus is not None and divides:
        result = _select(frame, minus, lanes, kind, emit(f"sub {kind} {number(0)}, {a}"), result)
    return result if zero is None or not divides else _select(frame, zero, lanes, kind, number(0), result)


def _select(frame: Frame, condition: str, lanes: int, kind: str, a: str, b: str) -> str:
    return frame.emit(f"select {_test_type(lanes)} {condition}, {kind} {a}, {kind} {b}")


def _test_type(lanes: int) -> str:
    return "i1" if lanes == 1 else f"<{lanes} x i1>"
