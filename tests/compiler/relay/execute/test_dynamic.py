"""Dimensions that each call brings: compiled for each shape, kept, and each refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.relay.execute import dynamic
from compiler.relay.execute.build import build
from compiler.relay.execute.dynamic import DynamicExecutable
from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret import evaluate
from compiler.relay.notation.parser import parse

TEXT = """#[version = "0.0.5"]
def @main(%x: Tensor[(?, 4), float32], %t: (Tensor[(?), float32], Tensor[(4), float32])) {
  (nn.softmax(add(%x, %t.1), axis=-1), exp(%t.0))
}"""


def given(rows: int, count: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(rows)
    x, a, b = (rng.standard_normal(s).astype("float32") for s in ((rows, 4), (count,), (4,)))
    return x, (a, b)


@pytest.fixture()
def program() -> DynamicExecutable:
    made = build(infer_type(parse(TEXT)), cache=False)
    assert isinstance(made, DynamicExecutable)
    return made


def test_every_shape_as_the_interpreter(program: DynamicExecutable) -> None:
    for rows, count in ((1, 1), (5, 2), (1, 7), (0, 3)):
        found = program(*given(rows, count))
        expected = evaluate(parse(TEXT), *given(rows, count))
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_shape_is_compiled_once(program: DynamicExecutable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "SHAPES", 2)
    first = program.specialized(*given(2, 3))
    assert program.specialized(*given(2, 3)) is first
    program(*given(3, 3))
    assert program.specialized(*given(2, 3)) is first
    program(*given(4, 3))  # three shapes: that of three rows goes, which was used last longest ago
    assert program.specialized(*given(2, 3)) is first
    assert len(program._programs) == 2


def test_refusals(program: DynamicExecutable) -> None:
    x, (a, b) = given(2, 3)
    with pytest.raises(
        ValueError, match=r"the input 'x' has the shape \(2, 5\); Tensor\[\(\?, 4\), float32\]"
    ):
        program(np.zeros((2, 5), "float32"), (a, b))
    with pytest.raises(ValueError, match=r"the input 't.0' has the shape \(1, 3\)"):
        program(x, (a[None], b))
    with pytest.raises(ValueError, match="the input 't': a tuple of 2 is needed"):
        program(x, (a,))
    with pytest.raises(ValueError, match=r"the program takes 2 argument\(s\)"):
        program(x)
    with pytest.raises(ValueError, match="the input 'x' has the dtype float64; float32 is needed"):
        program(x.astype("float64"), (a, b))
    np.testing.assert_array_equal(program.run({"t": (a, b), "x": x})[1], program(x, (a, b))[1])


def test_profile(program: DynamicExecutable) -> None:
    assert len(program.profile(*given(2, 3), repeat=1).rows) == 3
