"""Lambda lifting: functions without free variables become functions of the module; others are given them."""

from __future__ import annotations

from typing import Any

from compiler.relay.language.expr import Call, Function, GlobalVar, Let, Var
from compiler.relay.language.module import IRModule
from compiler.relay.language.types import TypeVar
from compiler.relay.language.visit import free_type_vars, free_vars, renamed, rewrite, substitute
from compiler.relay.transform.to_anf import to_anf


def lambda_lift(module: IRModule) -> IRModule:
    """Move every function that is written inside of another one to the module.

    One with free variables becomes a function of the module from these to a closure, which is called where
    the function was: ``fn (x) { x + y }`` becomes ``@lifted(y)``, where ``def @lifted(y) { fn (x) { x + y }
    }``. A recursive function makes its own closure again.
    """
    module = to_anf(module)  # every function that is made is bound by a let
    lifter = _Lifter(module)
    functions = {name: lifter.lift_inside(f) for name, f in module.functions.items()}
    return module.with_functions({**functions, **lifter.lifted})


class _Lifter:
    def __init__(self, module: IRModule) -> None:
        self.lifted: dict[GlobalVar, Function] = {}
        self._taken = {name.name for name in module.functions}

    def lift_inside(self, function: Function) -> Function:
        """A function of the module with those inside of it lifted."""

        def enter(node: Any) -> bool:
            return not (type(node) is Function and _stays(node))

        def change(node: Any, old: Any) -> Any:
            if type(node) is Let and type(node.value) is Function and not _stays(node.value):
                return Let(node.var, self._lift(node.value, node.var), node.body)
            return node

        body = rewrite(function.body, change, enter)
        return Function(function.params, body, function.result, function.type_params, function.attrs)

    def _lift(self, function: Function, var: Var) -> Any:
        name = self._fresh(var.name)
        captured = [v for v in free_vars(function) if v is not var]
        itself = Call(name, tuple(captured)) if captured else name
        function = substitute(function, {var: itself})  # type: ignore[assignment]
        generic = free_type_vars(Function(tuple(captured), function))  # of the functions around it
        if captured:
            outer = Function(tuple(captured), function, None, tuple(generic))
        else:
            own = (*generic, *function.type_params)
            outer = Function(function.params, function.body, function.result, own, function.attrs)
        self.lifted[name] = renamed(outer, {v: TypeVar(v.name, v.kind) for v in generic})
        return itself

    def _fresh(self, hint: str) -> GlobalVar:
        name, number = f"lifted_{hint}", 0
        while name in self._taken:
            number += 1
            name = f"lifted_{hint}_{number}"
        self._taken.add(name)
        return GlobalVar(name)


def _stays(function: Function) -> bool:
    """Whether a function is not lifted: a group of operators, or what is below a checkpoint."""
    return bool(function.attrs.get("primitive") or function.attrs.get("checkpoint"))
