"""Graph form: the values of lets take the places of their variables, where that moves no effect."""

from __future__ import annotations

from typing import Any

from compiler.relay.language.expr import Expr, Function, Let, Var
from compiler.relay.language.module import IRModule
from compiler.relay.language.visit import free_vars, map_functions, rewrite
from compiler.relay.transform.purity import Purity


def to_graph(module: IRModule) -> IRModule:
    """Replace each let of a pure value by sharing: the inverse of `to_anf` for programs without effects.

    Recursive functions and values with effects stay bound.
    """
    purity = Purity(module)
    return map_functions(module, lambda f: graph(f, purity))


def graph(root: Any, purity: Purity) -> Any:
    """The graph form of an expression."""
    values: dict[Var, Expr] = {}

    def enter(node: Any) -> bool:
        return not (type(node) is Function and node.attrs.get("primitive"))

    def change(node: Any, old: Any) -> Any:
        # a let is visited after its value and its body, so the variables in the body are replaced in the end
        if type(node) is Let and purity.is_pure(node.value):
            if type(node.value) is Function and node.var in free_vars(node.value):
                return node
            values[node.var] = node.value
            return node.body
        return node

    root = rewrite(root, change, enter)
    return _replaced(root, values)


def _replaced(root: Any, values: dict[Var, Expr]) -> Any:
    """`root` with variables replaced by values, which name variables themselves."""
    while values:
        new = rewrite(root, lambda node, old: values.get(node, node) if type(node) is Var else node)
        if new is root:
            return root
        root = new
    return root
