"""Traversal and rewriting of expressions as graphs: a shared node is visited once.

Graphs are deep (a network of a thousand layers is a chain of a thousand calls), so nothing here recurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from compiler.ir.node import CHILDREN, REBUILD, Node
from compiler.relay.language.expr import (
    Clause,
    Expr,
    Function,
    GlobalVar,
    Let,
    Match,
    Var,
    copy_notes,
    pattern_vars,
)
from compiler.relay.language.module import IRModule


def children(node: Node) -> tuple[Any, ...]:
    """The expressions directly below a node, in the order of evaluation; clauses of a match are nodes too."""
    return CHILDREN[type(node)](node)


def post_order(root: Node) -> list[Any]:
    """Every node in and below `root` once, each after its children."""
    found: list[Any] = []
    seen: set[int] = set()
    pending: list[tuple[Any, bool]] = [(root, False)]
    while pending:
        node, complete = pending.pop()
        if complete:
            found.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        below = CHILDREN[type(node)](node)
        if below:
            pending.append((node, True))
            pending += [(child, False) for child in reversed(below) if id(child) not in seen]
        else:
            found.append(node)
    return found


def rewrite(
    root: Any,
    change: Callable[[Any, Any], Any],
    enter: Callable[[Any], bool] | None = None,
) -> Any:
    """`root` rewritten from the leaves up; each shared node once, so that sharing stays.

    Parameters
    ----------
    root : Expr
    change : callable
        ``change(node, old) -> node``: `node` is `old` with rewritten children, `old` itself if none changed.
        It returns `node` or what takes its place.
    enter : callable, optional
        ``enter(node) -> bool``: whether to rewrite below a node. What is not entered is kept as it is, and is
        not given to `change`.

    Returns
    -------
    Expr
        `root` itself, where nothing changes. What is replaced keeps the note of where it is from.
    """
    done: dict[int, Any] = {}
    pending: list[tuple[Any, bool]] = [(root, False)]
    while pending:
        node, complete = pending.pop()
        if id(node) in done:
            continue
        below = CHILDREN[type(node)](node)
        if not complete:
            if enter is not None and not enter(node):
                done[id(node)] = node
                continue
            if below:
                pending.append((node, True))
                pending += [(child, False) for child in reversed(below) if id(child) not in done]
                continue
        new = tuple(done[id(child)] for child in below)
        same = all(a is b for a, b in zip(new, below, strict=True))
        made = node if same else REBUILD[type(node)](node, new)
        if isinstance(node, Expr):
            made = copy_notes(node, made)
        result = change(made, node)
        done[id(node)] = (
            copy_notes(node, result) if isinstance(result, Expr) and isinstance(node, Expr) else result
        )
    return done[id(root)]


def substitute(root: Expr, bindings: Mapping[Var, Expr]) -> Expr:
    """`root` with variables replaced."""
    if not bindings:
        return root
    return rewrite(root, lambda node, old: bindings.get(node, node) if type(node) is Var else node)


def bound_vars(node: Any) -> Iterable[Var]:
    """The variables that a node itself binds for what is below it."""
    if type(node) is Function:
        return node.params
    if type(node) is Let:
        return (node.var,)
    if type(node) is Clause:
        return pattern_vars(node.pattern)
    return ()


def free_vars(root: Any) -> list[Var]:
    """The variables that are used in `root` and bound outside of it, in the order of their first use."""
    nodes = post_order(root)
    free: dict[int, dict[Var, None]] = {}
    for node in nodes:
        if type(node) is Var:
            free[id(node)] = {node: None}
            continue
        found: dict[Var, None] = {}
        for child in CHILDREN[type(node)](node):
            found.update(free[id(child)])
        for var in bound_vars(node):
            found.pop(var, None)
        free[id(node)] = found
    return list(free[id(root)])


def global_vars(root: Expr) -> list[GlobalVar]:
    """The functions of the module that `root` names, each once."""
    return list(dict.fromkeys(node for node in post_order(root) if type(node) is GlobalVar))


def use_counts(root: Expr) -> dict[int, int]:
    """``id`` of a node -> how many times it is a child of another node below `root`."""
    counts: dict[int, int] = {}
    for node in post_order(root):
        for child in CHILDREN[type(node)](node):
            counts[id(child)] = counts.get(id(child), 0) + 1
    return counts


def renamed(root: Expr) -> Expr:
    """A copy of `root` in which every variable that it binds is a new one.

    A function that is inlined twice needs it: a variable has one binding.
    """
    new: dict[Var, Var] = {}
    for node in post_order(root):
        for var in bound_vars(node):
            new[var] = Var(var.name, var.annotation)
    if not new:
        return root

    def change(node: Any, old: Any) -> Any:
        if type(node) is Var:
            return new.get(node, node)
        if type(node) is Function:
            params = tuple(new[p] for p in node.params)
            return Function(params, node.body, node.result, node.type_params, node.attrs)
        if type(node) is Let:
            return Let(new[node.var], node.value, node.body)
        if type(node) is Clause:
            return Clause(_renamed_pattern(node.pattern, new), node.body)
        return node

    return rewrite(root, change)


def _renamed_pattern(pattern: Any, new: Mapping[Var, Var]) -> Any:
    if hasattr(pattern, "var"):
        return replace(pattern, var=new[pattern.var])
    if hasattr(pattern, "patterns"):
        return replace(pattern, patterns=tuple(_renamed_pattern(p, new) for p in pattern.patterns))
    return pattern


def let_chain(expr: Expr) -> tuple[list[tuple[Var, Expr]], Expr]:
    """The bindings of the lets that `expr` begins with, and what follows them."""
    bindings = []
    while type(expr) is Let:
        bindings.append((expr.var, expr.value))
        expr = expr.body
    return bindings, expr


def wrap_lets(bindings: Iterable[tuple[Var, Expr]], body: Expr) -> Expr:
    """`body` within lets, the first binding outermost."""
    for var, value in reversed(list(bindings)):
        body = Let(var, value, body)
    return body


def map_functions(module: IRModule, change: Callable[[Function], Function]) -> IRModule:
    """The module with `change` applied to each function; the same module, if none changes."""
    return module.with_functions({name: change(f) for name, f in module.functions.items()})


def matches(root: Expr) -> Iterator[Match]:
    """The matches in `root`."""
    return (node for node in post_order(root) if type(node) is Match)
