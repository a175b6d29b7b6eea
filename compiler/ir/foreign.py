"""Calls of functions that are not ours: of C, and intrinsics of LLVM by name.

Such a call is a `Call` whose name has a prefix: ``c.`` for a C function, ``llvm.`` for an intrinsic. A
program only names a C function; which one it is, is given when the program is built or interpreted.
"""

from __future__ import annotations

import re

from compiler.ir.dtype import SCALAR_TYPES, is_float, is_integer, lanes_of, scalar_of
from compiler.ir.expr import Call, ExprLike, as_expr
from compiler.suggest import unknown

C = "c."
LLVM = "llvm."

C_TYPES = tuple(t for t in SCALAR_TYPES if t not in ("bool", "float16", "bfloat16"))
"""Types of the arguments and of the result of a C function."""

_OF_ONE = (
    "acos acosh asin asinh atan atanh cbrt ceil cos cosh erf erfc exp exp2 expm1 fabs floor j0 j1 log log10"
)
_OF_ONE += " log1p log2 logb rint round sin sinh sqrt tan tanh tgamma trunc y0 y1"
_OF_TWO = "atan2 copysign fdim fmax fmin fmod hypot nextafter pow remainder"
_LIBM = {**dict.fromkeys(_OF_ONE.split(), 1), **dict.fromkeys(_OF_TWO.split(), 2), "fma": 3}

LIBRARY = {name: ("float64", arity) for name, arity in _LIBM.items()}
LIBRARY |= {f"{name}f": ("float32", arity) for name, arity in _LIBM.items()}
"""Functions of the C library that need not be given: name -> type of arguments and result, and arity."""

_FLOATS = "canonicalize ceil fabs floor nearbyint rint round roundeven sqrt trunc"
_TWO_FLOATS = "copysign maximum maxnum minimum minnum"
_TWO_INTEGERS = "sadd.sat smax smin ssub.sat uadd.sat umax umin usub.sat"

PORTABLE = {LLVM + name: ("a float", 1) for name in _FLOATS.split()} | {"llvm.fma": ("a float", 3)}
PORTABLE |= {LLVM + name: ("a float", 2) for name in _TWO_FLOATS.split()}
PORTABLE |= {LLVM + name: ("an integer", 1) for name in ("bitreverse", "bswap", "ctpop")}
PORTABLE |= {LLVM + name: ("an integer", 2) for name in _TWO_INTEGERS.split()}
PORTABLE |= {LLVM + name: ("an integer", 3) for name in ("fshl", "fshr")}
"""Intrinsics of LLVM for every target, on numbers of one type: name -> what they take, and how many."""


def is_foreign(name: str) -> bool:
    """Whether the name of a `Call` is that of a C function or of an intrinsic of LLVM."""
    return name.startswith((C, LLVM))


def is_of_target(name: str) -> bool:
    """Whether the name of a `Call` is that of an intrinsic of one kind of CPU."""
    return name.startswith(LLVM) and name not in PORTABLE


def call_extern(dtype: str, name: str, *args: ExprLike) -> Call:
    """A call of a C function, by its name.

    The function must be pure: without effects, its result determined by the values of its arguments. It is
    called for every lane of a vector, from several threads where loops are parallel, and only for elements
    whose value is needed. Functions of the C library, as ``"erfc"`` and ``"erfcf"``, are known. Any other is
    given to `compiler.build`, `compiler.load_module` and the interpreter as ``externs={name: function}``: a
    function of `ctypes`, an address, or a function in Python.

    Parameters
    ----------
    dtype : str
        The type of the result: an integer, float32 or float64.
    name : str
    *args : Expr or number
        Of these types too; the types of the function's parameters are those of the arguments.

    Raises
    ------
    ValueError
        If the name is no identifier, a type is none of C, or the types or the number of arguments are not
        those of a function of the C library.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"a C function is named by an identifier, not {name!r}")
    node = Call(C + name, tuple(map(as_expr, args)), dtype)
    if wrong := mistake(node):
        raise ValueError(wrong)
    return node


def call_intrin(dtype: str, name: str, *args: ExprLike) -> Call:
    """A call of an intrinsic of LLVM, by its name.

    Intrinsics for every target take numbers of one type, and become vector code under ``vectorize``:
    ``te.call_intrin("float32", "llvm.fma", x, y, z)``. Those of one kind of CPU, such as
    ``"llvm.x86.bmi.pext.32"``, are called for every element, and the target must have the instruction; the
    interpreter needs their meaning, ``externs={name: function}``.

    Parameters
    ----------
    dtype : str
        The type of the result.
    name : str
        For intrinsics for every target with or without the type at its end, as ``"llvm.fma.f32"``.
    *args : Expr or number

    Raises
    ------
    ValueError
        For an unknown name, or arguments that it does not take.
    """
    base = re.sub(r"\.(v\d+)?[if]\d+$", "", name)
    node = Call(base if base in PORTABLE else name, tuple(map(as_expr, args)), dtype)
    if wrong := mistake(node):
        raise ValueError(wrong)
    return node


def mistake(node: Call) -> str:
    """What is wrong with a foreign call; empty if nothing is."""
    given = ", ".join(arg.dtype for arg in node.args)
    if node.name.startswith(C):
        name = node.name[len(C) :]
        types = [scalar_of(t) for t in (node.dtype, *(arg.dtype for arg in node.args))]
        for one in types:
            if one not in C_TYPES:
                return f"{name}: C has no type {one} here; an integer, float32 or float64 is needed: cast it"
        if len({lanes_of(arg.dtype) for arg in node.args} | {lanes_of(node.dtype)}) > 1 and node.args:
            return f"{name}: ({given}) -> {node.dtype} has different numbers of lanes"
        if name in LIBRARY:
            dtype, arity = LIBRARY[name]
            if types != [dtype] * (arity + 1):
                return f"{name} takes {arity} {dtype} and returns {dtype}, not ({given}) -> {node.dtype}"
        return ""
    if node.name not in PORTABLE:
        family = node.name.split(".")[1] if node.name.count(".") > 1 else ""
        return "" if family in FAMILIES else unknown("intrinsic of LLVM", node.name, PORTABLE)
    takes, arity = PORTABLE[node.name]
    fits = is_float(node.dtype) if takes == "a float" else is_integer(node.dtype)
    if len(node.args) != arity or not fits or any(arg.dtype != node.dtype for arg in node.args):
        wanted = f"{arity} argument(s), each {takes} of the result's type"
        return f"{node.name} takes {wanted}, not ({given}) -> {node.dtype}"
    if scalar_of(node.dtype) == "bfloat16" or (
        node.name == "llvm.bswap" and scalar_of(node.dtype).endswith("t8")
    ):
        return f"{node.name} is not defined for {node.dtype}"
    return ""


FAMILIES = ("x86", "aarch64", "arm")
"""Kinds of CPUs that LLVM has intrinsics of, as their names spell them."""
