"""Gradients of both modes against finite differences: every construct, applied twice, checkpointed."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.relay.gradient import GradientError, gradient
from compiler.relay.infer.infer import infer_type
from compiler.relay.infer.relations import identity
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import (
    Clause,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    PatternConstructor,
    PatternVar,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    TypeData,
    Var,
    constant,
)
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.op import Op, is_call_of, op
from compiler.relay.language.types import FuncType, GlobalTypeVar, TensorType, TypeCall, scalar
from compiler.relay.language.visit import post_order
from compiler.relay.transform.partial_eval import partial_eval
from tests.compiler.relay.random_graphs import random_inputs, random_module

BOTH = pytest.mark.parametrize("mode", ["first_order", "higher_order"])
FLOAT = TensorType((), "float64")


def module_of(*params: Var, body: Expr, **others: Function) -> IRModule:
    functions = {GlobalVar(name): f for name, f in others.items()}
    return IRModule({**functions, MAIN: Function(params, body)})


def total(result: object) -> float:
    """The sum of all elements of all floats of a result: what `gradient` differentiates."""
    if isinstance(result, tuple):
        return sum(map(total, result))
    return float(np.sum(result)) if np.asarray(result).dtype.kind == "f" else 0.0


def differences(module: IRModule, inputs: list[np.ndarray], step: float = 1e-6) -> list[np.ndarray]:
    """The derivatives by central differences."""
    found = []
    for i, array in enumerate(inputs):
        slopes = np.zeros(array.shape)
        for at in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [np.array(a, copy=True) for a in inputs]
                moved[i][at] += sign * step
                sides.append(total(evaluate(module, *moved)))
            slopes[at] = (sides[0] - sides[1]) / (2 * step)
        found.append(slopes)
    return found


def check(module: IRModule, inputs: list[np.ndarray], mode: str = "auto") -> IRModule:
    """Compare a gradient with central differences; returns its module."""
    derived = gradient(module, mode=mode)
    result, derivatives = evaluate(derived, *inputs)
    np.testing.assert_allclose(total(result), total(evaluate(module, *inputs)), rtol=1e-12)
    for found, expected in zip(derivatives, differences(module, inputs), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    return derived


@BOTH
def test_random_graphs(mode: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(4):
        check(random_module(rng, 8, flat=True), random_inputs(rng), mode)


def test_random_programs_with_lets_and_branches() -> None:
    rng = np.random.default_rng(1)
    for _ in range(4):
        check(random_module(rng, 8), random_inputs(rng), "higher_order")


@BOTH
def test_second_derivatives_by_applying_twice(mode: str) -> None:
    x = Var("x", TensorType((3,), "float64"))
    first = gradient(module_of(x, body=op("sum")(op("multiply")(op("square")(x), x))), mode=mode)
    slope = TupleGetItem(TupleGetItem(first.main.body, 1), 0)
    again = first.with_functions({MAIN: Function(first.main.params, op("sum")(slope))})
    inputs = [np.array([0.5, -1.0, 2.0])]
    _, (second,) = evaluate(gradient(again, mode=mode), *inputs)
    np.testing.assert_allclose(second, 6 * inputs[0], rtol=1e-12)


@BOTH
def test_a_parameter_that_is_not_used_has_zero(mode: str) -> None:
    x, y = Var("x", FLOAT), Var("y", TensorType((2,), "float64"))
    _, (dx, dy) = evaluate(gradient(module_of(x, y, body=op("exp")(x)), mode=mode), np.float64(0), np.ones(2))
    assert dx == 1 and dy.tolist() == [0, 0]


@BOTH
def test_tuples(mode: str) -> None:
    x = Var("x", TensorType((2, 3), "float64"))
    parts = op("split")(x, indices_or_sections=3, axis=1)
    joined = op("concatenate")(Tuple((TupleGetItem(parts, 2), op("exp")(TupleGetItem(parts, 0)))), axis=1)
    check(
        module_of(x, body=Tuple((joined, op("sum")(x)))), [np.random.default_rng(0).normal(size=(2, 3))], mode
    )


def test_a_result_is_not_computed_twice() -> None:
    x = Var("x", FLOAT)
    shared = op("exp")(x)
    derived = gradient(module_of(x, body=op("multiply")(shared, shared)))
    assert sum(is_call_of(node, "exp") for node in post_order(derived.main)) == 1


def test_branches_closures_and_functions_of_the_module() -> None:
    x, y = Var("x", FLOAT), Var("y", FLOAT)
    f, g = Var("f"), Var("g", FuncType((FLOAT,), FLOAT))
    closure = Function((y,), op("multiply")(op("sin")(y), x))
    twice = Function((g, y), g(g(y)))
    branch = If(op("less")(x, constant(0.0, "float64")), f(x), GlobalVar("twice")(f, x))
    module = module_of(x, body=Let(f, closure, branch), twice=twice)
    for value in (-0.7, 0.7):
        check(module, [np.array(value)])


def test_references() -> None:
    x = Var("x", FLOAT)
    r, a = Var("r"), Var("a")
    body = Let(r, RefCreate(x), Let(a, RefWrite(r, op("multiply")(RefRead(r), x)), op("exp")(RefRead(r))))
    check(module_of(x, body=body), [np.array(0.4)])


def power() -> IRModule:
    """``x ** n`` by recursion."""
    x, n = Var("x", FLOAT), Var("n", scalar("int32"))
    rest = GlobalVar("power")(x, op("subtract")(n, 1))
    body = If(op("less")(n, 1), constant(1.0, "float64"), op("multiply")(x, rest))
    y, m = Var("y", FLOAT), Var("m", scalar("int32"))
    return module_of(y, m, body=GlobalVar("power")(y, m), power=Function((x, n), body, FLOAT))


def test_recursion() -> None:
    derived = gradient(power(), wrt=["y"])
    value, (slope,) = evaluate(derived, np.float64(1.5), np.int32(4))
    np.testing.assert_allclose([value, slope], [1.5**4, 4 * 1.5**3], rtol=1e-12)


def list_type(field: object) -> tuple[TypeData, Constructor, Constructor]:
    name = GlobalTypeVar("Numbers")
    nil = Constructor("Nil", (), name, 0)
    cons = Constructor("Cons", (field, TypeCall(name)), name, 1)  # type: ignore[arg-type]
    return TypeData(name, (), (nil, cons)), nil, cons


def test_data_types_of_tensors() -> None:
    data, nil, cons = list_type(FLOAT)
    head, tail = Var("head"), Var("tail")
    numbers = Var("numbers", TypeCall(data.name))
    rest = op("multiply")(op("sin")(head), GlobalVar("product")(tail))
    clauses = (
        Clause(PatternConstructor(nil), constant(1.0, "float64")),
        Clause(PatternConstructor(cons, (PatternVar(head), PatternVar(tail))), rest),
    )
    product = Function((numbers,), Match(numbers, clauses), FLOAT)
    x, y = Var("x", FLOAT), Var("y", FLOAT)
    made = cons(x, cons(y, cons(op("multiply")(x, y), nil())))
    module = module_of(x, y, body=GlobalVar("product")(made), product=product).with_type(data)
    check(module, [np.array(0.4), np.array(1.1)])


@BOTH
def test_checkpoints_change_no_derivative(mode: str) -> None:
    x = Var("x", TensorType((3,), "float64"))
    inner = op("annotation.checkpoint")(op("sin")(op("exp")(x)))
    outer = op("annotation.checkpoint")(op("multiply")(op("tanh")(inner), x))
    check(module_of(x, body=op("sum")(op("square")(outer))), [np.array([0.1, -0.5, 0.9])], mode)


def test_what_is_below_a_checkpoint_is_computed_again() -> None:
    x = Var("x", TensorType((3,), "float64"))
    body = op("sum")(op("sin")(op("annotation.checkpoint")(op("cos")(op("exp")(x)))))

    def count(module: IRModule) -> int:
        return sum(is_call_of(node, "exp") for node in post_order(module.main))

    assert count(gradient(module_of(x, body=body))) == 2
    assert count(gradient(module_of(x, body=op("sum")(op("sin")(op("cos")(op("exp")(x))))))) == 1


def test_partial_evaluation_leaves_a_straight_line_gradient() -> None:
    rng = np.random.default_rng(3)
    module = random_module(rng, 8, flat=True)
    derived = gradient(module, mode="higher_order")
    straight = partial_eval(derived)
    infer_type(straight)
    kinds = (RefCreate, RefRead, RefWrite, Function)
    assert not any(isinstance(node, kinds) for node in post_order(straight.main.body))
    inputs = random_inputs(rng)
    for a, b in zip(evaluate(derived, *inputs)[1], evaluate(straight, *inputs)[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_partial_evaluation_of_a_recursive_gradient_with_a_known_depth() -> None:
    module = power()
    y = Var("y", FLOAT)
    module = module.with_functions({MAIN: Function((y,), GlobalVar("power")(y, constant(3)))})
    straight = partial_eval(gradient(module))
    infer_type(straight)
    assert not any(isinstance(n, (RefCreate, Function, If)) for n in post_order(straight.main.body))
    _, (slope,) = evaluate(straight, np.float64(2.0))
    np.testing.assert_allclose(slope, 12.0)


def test_errors() -> None:
    x = Var("x", FLOAT)
    with pytest.raises(ValueError, match="mode is 'forward'"):
        gradient(module_of(x, body=x), mode="forward")
    with pytest.raises(ValueError, match="no parameter 'z'; the parameters are x"):
        gradient(module_of(x, body=x), wrt=["z"])
    with pytest.raises(GradientError, match="mode='higher_order' differentiates"):
        gradient(power(), mode="first_order")
    v = Var("v", TensorType((3,), "float64"))
    body = op("sum")(Op("opaque", ("x",), identity, lambda attrs, x: x)(v))
    with pytest.raises(GradientError, match="opaque has no gradient"):
        gradient(module_of(v, body=body), mode="first_order")
    f = Var("f", FuncType((FLOAT,), FLOAT))
    with pytest.raises(GradientError, match="the parameter f is .*; tensors are needed"):
        gradient(module_of(f, body=f(constant(1.0, "float64"))))


def test_integers_have_no_derivative() -> None:
    x, n = Var("x", FLOAT), Var("n", scalar("int32"))
    body = op("multiply")(x, op("cast")(n, dtype="float64"))
    _, (dx, dn) = evaluate(gradient(module_of(x, n, body=body)), np.float64(2), np.int32(3))
    assert dx == 3 and dn == 0 and dn.dtype == np.int32
