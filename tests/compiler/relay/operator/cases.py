"""`Case`: a call of an operator with its expected result; each drives the same checks of the operator's row.

A test file lists cases and calls `checks(cases)`: the definition against an oracle, the type relation and the
compiled computation against the definition, the gradient against finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.relay import operator as _rows  # noqa: F401  # fills the table
from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import Call, Function, Var
from compiler.relay.language.op import Op, evaluated, op
from compiler.relay.language.types import IncompleteType, TensorType, TupleType, Type

TOLERANCE = {"float16": 2e-3, "float32": 2e-5, "float64": 1e-12}


@dataclass
class Case:
    """A call.

    Parameters
    ----------
    name : str
        Of the operator.
    args : sequence
        Arrays; a tuple of arrays is one argument.
    expected : callable or array
        Of the arrays, by other means than the row's definition.
    attrs : dict
    gradient : bool
        Whether to compare the gradient with finite differences.
    static : bool
        Whether the type of the result is static.
    """

    name: str
    args: Sequence[Any]
    expected: Any
    attrs: dict[str, Any] = field(default_factory=dict)
    gradient: bool = False
    tolerance: float = 0.0
    static: bool = True

    def __str__(self) -> str:
        kinds = "-".join(str(a[0].dtype if isinstance(a, tuple) else a.dtype) for a in self.args)
        attrs = "-".join(f"{k}={v}" for k, v in self.attrs.items()).replace(" ", "")
        return "-".join(filter(None, (self.name, kinds, attrs)))


def array(
    *shape: int, dtype: str = "float32", low: float = -2.0, high: float = 2.0, seed: int = 0
) -> np.ndarray:
    """Random numbers of a shape."""
    rng = np.random.default_rng([seed, *shape, len(dtype)])
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith(("int", "uint")):
        least = max(low, 0) if dtype.startswith("u") else low
        return rng.integers(int(least), int(high), shape, dtype, endpoint=True)
    return np.asarray(rng.uniform(low, high, shape)).astype(dtype)


def type_of(value: Any) -> Type:
    """The type of an array or a tuple of arrays."""
    if isinstance(value, (tuple, list)):
        return TupleType(tuple(map(type_of, value)))
    return TensorType(np.shape(value), np.asarray(value).dtype.name)


class Solver:
    """Unifies a single unknown result."""

    def __init__(self) -> None:
        self.found: dict[Any, Any] = {}

    def unify(self, a: Any, b: Any) -> Any:
        a, b = self.found.get(a, a), self.found.get(b, b)
        if isinstance(a, IncompleteType) or isinstance(b, IncompleteType):
            unknown, known = (a, b) if isinstance(a, IncompleteType) else (b, a)
            self.found[unknown] = known
        elif a != b:
            raise ValueError(f"{a} is not {b}")


def result_type(row: Op, attrs: Any, types: Sequence[Type]) -> Type:
    """The type that the row's relation finds for its result."""
    solver, result = Solver(), IncompleteType()
    assert row.relation([*types, result], attrs, solver), "nothing is left to find"
    return solver.found[result]


def variables(args: Sequence[Any]) -> list[Var]:
    """A variable for each argument, with its type."""
    found = [Var(f"x{k}", type_of(value)) for k, value in enumerate(args)]
    for var in found:
        infer_type(var)
    return found


def call_of(case: Case, args: Sequence[Any]) -> tuple[Call, list[Var]]:
    """The call on variables, with types."""
    params = variables(args)
    call = op(case.name)(*params, **case.attrs)
    infer_type(Function(tuple(params), call))
    return call, params


def flat(value: Any) -> list[np.ndarray]:
    """The arrays of a value, tuples flattened."""
    if isinstance(value, (tuple, list)):
        return [part for item in value for part in flat(item)]
    return [np.asarray(value)]


def close(actual: Any, expected: Any, tolerance: float = 0.0) -> None:
    """Assert equal types, shapes and, but for rounding, values."""
    for a, b in zip(flat(actual), flat(expected), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        allowed = tolerance or TOLERANCE.get(a.dtype.name, 0)
        np.testing.assert_allclose(a, b, rtol=allowed, atol=allowed)


def check_definition(case: Case) -> None:
    """`evaluate` against the oracle."""
    call, _ = call_of(case, case.args)
    actual = evaluated(call.function, call.attrs, list(case.args))
    expected = case.expected(*case.args) if callable(case.expected) else case.expected
    close(actual, expected, case.tolerance)


def check_relation(case: Case) -> None:
    """The type relation against what `evaluate` returns."""
    call, _ = call_of(case, case.args)
    actual = type_of(evaluated(call.function, call.attrs, list(case.args)))
    if case.static:
        assert call.checked_type == actual
        return
    for inferred, found in zip(fields(call.checked_type), fields(actual), strict=True):
        assert inferred.dtype == found.dtype
        assert len(inferred.shape) == len(found.shape)
        assert all(
            d in (n, d) if type(d) is not int else d == n
            for d, n in zip(inferred.shape, found.shape, strict=True)
        )


def fields(type_: Any) -> tuple[Any, ...]:
    """The tensor types of a type."""
    return type_.fields if isinstance(type_, TupleType) else (type_,)


def compilable(case: Case) -> bool:
    """Whether the row has a computation, and no tensor of the call is empty."""
    call, _ = call_of(case, case.args)
    if call.function.compute is None:
        return False
    return all(a.size for a in flat(list(case.args))) and all(
        0 not in f.dims for f in fields(call.checked_type)
    )


def computed(cases: Sequence[Case]) -> list[list[np.ndarray]]:
    """What the computations of the cases return, compiled as one module with the default schedule."""
    arguments: list[Any] = []
    arrays: list[np.ndarray] = []
    outputs: list[Any] = []
    places: list[tuple[int, int]] = []
    for case in cases:
        call, _ = call_of(case, case.args)
        given = [np.ascontiguousarray(a).reshape(np.shape(a)) for a in flat(list(case.args))]
        inputs = [te.placeholder(a.shape, f"x{k}", a.dtype.name) for k, a in enumerate(given)]
        result = call.function.compute(call.attrs, inputs, call.checked_type)
        several = result if isinstance(result, (list, tuple)) else [result]
        found = [(t.shape, t.dtype) for t in several]
        assert found == [(f.dims, f.dtype) for f in fields(call.checked_type)], case.name
        places.append((len(outputs), len(outputs) + len(several)))
        arguments, arrays, outputs = arguments + inputs, arrays + given, outputs + list(several)
    results = [np.empty(t.shape, t.dtype) for t in outputs]
    schedule = te.create_schedule([t.op for t in outputs])
    # zeros_like and the like read nothing
    needed = {tensor for stage in schedule.stages for tensor in stage.tensors}
    given = [(x, a) for x, a in zip(arguments, arrays, strict=True) if x in needed]
    module = compiler.build(schedule, [*(x for x, _ in given), *outputs])
    module(*(a for _, a in given), *results)
    return [results[a:b] for a, b in places]


def check_gradient(case: Case) -> None:
    """The gradient against central differences, in float64."""
    wide = [_widened(a) for a in case.args]
    call, params = call_of(case, wide)
    rng = np.random.default_rng(1)
    outputs = flat(evaluated(call.function, call.attrs, wide))
    weights = [
        rng.uniform(0.5, 1.5, y.shape) if y.dtype.kind == "f" else np.zeros(y.shape, y.dtype) for y in outputs
    ]
    seed = tuple(weights) if isinstance(call.checked_type, TupleType) else weights[0]
    *_, grad = variables([*wide, seed])
    gradients = call.function.gradient(call, grad)
    assert len(gradients) == len(params)

    def loss(values: Sequence[Any]) -> float:
        results = flat(evaluated(call.function, call.attrs, values))
        return sum(float(np.sum(w * y)) for w, y in zip(weights, results, strict=True) if y.dtype.kind == "f")

    for k, (gradient, value) in enumerate(zip(gradients, wide, strict=True)):
        if flat(value)[0].dtype.kind != "f":
            assert gradient is None
            continue
        if gradient is None:  # zero
            assert all(not slope.any() for slope in _differences(loss, wide, k)), f"argument {k}"
            continue
        function = infer_type(Function((*params, grad), gradient))
        assert function.checked_type.result == type_of(value)
        found = evaluate(function, *wide, seed)
        assert type_of(found) == type_of(value)
        for part, expected in zip(flat(found), _differences(loss, wide, k), strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-6)


def _widened(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_widened, value))
    return value.astype("float64") if value.dtype.kind == "f" else value


def _differences(loss: Callable[[Sequence[Any]], float], args: Sequence[Any], k: int) -> list[np.ndarray]:
    step = 1e-6
    found = []
    several = isinstance(args[k], tuple)
    for position, part in enumerate(flat(args[k])):
        slope = np.zeros(part.shape)
        for at in np.ndindex(part.shape):
            ends = []
            for sign in (1, -1):
                moved = part.copy()
                moved[at] += sign * step
                value = (
                    tuple(moved if p == position else q for p, q in enumerate(args[k])) if several else moved
                )
                ends.append(loss([*args[:k], value, *args[k + 1 :]]))
            slope[at] = (ends[0] - ends[1]) / (2 * step)
        found.append(slope)
    return found


def checks(cases: Sequence[Case]) -> type:
    """The tests of a list of cases, a class for pytest to collect."""
    compiled = [case for case in cases if compilable(case)]
    differentiable = [case for case in cases if case.gradient]
    results: dict[int, Any] = {}

    class Checks:
        @pytest.mark.parametrize("case", cases, ids=str)
        def test_definition_is_the_oracles(self, case: Case) -> None:
            check_definition(case)

        @pytest.mark.parametrize("case", cases, ids=str)
        def test_relation_finds_the_type_of_the_result(self, case: Case) -> None:
            check_relation(case)

        @pytest.mark.parametrize("case", compiled, ids=str)
        def test_computation_is_the_definition(self, case: Case) -> None:
            if not results:
                results.update(zip(map(id, compiled), computed(compiled), strict=True))
            call, _ = call_of(case, case.args)
            expected = evaluated(call.function, call.attrs, list(case.args))
            close(results[id(case)], expected, case.tolerance)

        @pytest.mark.parametrize("case", differentiable, ids=str)
        def test_gradient_is_that_of_finite_differences(self, case: Case) -> None:
            check_gradient(case)

    return Checks
