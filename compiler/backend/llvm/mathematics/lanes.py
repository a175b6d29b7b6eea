"""`Lanes`: arithmetic of one float type, written once for scalars and vectors."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from compiler.backend.llvm.writer import Frame, literal, llvm_type, mangled, splat_literal
from compiler.ir.dtype import lanes_of, scalar_of, vector_of
from compiler.ir.expr import Const

_INTEGER = {"float32": "int32", "float64": "int64"}
_MANTISSA = {"float32": 23, "float64": 52}
_BIAS = {"float32": 127, "float64": 1023}


class Lanes:
    """Writes arithmetic of one float type, for scalars and vectors of any width alike.

    LLVM may not reorder or contract these operations, except in `fma`, since the range reductions rely on the
    rounding of each step.
    """

    def __init__(self, frame: Frame, dtype: str) -> None:
        self.frame, self.dtype = frame, dtype
        self.scalar, self.lanes = scalar_of(dtype), lanes_of(dtype)
        self.kind = llvm_type(dtype)
        self.integer = vector_of(_INTEGER[self.scalar], self.lanes) if self.scalar in _INTEGER else ""

    def number(self, value: float) -> str:
        """A literal in every lane."""
        text = literal(Const(value, self.scalar))
        return text if self.lanes == 1 else splat_literal(self.dtype, text)

    def whole(self, value: int) -> str:
        """An integer literal in every lane."""
        return str(value) if self.lanes == 1 else splat_literal(self.integer, str(value))

    def _operand(self, value: str | float) -> str:
        return value if isinstance(value, str) else self.number(value)

    def op(self, name: str, a: str | float, b: str | float) -> str:
        """``fadd``, ``fsub``, ``fmul`` or ``fdiv``."""
        return self.frame.emit(f"{name} {self.kind} {self._operand(a)}, {self._operand(b)}")

    def int_op(self, name: str, a: str, b: str | int) -> str:
        """An operation on integers as wide as the floats."""
        second = b if isinstance(b, str) else self.whole(b)
        return self.frame.emit(f"{name} {llvm_type(self.integer)} {a}, {second}")

    def int_function(self, name: str, a: str, b: int) -> str:
        """A function of LLVM on integers as wide as the floats."""
        kind = llvm_type(self.integer)
        return self.frame.emit(
            f"call {kind} @llvm.{name}.{mangled(self.integer)}({kind} {a}, {kind} {self.whole(b)})"
        )

    def llvm(self, name: str, *args: str | float) -> str:
        """A function of LLVM on floats."""
        given = ", ".join(f"{self.kind} {self._operand(arg)}" for arg in args)
        return self.frame.emit(f"call {self.kind} @llvm.{name}.{mangled(self.dtype)}({given})")

    def fma(self, a: str | float, b: str | float, c: str | float) -> str:
        """``a * b + c``, rounded once where the machine can."""
        return self.llvm("fmuladd", a, b, c)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Horner's scheme; the constant coefficient comes first."""
        result: str | float = coefficients[-1]
        for coefficient in reversed(coefficients[:-1]):
            result = self.fma(result, x, coefficient)
        return self._operand(result)

    def test(self, comparison: str, a: str, b: float) -> str:
        """A comparison, as ``olt``."""
        return self.frame.emit(f"fcmp {comparison} {self.kind} {a}, {self.number(b)}")

    def select(self, condition: str, a: str | float, b: str | float) -> str:
        """`a` where the condition holds, else `b`."""
        kind, test = self.kind, llvm_type(vector_of("bool", self.lanes))
        return self.frame.emit(
            f"select {test} {condition}, {kind} {self._operand(a)}, {kind} {self._operand(b)}"
        )

    def bits(self, value: str) -> str:
        """A float's bits."""
        return self.frame.emit(f"bitcast {self.kind} {self._operand(value)} to {llvm_type(self.integer)}")

    def from_bits(self, value: str) -> str:
        """The float of these bits."""
        return self.frame.emit(f"bitcast {llvm_type(self.integer)} {value} to {self.kind}")

    def nearest(self, x: str, factor: float) -> tuple[str, str]:
        """The whole number nearest to ``x * factor``, as a float and as an integer; |it| < 2^21.

        A sum with 1.5 times the weight of the last bit has it in its low bits. For NaN the integer is
        some number, while a conversion instruction would be undefined.
        """
        magic = 1.5 * 2.0 ** _MANTISSA[self.scalar]
        shifted = self.fma(x, factor, magic)
        size = struct.unpack("<q", struct.pack("<d", magic))[0]
        if self.scalar == "float32":
            size = struct.unpack("<i", struct.pack("<f", magic))[0]
        return self.op("fsub", shifted, magic), self.int_op("sub", self.bits(shifted), size)

    def power_of_two(self, exponent: str) -> str:
        """2 to a whole number within the range of normal numbers."""
        biased = self.int_op("add", exponent, _BIAS[self.scalar])
        return self.from_bits(self.int_op("shl", biased, _MANTISSA[self.scalar]))

    def clipped(self, x: str, low: float, high: float) -> str:
        """`x` within an interval; NaN is kept."""
        x = self.select(self.test("olt", x, low), low, x)
        return self.select(self.test("ogt", x, high), high, x)

    def wider(self) -> Lanes:
        """The same lanes as float64."""
        return Lanes(self.frame, vector_of("float64", self.lanes))

    def extended(self, source: Lanes, value: str) -> str:
        """A value of narrower lanes."""
        return self.frame.emit(f"fpext {source.kind} {value} to {self.kind}")

    def truncated(self, target: Lanes, value: str) -> str:
        """A value rounded to narrower lanes."""
        return self.frame.emit(f"fptrunc {self.kind} {value} to {target.kind}")

    def each(self, symbol: str, *args: str) -> str:
        """A function of the C library, lane by lane."""
        name = symbol + ("f" if self.scalar == "float32" else "")
        element = llvm_type(self.scalar)
        types = ", ".join([element] * len(args))
        self.frame.declare(f"declare {element} @{name}({types}) nounwind willreturn memory(none)")
        return each_lane(
            self.frame, f"@{name}", self.scalar, self.lanes, [(arg, self.scalar) for arg in args]
        )

    def rarely(self, condition: str, value: str, write: Callable[[], str]) -> str:
        """`value`, or the result of `write` in the lanes where the condition holds, which is rare."""
        return self.frame.rarely(condition, self.lanes, self.kind, value, write)


def each_lane(frame: Frame, function: str, dtype: str, lanes: int, args: Sequence[tuple[str, str]]) -> str:
    """A function of scalars, called for every lane.

    Parameters
    ----------
    frame : Frame
    function : str
        A symbol or a register.
    dtype : str
        The scalar type of the result.
    lanes : int
    args : sequence of (str, str)
        The value and the scalar type of each argument.
    """
    element = llvm_type(dtype)
    if lanes == 1:
        given = ", ".join(f"{llvm_type(scalar)} {value}" for value, scalar in args)
        return frame.emit(f"call {element} {function}({given})")
    result = "poison"
    for lane in range(lanes):
        ones = []
        for value, scalar in args:
            one = frame.emit(f"extractelement {llvm_type(vector_of(scalar, lanes))} {value}, i64 {lane}")
            ones.append(f"{llvm_type(scalar)} {one}")
        value = frame.emit(f"call {element} {function}({', '.join(ones)})")
        kind = llvm_type(vector_of(dtype, lanes))
        result = frame.emit(f"insertelement {kind} {result}, {element} {value}, i64 {lane}")
    return result
