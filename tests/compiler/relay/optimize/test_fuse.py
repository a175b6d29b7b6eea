"""Groups of operators: golden text before and after."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret import evaluate
from compiler.relay.language.expr import Call, Function, Var, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import post_order
from compiler.relay.notation.parser import parse
from compiler.relay.notation.printer import as_text
from compiler.relay.optimize.fuse import fuse_ops

HEAD = '#[version = "0.0.5"]\n'
X = "%x: Tensor[(1, 16, 8, 8), float32]"
W = "%w: Tensor[(16, 16, 3, 3), float32]"
CONV = "nn.conv2d(%x, %w, padding=[1, 1, 1, 1])"


def groups(text: str, limit: int = 256) -> list[str]:
    """The primitive functions of a program after fusion, each as the expression of its body."""
    module = fuse_ops(infer_type(parse(HEAD + text)), limit)
    infer_type(module)
    found = []
    for function in module.functions.values():
        for expr in post_order(function):
            if type(expr) is Function and expr.attrs.get("primitive"):
                found.append(written(expr))
    return found


def written(function: Function) -> str:
    """A body without shared names: ``relu(add(p0, p1))``."""
    names: dict[int, str] = {id(p): p.name for p in function.params}
    for expr in post_order(function.body):
        if id(expr) in names:
            continue
        if type(expr) is Call:
            arguments = ", ".join(names[id(a)] for a in expr.args)
            names[id(expr)] = f"{expr.function.name.rpartition('.')[2]}({arguments})"  # type: ignore[attr-defined]
        elif hasattr(expr, "fields"):
            names[id(expr)] = f"({', '.join(names[id(f)] for f in expr.fields)})"
        elif hasattr(expr, "index"):
            names[id(expr)] = f"{names[id(expr.tuple_value)]}.{expr.index}"
        else:
            names[id(expr)] = f"{expr.data:g}" if hasattr(expr, "data") else "?"
    return names[id(function.body)]


CASES = {
    "a diamond behind a convolution": (
        f"def @main({X}, {W}) {{ %0 = add({CONV}, 1f); add(nn.relu(%0), exp(%0)) }}",
        ["add(relu(add(conv2d(p0, p1), 1)), exp(add(conv2d(p0, p1), 1)))"],
    ),
    "a value that is also a result": (
        f"def @main({X}) {{ %0 = exp(%x); (%0, nn.relu(%0)) }}",
        ["exp(p0)", "relu(p0)"],
    ),
    "one convolution of a group at most": (
        f"def @main({X}, {W}) {{ add({CONV}, nn.conv2d(exp(%x), %w, padding=[1, 1, 1, 1])) }}",
        ["exp(p0)", "conv2d(p0, p1)", "add(conv2d(p0, p1), p2)"],
    ),
    "nothing but elementwise operators behind a convolution": (
        f"def @main({X}, {W}) {{ nn.relu(transpose({CONV}, axes=[0, 2, 3, 1])) }}",
        ["conv2d(p0, p1)", "relu(transpose(p0))"],
    ),
    "elementwise operators before a reduction, none behind it": (
        f"def @main({X}) {{ exp(sum(nn.relu(%x), axis=[1])) }}",
        ["sum(relu(p0))", "exp(p0)"],
    ),
    "a tuple is part of what reads it": (
        f"def @main({X}) {{ concatenate((exp(%x), transpose(nn.relu(%x), axes=[0, 1, 3, 2])), axis=1) }}",
        ["concatenate((exp(p0), transpose(relu(p0))))"],
    ),
    "a tuple that is the result is not": (
        f"def @main({X}) {{ (exp(%x), nn.relu(%x)) }}",
        ["exp(p0)", "relu(p0)"],
    ),
    "a field of a tuple": (
        f"def @main({X}) {{ %0 = split(%x, indices_or_sections=[8], axis=1); exp(%0.1) }}",
        ["exp(strided_slice(p0))"],
    ),
    "fields of a tuple that is split are slices": (
        f"def @main({X}) {{ %0 = split(%x, indices_or_sections=4, axis=1); "
        "add(multiply(%0.0, %0.1), multiply(%0.2, %0.3)) }",
        [
            "add(multiply(strided_slice(p0), strided_slice(p0)), "
            "multiply(strided_slice(p0), strided_slice(p0)))"
        ],
    ),
    "a tuple that a let binds": (
        f"def @main({X}) {{ let %s = split(exp(%x), indices_or_sections=[4, 9], axis=1); "
        "let %t = split(%s.2, indices_or_sections=[3], axis=3); add(%t.0, 1f) }",
        ["add(strided_slice(strided_slice(exp(p0))), 1)"],
    ),
    "a split tuple that is a result": (
        f"def @main({X}) {{ let %s = split(%x, indices_or_sections=2, axis=1); (%s, add(%s.0, %s.1)) }}",
        ["split(p0)", "add(strided_slice(p0), strided_slice(p0))"],
    ),
    "branches of an inception": (
        f"def @main({X}, {W}) {{ %0 = nn.relu({CONV}); concatenate((%0, nn.relu(nn.conv2d(%0, %w, "
        "padding=[1, 1, 1, 1])), nn.max_pool2d(%0, pool_size=[3, 3], strides=[1, 1], padding=[1, 1, 1, 1])),"
        " axis=1) }",
        [
            "relu(conv2d(p0, p1))",
            "relu(conv2d(p0, p1))",
            "max_pool2d(p0)",
            "concatenate((p0, p1, p2))",
        ],
    ),
    "stop_fusion": (
        f"def @main({X}) {{ exp(stop_fusion(nn.relu(add(%x, 1f)))) }}",
        ["relu(add(p0, 1))", "exp(p0)"],
    ),
    "views stay outside at both ends": (
        f"def @main({X}) {{ reshape(exp(reshape(%x, newshape=[4, 256])), newshape=[1024]) }}",
        ["exp(p0)"],
    ),
    "a view in the middle": (
        f"def @main({X}) {{ nn.relu(reshape(exp(%x), newshape=[4, 256])) }}",
        ["relu(reshape(exp(p0)))"],
    ),
    "an expression that a larger result would repeat": (
        f"def @main({X}, %s: Tensor[(1, 16, 1, 1), float32]) {{ multiply(%x, sigmoid(%s)) }}",
        ["sigmoid(p0)", "multiply(p0, p1)"],
    ),
    "lets": (
        f"def @main({X}) {{ let %a = exp(%x); let %b = nn.relu(%a); let %c = add(%b, %x); %c }}",
        ["add(relu(exp(p0)), p0)"],
    ),
    "branches are regions of their own": (
        f"def @main({X}, %c: bool) {{ let %a = exp(%x); if (%c) {{ nn.relu(add(%a, 1f)) }} else {{ %x }} }}",
        ["exp(p0)", "relu(add(p0, 1))"],
    ),
    "functions": (
        f"def @main({X}) {{ let %f = fn (%y: Tensor[(1, 16, 8, 8), float32]) {{ exp(nn.relu(%y)) }};"
        " add(%f(%x), 1f) }",
        ["exp(relu(p0))", "add(p0, 1)"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    text, expected = CASES[name]
    assert sorted(groups(text)) == sorted(expected)


@pytest.mark.parametrize("name", CASES)
def test_the_value_is_the_same(name: str) -> None:
    module = infer_type(parse(HEAD + CASES[name][0]))
    rng = np.random.default_rng(0)
    values = []
    for param in module.main.params:
        drawn = rng.standard_normal(param.checked_type.dims)
        values.append(
            np.asarray(drawn > 0 if param.checked_type.dtype == "bool" else drawn.astype("float32"))
        )
    before, after = evaluate(module, *values), evaluate(fuse_ops(module), *values)
    for a, b in zip(
        leaves(before),
        leaves(after),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def leaves(value: Any) -> list[np.ndarray]:
    return [a for part in value for a in leaves(part)] if isinstance(value, tuple) else [value]


def test_text_before_and_after() -> None:
    module = infer_type(parse(f"{HEAD}def @main({X}) {{ exp(nn.relu(%x)) }}"))
    after = as_text(fuse_ops(module))
    expected = """
        def @main(%x: Tensor[(1, 16, 8, 8), float32]) {
          %1 = fn (%p0: Tensor[(1, 16, 8, 8), float32], primitive=True) {
            %0 = nn.relu(%p0);
            exp(%0)
          };
          %1(%x)
        }"""
    assert re.sub(r"\s+", " ", expected).strip() in re.sub(r"\s+", " ", after)


def test_fused_twice_is_fused_once() -> None:
    module = fuse_ops(infer_type(parse(HEAD + CASES["a diamond behind a convolution"][0])))
    assert fuse_ops(module) is module


def test_a_limit_of_one_compiles_each_operator_for_itself() -> None:
    text, _ = CASES["a diamond behind a convolution"]
    assert sorted(groups(text, limit=1)) == [
        "add(p0, 1)",
        "add(p0, p1)",
        "conv2d(p0, p1)",
        "exp(p0)",
        "relu(p0)",
    ]


def test_the_limit_counts_repeated_expressions() -> None:
    """A chain of sums with itself doubles its expression at each link, and must not become one group."""
    x = Var("x", TensorType((4,), "float32"))
    value = x
    for _ in range(40):
        value = op("add")(value, value)  # type: ignore[assignment]
    module = fuse_ops(infer_type(IRModule.from_expr(Function((x,), value))), 64)
    sizes = []
    for expr in post_order(module.main):
        if type(expr) is Function and expr.attrs.get("primitive"):
            text = written(expr)
            sizes.append(text.count("add("))
    assert max(sizes) <= 64
    assert len(sizes) == 7  # six doublings make 63 additions


def test_a_chain_longer_than_the_limit() -> None:
    x = Var("x", TensorType((4,), "float32"))
    value = x
    for _ in range(600):
        value = op("add")(value, constant(1.0))  # type: ignore[assignment]
    module = fuse_ops(infer_type(IRModule.from_expr(Function((x,), value))))
    count = sum(type(e) is Function and bool(e.attrs.get("primitive")) for e in post_order(module.main))
    assert count == 3
