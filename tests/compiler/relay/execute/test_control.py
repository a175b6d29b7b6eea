"""Compiled programs with control flow, recursion, closures, references and data, against the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.relay.execute.build import build
from compiler.relay.execute.control import ControlExecutable
from compiler.relay.execute.load import load
from compiler.relay.interpret import evaluate
from compiler.relay.interpret.values import ConstructorValue
from compiler.relay.language.module import IRModule
from compiler.relay.notation.parser import parse
from tests.compiler.relay.random_graphs import random_inputs, random_module

HEAD = '#[version = "0.0.5"]\n'
LIST = "type List[A] { Cons(A, List[A]), Nil, }\n"
T = "Tensor[(2, 3), float32]"

PROGRAMS = {
    "if": f"def @main(%x: {T}, %c: bool) {{ if (%c) {{ exp(%x) }} else {{ add(%x, 1f) }} }}",
    "a shared value of both branches": f"""def @main(%x: {T}, %c: bool) {{
        %0 = exp(%x);
        let %y = if (%c) {{ add(%0, %x) }} else {{ multiply(%0, %x) }};
        add(%y, %0)
    }}""",
    "nested branches": f"""def @main(%x: {T}, %c: bool) {{
        let %s = if (%c) {{ if (less(sum(%x), 0f)) {{ negative(%x) }} else {{ %x }} }} else {{ exp(%x) }};
        (%s, if (%c) {{ %s }} else {{ %x }})
    }}""",
    "a loop in tail position": f"""
        def @loop(%n: int32, %x: {T}, %y: {T}) -> {T} {{
            if (greater(%n, 0)) {{ @loop(subtract(%n, 1), %y, add(multiply(%x, 0.5f), %y)) }} else {{ %x }}
        }}
        def @main(%x: {T}, %c: bool) {{ @loop(40, %x, exp(%x)) }}""",
    "recursion that is no tail call": f"""
        def @power(%n: int32, %x: {T}) -> {T} {{
            if (greater(%n, 0)) {{ multiply(%x, @power(subtract(%n, 1), %x)) }} else {{ %x }}
        }}
        def @main(%x: {T}, %c: bool) {{ @power(6, %x) }}""",
    "functions that call each other": f"""
        def @even(%n: int32, %x: {T}) -> {T} {{
            if (greater(%n, 0)) {{ @odd(subtract(%n, 1), add(%x, 1f)) }} else {{ %x }}
        }}
        def @odd(%n: int32, %x: {T}) -> {T} {{
            if (greater(%n, 0)) {{ @even(subtract(%n, 1), negative(%x)) }} else {{ exp(%x) }}
        }}
        def @main(%x: {T}, %c: bool) {{ (@even(7, %x), @odd(7, %x)) }}""",
    "closures": f"""def @main(%x: {T}, %c: bool) {{
        let %add = fn (%a: {T}) {{ fn (%b: {T}) {{ add(add(%a, %b), %x) }} }};
        let %f = %add(exp(%x));
        let %twice = fn (%g: fn ({T}) -> {T}, %v: {T}) {{ %g(%g(%v)) }};
        %twice(%f, %x)
    }}""",
    "a closure that calls itself": f"""def @main(%x: {T}, %c: bool) {{
        let %step = add(%x, 1f);
        let %loop = fn (%n: int32, %v: {T}) -> {T} {{
            if (greater(%n, 0)) {{ %loop(subtract(%n, 1), multiply(%v, %step)) }} else {{ %v }}
        }};
        let %deep = fn (%n: int32, %v: {T}) -> {T} {{
            if (greater(%n, 0)) {{ add(%v, %deep(subtract(%n, 1), %v)) }} else {{ %loop(2, %v) }}
        }};
        (%loop(3, %x), %deep(4, %x))
    }}""",
    "closures of a loop keep the values of their iteration": f"""
        {LIST}
        def @make(%n: int32, %x: {T}, %fs: List[fn ({T}) -> {T}]) -> List[fn ({T}) -> {T}] {{
            if (greater(%n, 0)) {{
                let %k = multiply(%x, 2f);
                @make(subtract(%n, 1), %k, Cons(fn (%v: {T}) {{ add(%v, %k) }}, %fs))
            }} else {{ %fs }}
        }}
        def @all(%fs: List[fn ({T}) -> {T}], %x: {T}) -> {T} {{
            match (%fs) {{ Cons(%f, %rest) => {{ @all(%rest, multiply(%f(%x), 0.5f)) }}, Nil => {{ %x }} }}
        }}
        def @main(%x: {T}, %c: bool) {{ @all(@make(5, %x, Nil), %x) }}""",
    "references": f"""def @main(%x: {T}, %c: bool) {{
        let %r = ref(%x);
        let %add = fn (%v: {T}) {{ ref_write(%r, add(ref_read(%r), %v)) }};
        let %a = %add(exp(%x));
        let %b = if (%c) {{ %add(%x) }} else {{ () }};
        let %old = ref_read(%r);
        let %d = ref_write(%r, %x);
        (%old, ref_read(%r))
    }}""",
    "lists and patterns": f"""
        {LIST}
        def @map(%f: fn ({T}) -> {T}, %l: List[{T}]) -> List[{T}] {{
            match (%l) {{ Cons(%h, %t) => {{ Cons(%f(%h), @map(%f, %t)) }}, Nil => {{ Nil }} }}
        }}
        def @ends(%l: List[{T}]) -> {T} {{
            match (%l) {{
                Cons(%a, Cons(%b, Nil)) => {{ add(%a, %b) }},
                Cons(%a, Cons(_, %rest)) => {{ @ends(Cons(%a, %rest)) }},
                Cons(%a, Nil) => {{ %a }},
                Nil => {{ exp(multiply(zeros(shape=[2, 3], dtype="float32"), 1f)) }}
            }}
        }}
        def @main(%x: {T}, %c: bool) {{
            let %l = Cons(%x, Cons(exp(%x), Cons(negative(%x), Nil)));
            (@ends(@map(fn (%v: {T}) {{ add(%v, %x) }}, %l)), @ends(Nil), @map(fn (%v: {T}) {{ %v }}, %l))
        }}""",
    "tuples as arguments": f"""def @main(%x: {T}, %c: bool) {{
        let %f = fn (%t: ({T}, ({T}, bool))) {{
            match (%t) {{ (%a, (%b, %d)) => {{ if (%d) {{ add(%a, %b) }} else {{ subtract(%a, %b) }} }} }}
        }};
        let %u = (exp(%x), (%x, %c));
        (%f(%u), concatenate((%u.0, %u.1.0), axis=0))
    }}""",
    "operators without code": f"""def @main(%x: {T}, %c: bool) {{
        let %t = topk(%x, k=3, axis=-1);
        if (%c) {{ (sort(%x, axis=0), %t.1) }} else {{ (%x, argsort(%x, axis=-1, dtype="int64")) }}
    }}""",
}
X = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")


def same(a: Any, b: Any) -> None:
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for p, q in zip(a, b, strict=True):
            same(p, q)
    elif isinstance(a, ConstructorValue):
        assert a.constructor.name == b.constructor.name
        same(a.fields, b.fields)
    else:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)


@pytest.fixture(scope="module")
def programs() -> dict[str, tuple[Any, IRModule]]:
    parsed = {name: parse(HEAD + text) for name, text in PROGRAMS.items()}
    # without optimization, which inlines and evaluates much of what is tested here
    return {name: (build(module, level=0, cache=False), module) for name, module in parsed.items()}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("condition", [True, False])
def test_as_the_interpreter(programs: Any, name: str, condition: bool) -> None:
    program, module = programs[name]
    assert isinstance(program, ControlExecutable)
    given = X, np.bool_(condition)
    same(program(*given), evaluate(module, *given))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_machine_of_deep_programs(programs: Any, name: str) -> None:
    """What takes over where Python's stack is too short computes the same."""
    program, module = programs[name]
    function, program._function = program._function, None
    try:
        same(program(X, np.bool_(True)), evaluate(module, X, np.bool_(True)))
    finally:
        program._function = function


def test_any_depth_of_recursion(programs: Any) -> None:
    text = PROGRAMS["recursion that is no tail call"].replace("@power(6, %x)", "@power(20000, %x)")
    module = parse(HEAD + text)
    same(build(module, level=0, cache=False)(X / 10, np.bool_(True)), X * 0)


def test_a_long_loop_needs_no_stack(programs: Any) -> None:
    text = PROGRAMS["a loop in tail position"].replace("@loop(40", "@loop(5000")
    program = build(parse(HEAD + text), level=0, cache=False)
    program._sites = None  # the machine cannot run it
    assert program(X, np.bool_(True)).shape == (2, 3)


def test_many_nested_branches() -> None:
    """More than Python's parser can read: the machine runs it."""
    text = "%x"
    for _ in range(120):
        text = f"if (%c) {{ add({text}, 1f) }} else {{ %x }}"
    module = parse(f"{HEAD}def @main(%x: {T}, %c: bool) {{ {text} }}")
    program = build(module, level=0, cache=False)
    assert isinstance(program, ControlExecutable) and program._function is None
    for condition in (True, False):
        same(program(X, np.bool_(condition)), evaluate(module, X, np.bool_(condition)))


@pytest.mark.parametrize("name", ["closures", "lists and patterns", "references"])
def test_saved_and_loaded(programs: Any, name: str, tmp_path: Any) -> None:
    program, _ = programs[name]
    program.save(tmp_path / "program")
    same(load(tmp_path / "program")(X, np.bool_(True)), program(X, np.bool_(True)))


@pytest.mark.parametrize("seed", range(4))
def test_random_programs(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    module = random_module(rng, 12, "float32")
    given = random_inputs(rng, "float32")
    found, expected = build(module, level=seed % 4, cache=False)(*given), evaluate(module, *given)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_profile(programs: Any) -> None:
    program, _ = programs["a loop in tail position"]
    profile = program.profile(X, np.bool_(True), repeat=2)
    # exp once; in each of 40 iterations a comparison, a difference, a product and a sum
    assert len(profile.rows) == 2 + 4 * 40 + 1 - 1
    assert {row.name for row in profile.rows} == {"exp", "greater", "subtract", "multiply", "add"}
    assert sum(row.flops for row in profile.rows if row.name == "multiply") == 40 * 6
    assert len(str(profile).splitlines()) == 2 + 5


def test_no_case() -> None:
    text = f"{LIST}def @main(%x: {T}) {{ match? (Nil) {{ Cons(%h, _) => {{ %h }} }} }}"
    module = parse(HEAD + text.replace("match? (Nil)", "let %l: List[" + T + "] = Nil; match? (%l)"))
    with pytest.raises(ValueError, match="has no case for Nil"):
        build(module, level=0, cache=False)(X)


def test_wrong_arguments(programs: Any) -> None:
    program, _ = programs["if"]
    with pytest.raises(
        ValueError, match=r"the input 'x' has the shape \(3, 2\); the shape \(2, 3\) is needed"
    ):
        program(X.reshape(3, 2), np.bool_(True))
    with pytest.raises(ValueError, match="the input 'c' has the dtype float32; bool is needed"):
        program(X, np.float32(1))
    with pytest.raises(ValueError, match=r"the program takes 2 argument\(s\)"):
        program(X)
    with pytest.raises(ValueError, match="unknown input 'd'"):
        program.run({"x": X, "d": X})


def test_a_match_whose_value_has_no_type_of_its_own() -> None:
    """The cases of a match are no expressions: a main that begins with one is no data flow."""
    text = f"def @main(%x: {T}) {{ match ((%x, %x)) {{ (%a, %b) => {{ add(%a, %b) }} }} }}"
    module = parse(HEAD + text)
    same(build(module, cache=False)(X), evaluate(module, X))
