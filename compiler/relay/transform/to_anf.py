"""A-normal form: every operation is bound to a variable, in the order of evaluation.

A call of a function, a branch or a match at the end of a scope is not bound, so that it stays a tail call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from compiler.ir.node import CHILDREN, REBUILD
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    Var,
    copy_notes,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.visit import map_functions, post_order, wrap_lets

ATOMS = (Var, GlobalVar, Constant, Constructor, Op)


def to_anf(module: IRModule) -> IRModule:
    """Bind every operation of each function to a variable.

    A shared expression is bound once, in the innermost scope that contains all of its uses: the body of a
    function, a branch, a clause.
    """
    return map_functions(module, anf)


def anf(expr: Any) -> Any:
    """The A-normal form of an expression."""
    return _Converter(expr).convert(expr)


def opened_scopes(node: Any) -> tuple[bool, ...]:
    """For each child of a node, whether it is in a scope of its own."""
    if type(node) is Function:
        return (True,) if not node.attrs.get("primitive") else (False,)
    if type(node) is If:
        return (False, True, True)
    if type(node) is Clause:
        return (True,)
    return (False,) * len(CHILDREN[type(node)](node))


@dataclass(eq=False)
class _Scope:
    """A scope: its bindings as they are made, the variable or atom of each node that is bound."""

    outer: _Scope | None
    depth: int
    bindings: list[tuple[Var, Expr]] = field(default_factory=list)


def _common(a: _Scope, b: _Scope) -> _Scope:
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        assert a.outer is not None
        a = a.outer
    return a


class _Converter:
    """Converts one expression. A scope is converted by one loop without recursion; scopes within it recur."""

    def __init__(self, root: Any) -> None:
        self._home: dict[int, _Scope] = {}
        self._scopes: dict[tuple[int, int], _Scope] = {}
        self._root = _Scope(None, 0)
        self._done: dict[int, Expr] = {}
        self._functions: dict[int, Function] = {}
        self._fresh: set[Var] = set()
        nodes = post_order(root)
        self._home[id(root)] = self._root
        for node in reversed(nodes):  # users first
            if not isinstance(node, (Expr, Clause)) or type(node) in ATOMS:
                continue
            here = self._home[id(node)]
            for i, (child, opens) in enumerate(
                zip(CHILDREN[type(node)](node), opened_scopes(node), strict=True)
            ):
                inside = here
                if opens:
                    inside = self._scopes[id(node), i] = _Scope(here, here.depth + 1)
                known = self._home.get(id(child))
                self._home[id(child)] = inside if known is None else _common(known, inside)

    def convert(self, root: Any) -> Any:
        """The A-normal form of the expression."""
        return self._function(root) if type(root) is Function else self._block(root, self._root)

    def _block(self, root: Any, scope: _Scope) -> Any:
        """`root` within the lets of its scope."""
        result = self._atom(root)
        if scope.bindings and scope.bindings[-1][0] is result and result in self._fresh:
            last = scope.bindings[-1][1]
            if type(last) in (If, Match) or (
                type(last) is Call and type(last.function) not in (Op, Constructor)
            ):
                return wrap_lets(scope.bindings[:-1], last)
        return wrap_lets(scope.bindings, result)

    def _atom(self, root: Any) -> Any:
        """The atom that `root` becomes; adds the bindings that it needs to their scopes."""
        pending: list[tuple[Any, int]] = [(root, 0)]
        while pending:
            node, stage = pending.pop()
            if id(node) in self._done:
                continue
            if type(node) in ATOMS:
                self._done[id(node)] = node
            elif type(node) is Let:
                if stage == 0:
                    pending.append((node, 1))
                    if type(node.value) is not Function:
                        pending.append((node.value, 0))
                elif stage == 1:
                    self._bind_let(node)
                    pending += [(node, 2), (node.body, 0)]
                else:
                    self._done[id(node)] = self._done[id(node.body)]
            else:
                inside = [
                    child
                    for child, opens in zip(CHILDREN[type(node)](node), opened_scopes(node), strict=True)
                    if not opens and type(child) is not Clause
                ]
                if stage == 0 and inside:
                    pending.append((node, 1))
                    pending += [(child, 0) for child in reversed(inside)]
                else:
                    self._done[id(node)] = self._bound(node, self._operation(node))
        return self._done[id(root)]

    def _operation(self, node: Any) -> Any:
        """`node` on atoms, its inner scopes converted."""
        if type(node) is Function:
            return self._function(node)
        new: list[Any] = []
        for i, (child, opens) in enumerate(zip(CHILDREN[type(node)](node), opened_scopes(node), strict=True)):
            if opens:
                new.append(self._block(child, self._scopes[id(node), i]))
            elif type(child) is Clause:
                body = self._block(child.body, self._scopes[id(child), 0])
                new.append(Clause(child.pattern, body))
            else:
                new.append(self._done[id(child)])
        return copy_notes(node, REBUILD[type(node)](node, tuple(new)))

    def _function(self, node: Function) -> Function:
        if node.attrs.get("primitive"):
            return node
        known = self._functions.get(id(node))
        if known is None:
            body = self._block(node.body, self._scopes[id(node), 0])
            known = Function(node.params, body, node.result, node.type_params, node.attrs)
            self._functions[id(node)] = known
        return known

    def _bind_let(self, node: Let) -> None:
        bindings = self._home[id(node)].bindings
        if type(node.value) is Function:
            bindings.append((node.var, self._function(node.value)))
            return
        atom = self._done[id(node.value)]
        if bindings and bindings[-1][0] is atom and atom in self._fresh:
            # the operation has been bound a moment ago: it gets the name of the let
            bindings[-1] = node.var, bindings[-1][1]
            self._done[id(node.value)] = node.var
        else:
            bindings.append((node.var, atom))

    def _bound(self, node: Any, operation: Any) -> Var:
        var = Var(f"x{len(self._fresh)}")
        self._fresh.add(var)
        self._home[id(node)].bindings.append((var, operation))
        return var
