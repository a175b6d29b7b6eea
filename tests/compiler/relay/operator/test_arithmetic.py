"""Operators of two operands and `where`: definition, type, computation, gradient and refusals."""

import math

import numpy as np
import pytest

from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import Function, Var
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, IncompleteType, TensorType
from compiler.relay.operator.arithmetic import sum_to
from tests.compiler.relay.operator.cases import (
    Case,
    Solver,
    array,
    checks,
    result_type,
)

A, B = array(2, 3, 4), array(3, 1, seed=1)
AWAY = array(3, 1, low=0.5, high=2)
POSITIVE = array(2, 3, 4, low=0.2, high=3)
INTS, J = array(4, 5, dtype="int32", low=-9, high=9), array(5, dtype="int32", low=-3, high=3, seed=2)
SIGNED = np.array([-7, -7, 7, 7, 5, -(2**31), 0], "int32")
DIVISOR = np.array([2, -2, 2, -2, 0, -1, 3], "int32")
U, V = np.array([7, 200, 3], "uint8"), np.array([2, 100, 0], "uint8")
P, Q = np.array([True, True, False, False]), np.array([True, False, True, False])
F = np.array([7.5, -7.5, 7.5, -7.5, np.inf, np.nan, -0.0, 5e-324, 1.0, -1.0])
G = np.array([2.0, 2.0, -2.0, -2.0, 2.0, 2.0, 3.0, 1.0, 0.0, np.inf])
NAN = np.array([1, np.nan, 3, np.nan], "float32")
MORE = np.array([2, 2, np.nan, np.nan], "float32")
HALF = array(3, 4, dtype="float16")
SCALAR = np.array(1.5, "float32")
EMPTY = np.zeros((0, 4), "float32")


def _each(function, dtype=None):
    """A function of Python numbers applied to every pair of elements."""

    def apply(a, b):
        pairs = np.broadcast(a, b)
        return np.array([function(x.item(), y.item()) for x, y in pairs], dtype or a.dtype).reshape(
            pairs.shape
        )

    return apply


def _wrapped(function, bits=32):
    def apply(x, y):
        return (function(x, y) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)

    return apply


def _fraction(x, y):
    """The quotient of integers rounded to zero."""
    return 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def _integer_power(x, y):
    if y >= 0:
        return x**y
    return x if abs(x) == 1 and y % 2 else abs(x) == 1


CASES = [
    Case("add", [A, B], lambda a, b: a + b, gradient=True),
    Case("add", [A, SCALAR], lambda a, b: a + b, gradient=True),
    Case("add", [EMPTY, array(4)], lambda a, b: a),
    Case("add", [HALF, HALF], lambda a, b: a * 2),
    Case("add", [SCALAR, SCALAR], lambda a, b: a * 2, gradient=True),
    Case("add", [SIGNED, SIGNED], _each(_wrapped(lambda x, y: x + y))),
    Case("subtract", [A, B], lambda a, b: a - b, gradient=True),
    Case("subtract", [U, V], np.array([5, 100, 3], "uint8")),
    Case("multiply", [A, B], lambda a, b: a * b, gradient=True),
    Case("multiply", [INTS, J], lambda a, b: a * b),
    Case("divide", [A, AWAY], lambda a, b: a / b, gradient=True),
    Case("divide", [SIGNED, DIVISOR], _each(_wrapped(_fraction))),
    Case("divide", [U, V], np.array([3, 2, 0], "uint8")),
    Case("divide", [F, G], lambda a, b: np.where(b == 0, np.inf, a / np.where(b == 0, 1, b))),
    Case("floor_divide", [SIGNED, DIVISOR], _each(_wrapped(lambda x, y: x // y if y else 0))),
    Case("floor_divide", [F, G], np.array([3, -4, -4, 3, np.nan, np.nan, -0.0, 0, np.inf, -1])),
    Case("floor_divide", [np.array([1.0], "float32"), np.array([0.1], "float32")], np.array([9], "float32")),
    Case("mod", [SIGNED, DIVISOR], _each(lambda x, y: x % y if y else 0)),
    Case("mod", [F, G], np.array([1.5, 0.5, -0.5, -1.5, np.nan, np.nan, 0, 5e-324, np.nan, np.inf])),
    Case("mod", [A, AWAY], lambda a, b: a - np.floor(a / b) * b, gradient=True, tolerance=1e-5),
    Case("fmod", [SIGNED, DIVISOR], _each(lambda x, y: math.fmod(x, y) if y else 0)),
    Case("fmod", [A, AWAY], lambda a, b: a - np.trunc(a / b) * b, gradient=True, tolerance=1e-5),
    Case("power", [POSITIVE, B], lambda a, b: np.exp(np.log(a) * b), gradient=True),
    Case("power", [np.array([0.0, -2.0, 0.0]), np.array([2.0, 3.0, 0.0])], np.array([0.0, -8.0, 1.0])),
    Case("power", [SCALAR, SCALAR], lambda a, b: np.exp(np.log(a) * b), gradient=True),
    Case("power", [INTS, J], _each(_integer_power)),
    Case(
        "power",
        [np.array([-1, 1, 0, 3, -3, 2], "int64"), np.array([101, 99, 70, 39, 3, 62], "int64")],
        _each(lambda x, y: x**y),
    ),
    Case(
        "power",
        [np.array([1, 2, 7], "uint8"), np.array([255, 7, 2], "uint8")],
        np.array([1, 128, 49], "uint8"),
    ),
    Case("maximum", [A, B], lambda a, b: np.where(a > b, a, b), gradient=True),
    Case("maximum", [NAN, MORE], np.array([2, np.nan, np.nan, np.nan], "float32")),
    Case("minimum", [A, B], lambda a, b: np.where(a < b, a, b), gradient=True),
    Case("minimum", [INTS, J], lambda a, b: np.where(a < b, a, b)),
    Case("atan2", [A, B], lambda a, b: np.angle(b + 1j * a).astype("float32"), gradient=True),
    Case("logical_and", [P, Q], np.array([True, False, False, False])),
    Case("logical_or", [P, Q], np.array([True, True, True, False])),
    Case("logical_xor", [P, Q], np.array([False, True, True, False])),
    Case("bitwise_and", [INTS, J], _each(lambda x, y: x & y)),
    Case("bitwise_or", [INTS, J], _each(lambda x, y: x | y)),
    Case("bitwise_xor", [INTS, J], _each(lambda x, y: x ^ y)),
    Case("bitwise_and", [P, Q], np.array([True, False, False, False])),
    Case("bitwise_or", [P, Q], np.array([True, True, True, False])),
    Case("bitwise_xor", [P, Q], np.array([False, True, True, False])),
    Case("left_shift", [U, np.array([1, 9, 0], "uint8")], np.array([14, 0, 3], "uint8")),
    Case("right_shift", [U, np.array([1, 9, 0], "uint8")], np.array([3, 0, 3], "uint8")),
    Case(
        "right_shift",
        [SIGNED, np.array([1, 40, 1, 40, -1, 31, 0], "int32")],
        np.array([-4, -1, 3, 0, 0, -1, 0], "int32"),
    ),
    Case("equal", [NAN, NAN], np.array([True, False, True, False])),
    Case("equal", [P, Q], np.array([True, False, False, True])),
    Case("not_equal", [NAN, NAN], np.array([False, True, False, True])),
    Case("not_equal", [P, Q], np.array([False, True, True, False])),
    Case("less", [INTS, J], _each(lambda x, y: x < y, bool)),
    Case("less", [NAN, MORE], np.array([True, False, False, False])),
    Case("less_equal", [INTS, J], _each(lambda x, y: x <= y, bool)),
    Case("greater", [A, B], _each(lambda x, y: x > y, bool)),
    Case("greater_equal", [INTS, J], _each(lambda x, y: x >= y, bool)),
    Case("where", [array(3, 1, dtype="bool"), A, B], lambda c, a, b: c * a + ~c * b, gradient=True),
    Case("where", [np.array(True), INTS, J], lambda c, a, b: a + 0 * b),
    Case("where", [P, P, Q], lambda c, a, b: (c & a) | (~c & b)),
]

TestArithmetic = checks(CASES)


def _type(name, *types):
    row = op(name)
    attrs = row(*[np.float32(0)] * len(types)).attrs
    return result_type(row, attrs, types)


def test_dimensions_that_only_a_call_brings_are_broadcast():
    assert _type("add", TensorType((ANY, 3)), TensorType((1,))) == TensorType((ANY, 3))
    assert _type("less", TensorType((ANY,)), TensorType((4,))) == TensorType((4,), "bool")


def test_the_element_type_is_found_from_either_operand():
    solver, unknown = Solver(), IncompleteType()
    row = op("multiply")
    types = [TensorType((2,), unknown), TensorType((2,), "float64"), IncompleteType()]
    assert not row.relation(types, row(A, B).attrs, solver)
    assert solver.found[unknown] == "float64"


def test_operands_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"the shapes \(2, 3\) and \(4,?\) cannot be broadcast"):
        _type("add", TensorType((2, 3)), TensorType((4,)))
    with pytest.raises(ValueError, match="the element types float32 and int32 differ; cast one of them"):
        _type("add", TensorType((2,)), TensorType((2,), "int32"))
    with pytest.raises(ValueError, match="the element types float32 and int32 differ"):
        _type("less", TensorType((2,)), TensorType((2,), "int32"))
    with pytest.raises(
        ValueError, match="the element type of the second argument is bool; a number is needed"
    ):
        _type("add", TensorType((2,)), TensorType((2,), "bool"))
    with pytest.raises(ValueError, match="the element type of the first argument is float32; an integer"):
        _type("left_shift", TensorType((2,)), TensorType((2,)))
    with pytest.raises(ValueError, match="the element type of the condition is int32; bool is needed"):
        _type("where", TensorType((2,), "int32"), TensorType((2,)), TensorType((2,)))


def test_the_gradient_of_a_dimension_that_only_a_call_brings_is_summed_there():
    x, unknown, grad = (
        Var("x", TensorType((1, 3))),
        Var("y", TensorType((ANY, 3))),
        Var("g", TensorType((4, 3))),
    )
    for var in (x, unknown, grad):
        infer_type(var)
    dynamic = sum_to(grad, TensorType((ANY, 3)), unknown)
    function = Function((grad, unknown), dynamic)
    ones = np.ones((4, 3), "float32")
    assert evaluate(function, ones, ones[:1]).tolist() == [[4, 4, 4]]
    assert evaluate(function, ones, ones).tolist() == ones.tolist()
    static = sum_to(grad, TensorType((4, 3)), x)
    assert evaluate(Function((grad,), static), ones).tolist() == [[4, 4, 4]]
    assert sum_to(grad, TensorType((4, 3)), grad) is grad
