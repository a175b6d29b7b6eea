"""Operators of one operand, element by element; and how the rows of all families are made from tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.dtype import integer_range, is_float, is_integer
from compiler.ir.expr import Expr as Element
from compiler.ir.semantics.bfloat16 import rounded
from compiler.relay.infer.relations import forward, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr, constant
from compiler.relay.language.op import Fuse, Op, Relation, op
from compiler.relay.language.types import IncompleteType, TensorType, Type
from compiler.te.tensor import Tensor

# --- shared by all families -----------------------------------------------------------------------

_TAKES: dict[str, Callable[[str], bool]] = {
    "a float": is_float,
    "an integer": is_integer,
    "a number": lambda dtype: dtype != "bool",
    "an integer or bool": lambda dtype: not is_float(dtype),
    "bool": lambda dtype: dtype == "bool",
    "any": lambda dtype: True,
}


def check_dtype(type_: Any, takes: str, what: str = "the argument") -> None:
    """Raise ValueError if the element type of a tensor is known and not one that an operator takes."""
    dtype = getattr(type_, "dtype", None)
    if isinstance(dtype, str) and not _TAKES[takes](dtype):
        raise ValueError(f"the element type of {what} is {dtype}; {takes} is needed: cast it first")


def alike(takes: str) -> Relation:
    """The relation of operators whose arguments and result have one type, of the elements that they take."""

    def relation(types: Sequence[Type], attrs: Attrs, solver: Any) -> bool:
        for other in types[1:]:
            solver.unify(types[0], other)
        found = [tensor_of(type_) for type_ in types if not isinstance(type_, IncompleteType)]
        known = [type_ for type_ in found if not isinstance(type_.dtype, IncompleteType)]
        for type_ in known:
            check_dtype(type_, takes)
        return bool(known)

    return relation


def tensor_of(type_: Any) -> TensorType:
    """A type that must be a tensor's, of any rank.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(type_, TensorType):
        raise ValueError(f"the argument is {type_}; a tensor is needed")
    return type_


def dims(type_: Any, what: str = "the argument") -> tuple[Any, ...]:
    """The dimensions of a type that must be a tensor's of known rank."""
    return tensor(type_, what).shape  # type: ignore[return-value]


def numpy_dtype(dtype: str) -> str:
    """The type that `evaluate` computes elements in: bfloat16 is float32 there (see `compiler.ir.dtype`)."""
    return "float32" if dtype == "bfloat16" else dtype


def wide_dtype(dtype: str) -> str:
    """The type that sums of elements are accumulated in: float32 for those of half a word."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def converted(x: np.ndarray, dtype: str) -> np.ndarray:
    """The elements of an array as another type, as `compiler.te.cast` converts them.

    A float is rounded to zero for an integer type, and clipped to its range, NaN becomes 0.
    """
    x = np.asarray(x)
    if dtype == "bool":
        return x != 0
    with np.errstate(all="ignore"):
        if dtype == "bfloat16":
            return np.asarray(rounded(np.atleast_1d(x)), "float32").reshape(x.shape)
        if x.dtype.kind != "f" or is_float(dtype):
            return x.astype(dtype)
        low, high = integer_range(dtype)
        whole = np.where(np.isnan(x), 0, x).astype("float64")
        inside = (whole > low) & (whole < high)
        result = np.where(inside, whole, 0).astype(dtype)
        return np.where(inside, result, np.where(whole >= high, high, low).astype(dtype))


def te_cast(x: Element, dtype: str) -> Element:
    """An element converted as `converted` does."""
    if x.dtype == dtype:
        return x
    return te.not_equal(x, te.const(0, x.dtype)) if dtype == "bool" else te.cast(x, dtype)


def number(value: Any, like: Expr) -> Constant:
    """A scalar of the element type of an expression."""
    return constant(value, dtype=dtype_of(like))


def dtype_of(expr: Expr) -> str:
    """The element type of an expression whose type is inferred."""
    dtype = tensor_of(expr.checked_type).dtype
    if not isinstance(dtype, str):
        raise ValueError(f"the element type of {expr.checked_type} is not known here")
    return dtype


def _named(name: str) -> Callable[..., Call]:
    return lambda *args, **attributes: op(name)(*args, **attributes)


# gradients are written with these
add, subtract, multiply, divide, negative, where = map(
    _named, ("add", "subtract", "multiply", "divide", "negative", "where")
)


def zeros_like(x: Expr) -> Call:
    """Zeros of the type of an expression."""
    return op("zeros_like")(x)


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays without NumPy's warnings: infinities and NaN are results like others."""

    def evaluate(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args)

    return evaluate


# --- rows -----------------------------------------------------------------------------------------

OfAttrs = Callable[[Attrs, Any], Any]


def unary(
    name: str,
    evaluate: OfAttrs,
    compute: OfAttrs,
    gradient: Callable[[Expr, Call, Expr], Expr | None] | None = None,
    *,
    takes: str = "a float",
    result: str = "",
    **options: Any,
) -> Op:
    """A row of an operator of one operand.

    Parameters
    ----------
    name : str
    evaluate : callable
        ``evaluate(attrs, array)``.
    compute : callable
        ``compute(attrs, element)``: an expression of an element.
    gradient : callable, optional
        ``gradient(x, y, grad)`` of the argument, the call and the gradient of the result. By default there is
        none: the derivative is zero where it exists.
    takes : str
        The element types that it takes, a key of the table above.
    result : str
        Element type of the result, where it is not that of the argument.
    **options
        Other fields of the row: attributes, doc, and where it is not elementwise how it fuses.
    """

    def rule(attrs: Attrs, x: Any) -> Type:
        check_dtype(tensor_of(x), takes)
        return TensorType(x.shape, result)

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        (x,) = args
        return te.compute(x.shape, lambda *at: compute(attrs, x[at]), name.split(".")[-1])

    def gradients(call: Call, grad: Expr) -> Sequence[Expr | None]:
        return [None if gradient is None else gradient(call.args[0], call, grad)]

    relation = forward(rule) if result else alike(takes)
    options = {"fuse": Fuse.ELEMWISE, "gradient": gradients, **options}
    return Op(name, ("x",), relation, quiet(evaluate), tensors, **options)


def _function(
    name: str,
    evaluate: Callable[[Any], Any],
    compute: Callable[[Any], Any],
    gradient: Any = None,
    **options: Any,
) -> Op:
    """A row of a function without attributes."""
    return unary(name, lambda attrs, x: evaluate(x), lambda attrs, x: compute(x), gradient, **options)


def _of_float(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of an element that leaves integers as they are."""
    return lambda x: function(x) if is_float(x.dtype) else x


def _np_of_float(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: function(x) if x.dtype.kind == "f" else x.copy()


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of each element."""
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x.astype("float64"))).astype(x.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-x))`` of each element."""
    return np.reciprocal(1 + np.exp(-x))


def _one_plus(sign: int, x: Expr) -> Expr:
    return add(number(1, x), multiply(number(sign, x), op("square")(x)))


def _rsqrt(x: Expr) -> Call:
    return op("rsqrt")(x)


def _times(name: str) -> Callable[[Expr, Call, Expr], Expr]:
    """The gradient of a function whose derivative is an operator of its argument."""
    return lambda x, y, g: multiply(g, op(name)(x))


_FUNCTIONS = (
    _function(
        "negative",
        np.negative,
        lambda x: 0 - x if is_integer(x.dtype) else -x,
        lambda x, y, g: negative(g),
        takes="a number",
        doc="The negation.",
    ),
    _function("abs", np.abs, te.abs, _times("sign"), takes="a number", doc="The absolute value."),
    _function("exp", np.exp, te.exp, lambda x, y, g: multiply(g, y), doc="The exponential."),
    _function("log", np.log, te.log, lambda x, y, g: divide(g, x), doc="The natural logarithm."),
    _function(
        "sqrt",
        np.sqrt,
        te.sqrt,
        lambda x, y, g: divide(multiply(g, number(0.5, x)), y),
        doc="The square root.",
    ),
    _function(
        "rsqrt",
        lambda x: np.reciprocal(np.sqrt(x)),
        te.rsqrt,
        lambda x, y, g: divide(multiply(multiply(g, number(-0.5, x)), y), x),
        doc="The reciprocal of the square root.",
    ),
    _function("sin", np.sin, te.sin, _times("cos"), doc="The sine."),
    _function("cos", np.cos, te.cos, lambda x, y, g: negative(multiply(g, op("sin")(x))), doc="The cosine."),
    _function("tan", np.tan, te.tan, lambda x, y, g: multiply(g, _one_plus(1, y)), doc="The tangent."),
    _function(
        "asin",
        np.arcsin,
        te.asin,
        lambda x, y, g: multiply(g, _rsqrt(_one_plus(-1, x))),
        doc="The inverse sine.",
    ),
    _function(
        "acos",
        np.arccos,
        te.acos,
        lambda x, y, g: negative(multiply(g, _rsqrt(_one_plus(-1, x)))),
        doc="The inverse cosine.",
    ),
    _function(
        "atan", np.arctan, te.atan, lambda x, y, g: divide(g, _one_plus(1, x)), doc="The inverse tangent."
    ),
    _function("sinh", np.sinh, te.sinh, _times("cosh"), doc="The hyperbolic sine."),
    _function("cosh", np.cosh, te.cosh, _times("sinh"), doc="The hyperbolic cosine."),
    _function(
        "tanh",
        np.tanh,
        te.tanh,
        lambda x, y, g: multiply(g, _one_plus(-1, y)),
        doc="The hyperbolic tangent.",
    ),
    _function(
        "asinh",
        np.arcsinh,
        te.asinh,
        lambda x, y, g: multiply(g, _rsqrt(_one_plus(1, x))),
        doc="The inverse hyperbolic sine.",
    ),
    _function(
        "acosh",
        np.arccosh,
        te.acosh,
        lambda x, y, g: multiply(g, _rsqrt(subtract(op("square")(x), number(1, x)))),
        doc="The inverse hyperbolic cosine.",
    ),
    _function(
        "atanh",
        np.arctanh,
        te.atanh,
        lambda x, y, g: divide(g, _one_plus(-1, x)),
        doc="The inverse hyperbolic tangent.",
    ),
    _function(
        "sigmoid",
        sigmoid,
        te.sigmoid,
        lambda x, y, g: multiply(g, multiply(y, subtract(number(1, x), y))),
        doc="The logistic function.",
    ),
    _function(
        "erf",
        erf,
        te.erf,
        lambda x, y, g: multiply(
            g, multiply(number(2 / math.sqrt(math.pi), x), op("exp")(negative(op("square")(x))))
        ),
        doc="The error function.",
    ),
    _function(
        "log1p", np.log1p, te.log1p, lambda x, y, g: divide(g, add(number(1, x), x)), doc="``log(1 + x)``."
    ),
    _function(
        "expm1",
        np.expm1,
        te.expm1,
        lambda x, y, g: multiply(g, add(y, number(1, x))),
        doc="``exp(x) - 1``.",
    ),
    _function(
        "reciprocal",
        np.reciprocal,
        lambda x: 1 / x,
        lambda x, y, g: negative(multiply(g, op("square")(y))),
        doc="``1 / x``.",
    ),
    _function(
        "square",
        np.square,
        lambda x: x * x,
        lambda x, y, g: multiply(g, multiply(number(2, x), x)),
        takes="a number",
        doc="``x * x``.",
    ),
    _function(
        "floor",
        _np_of_float(np.floor),
        _of_float(te.floor),
        takes="a number",
        doc="Rounded to minus infinity.",
    ),
    _function(
        "ceil", _np_of_float(np.ceil), _of_float(te.ceil), takes="a number", doc="Rounded to infinity."
    ),
    _function(
        "round",
        _np_of_float(np.rint),
        _of_float(te.round),
        takes="a number",
        doc="Rounded to the nearest integer, halves to even.",
    ),
    _function("trunc", _np_of_float(np.trunc), _of_float(te.trunc), takes="a number", doc="Rounded to zero."),
    _function("sign", np.sign, te.sign, takes="a number", doc="1, 0 or -1; NaN of NaN."),
    _function("isnan", np.isnan, te.isnan, result="bool", doc="Whether it is NaN."),
    _function("isfinite", np.isfinite, te.isfinite, result="bool", doc="Whether it is not infinite or NaN."),
    _function("logical_not", np.logical_not, lambda x: ~x, takes="bool", doc="The negation of a condition."),
    _function(
        "bitwise_not", np.bitwise_not, lambda x: ~x, takes="an integer or bool", doc="All bits inverted."
    ),
    _function("copy", np.copy, lambda x: x, lambda x, y, g: g, takes="any", doc="The same elements."),
    _function(
        "zeros_like",
        np.zeros_like,
        lambda x: te.const(0, x.dtype),
        takes="any",
        doc="Zeros of the same type.",
    ),
    _function(
        "ones_like", np.ones_like, lambda x: te.const(1, x.dtype), takes="any", doc="Ones of the same type."
    ),
    _function(
        "stop_fusion",
        np.copy,
        lambda x: x,
        lambda x, y, g: g,
        takes="any",
        fuse=Fuse.OPAQUE,
        doc="The same elements; nothing is fused across it.",
    ),
    _function(
        "annotation.checkpoint",
        np.copy,
        lambda x: x,
        lambda x, y, g: g,
        takes="any",
        doc="The same elements; the gradient computes again what they depend on.",
    ),
)


# --- rows of other families -----------------------------------------------------------------------


def row(
    name: str,
    rule: Callable[..., Type],
    evaluate: Callable[..., Any],
    element: Callable[..., Element],
    gradient: Callable[[Call, Expr], Sequence[Expr | None]] | None = None,
    **options: Any,
) -> Op:
    """A row of an operator, each element of whose result is a function of the index.

    Parameters
    ----------
    element : callable
        ``element(attrs, tensors, index, shape of the result)``.
    gradient : callable, optional
        By default there is none: no argument has a derivative.
    **options
        Other fields of the row: inputs where it is not one, attributes, template, doc, how it fuses.
    """

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        shape = type_.dims
        return te.compute(shape, lambda *at: element(attrs, args, at, shape), name.split(".")[-1])

    def no_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        return [None] * len(call.args)

    options = {"inputs": ("x",), "fuse": Fuse.INJECTIVE, "gradient": gradient or no_gradient, **options}
    return Op(name=name, relation=forward(rule), evaluate=evaluate, compute=tensors, **options)


# --- infinities ------------------------------------------------------------------------------------


def _isinf(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    return (np.isneginf(x) & attrs.detect_negative) | (np.isposinf(x) & attrs.detect_positive)


def _te_isinf(attrs: Attrs, x: Element) -> Element:
    if attrs.detect_negative and attrs.detect_positive:
        return te.isinf(x)
    if not attrs.detect_negative and not attrs.detect_positive:
        return te.not_equal(x, x) & te.equal(x, x)
    end = te.max_value if attrs.detect_positive else te.min_value
    return te.equal(x, end(x.dtype))


ROWS = (
    *_FUNCTIONS,
    unary(
        "isinf",
        _isinf,
        _te_isinf,
        result="bool",
        attributes=(Attribute("detect_negative", "bool", True), Attribute("detect_positive", "bool", True)),
        doc="Whether it is infinite.",
    ),
)
