"""Shifts and divisions of integers, which LLVM leaves undefined for some operands, for all of them."""

from __future__ import annotations

from compiler.backend.llvm.index import known_number
from compiler.backend.llvm.writer import Frame, llvm_type, mangled, splat_literal
from compiler.ir.dtype import bits_of, lanes_of, scalar_of
from compiler.ir.expr import Binary


def shift(frame: Frame, node: Binary, a: str, b: str) -> str:
    """A shift of `a` by `b`, as `compiler.ir.operators` defines it; one by a literal is one instruction."""
    emit, dtype, kind = frame.emit, node.dtype, llvm_type(node.dtype)
    bits = bits_of(scalar_of(dtype))
    arithmetic = node.op == ">>" and not dtype.startswith("u")
    name = "shl" if node.op == "<<" else "ashr" if arithmetic else "lshr"
    known = known_number(node.b)
    if known is not None and not 0 <= known < bits:
        return emit(f"ashr {kind} {a}, {_number(dtype, bits - 1)}") if arithmetic else _number(dtype, 0)
    if known is not None:
        return emit(f"{name} {kind} {a}, {b}")
    if arithmetic:  # a shift by the last bit leaves copies of the sign, as one by more would
        limit = f"{kind} {b}, {kind} {_number(dtype, bits - 1)}"
        return emit(f"ashr {kind} {a}, {emit(f'call {kind} @llvm.umin.{mangled(dtype)}({limit})')}")
    inside = emit(f"icmp ult {kind} {b}, {_number(dtype, bits)}")
    return _select(frame, dtype, inside, emit(f"{name} {kind} {a}, {b}"), 0)


def divide(frame: Frame, node: Binary, a: str, b: str) -> str:
    """Floor division and its remainder, of `a` by `b`; by zero gives zero, and nothing traps."""
    emit, dtype, kind = frame.emit, node.dtype, llvm_type(node.dtype)
    test = "i1" if lanes_of(dtype) == 1 else f"<{lanes_of(dtype)} x i1>"
    signed, divides, known = not dtype.startswith("u"), node.op == "//", known_number(node.b)

    def number(value: int) -> str:
        return _number(dtype, value)

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
        unsafe = zero if minus is None else emit(f"or {test} {zero}, {minus}")
        # the smallest number divided by -1 traps as zero does, so neither reaches the instruction
        safe = _select(frame, dtype, unsafe, 1, b)
    if not signed:
        result = emit(f"{'udiv' if divides else 'urem'} {kind} {a}, {safe}")
        return _select(frame, dtype, str(zero), 0, result)
    rest = emit(f"srem {kind} {a}, {safe}")
    inexact = emit(f"icmp ne {kind} {rest}, {number(0)}")
    against = emit(f"icmp slt {kind} {emit(f'xor {kind} {rest}, {safe}')}, {number(0)}")
    adjust = emit(f"and {test} {inexact}, {against}")
    if not divides:
        return emit(f"add {kind} {rest}, {_select(frame, dtype, adjust, safe, 0)}")
    quotient = emit(f"sdiv {kind} {a}, {safe}")
    result = emit(f"add {kind} {quotient}, {emit(f'sext {test} {adjust} to {kind}')}")
    if minus is not None:
        result = _select(frame, dtype, minus, emit(f"sub {kind} {number(0)}, {a}"), result)
    return result if zero is None else _select(frame, dtype, zero, 0, result)


def _number(dtype: str, value: int) -> str:
    """An integer literal of `dtype`, in every lane."""
    return str(value) if lanes_of(dtype) == 1 else splat_literal(dtype, str(value))


def _select(frame: Frame, dtype: str, condition: str, a: str | int, b: str | int) -> str:
    """`a` in the lanes for which the condition holds, else `b`."""
    kind, lanes = llvm_type(dtype), lanes_of(dtype)
    test = "i1" if lanes == 1 else f"<{lanes} x i1>"
    first, second = (_number(dtype, x) if isinstance(x, int) else x for x in (a, b))
    return frame.emit(f"select {test} {condition}, {kind} {first}, {kind} {second}")
