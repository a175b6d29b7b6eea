"""Elementary functions as polynomials.

The polynomials are minimax fits (Remez' exchange algorithm); the reductions are those of W. J. Cody and
W. Waite, "Software Manual for the Elementary Functions" (1980).
"""

from __future__ import annotations

from collections.abc import Callable

from compiler.backend.llvm.mathematics.lanes import Lanes
from compiler.backend.llvm.writer import llvm_type

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
_EXP2_RANGE = {"float32": (-150.0, 129.0), "float64": (-1076.0, 1025.0)}
# below the first exp(x) - 1 is -1
_EXPM1_RANGE = {"float32": (-20.0, 89.0), "float64": (-40.0, 710.0)}
_LOG10_2 = (0.301025390625, 4.605038981195214e-6)
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


def _exp(v: Lanes, x: str) -> str:
    return _times_power_of_two(v, *_exp_reduced(v, v.clipped(x, *_EXP_RANGE[v.scalar])))


def _exp_reduced(v: Lanes, x: str) -> tuple[str, str]:
    """``exp(r) - 1`` and the integer n for ``x = r + n log(2)``."""
    whole, exponent = v.nearest(x, 1.4426950408889634)
    first, rest = _LOG2[v.scalar]
    return _exp_near_zero(v, v.fma(whole, -rest, v.fma(whole, -first, x))), exponent


def _exp_near_zero(v: Lanes, r: str) -> str:
    return v.fma(v.op("fmul", r, r), v.polynomial(r, _EXP[v.scalar]), r)


def _times_power_of_two(v: Lanes, less_one: str, exponent: str) -> str:
    """``(1 + less_one) * 2^exponent``."""
    value = v.op("fadd", less_one, 1.0)
    # by two factors, for the exponents of subnormal numbers and of infinity are out of range for one
    half = v.int_op("ashr", exponent, 1)
    value = v.op("fmul", value, v.power_of_two(half))
    return v.op("fmul", value, v.power_of_two(v.int_op("sub", exponent, half)))


def _exp2(v: Lanes, x: str) -> str:
    x = v.clipped(x, *_EXP2_RANGE[v.scalar])
    whole, exponent = v.nearest(x, 1.0)
    r = v.op("fmul", v.op("fsub", x, whole), 0.6931471805599453)
    return _times_power_of_two(v, _exp_near_zero(v, r), exponent)


def _expm1(v: Lanes, x: str) -> str:
    near, exponent = _exp_reduced(v, v.clipped(x, *_EXPM1_RANGE[v.scalar]))
    # half of the result, as 2^128 is out of range; the products by powers of two are exact
    half = v.power_of_two(v.int_op("sub", exponent, 1))
    far = v.fma(near, half, v.op("fsub", half, 0.5))
    far = v.op("fadd", far, far)
    return v.llvm("copysign", v.select(v.test("olt", v.llvm("fabs", x), 0.34), near, far), x)


def _log(v: Lanes, x: str) -> str:
    e, f = _log_reduced(v, x)
    first, rest = _LOG2["float32"]
    value = v.fma(e, first, v.op("fadd", _log_series(v, f, (e, rest)), f))
    return _log_ends(v, x, value, 0.0)


def _log2(v: Lanes, x: str) -> str:
    e, f = _log_reduced(v, x)
    return _log_ends(v, x, v.fma(v.op("fadd", _log_series(v, f), f), 1.4426950408889634, e), 0.0)


def _log10(v: Lanes, x: str) -> str:
    e, f = _log_reduced(v, x)
    first, rest = _LOG10_2
    value = v.op("fmul", v.op("fadd", _log_series(v, f), f), 0.4342944819032518)
    return _log_ends(v, x, v.fma(e, first, v.fma(e, rest, value)), 0.0)


def _log1p(v: Lanes, x: str) -> str:
    total = v.op("fadd", x, 1.0)
    # what the sum has lost, exactly
    large = v.op("fsub", 1.0, v.op("fsub", total, x))
    lost = v.select(v.test("oge", x, 1.0), large, v.op("fsub", x, v.op("fsub", total, 1.0)))
    e, f = _log_reduced(v, total, lost)
    first, rest = _LOG2["float32"]
    value = v.fma(e, first, v.op("fadd", _log_series(v, f, (e, rest)), f))
    return _log_ends(v, x, v.llvm("copysign", value, x), -1.0)


def _log_reduced(v: Lanes, x: str, lost: str = "") -> tuple[str, str]:
    """e and f for ``x + lost = 2^e (1 + f)``, where 1 + f is between the square roots of 1/2 and 2."""
    small = v.test("olt", x, 2.0**-126)
    scaled = v.select(small, v.op("fmul", x, 2.0**23), x)
    root_half = 0x3F3504F3
    bits = v.bits(scaled)
    exponent = v.int_op("ashr", v.int_op("sub", bits, root_half), 23)
    f = v.op("fsub", v.from_bits(v.int_op("sub", bits, v.int_op("shl", exponent, 23))), 1.0)
    if lost:  # beside a sum of at least 2^-24; from 2^100 on it makes no difference
        least = v.int_op("sub", v.whole(0), v.int_function("smin", exponent, 100))
        f = v.op("fadd", f, v.op("fmul", lost, v.power_of_two(least)))
    e = v.frame.emit(f"sitofp {llvm_type(v.integer)} {exponent} to {v.kind}")
    return v.op("fsub", e, v.select(small, 23.0, 0.0)), f


def _log_series(v: Lanes, f: str, product: tuple[str, float] | None = None) -> str:
    """``log(1 + f) - f``, plus a product."""
    square = v.op("fmul", f, f)
    value = v.op("fmul", v.op("fmul", square, f), v.polynomial(f, _LOG))
    return v.fma(square, -0.5, value if product is None else v.fma(*product, value))


def _log_ends(v: Lanes, x: str, value: str, pole: float) -> str:
    """`value` for finite `x` above the pole; -inf there, NaN below."""
    value = v.select(v.test("oeq", x, pole), float("-inf"), value)
    value = v.select(v.test("olt", x, pole), float("nan"), value)
    return v.select(v.test("olt", x, float("inf")), value, x)  # log(inf) is inf, log(NaN) is NaN


def _cbrt(v: Lanes, x: str) -> str:
    """Halley's method in double precision, from a third of the bits as a first logarithm."""
    size = v.llvm("fabs", x)
    small = v.test("olt", size, 2.0**-126)
    scaled = v.select(small, v.op("fmul", size, 2.0**24), size)
    third = v.frame.emit(f"sitofp {llvm_type(v.integer)} {v.bits(scaled)} to {v.kind}")
    third = v.fma(third, 1 / 3, 2 / 3 * 127 * 2.0**23)
    first = v.from_bits(v.frame.emit(f"fptosi {v.kind} {third} to {llvm_type(v.integer)}"))
    w = v.wider()
    root, cube_root_of = w.extended(v, first), w.extended(v, scaled)
    for _ in range(2):
        cube = w.op("fmul", w.op("fmul", root, root), root)
        above = w.op("fadd", cube, w.op("fadd", cube_root_of, cube_root_of))
        below = w.op("fadd", w.op("fadd", cube, cube), cube_root_of)
        root = w.op("fmul", root, w.op("fdiv", above, below))
    value = v.op("fmul", w.truncated(v, root), v.select(small, 2.0**-8, 1.0))
    value = v.select(v.test("ogt", size, 0.0), v.llvm("copysign", value, x), x)
    return v.select(v.test("olt", size, float("inf")), value, x)


def _hypot(v: Lanes, x: str, y: str) -> str:
    """In double precision, where no square of a float is out of range."""
    w = v.wider()
    a, b = w.extended(v, x), w.extended(v, y)
    value = w.truncated(v, w.llvm("sqrt", w.fma(a, a, w.op("fmul", b, b))))
    for one in (x, y):  # also beside NaN
        value = v.select(v.test("oeq", v.llvm("fabs", one), float("inf")), float("inf"), value)
    return value


def _tanh(v: Lanes, x: str) -> str:
    size = v.llvm("fabs", x)
    square = v.op("fmul", x, x)
    near = v.fma(v.op("fmul", size, square), v.polynomial(square, _TANH[v.scalar]), size)
    capped = v.select(v.test("ogt", size, 20.0), 20.0, size)  # tanh(20) rounds to 1
    power = _exp(v, v.op("fadd", capped, capped))
    far = v.op("fsub", 1.0, v.op("fdiv", 2.0, v.op("fadd", power, 1.0)))
    return v.llvm("copysign", v.select(v.test("olt", size, 0.6), near, far), x)


def _erf(v: Lanes, x: str) -> str:
    size = v.llvm("fabs", x)
    near = v.fma(x, v.polynomial(v.op("fmul", x, x), _ERF_NEAR), x)
    capped = v.select(v.test("ogt", size, 4.0), 4.0, size)
    # the exponential is of a number between -18 and 0: its power of two is a normal number
    less_one, exponent = _exp_reduced(v, v.op("fmul", capped, v.polynomial(capped, [-c for c in _ERF_FAR])))
    power = v.power_of_two(exponent)
    far = v.op("fsub", 1.0, v.fma(less_one, power, power))
    far = v.llvm("copysign", far, x)
    return v.select(v.test("olt", size, 1.0), near, far)


def _sine(shift: int) -> Callable[[Lanes, str], str]:
    """sin for a shift of 0, cos for a shift of 1 quarter turn."""

    def write(v: Lanes, x: str) -> str:
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


POLYNOMIALS: dict[tuple[str, str], Callable[..., str]] = {
    ("exp", "float32"): _exp,
    ("exp", "float64"): _exp,
    ("log", "float32"): _log,
    ("exp2", "float32"): _exp2,
    ("exp2", "float64"): _exp2,
    ("expm1", "float32"): _expm1,
    ("expm1", "float64"): _expm1,
    ("log2", "float32"): _log2,
    ("log10", "float32"): _log10,
    ("log1p", "float32"): _log1p,
    ("cbrt", "float32"): _cbrt,
    ("hypot", "float32"): _hypot,
    ("tanh", "float32"): _tanh,
    ("tanh", "float64"): _tanh,
    ("sin", "float32"): _sine(0),
    ("cos", "float32"): _sine(1),
    ("erf", "float32"): _erf,
}
