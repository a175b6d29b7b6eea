"""The pipeline: the passes that a module goes through before its operators are grouped, at levels 0 to 3."""

from __future__ import annotations

from compiler.backend import Target
from compiler.relay.language.module import IRModule
from compiler.relay.optimize.canonicalize import canonicalize
from compiler.relay.optimize.combine_parallel import combine_parallel
from compiler.relay.optimize.fold_scale_axis import fold_scale_axis
from compiler.relay.optimize.integer_layers import integer_layers
from compiler.relay.optimize.recognize import recognize
from compiler.relay.optimize.simplify_inference import simplify_inference
from compiler.relay.transform.eliminate_common_subexpressions import eliminate_common_subexpressions
from compiler.relay.transform.eliminate_dead_code import eliminate_dead_code, remove_unused_functions
from compiler.relay.transform.fold_constant import fold_constant
from compiler.relay.transform.module_pass import ModulePass, Observer, run_passes

PASSES: tuple[ModulePass, ...] = (
    ModulePass("remove_unused_functions", remove_unused_functions, 0, "less for all others to do"),
    ModulePass("simplify_inference", simplify_inference, 0, "leaves sums and products, which fold and fuse"),
    ModulePass(
        "eliminate_dead_code", eliminate_dead_code, 1, "a use that is none hinders folding and fusion"
    ),
    ModulePass("integer_layers", integer_layers, 2, "folding would turn the weights into floats"),
    ModulePass("fold_constant", fold_constant, 2, "what is constant is seen by the passes behind"),
    ModulePass("canonicalize", canonicalize, 1, "the passes behind have one form to look for"),
    ModulePass(
        "eliminate_common_subexpressions", eliminate_common_subexpressions, 3, "patterns see shared parts"
    ),
    ModulePass("recognize", recognize, 2, "needs canonical forms and shared subexpressions"),
    ModulePass("fold_scale_axis", fold_scale_axis, 3, "needs factors that are constants"),
    ModulePass("fold_constants_again", fold_constant, 2, "weights times factors, sums of biases"),
    ModulePass("combine_parallel", combine_parallel, 3, "weights are final, branches are not yet fused"),
    ModulePass(
        "canonicalize_again", canonicalize, 1, "sums with zero and products with one that folding left"
    ),
    ModulePass("remove_dead_code_again", eliminate_dead_code, 1, "what the passes above left without use"),
)
"""In their order, with the least level of each and the reason for its place."""


def optimize(
    module: IRModule,
    level: int = 3,
    *,
    target: str | Target = "llvm",
    without: tuple[str, ...] = (),
    observe: Observer | None = None,
) -> IRModule:
    """Apply the passes of a level. The module computes the same, up to rounding.

    Parameters
    ----------
    module : IRModule
    level : int
        0: what execution needs. 1: no dead code, canonical forms. 2: constants. 3: weights are rewritten.
    target : str or Target
        What the module is compiled for.
    without : tuple of str
        Names of passes to leave out, see `PASSES`.
    observe : callable, optional
        ``observe(pass, before, after, seconds)`` after each pass.

    Raises
    ------
    ValueError
        If the level is not 0 to 3, or a name in `without` is no pass.
    TypeInferenceError
        If the module is ill-typed.
    """
    if level not in (0, 1, 2, 3):
        raise ValueError(f"level is {level!r}; 0, 1, 2 or 3 is needed")
    hardware = Target.parse(target).hardware
    if not (hardware.byte_products or hardware.pair_products):
        without = (*without, "integer_layers")  # without such instructions, products of floats are faster
    return run_passes(module, PASSES, level, without=without, observe=observe)
