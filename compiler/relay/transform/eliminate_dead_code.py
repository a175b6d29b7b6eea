"""Dead code elimination: lets whose variable is not used, and functions that ``main`` does not reach."""

from __future__ import annotations

from collections import Counter
from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.language.expr import Expr, Let, Tuple, TupleGetItem, Var
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.visit import global_vars, map_functions, post_order, rewrite, substitute
from compiler.relay.transform.purity import Purity


def eliminate_dead_code(module: IRModule) -> IRModule:
    """Remove lets of unused variables whose value has no effect, and take fields of written out tuples.

    A variable that stands for another one is replaced by it.
    """
    purity = Purity(module)
    return map_functions(module, lambda f: _until_stable(f, purity))


def remove_unused_functions(module: IRModule) -> IRModule:
    """Remove the functions that ``main`` does not reach; all stay in a module without ``main``."""
    if MAIN not in module:
        return module
    reached, pending = {MAIN}, [MAIN]
    while pending:
        for name in global_vars(module[pending.pop()]):
            if name in module and name not in reached:
                reached.add(name)
                pending.append(name)
    return module.without(set(module.functions) - reached)


def _until_stable(root: Any, purity: Purity) -> Any:
    while True:
        new = _once(root, purity)
        if new is root:
            return root
        root = new


def _once(root: Any, purity: Purity) -> Any:
    nodes = post_order(root)
    uses = Counter(child for node in nodes for child in CHILDREN[type(node)](node) if type(child) is Var)
    aliases: dict[Var, Expr] = {}

    def change(node: Any, old: Any) -> Any:
        if type(node) is TupleGetItem and type(node.tuple_value) is Tuple:
            others = [f for i, f in enumerate(node.tuple_value.fields) if i != node.index]
            if all(map(purity.is_pure, others)):
                return node.tuple_value.fields[node.index]
        if type(node) is Let:
            if uses[node.var] == 0 and purity.is_pure(node.value):
                return node.body
            if type(node.value) is Var:
                aliases[node.var] = node.value
                return node.body
        return node

    changed = rewrite(root, change)
    while any(var in aliases for var in aliases.values()):  # x = y; z = x
        aliases = {a: aliases.get(b, b) if type(b) is Var else b for a, b in aliases.items()}
    return substitute(changed, aliases)
