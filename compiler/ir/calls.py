"""Expressions that call a function: `call`, and Python's operators that are no `Binary`."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir.dtype import bits_of, is_float, is_integer, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Call, Const, Expr, ExprLike, Reinterpret, as_expr, binary, matched
from compiler.ir.operators import INTRINSICS


def call(name: str, *args: ExprLike) -> Call:
    """An intrinsic applied to arguments.

    Raises
    ------
    ValueError
        For an unknown intrinsic, a wrong number of arguments, or a type that it does not accept.
    """
    if name not in INTRINSICS:
        raise ValueError(f"unknown intrinsic {name!r}; known: {', '.join(INTRINSICS)}")
    function = INTRINSICS[name]
    if len(args) != function.arity:
        raise ValueError(f"{name} takes {function.arity} argument(s), not {len(args)}")
    if name == "if_then_else":
        condition = as_expr(args[0])
        if scalar_of(condition.dtype) != "bool":
            raise ValueError(f"if_then_else takes a condition, not {condition.dtype}: compare it with zero")
        a, b = matched(args[1], args[2])
        return Call(name, (condition, a, b), a.dtype)
    operands: tuple[Expr, ...] = matched(*args) if len(args) == 2 else (as_expr(args[0]),)
    dtype = operands[0].dtype
    if function.refuses(dtype):
        raise ValueError(f"{name} takes {function.takes}, not {dtype}: cast it first")
    return Call(name, operands, vector_of("bool", lanes_of(dtype)) if function.is_condition else dtype)


def power(x: ExprLike, y: ExprLike) -> Expr:
    """``x ** y``: of floats, or of an integer to the power of a literal that is not negative.

    A float to the power of the literal 0, 1, 2 or -1 is one, itself, its square or its reciprocal, as in
    NumPy. A power of an integer wraps around in its type.

    Raises
    ------
    ValueError
        For another power of an integer, or conditions.
    """
    x, y = matched(x, y)
    exponent = y.value if type(y) is Const else None
    if is_float(x.dtype):
        if exponent == -1:
            return binary("/", 1, x)
        return _product(x, int(exponent)) if exponent in (0, 1, 2) else call("pow", x, y)
    if not is_integer(x.dtype):
        raise ValueError(f"`**` takes numbers, not {x.dtype}: cast it first")
    if exponent is None or exponent < 0:
        given = "an integer that varies" if exponent is None else str(exponent)
        raise ValueError(
            f"an integer to the power of {given}: the exponent of an integer is a literal that is not "
            "negative; cast the operands to a float type"
        )
    return _product(x, int(exponent))


def _product(x: Expr, exponent: int) -> Expr:
    """`x` multiplied `exponent` times, by repeated squaring."""
    result: Expr | None = None
    while exponent:
        if exponent & 1:
            result = x if result is None else binary("*", result, x)
        exponent >>= 1
        x = binary("*", x, x) if exponent else x
    return matched(x, 1)[1] if result is None else result


def reinterpret(value: ExprLike, dtype: str) -> Expr:
    """The bits of `value`, read as another type of as many bits.

    Raises
    ------
    ValueError
        If the types have different sizes, or one has no bits of its own: a bool or a packed type.
    """
    expr = as_expr(value)
    source = scalar_of(expr.dtype)
    for one in (source, dtype):
        if not is_float(one) and not is_integer(one):
            raise ValueError(f"reinterpret takes numbers of whole bytes, not {one}: cast it first")
    if bits_of(source) != bits_of(dtype):
        raise ValueError(
            f"reinterpret from {source} to {dtype}: {bits_of(source)} and {bits_of(dtype)} bits; the sizes "
            "must be the same"
        )
    return expr if source == dtype else Reinterpret(expr, vector_of(dtype, lanes_of(expr.dtype)))


def _round(x: Expr, digits: int | None = None) -> Expr:
    if digits:
        raise ValueError(f"round(x, {digits}): an expression is rounded to whole numbers only")
    return x if is_integer(x.dtype) else call("round", x)


def _whole(name: str) -> Callable[[Expr], Expr]:
    return lambda x: x if is_integer(x.dtype) else call(name, x)


# Python's operators and functions that are calls: ``abs(x)``, ``x ** y``, ``round(x)``, ``math.floor(x)``
for _name, _function in {
    "abs": lambda x: call("abs", x),
    "pos": lambda x: x,
    "divmod": lambda x, y: (x // y, x % y),
    "pow": power,
    "rpow": lambda y, x: power(x, y),
    "round": _round,
    # and no ``trunc``, which ``int(x)`` would call
    "floor": _whole("floor"),
    "ceil": _whole("ceil"),
}.items():
    setattr(Expr, f"__{_name}__", _function)
