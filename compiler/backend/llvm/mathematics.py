"""Mathematical functions as LLVM instructions, the same for a scalar and for vectors of any width.

LLVM calls the C library once for each lane of ``exp`` and similar functions, so the common ones are written
here as polynomials. They need no library, which an executable for another machine may not have, and a lane
of a vector gets the same bits as a scalar. Errors against the exact result, in units in the last place:

========  =======  =======
function  float32  float64
========  =======  =======
exp       1.1      1.1
log       0.9      C library
tanh      1.4      1.4
sin, cos  1.6      C library
erf       1.2      C library
pow       C library
========  =======  =======

``sin`` and ``cos`` of more than 8192 call the C library. A float16 is computed as float32 and rounded.
The polynomials are minimax fits (Remez' exchange algorithm); the reductions are those of W. J. Cody and
W. Waite, "Software Manual for the Elementary Functions" (1980).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from compiler.backend.llvm.conversion import convert
from compiler.backend.llvm.writer import Frame, literal, llvm_type, mangled, splat_literal
from compiler.ir.dtype import is_float, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Binary, Broadcast, Cast, Const, Expr

# exp(r) = 1 + r + r^2 q(r) for |r| <= log(2) / 2
_EXP = {
    "float32": (0.5000000027, 0.1666657592, 0.04166637173, 0.008363354888, 0.001394142803),
    "float64": (
        *(0.5000000000000001052, 0.1666666666666667476, 0.04166666666662312632, 0.008333333333321945549),
        *(0.001388888891771213456, 0.0001984126988738798421, 2.480152052414188185e-5),
        *(2.755724143809387035e-6, 2.762045435942031596e-7, 2.511038752146857581e-8),
    ),
}
# log(2) as a sum whose first part has few enough bits that its product with an exponent is exact
_LOG2 = {
    "float32": (0.693145751953125, 1.4286068203094173e-6),
    "float64": (0.6931471803691238, 1.9082149292705877e-10),
}
# below the first exp is zero, above the second infinite
_EXP_RANGE = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}
# log(1 + f) = f - f^2 / 2 + f^3 q(f) for sqrt(1/2) <= 1 + f < sqrt(2)
_LOG: tuple[float, ...] = (
    0.333333126,
    -0.250000096,
    0.2000211866,
    -0.1666799586,
    0.1421955242,
    -0.1240558882,
    0.118881618,
)
_LOG += (-0.1167565222, 0.06746641987)
# tanh(x) = x + x z q(z) for z = x^2 and |x| <= 0.6
_TANH = {
    "float32": (-0.3333333178, 0.1333324779, -0.05395247557, 0.02173443969, -0.008267090756, 0.002231063997),
    "float64": (
        *(-0.3333333333333333302, 0.1333333333333326435, -0.05396825396820046393, 0.02186948853406295349),
        *(-0.008863235481577862252, 0.003592127317955878405, -0.001455827147990892288),
        *(0.0005899765626264651197, -0.0002388760562683068041, 9.60236833620818512e-5),
        *(-3.707991390917049885e-5, 1.223473436517395875e-5, -2.460050482412710481e-6),
    ),
}
# sin(r) = r + r z q(z) and cos(r) = 1 - z / 2 + z^2 q(z) for z = r^2 and |r| <= pi / 4
_SIN = (-0.1666666664, 0.008333329315, -0.0001983931163, 2.718088279e-6)
_COS = (0.04166666662, -0.001388888366, 2.47994952e-5, -2.720816528e-7)
# pi / 2 as a sum of parts of at most eleven bits, and a rest: a multiple of a part is exact up to 8192
_HALF_PI = (1.5703125, 4.837512969970703e-4, 7.549533620476723e-8, 2.563344151594519e-12)
_TRIGONOMETRIC_LIMIT = 8192.0
# erf(x) = x + x q(x^2) for |x| <= 1, and erf(a) = 1 - exp(-a q(a)) up to 4, where it has become 1
_ERF_NEAR: tuple[float, ...] = (
    0.1283791659,
    -0.3761262714,
    0.1128360018,
    -0.02685444465,
    0.005189535461,
    -0.0008020842364,
)
_ERF_NEAR += (7.889123155e-5,)
_ERF_FAR: tuple[float, ...] = (
    1.128682904,
    0.6350140196,
    0.1064601927,
    -0.02395145242,
    0.003730723865,
    -0.0003442248946,
)
_ERF_FAR += (1.334537507e-5,)

# name -> LLVM's intrinsic: one instruction, or a few, or a call of the C library
_OF_LLVM = {"exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "abs": "fabs", "floor": "floor"}
_OF_LLVM |= {"ceil": "ceil", "pow": "pow", "sin": "sin", "cos": "cos", "round": "roundeven", "trunc": "trunc"}

_INTEGER = {"float32": "int32", "float64": "int64"}
_MANTISSA = {"float32": 23, "float64": 52}
_BIAS = {"float32": 127, "float64": 1023}


def apply(frame: Frame, name: str, args: Sequence[str], dtype: str) -> str:
    """The value of an intrinsic other than ``if_then_else``.

    Parameters
    ----------
    frame : Frame
        Where the instructions are written.
    name : str
        A name of `compiler.ir.expr.INTRINSICS`.
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
    if not is_float(dtype):
        if name == "abs":
            if dtype.startswith("u"):
                return args[0]
            return emit(f"call {kind} @llvm.abs.{mangled(dtype)}({kind} {args[0]}, i1 false)")
        if name == "popcount":
            return emit(f"call {kind} @llvm.ctpop.{mangled(dtype)}({kind} {args[0]})")
    elif name == "isnan":
        return emit(f"fcmp uno {kind} {args[0]}, {args[0]}")
    elif name == "abs":
        return _Lanes(frame, dtype).llvm("fabs", *args)
    elif scalar_of(dtype) == "float16":
        wide = vector_of("float32", lanes_of(dtype))
        value = apply(frame, name, [convert(frame, arg, dtype, wide) for arg in args], wide)
        return convert(frame, value, wide, dtype)
    lanes = _Lanes(frame, dtype)
    polynomial = _POLYNOMIALS.get((name, scalar_of(dtype)))
    if polynomial is not None:
        return polynomial(lanes, args[0])
    if name in _OF_LLVM:
        return lanes.llvm(_OF_LLVM[name], *args)
    if name == "erf":
        return lanes.each("erf", args[0])
    raise ValueError(f"the intrinsic {name!r} of {dtype} has no LLVM code")


class _Lanes:
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

    def each(self, symbol: str, x: str) -> str:
        """A function of the C library, lane by lane."""
        frame, element = self.frame, llvm_type(self.scalar)
        name = symbol + ("f" if self.scalar == "float32" else "")
        frame.declare(f"declare {element} @{name}({element}) nounwind willreturn memory(none)")
        if self.lanes == 1:
            return frame.emit(f"call {element} @{name}({element} {x})")
        result = "poison"
        for lane in range(self.lanes):
            one = frame.emit(f"extractelement {self.kind} {x}, i64 {lane}")
            value = frame.emit(f"call {element} @{name}({element} {one})")
            result = frame.emit(f"insertelement {self.kind} {result}, {element} {value}, i64 {lane}")
        return result

    def rarely(self, condition: str, value: str, write: Callable[[], str]) -> str:
        """`value`, or the result of `write` in the lanes where the condition holds, which is rare."""
        frame, lanes = self.frame, self.lanes
        any_lane = condition
        if lanes > 1:
            any_lane = frame.emit(f"call i1 @llvm.vector.reduce.or.v{lanes}i1(<{lanes} x i1> {condition})")
        there, joined, before = frame.label("rare"), frame.label("join"), frame.block
        weights = frame.preamble.metadata('!{!"branch_weights", i32 1, i32 1000}')
        frame.effect(f"br i1 {any_lane}, label %{there}, label %{joined}, !prof {weights}")
        frame.begin(there)
        chosen = self.select(condition, write(), value)
        arms = f"[ {value}, %{before} ], [ {chosen}, %{frame.block} ]"
        frame.effect(f"br label %{joined}")
        frame.begin(joined)
        return frame.emit(f"phi {self.kind} {arms}")


def _exp(v: _Lanes, x: str) -> str:
    low, high = _EXP_RANGE[v.scalar]
    x = v.select(v.test("olt", x, low), low, x)  # false for NaN, which is kept
    x = v.select(v.test("ogt", x, high), high, x)
    whole, exponent = v.nearest(x, 1.4426950408889634)
    first, rest = _LOG2[v.scalar]
    r = v.fma(whole, -rest, v.fma(whole, -first, x))
    value = v.fma(v.op("fmul", r, r), v.polynomial(r, _EXP[v.scalar]), r)
    value = v.op("fadd", value, 1.0)
    # by two factors, for the exponents of subnormal numbers and of infinity are out of range for one
    half = v.int_op("ashr", exponent, 1)
    value = v.op("fmul", value, v.power_of_two(half))
    return v.op("fmul", value, v.power_of_two(v.int_op("sub", exponent, half)))


def _log(v: _Lanes, x: str) -> str:
    small = v.test("olt", x, 2.0**-126)
    scaled = v.select(small, v.op("fmul", x, 2.0**23), x)
    root_half = 0x3F3504F3
    bits = v.bits(scaled)
    exponent = v.int_op("ashr", v.int_op("sub", bits, root_half), 23)
    f = v.op("fsub", v.from_bits(v.int_op("sub", bits, v.int_op("shl", exponent, 23))), 1.0)
    e = v.frame.emit(f"sitofp {llvm_type(v.integer)} {exponent} to {v.kind}")
    e = v.op("fsub", e, v.select(small, 23.0, 0.0))
    square = v.op("fmul", f, f)
    first, rest = _LOG2["float32"]
    value = v.fma(e, rest, v.op("fmul", v.op("fmul", square, f), v.polynomial(f, _LOG)))
    value = v.fma(square, -0.5, value)
    value = v.fma(e, first, v.op("fadd", value, f))
    value = v.select(v.test("oeq", x, 0.0), float("-inf"), value)
    value = v.select(v.test("olt", x, 0.0), float("nan"), value)
    return v.select(v.test("olt", x, float("inf")), value, x)  # log(inf) is inf, log(NaN) is NaN


def _tanh(v: _Lanes, x: str) -> str:
    size = v.llvm("fabs", x)
    square = v.op("fmul", x, x)
    near = v.fma(v.op("fmul", size, square), v.polynomial(square, _TANH[v.scalar]), size)
    capped = v.select(v.test("ogt", size, 20.0), 20.0, size)  # tanh(20) rounds to 1
    power = _exp(v, v.op("fadd", capped, capped))
    far = v.op("fsub", 1.0, v.op("fdiv", 2.0, v.op("fadd", power, 1.0)))
    return v.llvm("copysign", v.select(v.test("olt", size, 0.6), near, far), x)


def _erf(v: _Lanes, x: str) -> str:
    size = v.llvm("fabs", x)
    near = v.fma(x, v.polynomial(v.op("fmul", x, x), _ERF_NEAR), x)
    capped = v.select(v.test("ogt", size, 4.0), 4.0, size)
    power = _exp(v, v.op("fmul", capped, v.polynomial(capped, [-c for c in _ERF_FAR])))
    far = v.llvm("copysign", v.op("fsub", 1.0, power), x)
    return v.select(v.test("olt", size, 1.0), near, far)


def _sine(shift: int) -> Callable[[_Lanes, str], str]:
    """sin for a shift of 0, cos for a shift of 1 quarter turn."""

    def write(v: _Lanes, x: str) -> str:
        turns, quarter = v.nearest(x, 0.6366197723675814)
        # exact, then once rounded, and what the rounding lost is added with the last part
        exact = v.fma(turns, -_HALF_PI[1], v.fma(turns, -_HALF_PI[0], x))
        r = v.fma(turns, -_HALF_PI[2], exact)
        lost = v.fma(turns, _HALF_PI[2], v.op("fsub", r, exact))
        r = v.op("fsub", r, v.fma(turns, _HALF_PI[3], lost))
        z = v.op("fmul", r, r)
        sine = v.fma(v.op("fmul", r, z), v.polynomial(z, _SIN), r)
        sine = v.llvm("copysign", sine, r)  # the sum above loses the sign of zero
        cosine = v.fma(v.op("fmul", z, z), v.polynomial(z, _COS), v.fma(z, -0.5, 1.0))
        quarter = v.int_op("add", quarter, shift) if shift else quarter
        odd = v.frame.emit(f"icmp ne {llvm_type(v.integer)} {v.int_op('and', quarter, 1)}, {v.whole(0)}")
        sign = v.int_op("shl", v.int_op("and", quarter, 2), 30)
        near = v.from_bits(v.int_op("xor", v.bits(v.select(odd, cosine, sine)), sign))
        far = v.test("oge", v.llvm("fabs", x), _TRIGONOMETRIC_LIMIT)
        return v.rarely(far, near, lambda: v.each(("sin", "cos")[shift], x))

    return write


_POLYNOMIALS: dict[tuple[str, str], Callable[[_Lanes, str], str]] = {
    ("exp", "float32"): _exp,
    ("exp", "float64"): _exp,
    ("log", "float32"): _log,
    ("tanh", "float32"): _tanh,
    ("tanh", "float64"): _tanh,
    ("sin", "float32"): _sine(0),
    ("cos", "float32"): _sine(1),
    ("erf", "float32"): _erf,
}


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
