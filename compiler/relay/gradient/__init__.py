"""Derivatives of programs: of data-flow graphs, and of those with closures, references and control flow."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.relay.gradient.first_order import GradientError, first_order, is_dataflow
from compiler.relay.gradient.higher_order import higher_order
from compiler.relay.gradient.primitive import primitive
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.expr import Function, GlobalVar
from compiler.relay.language.module import IRModule
from compiler.relay.transform.purity import Purity
from compiler.relay.transform.to_graph import graph

MODES = ("auto", "first_order", "higher_order")


def gradient(
    module: IRModule | Function,
    wrt: Sequence[int | str] | None = None,
    *,
    mode: str = "auto",
    name: str = "main",
) -> IRModule:
    """Return the module in which a function returns its result and the derivatives by its parameters.

    The derivatives are those of the sum of all elements of the result, of floats; ``gradient`` may be applied
    to its own result. What is below ``annotation.checkpoint`` is computed again where its values are needed.

    Parameters
    ----------
    module : IRModule or Function
    wrt : sequence of int or str, optional
        Positions or names of parameters; by default all.
    mode : str
        ``"first_order"``: adjoints of a data-flow graph, which stays one. ``"higher_order"``: any program,
        with references and closures. ``"auto"``: the first where it is possible.
    name : str
        The function.

    Returns
    -------
    IRModule
        With ``fn (params) { (result, (derivatives,)) }``.

    Raises
    ------
    GradientError
        For an operator without a gradient, or a construct that the mode does not have.
    ValueError
        For an unknown mode or parameter.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; {', '.join(MODES)} are the modes")
    if isinstance(module, Function):
        module = IRModule.from_expr(module)
    module = primitive(infer_type(module))
    infer_type(module)
    function, key = module[name], GlobalVar(name)
    positions = _positions(function, wrt)
    if mode != "higher_order":
        flat = graph(function, Purity(module))
        if is_dataflow(flat.body):
            module = module.with_functions({key: flat})
            infer_type(module)
            made = first_order(flat, [flat.params[i] for i in positions])
            return infer_type(module.with_functions({key: made}))
        if mode == "first_order":
            raise GradientError(
                f"{name} has functions, branches or references; mode='higher_order' differentiates these"
            )
    return infer_type(higher_order(module, key, positions))


def _positions(function: Function, wrt: Sequence[int | str] | None) -> list[int]:
    names = [p.name for p in function.params]
    if wrt is None:
        return list(range(len(names)))
    found = []
    for which in wrt:
        position = names.index(which) if which in names else which
        if not isinstance(position, int) or not 0 <= position < len(names):
            raise ValueError(f"there is no parameter {which!r}; the parameters are {', '.join(names)}")
        found.append(position)
    return found


__all__ = ["MODES", "GradientError", "gradient"]
