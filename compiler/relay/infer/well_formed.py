"""Whether a program is well formed: variables bound once and used in scope, names that exist."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.infer.exhaustive import missing_case
from compiler.relay.infer.kinds import check_kinds
from compiler.relay.infer.solver import place
from compiler.relay.infer.unify import variables
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    Let,
    Match,
    PatternConstructor,
    PatternTuple,
    Var,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.types import TypeVar
from compiler.relay.language.visit import bound_vars, post_order
from compiler.suggest import unknown


class WellFormednessError(ValueError):
    """A program breaks a rule of the language, apart from types; the message names the expression."""


def check_well_formed(program: IRModule | Expr, module: IRModule | None = None) -> None:
    """Check the rules that every program keeps. Passes keep them too; tests check after each.

    Parameters
    ----------
    program : IRModule or Expr
        An expression may have free variables.
    module : IRModule, optional
        The functions and data types that an expression names.

    Raises
    ------
    WellFormednessError
        If a variable is bound twice, or used where it is not bound (a shared expression counts everywhere it
        is used); a value other than a function names the variable that it is bound to; a function, data type,
        constructor or type parameter does not exist; an annotation is of the wrong kind; or a match leaves
        out a case.
    """
    if isinstance(program, IRModule):
        for data in program.types.values():
            for constructor in data.constructors:
                for type_ in constructor.inputs:
                    _checked(constructor, lambda t=type_, d=data: check_kinds(t, program.types, d.type_vars))
        bound: dict[Var, Any] = {}
        for function in program.functions.values():
            checker = _Checker(program, bound)
            free, free_types = checker.check(function)
            for var in free:
                raise WellFormednessError(f"{place(var)} is used where it is not bound")
            for type_var in free_types:
                raise WellFormednessError(
                    f"{place(function)}: the type parameter {type_var.name} is used where it is not bound"
                )
        return
    _Checker(module or IRModule(), {}).check(program)


def _checked(expr: Any, check: Any) -> None:
    try:
        check()
    except ValueError as error:
        raise WellFormednessError(f"{place(expr)}: {error}") from None


class _Checker:
    def __init__(self, module: IRModule, bound: dict[Var, Any]) -> None:
        self.module = module
        self.bound = bound

    def check(self, root: Expr) -> tuple[Iterable[Var], Iterable[TypeVar]]:
        """Check an expression; returns the variables and type parameters that are free in it."""
        free: dict[int, dict[Any, None]] = {}
        nodes = post_order(root)
        for node in nodes:
            self.node(node)
            found: dict[Any, None] = {}
            if type(node) is Var:
                found[node] = None
            for child in CHILDREN[type(node)](node):
                found.update(free[id(child)])
            for type_ in self.annotations(node):
                _checked(node, lambda t=type_: check_kinds(t, self.module.types))
                found.update((v, None) for v in variables(type_) if type(v) is TypeVar)
            self.bind(node, found, free)
            free[id(node)] = found
        left = free[id(root)]
        for var in left:
            if var in self.bound:
                raise WellFormednessError(f"{place(var)} is used where it is not bound")
        return [v for v in left if type(v) is Var], [v for v in left if type(v) is TypeVar]

    def annotations(self, node: Any) -> list[Any]:
        """The types that a node gives."""
        found = [v.annotation for v in bound_vars(node)]
        if type(node) is Function:
            found.append(node.result)
        elif type(node) is Call:
            found += node.type_args
        return [t for t in found if t is not None]

    def bind(self, node: Any, found: dict[Any, None], free: dict[int, dict[Any, None]]) -> None:
        """Take what a node binds out of what is free below it."""
        if type(node) is Let and type(node.value) is not Function and node.var in free[id(node.value)]:
            raise WellFormednessError(f"{place(node)}: the value names the variable, and is no function")
        for var in bound_vars(node):
            if self.bound.setdefault(var, node) is not node:
                raise WellFormednessError(f"{place(node)}: %{var.name} is bound a second time")
            found.pop(var, None)
        names = list(bound_vars(node))
        if len(set(names)) < len(names):
            raise WellFormednessError(f"{place(node)}: a variable is bound twice")
        if type(node) is Function:
            for type_var in node.type_params:
                found.pop(type_var, None)

    def node(self, node: Any) -> None:
        """Check the names that a node contains."""
        kind = type(node)
        if kind is GlobalVar and node not in self.module:
            names = [g.name for g in self.module.functions]
            raise WellFormednessError(f"{place(node)}: {unknown('function', node.name, names)}")
        if kind is Constructor:
            self.constructor(node, node)
        elif kind is Clause:
            self.pattern(node)
        elif kind is Match and node.complete:
            missing = missing_case(node, self.module.types)
            if missing is not None:
                raise WellFormednessError(f"{place(node)} has no case for {missing}")

    def constructor(self, node: Any, constructor: Constructor) -> None:
        data = self.module.types.get(constructor.belongs_to)
        if data is None or constructor not in data.constructors:
            raise WellFormednessError(
                f"{place(node)}: {constructor.name} is no constructor of a data type of the module"
            )

    def pattern(self, clause: Clause) -> None:
        pending: list[Any] = [clause.pattern]
        while pending:
            pattern = pending.pop()
            if isinstance(pattern, PatternConstructor):
                self.constructor(clause.body, pattern.constructor)
                if len(pattern.patterns) != len(pattern.constructor.inputs):
                    raise WellFormednessError(
                        f"{place(clause.body)}: the pattern of {pattern.constructor.name} has "
                        f"{len(pattern.patterns)} parts; {len(pattern.constructor.inputs)} are needed"
                    )
            if isinstance(pattern, (PatternConstructor, PatternTuple)):
                pending += pattern.patterns
