"""Every pass on the language, on random programs: they stay well formed and typed, and mean the same."""

import os

import pytest

from compiler.relay import check_well_formed, evaluate, infer_type, parse
from compiler.relay.optimize.canonicalize import canonicalize
from compiler.relay.optimize.fuse import fuse_ops
from compiler.relay.optimize.pipeline import optimize
from compiler.relay.transform.eliminate_common_subexpressions import eliminate_common_subexpressions
from compiler.relay.transform.eliminate_dead_code import eliminate_dead_code
from compiler.relay.transform.eta import eta_expand
from compiler.relay.transform.fold_constant import fold_constant
from compiler.relay.transform.inline import inline
from compiler.relay.transform.lambda_lift import lambda_lift
from compiler.relay.transform.partial_eval import partial_eval
from compiler.relay.transform.to_anf import to_anf
from compiler.relay.transform.to_graph import to_graph
from tests.compiler.relay.random_programs import plain, random_arguments, random_module

PASSES = {
    "to_anf": to_anf,
    "to_graph": lambda module: to_graph(infer_type(to_anf(module))),
    "dead code": lambda module: eliminate_dead_code(infer_type(to_anf(module))),
    "common subexpressions": eliminate_common_subexpressions,
    "fold_constant": fold_constant,
    "inline": inline,
    "eta_expand": eta_expand,
    "lambda_lift": lambda_lift,
    "partial_eval": partial_eval,
    "partial_eval, dead code": lambda module: eliminate_dead_code(infer_type(partial_eval(module))),
    "canonicalize": canonicalize,
    "fuse_ops": fuse_ops,
    "optimize": optimize,
}

SEEDS = range(300) if os.environ.get("ESPALIER_NIGHTLY") else range(5)


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_keeps_the_meaning_of_random_programs(name):
    for seed in SEEDS:
        args = random_arguments(seed)
        before = plain(evaluate(random_module(seed), *args))
        module = PASSES[name](infer_type(random_module(seed)))
        check_well_formed(module)
        infer_type(module)
        assert repr(plain(evaluate(module, *args))) == repr(before), seed


def test_a_reference_that_is_made_in_an_inlined_function_is_made_by_each_call():
    """The body of ``@new`` is closed: its copies share no node."""
    module = parse("""
    def @new() { ref(1) }
    def @main() { let %a = @new(); let %b = @new(); ref_write(%a, 2) ;; ref_read(%b) }
    """)
    assert evaluate(inline(infer_type(module))) == evaluate(module) == 1


def test_a_function_that_is_lifted_takes_the_type_parameters_around_it_along():
    module = parse("""
    def @const[A, B](%x: A) -> fn(B) -> A { fn (%y: B) -> A { %x } }
    def @main() { (@const(1)(True), @const(2f)(())) }
    """)
    lifted = infer_type(lambda_lift(infer_type(module)))
    check_well_formed(lifted)
    assert str(lifted.main.checked_type) == "fn () -> (int32, float32)"
