"""Traversal and rewriting of expressions as graphs: a shared node is visited once.

Graphs are deep (a network of a thousand layers is a chain of a thousand calls), so nothing here recurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from compiler.ir.node import CHILDREN, REBUILD, Node
from compiler.relay.language.expr import (
    Call,
    Clause,
    Expr,
    Function,
    GlobalVar,
    Let,
    Match,
    Var,
    copy_notes,
    pattern_vars,
    span_of,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.types import IncompleteType, Type, TypeVar, substitute_type


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


def renamed(root: Expr, types: Mapping[Any, Any] | None = None) -> Any:
    """A copy of `root`: every variable that it binds is a new one, and every expression with children.

    A function that is inlined twice needs it: a variable has one binding, and what is evaluated in each copy
    must not be shared by them.

    Parameters
    ----------
    root : Expr
    types : mapping of TypeVar to Type, optional
        What takes the place of type parameters in annotations. A function keeps those of its parameters that
        become type variables again.
    """
    types = types or {}
    new: dict[Var, Var] = {}
    for node in post_order(root):
        for var in bound_vars(node):
            new[var] = Var(var.name, substitute_type(var.annotation, types)).with_span(span_of(var))

    def change(node: Any, old: Any) -> Any:
        if type(node) is Var:
            return new.get(node, node)
        if type(node) is Function:
            params = tuple(new[p] for p in node.params)
            kept = tuple(v for v in (types.get(p, p) for p in node.type_params) if type(v) is TypeVar)
            return Function(params, node.body, substitute_type(node.result, types), kept, node.attrs)
        if type(node) is Let:
            return Let(new[node.var], node.value, node.body)
        if type(node) is Clause:
            return Clause(_renamed_pattern(node.pattern, new), node.body)
        if type(node) is Call and node.type_args and types:
            return Call(node.function, node.args, node.attrs, substitute_type(node.type_args, types))
        below = CHILDREN[type(node)](node)
        return REBUILD[type(node)](node, below) if node is old and below else node

    return rewrite(root, change)


def opened(function: Function) -> Function:
    """A copy of a function whose type parameters are left to inference: what is inlined at a call."""
    return renamed(function, {v: IncompleteType(v.kind) for v in function.type_params})


def free_type_vars(root: Expr) -> list[TypeVar]:
    """The type parameters that annotations in `root` name, and that no function in it has."""
    found: dict[Any, None] = {}
    own: set[Any] = set()
    pending: list[Any] = []
    for node in post_order(root):
        pending += [var.annotation for var in bound_vars(node)]
        if type(node) is Function:
            own.update(node.type_params)
            pending.append(node.result)
        elif type(node) is Call:
            pending += node.type_args
    while pending:
        part = pending.pop()
        if isinstance(part, TypeVar):
            found[part] = None
        elif isinstance(part, tuple):
            pending += part
        elif isinstance(part, Type) and not isinstance(part, IncompleteType):
            own.update(getattr(part, "type_params", ()))
            pending += [getattr(part, f.name) for f in fields(part) if f.name != "attributes"]  # type: ignore[arg-type]
    return [var for var in found if var not in own]


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
