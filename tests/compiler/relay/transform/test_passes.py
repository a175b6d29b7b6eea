"""Every pass on the language keeps what random programs compute, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import (
    Call,
    Constant,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    Var,
    constant,
)
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import FuncType, TensorType, scalar
from compiler.relay.language.visit import free_vars, post_order
from compiler.relay.optimize.mixed_precision import mixed_precision
from compiler.relay.transform.eliminate_common_subexpressions import eliminate_common_subexpressions
from compiler.relay.transform.eliminate_dead_code import eliminate_dead_code, remove_unused_functions
from compiler.relay.transform.eta import eta_expand
from compiler.relay.transform.fold_constant import fold_constant
from compiler.relay.transform.inline import inline
from compiler.relay.transform.lambda_lift import lambda_lift
from compiler.relay.transform.module_pass import ModulePass, run_passes
from compiler.relay.transform.partial_eval import partial_eval
from compiler.relay.transform.purity import Purity
from compiler.relay.transform.to_anf import to_anf
from compiler.relay.transform.to_graph import to_graph
from tests.compiler.relay.random_graphs import random_inputs, random_module

PASSES: dict[str, Callable[[IRModule], IRModule]] = {
    "to_anf": to_anf,
    "to_graph": to_graph,
    "anf_and_back": lambda m: to_graph(to_anf(m)),
    "eliminate_dead_code": eliminate_dead_code,
    "eliminate_common_subexpressions": eliminate_common_subexpressions,
    "fold_constant": fold_constant,
    "inline": inline,
    "eta_expand": eta_expand,
    "lambda_lift": lambda_lift,
    "partial_eval": partial_eval,
}

FLOAT = TensorType((), "float64")


def same(a: object, b: object) -> None:
    if isinstance(a, tuple):
        assert isinstance(b, tuple) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", PASSES)
def test_random_programs_compute_the_same(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        module = random_module(rng)
        infer_type(module)
        after = PASSES[name](module)
        infer_type(after)
        inputs = random_inputs(rng)
        same(evaluate(module, *inputs), evaluate(after, *inputs))


def module_of(*params: Var, body: Expr, **others: Function) -> IRModule:
    functions = {GlobalVar(name): f for name, f in others.items()}
    return IRModule({**functions, MAIN: Function(params, body)})


def triangle() -> IRModule:
    """``sum(n) = if n < 1 then 0 else n + sum(n - 1)``."""
    n = Var("n", scalar("int32"))
    body = If(op("less")(n, 1), constant(0), op("add")(n, GlobalVar("sum")(op("subtract")(n, 1))))
    m = Var("m", scalar("int32"))
    main = GlobalVar("sum")(m)
    return module_of(m, body=main, sum=Function((n,), body, scalar("int32")))


@pytest.mark.parametrize("name", [n for n in PASSES if n != "to_graph"])
def test_recursion_survives(name: str) -> None:
    module = triangle()
    infer_type(module)
    after = PASSES[name](module)
    infer_type(after)
    assert evaluate(after, np.int32(5)) == 15


def test_partial_evaluation_unfolds_recursion_on_a_known_counter() -> None:
    module = triangle()
    module = module_of(body=GlobalVar("sum")(constant(4)), sum=module["sum"])
    after = partial_eval(module)
    assert type(after.main.body) is Constant and after.main.body.data == 10


def test_partial_evaluation_keeps_recursion_on_an_unknown_counter() -> None:
    after = remove_unused_functions(partial_eval(triangle()))
    assert GlobalVar("sum") in after
    assert len(post_order(after["sum"])) < 40


def test_partial_evaluation_removes_references_that_stay_inside() -> None:
    x = Var("x", FLOAT)
    r, a, b = Var("r"), Var("a"), Var("b")
    body = Let(
        r, RefCreate(x), Let(a, RefWrite(r, op("exp")(RefRead(r))), Let(b, RefRead(r), op("add")(b, x)))
    )
    after = partial_eval(module_of(x, body=body))
    assert not any(isinstance(n, (RefCreate, RefRead, RefWrite)) for n in post_order(after.main))
    assert evaluate(after, np.float64(1.0)) == np.exp(1.0) + 1.0


def test_partial_evaluation_keeps_references_that_a_branch_writes() -> None:
    x = Var("x", FLOAT)
    r, a = Var("r"), Var("a")
    branch = If(op("less")(x, constant(0.0, "float64")), RefWrite(r, op("negative")(x)), Tuple(()))
    module = module_of(x, body=Let(r, RefCreate(x), Let(a, branch, op("multiply")(RefRead(r), x))))
    after = partial_eval(module)
    for value in (-2.0, 3.0):
        assert evaluate(after, np.float64(value)) == evaluate(module, np.float64(value)) == abs(value) * value


def test_partial_evaluation_of_a_closure_that_escapes_reads_what_is_written_later() -> None:
    x = Var("x", FLOAT)
    r, f, a = Var("r"), Var("f"), Var("a")
    function = Function((), op("add")(RefRead(r), x))
    written = RefWrite(r, op("multiply")(x, x))
    chosen = If(op("less")(x, constant(0.0, "float64")), f, Function((), x))
    body = Let(r, RefCreate(x), Let(f, function, Let(a, written, Call(chosen, ()))))
    module = module_of(x, body=body)
    after = partial_eval(module)
    infer_type(after)
    for value in (-2.0, 3.0):
        assert evaluate(after, np.float64(value)) == evaluate(module, np.float64(value))


def test_anf_binds_a_shared_part_in_the_innermost_common_scope() -> None:
    x = Var("x", FLOAT)
    shared = op("exp")(x)
    body = If(op("less")(x, constant(0.0, "float64")), op("add")(shared, x), op("negative")(shared))
    function = to_anf(module_of(x, body=body)).main
    bound = []
    scope = function.body
    while type(scope) is Let:
        bound.append(scope.value)
        scope = scope.body
    assert any(type(v) is Call and v.function is op("exp") for v in bound)
    only_then = op("exp")(x)
    body = If(op("less")(x, constant(0.0, "float64")), op("add")(only_then, only_then), x)
    function = to_anf(module_of(x, body=body)).main
    scope = function.body
    while type(scope) is Let:
        assert not (type(scope.value) is Call and scope.value.function is op("exp"))
        scope = scope.body


def test_anf_keeps_tail_calls_at_the_end() -> None:
    function = to_anf(triangle())["sum"]
    body: Expr = function.body
    while type(body) is Let:
        body = body.body
    assert type(body) is If


def test_anf_of_a_deep_graph() -> None:
    x = Var("x", FLOAT)
    value: Expr = x
    for _ in range(2000):
        value = op("add")(value, x)
    module = to_anf(module_of(x, body=value))
    assert evaluate(to_graph(module), np.float64(1.0)) == 2001


def test_common_subexpressions_are_shared() -> None:
    x = Var("x", FLOAT)
    body = op("add")(op("exp")(x), op("exp")(x))
    after = eliminate_common_subexpressions(module_of(x, body=body)).main.body
    assert after.args[0] is after.args[1]
    differ = op("add")(op("sum")(x, axis=()), op("sum")(x, axis=None))
    kept = eliminate_common_subexpressions(module_of(x, body=differ)).main.body
    assert kept.args[0] is not kept.args[1]


def test_dead_code_keeps_effects() -> None:
    x, r = Var("x", FLOAT), Var("r", None)
    dead = Let(Var("unused"), op("exp")(x), x)
    assert eliminate_dead_code(module_of(x, body=dead)).main.body is x
    written = Let(r, RefCreate(x), Let(Var("unused"), RefWrite(r, op("exp")(x)), RefRead(r)))
    kept = eliminate_dead_code(module_of(x, body=written))
    assert evaluate(kept, np.float64(0.0)) == 1.0


def test_functions_that_main_does_not_reach_are_removed() -> None:
    module = triangle().with_functions({GlobalVar("other"): Function((), constant(1))})
    assert set(remove_unused_functions(module).functions) == {MAIN, GlobalVar("sum")}


def test_constants_are_folded_once_all_operands_are_known() -> None:
    x = Var("x", TensorType((2,), "float64"))
    two = op("add")(constant(1.0, "float64"), constant(1.0, "float64"))
    body = op("multiply")(x, op("negative")(two))
    after = fold_constant(module_of(x, body=body)).main.body
    assert type(after.args[1]) is Constant and after.args[1].data == -2.0


def test_large_results_are_not_stored() -> None:
    module = module_of(body=op("broadcast_to")(constant(1.0), shape=(1 << 13, 1 << 13)))
    infer_type(module)
    assert type(fold_constant(module).main.body) is Call


def test_checkpoints_are_not_folded() -> None:
    module = module_of(body=op("annotation.checkpoint")(constant(1.0)))
    assert type(fold_constant(module).main.body) is Call


def test_inlining_binds_arguments_and_leaves_recursion() -> None:
    x, y = Var("x", FLOAT), Var("y", FLOAT)
    twice = Function((y,), op("add")(y, y))
    module = module_of(x, body=GlobalVar("twice")(GlobalVar("twice")(op("exp")(x))), twice=twice)
    after = inline(module)
    assert not any(type(n) is GlobalVar for n in post_order(after.main))
    assert sum(type(n) is Call and n.function is op("exp") for n in post_order(after.main)) == 1
    assert evaluate(after, np.float64(0.0)) == 4.0
    assert any(type(n) is GlobalVar for n in post_order(inline(triangle())["sum"]))


def test_eta_expansion_of_a_name_that_is_passed() -> None:
    x, f = Var("x", FLOAT), Var("f", FuncType((FLOAT,), FLOAT))
    y = Var("y", FLOAT)
    apply = Function((f,), f(constant(2.0, "float64")))
    main = GlobalVar("apply")(GlobalVar("double"))
    module = module_of(x, body=main, apply=apply, double=Function((y,), op("add")(y, y)))
    after = eta_expand(module, functions=True)
    assert type(after.main.body.args[0]) is Function
    assert type(after.main.body.function) is GlobalVar
    assert evaluate(after, np.float64(0.0)) == 4.0


def test_eta_expansion_leaves_constructors_that_are_called() -> None:
    from compiler.relay.language.types import GlobalTypeVar

    box = Constructor("Box", (FLOAT,), GlobalTypeVar("Box"))
    called = module_of(body=box(constant(1.0, "float64")))
    assert type(eta_expand(called).main.body.function) is Constructor
    passed = module_of(body=Tuple((box,)))
    assert type(eta_expand(passed).main.body.fields[0]) is Function


def test_lambda_lifting_leaves_no_function_inside() -> None:
    x, y, k = Var("x", FLOAT), Var("y", FLOAT), Var("k")
    closure = Function((y,), op("add")(op("multiply")(y, y), k))
    f = Var("f")
    body = Let(k, op("exp")(x), Let(f, closure, op("add")(f(x), f(k))))
    module = module_of(x, body=body)
    after = lambda_lift(module)
    infer_type(after)
    assert len(after.functions) == 2
    assert not any(type(n) is Function for n in post_order(after.main.body))
    same(evaluate(module, np.float64(0.5)), evaluate(after, np.float64(0.5)))
    assert not free_vars(after[next(g for g in after.functions if g != MAIN)])


def test_lambda_lifting_of_a_recursive_closure() -> None:
    n, m, k = Var("n", scalar("int32")), Var("m", scalar("int32")), Var("k")
    loop = Var("loop")
    body = If(op("less")(n, 1), k, op("add")(n, loop(op("subtract")(n, 1))))
    module = module_of(m, body=Let(k, op("add")(m, m), Let(loop, Function((n,), body), loop(m))))
    after = lambda_lift(module)
    infer_type(after)
    assert evaluate(after, np.int32(4)) == 10 + 8


def test_purity() -> None:
    x, r, f = Var("x", FLOAT), Var("r"), Var("f")
    writes = Function((x,), RefWrite(r, x))
    calls = Function((), GlobalVar("writes")(constant(1.0)))
    module = module_of(body=Tuple(()), writes=writes, calls=calls)
    purity = Purity(module)
    assert purity.is_pure(writes)  # to make it has no effect
    assert not purity.is_pure(GlobalVar("calls")())
    assert not purity.is_pure(f(x)) and not purity.is_pure(RefRead(r))
    assert purity.is_pure(op("exp")(x))


def test_levels_and_exclusions_of_a_list_of_passes() -> None:
    seen: list[str] = []

    def noted(name: str) -> ModulePass:
        return ModulePass(name, lambda m: (seen.append(name), m)[1], {"a": 0, "b": 2}[name])

    module = triangle()
    assert run_passes(module, [noted("a"), noted("b")], 1) is module
    assert seen == ["a"]
    run_passes(module, [noted("a"), noted("b")], 2, without=["a"])
    assert seen == ["a", "b"]
    with pytest.raises(ValueError, match="unknown pass 'c'"):
        run_passes(module, [noted("a")], without=["c"])


def test_mixed_precision_narrows_products_and_keeps_sums() -> None:
    x = Var("x", TensorType((4, 8)))
    weights = constant(np.random.default_rng(0).normal(size=(3, 8)), "float32")
    body = op("sum")(op("tanh")(op("nn.dense")(x, weights)), axis=(1,))
    module = module_of(x, body=body)
    after = mixed_precision(module)
    infer_type(after)
    calls = [n for n in post_order(after.main) if is_call_of(n)]
    types = {n.function.name: n.checked_type.dtype for n in calls}
    assert types["nn.dense"] == "float16" and types["tanh"] == "float16" and types["sum"] == "float32"
    a = np.random.default_rng(1).normal(size=(4, 8)).astype("float32")
    np.testing.assert_allclose(evaluate(after, a), evaluate(module, a), atol=2e-2)
    with pytest.raises(ValueError, match="float16 or bfloat16"):
        mixed_precision(module, "float64")


def test_fields_of_written_out_tuples() -> None:
    x = Var("x", FLOAT)
    body = TupleGetItem(Tuple((x, op("exp")(x))), 0)
    assert eliminate_dead_code(module_of(x, body=body)).main.body is x
