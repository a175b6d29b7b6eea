"""`primitive`: a module in which operators that have no derivative of their own are programs of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from compiler.relay.gradient.recurrent import unrolled
from compiler.relay.gradient.sampled import sampled
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of
from compiler.relay.language.visit import rewrite

EXPANSIONS: dict[str, Callable[[Call, Sequence[Expr]], Expr]] = {
    "nn.lstm": partial(unrolled, "lstm"),
    "nn.gru": partial(unrolled, "gru"),
    "nn.rnn": partial(unrolled, "rnn"),
    "image.grid_sample": sampled,
}
"""Operator -> ``expansion(call, arguments)``; the call's arguments have types, but are not rewritten."""


def primitive(module: IRModule) -> IRModule:
    """Replace the calls of operators in `EXPANSIONS`; the module itself, if it has none.

    Parameters
    ----------
    module : IRModule
        Types are inferred; those of the result are not.
    """

    def change(node: Any, old: Any) -> Any:
        if not is_call_of(old, *EXPANSIONS):
            return node
        return EXPANSIONS[old.function.name](old, node.args)

    changed = {name: rewrite(function, change) for name, function in module.functions.items()}
    return module.with_functions({n: f for n, f in changed.items() if f is not module.functions[n]})
