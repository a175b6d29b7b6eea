"""A new node needs no further code to be traversed, rewritten and compared: its fields say all."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from compiler.ir.expr import Binary, Buffer, Const, Expr, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.node import ATTRIBUTE, BINDS, Node, NodeField, schema_of
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.stmt import For, Seq, Stmt, Store
from compiler.ir.text import print_expr, print_stmt
from compiler.ir.visit import Rewriter, children, rebuild, substitute, walk


@dataclass(frozen=True, slots=True)
class Blend(Expr):
    """A toy expression: a child, a tuple of children, an optional child, and attributes."""

    mode: str
    weight: Expr
    items: tuple[Expr, ...]
    bias: Expr | None
    origin: Var = field(metadata=ATTRIBUTE)
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Scan(Stmt):
    """A toy statement that binds a variable for its body."""

    var: Var = field(metadata=BINDS)
    target: Buffer
    limits: tuple[Expr, ...]
    starts: tuple[Expr, ...]
    body: Stmt


@dataclass(frozen=True, slots=True)
class Clamp(Expr):
    """A toy expression that a rewrite simplifies."""

    value: Expr
    dtype: str = "int32"

    @staticmethod
    def rebuilt(value: Expr, dtype: str) -> Expr:
        return value if isinstance(value, Const) else Clamp(value, dtype)


i, j, k = Var("i"), Var("j"), Var("k")
A = Buffer("A", (8,), "float32")
x, y, z = (Load(A, (v,)) for v in (i, j, k))
BLEND = Blend("soft", x, (y, z), None, k)
BIASED = Blend("soft", x, (y, z), x, k)
STORE = Store(A, (k,), x)
SCAN = Scan(k, A, (i, j), (Const(0),), STORE)


def test_the_roles_of_fields() -> None:
    assert schema_of(Blend).fields == (
        NodeField("mode", "attribute"),
        NodeField("weight", "child"),
        NodeField("items", "children"),
        NodeField("bias", "optional"),
        NodeField("origin", "attribute"),
        NodeField("dtype", "attribute"),
    )
    assert [part.role for part in schema_of(Scan).fields] == [
        "binding",
        "attribute",
        "children",
        "children",
        "child",
    ]
    assert schema_of(For).fields[0] == NodeField("var", "binding")


def test_children_in_the_order_of_the_fields() -> None:
    assert children(BLEND) == (x, y, z)
    assert children(BIASED) == (x, y, z, x)
    assert children(SCAN) == (i, j, Const(0), STORE)
    assert children(Blend("soft", x, (), None, k)) == (x,)


def test_a_traversal() -> None:
    assert list(walk(BLEND)) == [BLEND, x, i, y, j, z, k]
    assert sum(node is A for node in walk(SCAN)) == 0
    assert list(walk(SCAN)) == [SCAN, i, j, Const(0), STORE, k, x, i]


def test_rebuilding_keeps_the_attributes() -> None:
    assert rebuild(BIASED, (x, y, z, x)) is BIASED
    assert rebuild(BIASED, (z, y, x, y)) == Blend("soft", z, (y, x), y, k)
    assert rebuild(BLEND, (z, y, x)) == Blend("soft", z, (y, x), None, k)
    assert rebuild(SCAN, (j, i, Const(1), Seq(()))) == Scan(k, A, (j, i), (Const(1),), Seq(()))
    with pytest.raises(ValueError, match="zip"):
        rebuild(BLEND, (x, y, z, x))  # it has three children


def test_a_rewrite() -> None:
    assert substitute(BIASED, {i: j}) == Blend("soft", y, (y, z), y, k)
    assert substitute(BIASED, {Var("other"): j}) is BIASED
    assert substitute(SCAN, {i: j}) == Scan(k, A, (j, j), (Const(0),), Store(A, (k,), y))
    inside = substitute(Seq((SCAN, STORE)), {j: i})
    assert inside.stmts[1] is STORE  # unchanged nodes are the same objects

    class Count(Rewriter):
        seen = 0

        def _blend(self, node: Blend) -> Expr:
            self.seen += 1
            return self.descend(node)

        rules = {Blend: _blend}

    count = Count()
    both = Binary("+", BLEND, BIASED, "float32")
    assert count(both) is both
    assert count.seen == 2


def test_a_rewrite_calls_the_rebuilt_method_of_a_class() -> None:
    clamp = Clamp(i)
    assert substitute(clamp, {i: Const(3)}) == Const(3)
    assert rebuild(clamp, (Const(3),)) == Const(3)
    assert substitute(clamp, {i: j}) == Clamp(j)


def test_equality_and_hash() -> None:
    same = Blend("soft", Load(A, (i,)), (Load(A, (j,)), z), None, k)
    assert same == BLEND
    assert hash(same) == hash(BLEND)
    others = Blend("hard", x, (y, z), None, k), Blend("soft", x, (z, y), None, k), BIASED
    assert len({BLEND, *others}) == 4
    assert {BLEND: 1}[same] == 1


def function(node: Stmt, buffer: Buffer) -> PrimFunc:
    return PrimFunc("f", (buffer,), For(i, Const(8), "serial", For(j, Const(8), "serial", node)))


def renamed(mode: str = "soft", bias: bool = False, inner: str = "own") -> PrimFunc:
    """The toy nodes in a function; the names and identities of all variables and buffers are new."""
    buffer, a, b, c = Buffer("B", (8,)), Var("a"), Var("b"), Var("c")
    load = Load(buffer, (a,))
    used = {"own": c, "outer": b}[inner]
    blend = Blend(mode, load, (load,), load if bias else None, c)
    scan = Scan(c, buffer, (a, b), (Const(0),), Store(buffer, (used,), blend))
    return PrimFunc("f", (buffer,), For(a, Const(8), "serial", For(b, Const(8), "serial", scan)))


def test_equality_up_to_names() -> None:
    func = renamed()
    assert structural_equal(func, renamed())
    assert not structural_equal(func, renamed(mode="hard"))
    assert not structural_equal(func, renamed(bias=True))
    # the variable that the node binds corresponds to the one that the other node binds
    assert not structural_equal(func, renamed(inner="outer"))
    # an attribute that is a buffer corresponds by its definition
    assert not structural_equal(function(SCAN, A), function(Scan(k, A, (i, j), (Const(0),), Seq(())), A))
    assert not structural_equal(func, function(SCAN, A))


def test_a_node_without_syntax_prints_its_fields() -> None:
    assert print_expr(BIASED) == 'blend("soft", A[i], (A[j], A[k]), A[i], k, "float32")'
    assert print_stmt(SCAN) == "scan(k, A, (i, j), (0,)):\n    A[k] = A[i]"


def test_classes_that_are_not_nodes() -> None:
    class Leaf(Expr):
        __slots__ = ()

    with pytest.raises(
        TypeError, match="Leaf cannot be visited: a node is a dataclass that derives from Node"
    ):
        children(Leaf())
    with pytest.raises(TypeError, match="Node cannot be visited"):
        schema_of(Node)
