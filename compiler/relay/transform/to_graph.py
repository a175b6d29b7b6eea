"""Graph form: the values of lets take the places of their variables, where that moves no effect."""

from __future__ import annotations

from typing import Any

from compiler.ir.node import CHILDREN, REBUILD
from compiler.relay.language.expr import Expr, Function, Let, copy_notes
from compiler.relay.language.module import IRModule
from compiler.relay.language.visit import free_vars, map_functions
from compiler.relay.transform.purity import Purity


def to_graph(module: IRModule) -> IRModule:
    """Replace each let of a pure value by sharing: the inverse of `to_anf` for programs without effects.

    Recursive functions and values with effects stay bound.
    """
    purity = Purity(module)
    return map_functions(module, lambda f: graph(f, purity))


def graph(root: Any, purity: Purity) -> Any:
    """The graph form of an expression."""
    done: dict[int, Any] = {}
    pending: list[tuple[Any, str]] = [(root, "enter")]
    while pending:
        node, stage = pending.pop()
        if id(node) in done:
            continue
        if type(node) is Let:
            if stage == "enter":
                pending += [(node, "body"), (node.value, "enter")]
            elif stage == "body":
                if _moves(node, purity):
                    done[id(node.var)] = done[id(node.value)]
                pending += [(node, "leave"), (node.body, "enter")]
            elif id(node.var) in done and done[id(node.var)] is not node.var:
                done[id(node)] = done[id(node.body)]
            else:
                done[id(node)] = _rebuilt(node, done)
        elif stage == "enter" and not (type(node) is Function and node.attrs.get("primitive")):
            pending.append((node, "leave"))
            pending += [(child, "enter") for child in reversed(CHILDREN[type(node)](node))]
        else:
            done[id(node)] = node if stage == "enter" else _rebuilt(node, done)
    return done[id(root)]


def _moves(let: Let, purity: Purity) -> bool:
    """Whether the value of a let takes the place of its variable."""
    if type(let.value) is Function and let.var in free_vars(let.value):
        return False
    return purity.is_pure(let.value)


def _rebuilt(node: Any, done: dict[int, Any]) -> Any:
    below = CHILDREN[type(node)](node)
    new = tuple(done[id(child)] for child in below)
    if all(a is b for a, b in zip(new, below, strict=True)):
        return node
    made = REBUILD[type(node)](node, new)
    return copy_notes(node, made) if isinstance(node, Expr) else made
