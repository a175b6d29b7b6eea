"""The interpreter: each form by hand, sharing, effects, depth, arguments, errors; A-normal form agrees."""

import tracemalloc

import numpy as np
import pytest

import compiler.relay.operator  # the rows  # noqa: F401
from compiler.relay.interpret import Closure, RefValue, evaluate
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Function,
    If,
    Let,
    Match,
    PatternVar,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    Var,
    constant,
)
from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType, scalar
from compiler.relay.notation.parser import parse, parse_expr
from compiler.relay.notation.prelude import prelude
from compiler.relay.transform.to_anf import to_anf
from tests.compiler.relay.random_programs import plain, random_arguments, random_module


def value(text):
    return plain(evaluate(parse_expr(text, prelude()), module=prelude()))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3 - 4", "3"),
        ("-(2f) / 4f", "-0.5f"),
        ("if (1 < 2) { 3 } else { 4 }", "3"),
        ("(1, (2f, ())).1.0", "2f"),
        ("let %x = 2; let %y = %x * %x; %y + %x", "6"),
        ("(fn (%x, %y) { %x - %y })(5, 3)", "2"),
        ("let %f = fn (%n) { if (%n == 0) { 1 } else { %n * %f(%n - 1) } }; %f(6)", "720"),
        ("let %add = fn (%a) { fn (%b) { %a + %b } }; %add(1)(2)", "3"),
        ("let %r = ref(1); ref_write(%r, 2) ;; (ref_read(%r), ref_write(%r, 3), ref_read(%r))", "(2, (), 3)"),
        ("let %a = ref(1); let %b = %a; ref_write(%b, 7) ;; ref_read(%a)", "7"),
        ("match (Cons(1, Nil)) { Nil => { 0 }, Cons(%x, _) => { %x } }", "1"),
        ("match ((1, (2, 3))) { (%x, (_, %y)) => { (%y, %x) } }", "(3, 1)"),
        ("@map(negative, Cons(1, Cons(2, Nil)))", "Cons(-1, Cons(-2, Nil))"),
        ("@map(Some, Cons(1, Nil))", "Cons(Some(1), Nil)"),
        ("&Nil()", "Nil"),
    ],
)
def test_each_form_of_expression(text, same):
    assert value(text) == value(same)


def test_a_shared_node_is_evaluated_once():
    """Two uses of one ``ref_read`` see one value; two reads see two."""
    ref, u = RefCreate(constant(1)), Var("u")
    read = RefRead(ref)
    write = RefWrite(ref, op("add")(read, constant(1)))
    assert plain(evaluate(Let(u, write, Tuple((read, RefRead(ref)))))) == value("(1, 2)")


def test_a_node_that_two_closures_share_belongs_to_the_block_around_them():
    ref = RefCreate(constant(0))
    f, g, u = Var("f"), Var("g"), Var("u")
    program = Let(
        f,
        Function((), RefWrite(ref, constant(5))),
        Let(g, Function((), RefRead(ref)), Let(u, Call(f, ()), Call(g, ()))),
    )
    assert evaluate(program) == 5
    alone = Function((), RefRead(RefCreate(constant(0))))
    assert evaluate(Call(alone, ())) == 0


def test_a_node_of_two_branches_is_evaluated_before_the_conditional():
    ref, u = RefCreate(constant(1)), Var("u")
    shared = RefRead(ref)
    choose = If(constant(True), Let(u, RefWrite(ref, constant(9)), shared), shared)
    assert evaluate(choose) == 1


def test_a_branch_that_is_not_taken_is_not_evaluated():
    ref, u = RefCreate(constant(1)), Var("u")
    choose = If(constant(False), RefWrite(ref, constant(9)), Tuple(()))
    assert evaluate(Let(u, choose, RefRead(ref))) == 1
    assert value("if (True) { 1 } else { @hd(Nil) }") == value("1")


def test_closures_keep_the_activation_that_made_them():
    text = """
    let %counter = fn () { let %n = ref(0); fn () { ref_write(%n, ref_read(%n) + 1) ;; ref_read(%n) } };
    let %a = %counter(); let %b = %counter();
    (%a(), %a(), %b())
    """
    assert value(text) == value("(1, 2, 1)")


def test_a_recursive_closure_within_another_one():
    text = """
    let %f = fn (%n) { let %g = fn (%m) { if (%m == 0) { 0 } else { %n + %f(%m - 1) } }; %g(%n) };
    %f(4)
    """
    assert value(text) == value("10")


def test_recursion_and_graphs_of_any_depth():
    text = "let %f = fn (%n) { if (%n == 0) { 0 } else { 1 + %f(%n - 1) } }; %f(20000)"
    assert value(text) == value("20000")
    graph = constant(1)
    for _ in range(20000):
        graph = op("negative")(graph)
    assert evaluate(graph) == 1
    nest = constant(2)
    for _ in range(5000):
        nest = TupleGetItem(Tuple((nest,)), 0)
    assert evaluate(nest) == 2


def test_a_loop_by_tail_recursion_needs_constant_space():
    text = """
    let %loop = fn (%n, %x) {
      if (%n == 0) { %x } else { match ((%n, %x)) { (%m, %y) => { let %z = %y + 1; %loop(%m - 1, %z) } } }
    };
    %loop(4000, 0)
    """
    program = parse_expr(text)
    evaluate(program)
    tracemalloc.start()
    assert evaluate(program) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000  # a waiting continuation of each iteration would take ten times as much


def test_arguments_are_fitted_to_the_parameters():
    x = Var("x", TensorType((2,)))
    double = Function((x,), op("add")(x, x))
    assert evaluate(double, [1, 2]).dtype == np.float32
    assert evaluate(Function((Var("n", scalar("int64")),), constant(1)), 3) == 1
    with pytest.raises(ValueError, match="%x is an array of float64; float32 is needed"):
        evaluate(double, np.zeros(2))
    with pytest.raises(ValueError, match=r"%x is of the shape \(3,\); Tensor\[\(2,\), float32\] is needed"):
        evaluate(double, np.zeros(3, "float32"))
    with pytest.raises(ValueError, match=r"2 arguments are given to a function of 1 \(%x\)"):
        evaluate(double, 1, 2)
    pair = parse_expr("fn (%p: (float32, int32)) { %p.1 }")
    assert evaluate(pair, (1, 2)) == 2
    with pytest.raises(ValueError, match="a tuple of 2 is needed"):
        evaluate(pair, 3)


def test_a_module_a_function_and_an_expression():
    module = parse("def @main(%x: int32) { @twice(%x) }\ndef @twice(%x: int32) { %x * 2 }")
    assert evaluate(module, 4) == 8
    assert evaluate(module["twice"], 5) == 10
    assert evaluate(parse_expr("@twice", module), 6, module=module) == 12
    closure = evaluate(parse_expr("let %k = 3; fn (%x) { %x + %k }"))
    assert isinstance(closure, Closure)
    assert closure(4) == 7
    assert isinstance(evaluate(RefCreate(constant(1))), RefValue)


def test_errors_of_evaluation():
    with pytest.raises(ValueError, match="the variable %x is not bound"):
        evaluate(Var("x"))
    with pytest.raises(ValueError, match="unknown function 'f'"):
        evaluate(parse_expr("@f()", parse("def @f() { 1 }")))
    with pytest.raises(ValueError, match="the match has no case for Nil"):
        value("@hd(Nil)")
    x = Var("x")
    with pytest.raises(ValueError, match="the call of add: "):
        evaluate(Function((x,), op("add")(x, Constant(np.zeros(3)))), np.zeros(2))
    with pytest.raises(ValueError, match="is called; a function is needed"):
        evaluate(Call(constant(1), ()))
    with pytest.raises(ValueError, match="2 arguments are given to a function of 1"):
        evaluate(Call(Function((x,), x), (constant(1), constant(2))))


def test_bfloat16_is_computed_as_float32_and_rounded():
    x = Var("x", TensorType((3,), "bfloat16"))
    bits = constant([1.0, 2.5, 3.14159], "bfloat16").data
    result = evaluate(Function((x,), op("add")(x, x)), bits)
    assert result.dtype == np.uint16
    assert np.array_equal(result, constant([2.0, 5.0, 6.28125], "bfloat16").data)
    cast = parse_expr('fn (%x: Tensor[(3,), bfloat16]) { cast(%x, dtype="float32") }')
    assert np.array_equal(evaluate(cast, bits), np.array([1.0, 2.5, 3.140625], "float32"))


def test_a_match_without_a_name_and_a_whole_value():
    x, whole = Var("x"), Var("whole")
    program = Function((x,), Match(x, (Clause(PatternVar(whole), op("negative")(whole)),)))
    assert evaluate(program, 2.0) == -2


def test_random_programs_mean_the_same_in_a_normal_form():
    for seed in range(30):
        module = random_module(seed)
        args = random_arguments(seed)
        assert plain(evaluate(module, *args)) == plain(evaluate(to_anf(module), *args)), seed
