"""Intrinsics as LLVM instructions.

LLVM calls the C library once for each lane of ``exp`` and similar functions, so the common ones are written
as polynomials. They need no library, which an executable for another machine may not have, and a lane
of a vector gets the same bits as a scalar. Errors against the exact result, in units in the last place:

==================  =======  =========
function            float32  float64
==================  =======  =========
exp                 1.1      1.1
exp2                1.2      1.2
expm1               1.7      2.2
log                 0.9      C library
log2, log10, log1p  1.9      C library
cbrt, hypot         0.6      C library
tanh                1.4      1.4
sin, cos            1.6      C library
erf                 1.2      C library
==================  =======  =========

All others, such as ``pow``, call the C library for every lane.

``sin`` and ``cos`` of more than 8192 call the C library. A float16 is computed as float32 and rounded.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.backend.llvm.conversion import convert
from compiler.backend.llvm.mathematics.lanes import Lanes
from compiler.backend.llvm.mathematics.polynomials import POLYNOMIALS
from compiler.backend.llvm.writer import Frame, llvm_type, mangled
from compiler.ir.dtype import is_float, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Binary, Call, Cast, Expr
from compiler.ir.operators import INTRINSICS

# name -> LLVM's intrinsic: one instruction, or a few, or a call of the C library
_OF_LLVM = {"exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "floor": "floor", "ceil": "ceil"}
_OF_LLVM |= {"pow": "pow", "sin": "sin", "cos": "cos", "round": "roundeven", "trunc": "trunc"}
_OF_SIGNS = {"abs": "fabs", "copysign": "copysign"}
# name -> LLVM's intrinsic, and the arguments that follow the integer
_OF_INTEGERS = {"abs": ("abs", ", i1 false"), "popcount": ("ctpop", "")}
_OF_INTEGERS |= {"clz": ("ctlz", ", i1 false"), "ctz": ("cttz", ", i1 false")}


def apply(frame: Frame, name: str, args: Sequence[str], dtype: str) -> str:
    """The value of an intrinsic other than ``if_then_else``.

    Parameters
    ----------
    frame : Frame
        Where the instructions are written.
    name : str
        A name of `compiler.ir.operators.INTRINSICS`.
    args : sequence of str
        Values of type `dtype`.
    dtype : str
        The type of the arguments.

    Raises
    ------
    ValueError
        For a name without LLVM code.
    """
    kind, emit = llvm_type(dtype), frame.emit
    if name not in INTRINSICS or INTRINSICS[name].refuses(dtype):
        raise ValueError(f"the intrinsic {name!r} of {dtype} has no LLVM code")
    if not is_float(dtype):
        if name == "abs" and dtype.startswith("u"):
            return args[0]
        function, more = _OF_INTEGERS[name]
        return emit(f"call {kind} @llvm.{function}.{mangled(dtype)}({kind} {args[0]}{more})")
    if name == "isnan":
        return emit(f"fcmp uno {kind} {args[0]}, {args[0]}")
    if name in _OF_SIGNS:
        return Lanes(frame, dtype).llvm(_OF_SIGNS[name], *args)
    if scalar_of(dtype) == "float16":
        wide = vector_of("float32", lanes_of(dtype))
        value = apply(frame, name, [convert(frame, arg, dtype, wide) for arg in args], wide)
        return convert(frame, value, wide, dtype)
    lanes = Lanes(frame, dtype)
    polynomial = POLYNOMIALS.get((name, scalar_of(dtype)))
    if polynomial is not None:
        return polynomial(lanes, *args)
    if name in _OF_LLVM:
        return lanes.llvm(_OF_LLVM[name], *args)
    return lanes.each(name, *args)


def in_float32(node: Binary | Call) -> Expr:
    """An operation on bfloat16 as one on float32, whose result is rounded."""
    lanes = lanes_of((node.a if type(node) is Binary else node.args[0]).dtype)  # type: ignore[union-attr]
    single = vector_of("float32", lanes)
    dtype = node.dtype if scalar_of(node.dtype) == "bool" else single
    if type(node) is Binary:
        wide: Expr = Binary(node.op, Cast(node.a, single), Cast(node.b, single), dtype)
    else:
        wide = Call(node.name, tuple(Cast(arg, single) for arg in node.args), dtype)  # type: ignore[union-attr]
    return wide if dtype == node.dtype else Cast(wide, node.dtype)
