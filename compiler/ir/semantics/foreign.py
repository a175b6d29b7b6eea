"""The meaning of foreign calls (`compiler.ir.foreign`): C functions by `ctypes`, and intrinsics of LLVM."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np

from compiler.ir.dtype import bits_of, integer_range, is_float, lanes_of, scalar_of
from compiler.ir.expr import Call
from compiler.ir.foreign import LIBRARY, C
from compiler.ir.semantics.functions import Value

Externs = Mapping[str, Any] | ctypes.CDLL
"""C functions by name: of `ctypes`, addresses, or in Python; or a library that has them."""

_TYPES = {
    f"{sign}int{bits}": getattr(ctypes, f"c_{sign}int{bits}")
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
_TYPES |= {"float32": ctypes.c_float, "float64": ctypes.c_double}


class MissingExternError(ValueError):
    """A program calls a C function that is not given."""


def c_function(name: str, types: Sequence[str], externs: Externs) -> Any:
    """A function of `ctypes` for a C function; an address is that of a function of these types.

    Parameters
    ----------
    name : str
    types : sequence of str
        The scalar types of the result and of the arguments.
    externs : mapping or ctypes.CDLL

    Raises
    ------
    MissingExternError
        If it is neither given nor of the C library.
    ValueError
        If what is given is no function.
    """
    given = getattr(externs, name, None) if isinstance(externs, ctypes.CDLL) else externs.get(name)
    if given is None and name in LIBRARY:
        given = getattr(_library(), name, None)
    signature = f"{name}({', '.join(types[1:])}) -> {types[0]}"
    if given is None:
        raise MissingExternError(
            f"the program calls the C function {signature}, which is not given: "
            f"externs={{{name!r}: function}}"
        )
    kind = ctypes.CFUNCTYPE(*(_TYPES[one] for one in types))
    address = getattr(given, "address", given)  # a compiled function of Numba has its address as an attribute
    if isinstance(address, int) and not isinstance(address, bool):
        return kind(address)
    if isinstance(given, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return kind(ctypes.cast(given, ctypes.c_void_p).value or 0)
    if callable(given):
        return kind(given)
    raise ValueError(f"the C function {signature} is given as {type(given).__name__}; a function is needed")


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    everything = ctypes.CDLL(None)
    return everything if hasattr(everything, "erfcf") else ctypes.CDLL("libm.so.6")


def foreign_function(node: Call, externs: Externs) -> Callable[..., Value]:
    """The function of a foreign call, on the values of its arguments.

    Raises
    ------
    MissingExternError
        If it is a C function that is not given, or an intrinsic without a meaning here that is not given.
    """
    name, number = node.name, np.dtype(scalar_of(node.dtype)).type
    function: Callable[..., Any]
    if name.startswith(C):
        types = [scalar_of(one) for one in (node.dtype, *(arg.dtype for arg in node.args))]
        function = c_function(name[len(C) :], types, externs)
    elif name in _OF_LLVM:
        apply, scalar = _OF_LLVM[name], scalar_of(node.dtype)
        function = lambda *args: apply(scalar, *args)  # noqa: E731
    elif isinstance(externs, Mapping) and callable(externs.get(name)):
        return externs[name]
    else:
        raise MissingExternError(
            f"{name} has no meaning in the interpreter: give one, externs={{{name!r}: function}}"
        )
    if lanes_of(node.dtype) > 1:
        lanes = range(lanes_of(node.dtype))
        return lambda *args: np.array(
            [function(*(arg[lane].item() for arg in args)) for lane in lanes], number
        )
    if is_float(node.dtype):
        return lambda *args: number(function(*args))
    return lambda *args: int(function(*args))


def _fma(dtype: str, x: float, y: float, z: float) -> float:
    """``x * y + z``, rounded once."""
    x, y, z = float(x), float(y), float(z)
    if not (isfinite(x) and isfinite(y) and isfinite(z)):
        return float(np.float64(x) * np.float64(y) + np.float64(z))
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if exact == 0:
        return x * y + z  # with the sign of zero
    try:
        value = float(exact)
    except OverflowError:
        return float("inf") if exact > 0 else float("-inf")
    if dtype == "float64" or Fraction(value) == exact:
        return value
    # to the neighbour with an odd last place, so that the rounding to a narrower type is the only one
    bits = int(np.float64(value).view(np.int64))
    if bits & 1 == 0:
        bits += 1 if (exact > Fraction(value)) == (value > 0) else -1
    return float(np.int64(bits).view(np.float64))


def _numpy(name: str) -> Callable[..., Any]:
    function = getattr(np, name)
    return lambda dtype, *args: function(*(np.dtype(dtype).type(arg) for arg in args))


def _of_bits(change: Callable[..., int]) -> Callable[..., int]:
    """A function of the bits of integers and of their number."""

    def apply(dtype: str, *args: int) -> int:
        bits, (low, high) = bits_of(dtype), integer_range(dtype)
        whole = (1 << bits) - 1
        return ((change(bits, *(int(arg) & whole for arg in args)) & whole) - low) % (high - low + 1) + low

    return apply


def _saturated(signed: bool, sign: int) -> Callable[..., int]:
    def apply(bits: int, x: int, y: int) -> int:
        if not signed:
            return min(max(x + sign * y, 0), (1 << bits) - 1)
        x, y = (v - (1 << bits) if v >> bits - 1 else v for v in (x, y))
        return min(max(x + sign * y, -(1 << bits - 1)), (1 << bits - 1) - 1)

    return _of_bits(apply)


def _extreme(signed: bool, choose: Callable[..., int]) -> Callable[..., int]:
    def apply(bits: int, x: int, y: int) -> int:
        turn = 1 << bits - 1 if signed else 0  # in this order a signed number is an unsigned one
        return choose(x ^ turn, y ^ turn) ^ turn

    return _of_bits(apply)


def _funnel(left: bool) -> Callable[..., int]:
    def apply(bits: int, high: int, low: int, count: int) -> int:
        both, count = high << bits | low, count % bits
        return both >> (bits - count) if left else both >> count

    return _of_bits(apply)


# intrinsic -> its function on the scalar type and the values of its arguments
_OF_LLVM: dict[str, Callable[..., Any]] = {
    "llvm.fma": _fma,
    "llvm.bitreverse": _of_bits(lambda bits, x: int(f"{x:0{bits}b}"[::-1], 2)),
    "llvm.bswap": _of_bits(lambda bits, x: int.from_bytes(x.to_bytes(bits // 8, "little"), "big")),
    "llvm.ctpop": _of_bits(lambda bits, x: x.bit_count()),
    "llvm.fshl": _funnel(True),
    "llvm.fshr": _funnel(False),
}
_OF_LLVM |= {f"llvm.{s}add.sat": _saturated(s == "s", 1) for s in "su"}
_OF_LLVM |= {f"llvm.{s}sub.sat": _saturated(s == "s", -1) for s in "su"}
_OF_LLVM |= {f"llvm.{s}{f.__name__}": _extreme(s == "s", f) for s in "su" for f in (min, max)}
_OF_LLVM |= {
    f"llvm.{name}": _numpy(name) for name in ("ceil", "fabs", "floor", "rint", "sqrt", "trunc", "copysign")
}
_OF_LLVM |= {
    f"llvm.{name}": _numpy(other) for name, other in (("maximum", "maximum"), ("minimum", "minimum"))
}
_OF_LLVM |= {f"llvm.{name}": _numpy(other) for name, other in (("maxnum", "fmax"), ("minnum", "fmin"))}
_OF_LLVM |= {f"llvm.{name}": _numpy("rint") for name in ("nearbyint", "roundeven")}
_OF_LLVM |= {
    "llvm.canonicalize": _numpy("positive"),
    # halves away from zero
    "llvm.round": lambda dtype, x: np.copysign(np.floor(abs(x)) + (abs(x) - np.floor(abs(x)) >= 0.5), x),
}
