"""Traversals and rewrites."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Expr, Load, Not, Ramp, Select, Var
from compiler.ir.function import Intrinsic, Invoke, PrimFunc
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.stmt import (
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Prefetch,
    Region,
    Seq,
    Store,
    Token,
    sequence,
)
from compiler.ir.visit import Rewriter, children, rebuild, substitute, walk
from tests.compiler.random_programs import functions

i, j, k = Var("i"), Var("j"), Var("k")
A = Buffer("A", (4, 8))
x = Load(A, (i, j))
ONE = Const(1.0, "float32")
STORE = Store(A, (i, j), ONE)
TRUE, EMPTY = Const(True, "bool"), Seq(())
ROW, COLUMN = Region(A, i, (4,), (j,)), Region(A, j, (4,), (i,))
NOTHING = Intrinsic("nothing", PrimFunc("nothing", (Buffer("B", (4,)), Buffer("C", (4,))), EMPTY))

# a node of each type, and its children in the order of evaluation
NODES = [
    (i, ()),
    (ONE, ()),
    (Binary("-", i, j, "int32"), (i, j)),
    (Not(TRUE), (TRUE,)),
    (Select(TRUE, i, j), (TRUE, i, j)),
    (Cast(i, "int64"), (i,)),
    (x, (i, j)),
    (Call("pow", (x, ONE), "float32"), (x, ONE)),
    (Ramp(i, j, 4), (i, j)),
    (Broadcast(i, 4), (i,)),
    (For(k, i, "unroll", STORE, (("x", 1),)), (i, STORE)),
    (STORE, (i, j, ONE)),
    (If(TRUE, STORE), (TRUE, STORE)),
    (If(TRUE, STORE, EMPTY), (TRUE, STORE, EMPTY)),
    (Seq((STORE, STORE)), (STORE, STORE)),
    (Allocate(Buffer("b", (1,)), STORE, (("double_buffer", True),)), (STORE,)),
    (Let(k, i, STORE), (i, STORE)),
    (Prefetch(A, (i, j)), (i, j)),
    (Barrier("shared"), ()),
    (Region(A, i, (4, 4), (j, ONE)), (i, j, ONE)),
    (Copy(ROW, COLUMN, (i,), (j,), ONE), (ROW, COLUMN, i, j, ONE)),
    (Invoke(NOTHING, (ROW, COLUMN)), (ROW, COLUMN)),
    (Token("push", "load", "compute"), ()),
]


@pytest.mark.parametrize(("node", "below"), NODES)
def test_children(node, below):
    assert children(node) == below


@pytest.mark.parametrize(("node", "below"), [pair for pair in NODES if pair[1]])
def test_rebuild_keeps_attributes(node, below):
    assert rebuild(node, below) is node
    other = {
        ROW: COLUMN,
        COLUMN: ROW,
        i: j,
        j: i,
        TRUE: Const(False, "bool"),
        STORE: Seq(()),
        ONE: Const(2.0, "float32"),
        x: ONE,
    }
    new = tuple(other.get(child, child) for child in below)
    changed = rebuild(node, new)
    assert type(changed) is type(node)
    assert changed is not node
    assert children(changed) == new
    back = rebuild(changed, below)
    assert back == node
    assert getattr(back, "dtype", None) == getattr(node, "dtype", None)


def test_rebuild_folds_two_literals():
    add = Binary("+", i, j, "int32")
    assert rebuild(add, (Const(2), Const(3))) == Const(5)
    assert rebuild(add, (i, Const(0))) is i
    assert rebuild(add, (Const(0), i)) is i
    assert rebuild(Binary("*", i, j, "int32"), (Const(1), i)) is i
    assert rebuild(Binary("*", i, j, "int32"), (i, Const(1))) is i
    assert rebuild(Binary("//", i, j, "int32"), (i, Const(1))) is i
    assert rebuild(Binary("<", i, j, "bool"), (Const(2), Const(3))) == TRUE
    # a float keeps its operations: they round, and zero has a sign
    add = Binary("+", x, x, "float32")
    assert rebuild(add, (x, Const(0.0, "float32"))) == Binary("+", x, Const(0.0, "float32"), "float32")
    assert rebuild(add, (ONE, ONE)) == Binary("+", ONE, ONE, "float32")


@pytest.mark.parametrize("op", ["//", "%"])
def test_rebuild_folds_a_division_by_zero(op):
    assert substitute(Binary(op, Const(7), k, "int32"), {k: Const(0)}) == Const(0)


def test_walk_goes_from_parents_to_children_in_order():
    body = For(k, Const(4), "serial", Store(A, (i, k), Binary("+", x, ONE, "float32")))
    kinds = [type(node).__name__ for node in walk(body)]
    assert kinds == ["For", "Const", "Store", "Var", "Var", "Binary", "Load", "Var", "Var", "Const"]


def test_walk_does_not_recurse():
    deep: Expr = i
    for _ in range(5000):
        deep = Binary("+", deep, j, "int32")
    assert sum(1 for node in walk(deep) if node is j) == 5000


class _Rename(Rewriter):
    """Replace `i` by `j`, and count the loads."""

    def __init__(self):
        self.loads = 0

    def _var(self, node):
        return j if node is i else node

    def _load(self, node):
        self.loads += 1
        return self.descend(node)

    rules = {Var: _var, Load: _load}


def test_a_rewriter_applies_its_rules():
    body = Seq((STORE, If(TRUE, Store(A, (k, k), x))))
    rename = _Rename()
    result = rename(body)
    assert result == Seq((Store(A, (j, j), ONE), If(TRUE, Store(A, (k, k), Load(A, (j, j))))))
    assert rename.loads == 1


def test_a_rewriter_returns_the_same_object_where_nothing_changes():
    untouched = Store(A, (k, k), ONE)
    body = Seq((untouched, For(k, Const(3), "serial", untouched)))
    assert _Rename()(body) is body
    changed = _Rename()(Seq((untouched, STORE)))
    assert changed.stmts[0] is untouched


def test_substitute():
    expr = Binary("*", i, Binary("+", j, i, "int32"), "int32")
    assert substitute(expr, {i: k}) == Binary("*", k, Binary("+", j, k, "int32"), "int32")
    # simultaneous: the replacements are not replaced again
    assert substitute(Binary("-", i, j, "int32"), {i: j, j: i}) == Binary("-", j, i, "int32")
    assert substitute(expr, {k: i}) is expr
    assert substitute(expr, {}) is expr


def test_sequence_flattens_nested_sequences():
    other = Store(A, (k, k), ONE)
    assert sequence([STORE]) is STORE
    assert sequence([Seq((STORE,)), other]) == Seq((STORE, other))
    assert sequence([Seq((STORE, other)), Seq(())]) == Seq((STORE, other))
    assert sequence([]) == Seq(())


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_rewrite_without_rules_is_the_identity(data):
    func = data.draw(functions())
    assert Rewriter()(func.body) is func.body
    fresh = Var("fresh")
    assert substitute(func.body, {fresh: Const(1)}) is func.body
    assert func.with_body(func.body) is func
    other = func.with_body(Seq((func.body,)))
    assert other is not func and structural_equal(other, func)
