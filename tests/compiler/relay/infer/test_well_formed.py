"""Well-formedness: each rule broken once; matches that cover every case, and those that do not."""

import pytest

import compiler.relay.operator  # the rows  # noqa: F401
from compiler.relay.infer.exhaustive import missing_case
from compiler.relay.infer.well_formed import WellFormednessError, check_well_formed
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constructor,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    PatternConstructor,
    PatternVar,
    Tuple,
    Var,
    constant,
)
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import (
    GlobalTypeVar,
    Kind,
    TensorType,
    TypeCall,
    TypeVar,
)
from compiler.relay.language.visit import matches
from compiler.relay.notation.parser import parse_expr
from compiler.relay.notation.prelude import prelude
from tests.compiler.relay.random_programs import random_module

X, Y = Var("x"), Var("y")
ONE = constant(1)


def test_random_programs_and_the_prelude_are_well_formed():
    check_well_formed(prelude())
    for seed in range(10):
        check_well_formed(random_module(seed))


def in_module(body, params=()):
    return prelude().with_functions({MAIN: Function(tuple(params), body)})


SHARED = op("negative")(Y)
CONS = prelude().constructor("Cons")

BROKEN = [
    (in_module(X), "the variable %x is used where it is not bound"),
    (in_module(Tuple((Let(X, ONE, X), Let(X, ONE, X)))), "%x is bound a second time"),
    (in_module(Let(X, ONE, Call(Function((X,), X), (X,)))), "%x is bound a second time"),
    (in_module(X, (X, X)), "a variable is bound twice"),
    (in_module(Let(X, Tuple((X,)), X)), "the value names the variable, and is no function"),
    (in_module(Tuple((Function((Y,), SHARED), SHARED))), "%y is used where it is not bound"),
    (in_module(Let(X, Let(Y, ONE, Y), Y)), "%y is used where it is not bound"),
    (in_module(Call(GlobalVar("mapp"), ())), "unknown function 'mapp'; did you mean 'map'"),
    (in_module(Constructor("Cons", (), GlobalTypeVar("Li"))), "Cons is no constructor of a data type"),
    (in_module(X, (Var("x", TensorType((3,), "float33")),)), "unknown element type 'float33'"),
    (in_module(Function((Var("x", TensorType((-1,))),), ONE)), "the dimension -1 is negative"),
    (in_module(Function((Var("x", TypeCall(GlobalTypeVar("List"))),), ONE)), "List has 1 arguments, not 0"),
    (
        in_module(Function((Var("x", TypeVar("A")),), ONE)),
        "the type parameter A is used where it is not bound",
    ),
    (
        in_module(Function((Var("x", TensorType(TypeVar("A", Kind.TYPE))),), ONE)),
        "A is of the kind Type; Shape is needed|is of the kind Type; Shape is needed",
    ),
    (
        in_module(Match(ONE, (Clause(PatternConstructor(CONS, (PatternVar(X),)), X),), False)),
        "the pattern of Cons has 1 parts; 2 are needed",
    ),
    (
        in_module(Match(ONE, (Clause(PatternConstructor(CONS, (PatternVar(X), PatternVar(Y))), X),))),
        "no case for Nil",
    ),
]


@pytest.mark.parametrize(("module", "message"), BROKEN)
def test_a_broken_rule_is_named(module, message):
    with pytest.raises(WellFormednessError, match=message):
        check_well_formed(module)


def test_a_shared_expression_may_be_used_wherever_its_variables_are_bound():
    shared = op("negative")(X)
    check_well_formed(in_module(If(constant(True), shared, op("add")(shared, shared)), (X,)))


def test_an_expression_may_have_free_variables():
    check_well_formed(op("negative")(X))
    with pytest.raises(WellFormednessError, match="used where it is not bound"):
        check_well_formed(Tuple((Let(X, ONE, X), X)))
    check_well_formed(IRModule())


CASES = [
    ("Nil => { 1 }", "Cons(_, _)"),
    ("Cons(_, _) => { 1 }", "Nil"),
    ("Cons(_, Nil) => { 1 }, Nil => { 1 }", "Cons(_, Cons(_, _))"),
    ("Cons(Some(_), _) => { 1 }, Nil => { 1 }", "Cons(None, _)"),
    ("Cons(Some(Some(_)), _) => { 1 }, Nil => { 1 }, Cons(None, _) => { 1 }", "Cons(Some(None), _)"),
    ("%x => { 1 }", None),
    ("Cons(_, %x) => { 1 }, Nil => { 1 }", None),
    ("Cons(Some(_), _) => { 1 }, Cons(None, Nil) => { 1 }, Cons(_, _) => { 1 }, Nil => { 1 }", None),
]


@pytest.mark.parametrize(("cases", "missing"), CASES)
def test_the_case_that_a_match_leaves_out(cases, missing):
    expr = parse_expr(f"match (Nil) {{ {cases} }}", prelude())
    assert missing_case(next(matches(expr)), prelude().types) == missing


def test_cases_of_tuples():
    expr = parse_expr("match ((Nil, True)) { (Nil, _) => { 1 }, (Cons(_, Nil), _) => { 2 } }", prelude())
    assert missing_case(next(matches(expr)), prelude().types) == "(Cons(_, Cons(_, _)), _)"
