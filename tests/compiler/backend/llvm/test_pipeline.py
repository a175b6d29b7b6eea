"""The list of passes, and properties of all passes on random programs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, note, reject, settings
from hypothesis import strategies as st

from compiler.backend import pipeline
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes import run
from compiler.passes.inline_intrinsics import inline_intrinsics
from tests.compiler.random_programs import functions, random_arrays

# These passes preserve the result of any program; the others rely on the promises of marks: that lanes and
# virtual threads exchange no data, that a double buffer is filled by what can run ahead, and that a buffer of
# the function's own is not read before it is written.
KEEPING = [p for p in pipeline() if p.__name__ not in ("vectorize", "inject_vthread", "storage_rewrite")]


@pytest.mark.parametrize("features", [(), ("let", "copy", "invoke", "packed", "sizes", "bitwise")])
@settings(max_examples=max(1, settings().max_examples // 4))
@given(data=st.data())
def test_each_pass_preserves_the_result(features, data: st.DataObject) -> None:
    func = data.draw(functions(features))
    note(str(func))
    arrays = random_arrays(func.params, data.draw(st.integers(0, 99)))
    expected = [array.copy() for array in arrays]
    try:
        interpret(func, *expected)
    except IndexError:
        reject()  # a program that fails has no result to preserve
    for step in KEEPING:
        try:
            after = step(func)
        except ValueError as error:
            # iterations share a byte, or a description uses a part of a parameter as a region
            assert any(what in str(error) for what in ("share bytes", "packed type", "part of its parameter"))
            continue
        note(f"after {step.__name__}:\n{after}")
        verify(after)
        if after is func:
            continue
        results = [array.copy() for array in arrays]
        interpret(after, *results)
        for a, b in zip(results, expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"after {step.__name__}")


def test_the_order_is_that_of_the_list() -> None:
    seen: list[str] = []
    func = parse_function("def main(A: float32[4]):\n    for i in vectorize(4):\n        A[i] = 1.0")
    run(func, pipeline(), lambda name, _: seen.append(name))
    assert seen == [step.__name__ for step in pipeline()]
    assert len(set(seen)) == len(seen)


def test_the_first_pass_uses_the_implementations_for_llvm() -> None:
    first = pipeline("llvm")[0]
    assert first.func is inline_intrinsics  # type: ignore[attr-defined]
    assert first.keywords == {"kind": "llvm"}  # type: ignore[attr-defined]
