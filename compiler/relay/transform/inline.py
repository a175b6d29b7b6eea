"""Inlining: calls of functions of the module, and of functions that are written where they are called."""

from __future__ import annotations

from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.language.expr import Call, Function, GlobalVar
from compiler.relay.language.module import IRModule
from compiler.relay.language.visit import (
    global_vars,
    map_functions,
    opened,
    post_order,
    rewrite,
    use_counts,
    wrap_lets,
)

SMALL = 16
"""Nodes up to which a function is inlined at several calls."""


def inline(module: IRModule) -> IRModule:
    """Replace calls by the bodies of the functions that are called.

    A function of the module is inlined if it is not recursive, and small, called once, or has the attribute
    ``inline``. The arguments are bound by lets, so that each is evaluated once and in its place.
    """
    recursive = _recursive(module)
    calls = [g for f in module.functions.values() for g in _called(f)]
    chosen = {
        name
        for name, f in module.functions.items()
        if name not in recursive and (f.attrs.get("inline") or calls.count(name) == 1 or _size(f) <= SMALL)
    }

    def inlined(root: Any) -> Any:
        uses = use_counts(root)
        return rewrite(root, lambda node, old: change(node, old, uses))

    def change(node: Any, old: Any, uses: dict[int, int]) -> Any:
        if type(node) is not Call:
            return node
        function = node.function
        if type(function) is GlobalVar and function in chosen:
            # the body is not rewritten yet, and is finite: what it calls is not recursive
            function = inlined(opened(module[function]))
        elif uses.get(id(old.function), 0) > 1:
            return node  # a function that is used elsewhere too binds its variables itself
        if (
            type(function) is not Function
            or function.attrs.get("primitive")
            or function.attrs.get("checkpoint")
        ):
            return node
        if function.type_params:
            function = opened(function)
        return wrap_lets(zip(function.params, node.args, strict=True), function.body)

    return map_functions(module, inlined)


def _called(function: Function) -> list[GlobalVar]:
    """The names that a function uses, as often as it uses them."""
    return [c for n in post_order(function) for c in CHILDREN[type(n)](n) if type(c) is GlobalVar]


def _size(function: Function) -> int:
    return len(post_order(function.body))


def _recursive(module: IRModule) -> set[GlobalVar]:
    """The functions that may be called by themselves."""
    direct = {name: {g for g in global_vars(f) if g in module} for name, f in module.functions.items()}
    found = set()
    for name in direct:
        reached: set[GlobalVar] = set()
        pending = [name]
        while pending:
            for called in direct[pending.pop()] - reached:
                reached.add(called)
                pending.append(called)
        if name in reached:
            found.add(name)
    return found
