"""`infer_type`: the types of all expressions of a program, by unification and type relations.

Hindley and Milner's inference with levels, extended by the relations of operators (Relay, arXiv 1810.00952,
section 3.3). Definitions that are functions are generalised; functions of a module that call each other are
inferred together. Nothing here recurs over expressions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compiler.relay.infer.components import components
from compiler.relay.infer.expressions import Expressions
from compiler.relay.infer.solver import Scheme, TypeInferenceError, place
from compiler.relay.infer.unify import is_closed, variables
from compiler.relay.language.expr import (
    Expr,
    Function,
    GlobalVar,
    set_type,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.visit import children, global_vars, post_order


def infer_type(program: Any, module: IRModule | None = None) -> Any:
    """Find the types of all expressions and note each as ``checked_type``.

    Parameters
    ----------
    program : IRModule or Expr
    module : IRModule, optional
        The functions and data types that an expression names.

    Returns
    -------
    IRModule or Expr
        `program` itself.

    Raises
    ------
    TypeInferenceError
        If an expression has no type, or annotations do not determine it; names the expression by its place
        and says the types that differ. A match that does not cover all cases is an error, except for
        ``match?``.

    Notes
    -----
    A function that is bound by a let or by the module, and whose annotations leave types open, is generalised
    over them. If all its uses agree on one type, the function is noted with that type. Time is linear in the
    number of expressions, apart from relations that are evaluated again when more is known.
    """
    if isinstance(program, IRModule):
        inference = _Inference(program)
        inference.functions(program.functions)
    else:
        inference = _Inference(module or IRModule())
        inference.functions(_needed(program, inference.module))
        inference.program(program)
    inference.finish()
    return program


def _needed(expr: Expr, module: IRModule) -> Iterable[GlobalVar]:
    """The functions that an expression names, directly or not."""
    found: dict[GlobalVar, None] = {}
    pending = global_vars(expr)
    while pending:
        name = pending.pop()
        if name not in found and name in module:
            found[name] = None
            pending += global_vars(module[name])
    return found


class _Inference(Expressions):
    def __init__(self, module: IRModule) -> None:
        super().__init__(module)
        self.roots: list[Expr] = []
        self.users: dict[int, set[int]] = {}

    # programs

    def functions(self, names: Iterable[GlobalVar]) -> None:
        """Infer functions of the module, those that are called first."""
        names = list(names)
        calls = {name: [g for g in global_vars(self.module[name]) if g in self.module] for name in names}
        self.roots += [self.module[name] for name in names]
        for group in components(names, calls):
            members = [self.module[name] for name in group]
            self.open()
            for name, function in zip(group, members, strict=True):
                self.globals[name] = self.declared(function)
            # what has no result type by annotation is first: with it the others can use it at several types
            for name in sorted(group, key=lambda g: self.module[g].result is not None):
                function = self.module[name]
                self.expression(function)
                found = self.types[id(function)]
                self.equate(function, self.globals[name], found, f"@{name.name}")
                if is_closed(found := self.resolve(found)):
                    self.globals[name] = found
            for name, type_ in zip(group, self.close(members), strict=True):
                self.globals[name] = type_

    def program(self, expr: Expr) -> None:
        """Infer an expression."""
        self.roots.append(expr)
        self.open()
        self.expression(expr)
        self.close([expr] if type(expr) is Function else [])

    def close(self, functions: list[Any]) -> list[Any]:
        """End a definition of functions; returns their types, generalised."""
        self.solve()
        self.depth -= 1
        found = self.generalized(
            [self.types[id(f)] for f in functions], self.marks.pop(), lambda: self._shared(functions)
        )
        for function, type_ in zip(functions, found, strict=True):
            self.types[id(function)] = type_
        return found

    def _shared(self, functions: list[Any]) -> set[Any]:
        """The holes in the types of what is inside of functions and is used outside of them too."""
        if not self.users:
            for node in dict.fromkeys(n for root in self.roots for n in post_order(root)):
                for child in children(node):
                    self.users.setdefault(id(child), set()).add(id(node))
        inside = {id(node): node for function in functions for node in post_order(function)}
        outer = {id(function) for function in functions}
        found: set[Any] = set()
        for key in inside:
            if key in self.types and key not in outer and not self.users.get(key, set()) <= inside.keys():
                type_ = self.types[key]
                if type(type_) is not Scheme:
                    found.update(variables(self.resolve(type_)))
        return found

    def finish(self) -> None:
        """Note the types of all expressions."""
        self.solve()
        self.settle()
        for relation in self.unsolved:
            raise TypeInferenceError(self.undetermined(relation))
        for node in self.nodes:
            set_type(node, self._final(node, self.types[id(node)]))
        for var, type_ in self.vars.items():
            set_type(var, self._final(var, type_))

    def _final(self, node: Any, type_: Any) -> Any:
        found = type_.final if type(type_) is Scheme else self.resolve(type_)
        if not self.is_ground(found) and not is_closed(found):
            raise TypeInferenceError(
                f"{place(node)} is of type {found}, which is not determined by what is said; annotate it"
            )
        return found
