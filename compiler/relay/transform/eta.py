"""Eta expansion: constructors and names of functions that are used as values become functions."""

from __future__ import annotations

from typing import Any

from compiler.relay.language.expr import Call, Constructor, Expr, Function, GlobalVar, Var
from compiler.relay.language.module import IRModule
from compiler.relay.language.visit import map_functions, rewrite


def eta_expand(module: IRModule, *, constructors: bool = True, functions: bool = False) -> IRModule:
    """Replace ``f`` by ``fn (x) { f(x) }`` where it is not called.

    Parameters
    ----------
    module : IRModule
    constructors : bool
        Expand constructors: what executes the program then has calls of them alone.
    functions : bool
        Expand names of functions of the module.
    """

    def expanded(expr: Any) -> Any:
        if constructors and type(expr) is Constructor and expr.inputs:
            return _function(expr, len(expr.inputs))
        if functions and type(expr) is GlobalVar and expr in module:
            return _function(expr, len(module[expr].params))
        return expr

    def change(node: Any, old: Any) -> Any:
        if type(node) is Call:
            # the function that is called was expanded like a value: it is taken back
            return (
                Call(old.function, node.args, node.attrs, node.type_args) if _is_name(old.function) else node
            )
        return expanded(node)

    return map_functions(module, lambda f: rewrite(f, change))


def _is_name(expr: Any) -> bool:
    return type(expr) in (Constructor, GlobalVar)


def _function(expr: Expr, count: int) -> Function:
    params = tuple(Var(f"a{i}") for i in range(count))
    return Function(params, Call(expr, params))
