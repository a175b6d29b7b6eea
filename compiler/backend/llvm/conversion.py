"""Conversions between types as LLVM instructions."""

from __future__ import annotations

from compiler.backend.llvm.writer import Frame, literal, llvm_type, mangled, splat_literal
from compiler.ir.dtype import PACKED_TYPES, bits_of, integer_range, is_float, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Const
from compiler.ir.semantics.bfloat16 import EXACT_INTEGER, LOST_BITS, ROUNDER, SUBNORMAL

_SUBNORMAL_CLASSES = 0x90  # of `llvm.is.fpclass`: negative and positive subnormal numbers


def convert(frame: Frame, text: str, source: str, target: str) -> str:
    """Convert the value `text` from type `source` to type `target`; return its register.

    A float is rounded to zero; a value out of range becomes the nearest integer of the type, NaN zero. An
    integer is truncated to the low bits of a narrower type. The bool of a value is whether it is not zero.

    Raises
    ------
    ValueError
        If the numbers of lanes differ, or a type is packed.
    """
    if lanes_of(source) != lanes_of(target):
        raise ValueError(f"a cast from {source} to {target} changes the number of lanes")
    a, b = scalar_of(source), scalar_of(target)
    if a in PACKED_TYPES or b in PACKED_TYPES:
        raise ValueError(
            f"a cast from {source} to {target}: packed types are lowered to bytes before code is generated"
        )
    if a == b:
        return text
    if a == "bfloat16":
        wide = vector_of("float32", lanes_of(source))
        return convert(frame, _from_bfloat16(frame, text, lanes_of(source)), wide, target)
    if b == "bfloat16":
        return _to_bfloat16(frame, text, source)
    emit = frame.emit
    from_kind, to_kind = llvm_type(source), llvm_type(target)
    if b == "bool":
        return emit(f"{'fcmp une' if is_float(a) else 'icmp ne'} {from_kind} {text}, zeroinitializer")
    if is_float(a) and is_float(b):
        if bits_of(b) > bits_of(a):
            return emit(f"fpext {from_kind} {text} to {to_kind}")
        if (a, b) == ("float64", "float16"):
            return _double_to_half(frame, text, lanes_of(source))
        return emit(f"fptrunc {from_kind} {text} to {to_kind}")
    if is_float(a):
        if a == "float16":  # every integer type has a conversion from float, and a half is one exactly
            wide = vector_of("float32", lanes_of(source))
            return convert(frame, emit(f"fpext {from_kind} {text} to {llvm_type(wide)}"), wide, target)
        if lanes_of(source) > 1:
            return _saturated(frame, text, source, target)
        name = f"llvm.fpto{'u' if b.startswith('u') else 's'}i.sat.{mangled(target)}.{mangled(source)}"
        return emit(f"call {to_kind} @{name}({from_kind} {text})")
    unsigned = a.startswith("u") or a == "bool"
    if is_float(b):
        if b == "float16":  # via float: an integer that is not exact there is out of range in a half
            wide = vector_of("float32", lanes_of(source))
            return convert(frame, convert(frame, text, source, wide), wide, target)
        return emit(f"{'uitofp' if unsigned else 'sitofp'} {from_kind} {text} to {to_kind}")
    before, after = int(llvm_type(a)[1:]), int(llvm_type(b)[1:])
    if before == after:
        return text
    if after < before:
        return emit(f"trunc {from_kind} {text} to {to_kind}")
    return emit(f"{'zext' if unsigned else 'sext'} {from_kind} {text} to {to_kind}")


def _double_to_half(frame: Frame, text: str, lanes: int) -> str:
    """A double rounded once to a half.

    Few machines have an instruction for it, and by way of a float it would be rounded twice. If the float is
    the truncated double with its last bit set where truncation was inexact ("rounding to odd"), the second
    rounding gives the exact result (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums",
    2008).
    """
    emit = frame.emit
    double, single, half, whole = (
        llvm_type(vector_of(t, lanes)) for t in ("float64", "float32", "float16", "int64")
    )

    def number(value: int) -> str:
        return str(value) if lanes == 1 else splat_literal("int64x2", str(value))

    bits = emit(f"bitcast {double} {text} to {whole}")
    lost = emit(f"and {whole} {bits}, {number(2**29 - 1)}")
    test = emit(f"icmp ne {whole} {lost}, {number(0)}")
    flag = emit(f"zext {'i1' if lanes == 1 else f'<{lanes} x i1>'} {test} to {whole}")
    odd = emit(f"shl {whole} {flag}, {number(29)}")
    kept = emit(f"or {whole} {emit(f'and {whole} {bits}, {number(-(2**29))}')}, {odd}")
    rounded = emit(f"fptrunc {double} {emit(f'bitcast {whole} {kept} to {double}')} to {single}")
    return emit(f"fptrunc {single} {rounded} to {half}")


def _saturated(frame: Frame, text: str, source: str, target: str) -> str:
    """A vector of floats as integers: zero for NaN, the nearest number of the type outside of its range.

    LLVM has an intrinsic for it, which it computes lane by lane.
    """
    a, b, lanes = scalar_of(source), scalar_of(target), lanes_of(source)
    low, high = integer_range(b)
    kind, test = llvm_type(source), f"<{lanes} x i1>"

    def compared(word: str, value: int) -> str:
        number = splat_literal(a, literal(Const(float(value), a)))
        return frame.emit(f"fcmp {word} {kind} {text}, {number}")

    def chosen(condition: str, x: str, y: str, of: str) -> str:
        return frame.emit(f"select {test} {condition}, {of} {x}, {of} {y}")

    # both ends are powers of two or zero, and exact; no comparison holds for NaN
    above, under = compared("oge", high + 1), compared("olt", low)
    inside = frame.emit(f"and {test} {compared('olt', high + 1)}, {compared('oge', low)}")
    safe = chosen(inside, text, splat_literal(a, literal(Const(0.0, a))), kind)
    wide, to = vector_of(b if bits_of(b) >= 32 else "int32", lanes), llvm_type(target)
    whole = frame.emit(f"fpto{'u' if wide.startswith('u') else 's'}i {kind} {safe} to {llvm_type(wide)}")
    if wide != target:
        whole = frame.emit(f"trunc {llvm_type(wide)} {whole} to {to}")
    whole = chosen(above, splat_literal(b, str(high)), whole, to)
    return chosen(under, splat_literal(b, str(low)), whole, to)


def _from_bfloat16(frame: Frame, text: str, lanes: int) -> str:
    """The float of which a bfloat16 is the first half."""
    v = _Bits(frame, lanes)
    wide = v.op("shl", frame.emit(f"zext {v.kind(16)} {text} to {v.kind(32)}"), 16, 32)
    return frame.emit(f"bitcast {v.kind(32)} {wide} to {llvm_type(vector_of('float32', lanes))}")


def _to_bfloat16(frame: Frame, text: str, source: str) -> str:
    """A value rounded once to a bfloat16: see `compiler.ir.semantics.bfloat16`."""
    scalar, lanes = scalar_of(source), lanes_of(source)
    v = _Bits(frame, lanes)
    single, double = vector_of("float32", lanes), vector_of("float64", lanes)
    if scalar in ("int32", "uint32", "int64", "uint64"):
        if scalar.endswith("64"):
            text = _odd_integer(v, text, signed=scalar == "int64")
        text, scalar = convert(frame, text, source, double), "float64"
    if scalar == "float64":
        text = _odd_single(v, text)
    elif scalar != "float32":  # a float has their values
        text = convert(frame, text, source, single)
    if "avx512bf16" in frame.preamble.features and lanes in (8, 16, 32, 64):
        return _by_instruction(v, text)
    return _by_bits(v, text)


def _by_bits(v: _Bits, text: str) -> str:
    """A float rounded to a bfloat16, by integer arithmetic."""
    kind, frame = llvm_type(vector_of("float32", v.lanes)), v.frame
    bits = frame.emit(f"bitcast {kind} {text} to {v.kind(32)}")
    high = v.op("lshr", bits, 16, 32)
    rounded = v.op("add", v.op("add", bits, 0x7FFF, 32), v.op("and", high, 1, 32), 32)
    is_nan = frame.emit(f"fcmp uno {kind} {text}, {text}")
    chosen = v.select(is_nan, v.op("or", bits, 0x400000, 32), rounded, 32)
    return frame.emit(f"trunc {v.kind(32)} {v.op('lshr', chosen, 16, 32)} to {v.kind(16)}")


def _by_instruction(v: _Bits, text: str) -> str:
    """The same by an instruction of AVX512_BF16, which takes subnormal numbers for zero: those are rare."""
    kind, frame, lanes = llvm_type(vector_of("float32", v.lanes)), v.frame, v.lanes
    halves = frame.emit(f"fptrunc {kind} {text} to <{lanes} x bfloat>")
    near = frame.emit(f"bitcast <{lanes} x bfloat> {halves} to {v.kind(16)}")
    name = f"llvm.is.fpclass.{mangled(vector_of('float32', lanes))}"
    subnormal = frame.emit(f"call {v.kind(1)} @{name}({kind} {text}, i32 {_SUBNORMAL_CLASSES})")
    return frame.rarely(subnormal, lanes, v.kind(16), near, lambda: _by_bits(v, text))


def _odd_integer(v: _Bits, text: str, signed: bool) -> str:
    """A 64-bit integer of at most 53 significant bits, that is rounded to a bfloat16 as `text` is."""
    lost = v.flag("ne", v.op("and", text, 0x7FF, 64), 0, 64)
    odd = v.op("or", v.op("and", text, -0x800, 64), v.op("shl", lost, 11, 64), 64)
    size = v.op("add", text, EXACT_INTEGER, 64) if signed else text
    exact = v.test("ule", size, 2 * EXACT_INTEGER if signed else EXACT_INTEGER, 64)
    return v.select(exact, text, odd, 64)


def _odd_single(v: _Bits, text: str) -> str:
    """A float that is rounded to a bfloat16 as the double `text` is ("rounding to odd")."""
    emit, double = v.frame.emit, llvm_type(vector_of("float64", v.lanes))
    bits = emit(f"bitcast {double} {text} to {v.kind(64)}")
    lost = v.flag("ne", v.op("and", bits, (1 << LOST_BITS) - 1, 64), 0, 64)
    odd = v.op("or", v.op("and", bits, -(1 << LOST_BITS), 64), v.op("shl", lost, LOST_BITS, 64), 64)
    odd = emit(f"bitcast {v.kind(64)} {odd} to {double}")
    rounder = v.double(ROUNDER)
    small = emit(f"fsub {double} {emit(f'fadd {double} {text}, {rounder}')}, {rounder}")
    size = emit(f"call {double} @llvm.fabs.{mangled(vector_of('float64', v.lanes))}({double} {text})")
    is_small = emit(f"fcmp olt {double} {size}, {v.double(SUBNORMAL)}")
    chosen = emit(f"select {v.kind(1)} {is_small}, {double} {small}, {double} {odd}")
    name = f"llvm.copysign.{mangled(vector_of('float64', v.lanes))}"
    chosen = emit(f"call {double} @{name}({double} {chosen}, {double} {text})")
    return emit(f"fptrunc {double} {chosen} to {llvm_type(vector_of('float32', v.lanes))}")


class _Bits:
    """Operations on integers of several widths, for scalars and vectors alike."""

    def __init__(self, frame: Frame, lanes: int) -> None:
        self.frame, self.lanes = frame, lanes

    def kind(self, bits: int) -> str:
        return f"i{bits}" if self.lanes == 1 else f"<{self.lanes} x i{bits}>"

    def number(self, value: int, bits: int) -> str:
        return str(value) if self.lanes == 1 else f"splat (i{bits} {value})"

    def double(self, value: float) -> str:
        text = literal(Const(value, "float64"))
        return text if self.lanes == 1 else splat_literal("float64", text)

    def op(self, name: str, a: str, b: str | int, bits: int) -> str:
        second = b if isinstance(b, str) else self.number(b, bits)
        return self.frame.emit(f"{name} {self.kind(bits)} {a}, {second}")

    def test(self, name: str, a: str, b: int, bits: int) -> str:
        return self.frame.emit(f"icmp {name} {self.kind(bits)} {a}, {self.number(b, bits)}")

    def flag(self, name: str, a: str, b: int, bits: int) -> str:
        """1 where a comparison holds, else 0."""
        return self.frame.emit(f"zext {self.kind(1)} {self.test(name, a, b, bits)} to {self.kind(bits)}")

    def select(self, test: str, a: str, b: str, bits: int) -> str:
        return self.frame.emit(f"select {self.kind(1)} {test}, {self.kind(bits)} {a}, {self.kind(bits)} {b}")


# The functions that LLVM calls to convert halves on an x86 CPU without F16C. The run-time libraries of C
# compilers have them too, but a Python process need not have loaded one.
HALF_FUNCTIONS = """
define weak_odr hidden float @__extendhfsf2(half %x) #1 {
  %short = bitcast half %x to i16
  %bits = zext i16 %short to i32
  %size = and i32 %bits, 32767
  %moved = shl i32 %size, 13
  ; the exponent's bias is corrected by a multiplication, which handles subnormal numbers too
  %small = bitcast i32 %moved to float
  %scaled = fmul float %small, 0x46F0000000000000
  %number = bitcast float %scaled to i32
  %special = or i32 %moved, 2139095040
  %is.special = icmp uge i32 %size, 31744
  %chosen = select i1 %is.special, i32 %special, i32 %number
  %sign.bit = and i32 %bits, 32768
  %sign = shl i32 %sign.bit, 16
  %result = or i32 %chosen, %sign
  %float = bitcast i32 %result to float
  ret float %float
}

define weak_odr hidden half @__truncsfhf2(float %x) #1 {
  %bits = bitcast float %x to i32
  %size = and i32 %bits, 2147483647
  ; a normal number: half of the last place, less one where the place is even, carries into it
  %place = lshr i32 %size, 13
  %odd = and i32 %place, 1
  %biased = sub i32 %size, 939520001
  %carried = add i32 %biased, %odd
  %normal = lshr i32 %carried, 13
  ; a subnormal one: the last place of a half has the weight of that of 0.5 as a float
  %value = bitcast i32 %size to float
  %aligned = fadd float %value, 5.000000e-01
  %aligned.bits = bitcast float %aligned to i32
  %subnormal = sub i32 %aligned.bits, 1056964608
  %is.subnormal = icmp ult i32 %size, 947912704
  %finite = select i1 %is.subnormal, i32 %subnormal, i32 %normal
  %is.nan = icmp ugt i32 %size, 2139095040
  %special = select i1 %is.nan, i32 32256, i32 31744
  %is.special = icmp uge i32 %size, 1199570944
  %chosen = select i1 %is.special, i32 %special, i32 %finite
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %result = or i32 %chosen, %sign
  %short = trunc i32 %result to i16
  %half = bitcast i16 %short to half
  ret half %half
}
"""
