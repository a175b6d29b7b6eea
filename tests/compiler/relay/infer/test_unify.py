"""Unification: holes of each kind, occurs check, quantified functions; and the solver of relations."""

import pytest

import compiler.relay.operator  # the rows  # noqa: F401
from compiler.relay.infer.solver import Solver, TypeInferenceError
from compiler.relay.infer.unify import UnificationError, join
from compiler.relay.language.attributes import NO_ATTRS
from compiler.relay.language.op import op
from compiler.relay.language.types import (
    ANY,
    FuncType,
    GlobalTypeVar,
    IncompleteType,
    Kind,
    RefType,
    TensorType,
    TupleType,
    TypeCall,
    TypeConstraint,
    TypeVar,
    scalar,
)

FLOAT, INT = scalar("float32"), scalar("int32")


@pytest.fixture
def solver():
    return Solver()


def test_a_hole_is_found_through_others(solver):
    a, b, c = solver.hole(), solver.hole(), solver.hole()
    solver.unify(a, b)
    solver.unify(b, c)
    solver.unify(TupleType((a, FLOAT)), TupleType((INT, FLOAT)))
    assert solver.resolve(c) == INT
    assert solver.resolve(FuncType((a,), RefType(b))) == FuncType((INT,), RefType(INT))


def test_dimensions_shapes_and_element_types(solver):
    dim, shape, dtype = (solver.hole(k) for k in (Kind.SHAPE_VAR, Kind.SHAPE, Kind.BASE_TYPE))
    solver.unify(TensorType((dim, 3), dtype), TensorType((2, 3), "int8"))
    solver.unify(TensorType(shape, dtype), TensorType((dim,), "int8"))
    assert solver.resolve(TensorType(shape, dtype)) == TensorType((2,), "int8")


def test_any_is_consistent_with_every_dimension(solver):
    solver.unify(TensorType((ANY, 3)), TensorType((2, 3)))
    dim = solver.hole(Kind.SHAPE_VAR)
    solver.unify(TensorType((ANY,)), TensorType((dim,)))
    assert solver.resolve(dim) is ANY
    assert join(TensorType((2, ANY)), TensorType((ANY, 3))) == TensorType((ANY, ANY))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (FLOAT, INT, "^float32 and int32 differ$"),
        (
            TensorType((2,)),
            TensorType((3,)),
            r"Tensor\[\(2,\), float32\] and Tensor\[\(3,\), float32\] differ",
        ),
        (TensorType((2,)), TensorType((2, 1)), "differ"),
        (TupleType((INT,)), TupleType((INT, INT)), "differ"),
        (TupleType((INT, FLOAT)), TupleType((INT, INT)), "float32 is not int32"),
        (FuncType((INT,), INT), FuncType((INT, INT), INT), "differ"),
        (RefType(INT), INT, "differ"),
        (TypeCall(GlobalTypeVar("A")), TypeCall(GlobalTypeVar("B")), "A and B differ"),
        (TypeVar("A"), TypeVar("A"), "differ"),
        (IncompleteType(Kind.SHAPE), INT, "int32 is of the kind Type; the kind Shape is needed"),
    ],
)
def test_types_that_cannot_be_equal(solver, a, b, message):
    with pytest.raises(UnificationError, match=message):
        solver.unify(a, b)
    with pytest.raises(UnificationError):
        Solver().unify(b, a)


def test_occurs_check(solver):
    a, b = solver.hole(), solver.hole()
    solver.unify(a, TupleType((b,)))
    with pytest.raises(UnificationError, match="a type would contain itself"):
        solver.unify(b, FuncType((a,), INT))
    with pytest.raises(UnificationError, match="a type would contain itself"):
        Solver().unify(a, RefType(a))


def test_quantified_functions_are_equal_up_to_names_and_instantiated_otherwise(solver):
    a, b = TypeVar("A"), TypeVar("B")
    identity = FuncType((a,), a, (a,))
    solver.unify(identity, FuncType((b,), b, (b,)))
    with pytest.raises(UnificationError):
        solver.unify(identity, FuncType((b,), INT, (b,)))
    result = solver.hole()
    solver.unify(identity, FuncType((INT,), result))
    assert solver.resolve(result) == INT
    held = solver.hole()
    solver.unify(held, identity)
    assert not solver.resolve(held).type_params


def test_a_type_parameter_does_not_leave_its_function(solver):
    outer = solver.hole()
    solver.depth += 1
    param = TypeVar("A")
    solver.level[param] = solver.depth
    solver.unify(solver.hole(), param)
    with pytest.raises(UnificationError, match="the type parameter A would leave"):
        solver.unify(outer, TupleType((param,)))


def related(solver, name, *types):
    solver.relate(op(name).relation, types, NO_ATTRS, name)


def test_relations_are_evaluated_when_their_types_are_known(solver):
    a, b, c, d = (solver.hole() for _ in range(4))
    related(solver, "add", c, FLOAT, d)
    related(solver, "add", a, b, c)
    assert len(solver.unsolved) == 2
    solver.unify(a, TensorType((2, 1)))
    solver.solve()
    assert len(solver.unsolved) == 2
    solver.unify(b, TensorType((3,)))
    solver.solve()
    assert not solver.unsolved
    assert solver.resolve(d) == TensorType((2, 3))


def test_relations_are_solved_backward(solver):
    a, b = solver.hole(), solver.hole()
    related(solver, "negative", a, b)
    solver.unify(b, INT)
    assert solver.resolve(a) == INT
    operand = TensorType((2,), solver.hole(Kind.BASE_TYPE))
    related(solver, "multiply", operand, TensorType((2,), "int8"), solver.hole())
    assert solver.resolve(operand) == TensorType((2,), "int8")


def test_a_relation_that_fails_names_the_operator_and_the_types(solver):
    a = solver.hole()
    related(solver, "add", a, TensorType((3,)), solver.hole())
    solver.unify(a, TensorType((2,)))
    with pytest.raises(TypeInferenceError, match=r"add\(Tensor\[\(2,\), float32\], Tensor\[\(3,\)"):
        solver.solve()


def test_a_required_relation_of_a_quantified_function(solver):
    a, b = TypeVar("A"), TypeVar("B")
    type_ = FuncType((a,), b, (a, b), (TypeConstraint("negative", (a, b)),))
    result = solver.hole()
    solver.unify(type_, FuncType((INT,), result))
    solver.solve()
    assert solver.resolve(result) == INT


def test_a_cycle_of_relations_ends(solver):
    a, b = solver.hole(), solver.hole()
    related(solver, "negative", a, b)
    related(solver, "negative", b, a)
    related(solver, "add", a, b, a)
    solver.solve()
    assert solver.unsolved
    solver.unify(a, INT)
    solver.solve()
    assert not solver.unsolved
