"""The prelude and two recursive models, through parser, inference and interpreter."""

import numpy as np
import pytest

from compiler.relay.infer import infer_type
from compiler.relay.infer.well_formed import check_well_formed
from compiler.relay.interpret import evaluate
from compiler.relay.language.equal import structural_equal
from compiler.relay.notation.parser import parse, parse_expr
from compiler.relay.notation.prelude import prelude
from compiler.relay.notation.printer import as_text
from tests.compiler.relay.random_programs import plain
from tests.compiler.relay.recursive_models import (
    as_value,
    char_rnn,
    char_rnn_reference,
    char_rnn_weights,
    listed,
    random_tree,
    tree_lstm,
    tree_lstm_reference,
    tree_lstm_weights,
)

L123 = "Cons(1, Cons(2, Cons(3, Nil)))"
TREE = "Rose(1, Cons(Rose(2, Nil), Cons(Rose(3, Cons(Rose(4, Nil), Nil)), Nil)))"

RESULTS = [
    ("@id(1)", "1", "int32"),
    ("@compose(fn (%x) { %x + 1 }, fn (%x) { %x * 2 })(5)", "11", "int32"),
    ("@flip(subtract)(1, 5)", "4", "int32"),
    ("@iterate(fn (%x) { %x * 2 }, 10)(1)", "1024", "int32"),
    (f"@hd({L123})", "1", "int32"),
    (f"@tl({L123})", "Cons(2, Cons(3, Nil))", "List[int32]"),
    (f"@nth({L123}, 2)", "3", "int32"),
    (f"@update({L123}, 1, 7)", "Cons(1, Cons(7, Cons(3, Nil)))", "List[int32]"),
    (f"@length({L123})", "3", "int32"),
    (f"@map(fn (%x) {{ %x < 2 }}, {L123})", "Cons(True, Cons(False, Cons(False, Nil)))", "List[bool]"),
    (f"@filter(fn (%x) {{ %x != 2 }}, {L123})", "Cons(1, Cons(3, Nil))", "List[int32]"),
    (f"@foldl(subtract, 10, {L123})", "4", "int32"),
    (f"@foldr(subtract, 10, {L123})", "-8", "int32"),
    (f"@foldr1(subtract, {L123})", "2", "int32"),
    (f"@sum({L123})", "6", "int32"),
    (f"@concat({L123}, Cons(4, Nil))", "Cons(1, Cons(2, Cons(3, Cons(4, Nil))))", "List[int32]"),
    (f"@rev({L123})", "Cons(3, Cons(2, Cons(1, Nil)))", "List[int32]"),
    (
        f"@zip({L123}, Cons(True, Cons(False, Nil)))",
        "Cons((1, True), Cons((2, False), Nil))",
        "List[(int32, bool)]",
    ),
    (f"@map_accuml(fn (%a, %b) {{ (%a + %b, %a) }}, 0, {L123})", "(6, Cons(0, Cons(1, Cons(3, Nil))))", None),
    (f"@map_accumr(fn (%a, %b) {{ (%a + %b, %a) }}, 0, {L123})", "(6, Cons(5, Cons(3, Cons(0, Nil))))", None),
    (
        "@unfoldr(fn (%n) { if (%n > 2) { None } else { Some((%n + 1, %n)) } }, 0)",
        "Cons(0, Cons(1, Cons(2, Nil)))",
        None,
    ),
    (
        "@unfoldl(fn (%n) { if (%n > 2) { None } else { Some((%n + 1, %n)) } }, 0)",
        "Cons(2, Cons(1, Cons(0, Nil)))",
        None,
    ),
    ("(@optional(0, negative, Some(3)), @optional(0, negative, None))", "(-3, 0)", "(int32, int32)"),
    (f"@size({TREE})", "4", "int32"),
    (
        "@tmap(negative, Rose(1, Cons(Rose(2, Nil), Nil)))",
        "Rose(-1, Cons(Rose(-2, Nil), Nil))",
        "Tree[int32]",
    ),
    ("@nat_add(S(S(Z)), S(Z))", "S(S(S(Z)))", "Nat"),
    ("@nat_double(S(S(Z)))", "S(S(S(S(Z))))", "Nat"),
    ("@nat_iterate(fn (%x) { %x + 3 }, S(S(Z)))(1)", "7", "int32"),
]


@pytest.mark.parametrize(
    ("text", "same", "type_"), RESULTS, ids=[r[0].split("(")[0] + str(i) for i, r in enumerate(RESULTS)]
)
def test_each_function(text, same, type_):
    program, other = parse_expr(text, prelude()), parse_expr(same, prelude())
    infer_type(program, prelude())
    assert type_ is None or str(program.checked_type) == type_
    assert plain(evaluate(program, module=prelude())) == plain(evaluate(other, module=prelude()))


def test_every_function_is_tested():
    text = " ".join(r[0] for r in RESULTS)
    assert all(f"@{name.name}(" in text for name in prelude().functions)


@pytest.mark.parametrize("module", [tree_lstm(5, 4), char_rnn(7, 6)], ids=["TreeLSTM", "char-RNN"])
def test_recursive_models_are_programs(module):
    check_well_formed(infer_type(module))
    assert structural_equal(parse(as_text(module)), module)


def test_tree_lstm():
    random, module = np.random.default_rng(1), tree_lstm(5, 4)
    weights, tree = tree_lstm_weights(5, 4, random), random_tree(5, 12, random)
    result = evaluate(module, as_value(tree, module), *weights)
    np.testing.assert_allclose(result, tree_lstm_reference(tree, *weights)[0], rtol=1e-5, atol=1e-6)


def test_char_rnn():
    random, module = np.random.default_rng(2), char_rnn(11, 16)
    weights = char_rnn_weights(11, 16, random)
    result = [int(c) for c in listed(evaluate(module, 3, 20, *weights))]
    assert result == char_rnn_reference(3, 20, *weights)
    assert len(set(result)) > 1
