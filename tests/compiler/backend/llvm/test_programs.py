"""Whole random programs, compiled and interpreted, with every node that has code on a CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compiler.backend import Target
from compiler.backend.llvm.backend import LLVM
from compiler.backend.llvm.compile import emit_object, optimise
from compiler.backend.llvm.machine import this_machine
from compiler.ir.calls import call
from compiler.ir.dtype import is_float, lanes_of
from compiler.ir.expr import Buffer, Call, Const, Expr, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import Allocate, For, Prefetch, Seq, Stmt, Store
from compiler.ir.visit import Rewriter
from compiler.runtime import Module, num_threads, set_num_threads
from tests.compiler.random_programs import functions, random_arrays

FEATURES = ("let", "prefetch", "copy", "bitwise", "functions", "pragmas", "sizes")
EXACT = ("abs", "floor", "ceil", "round", "trunc", "sqrt", "isnan", "popcount", "if_then_else")


class Lowered(Rewriter):
    """Lowers a program in the simplest way to the form after the passes: flat indices, no vector loops.

    It also removes what is implementation-defined: elements that were never stored are set to the values of
    the interpreter, and functions that are not exact are replaced by one that is.
    """

    def _position(self, buffer: Buffer, indices: Sequence[Expr]) -> tuple[Expr]:
        if len(indices) == 1 and len(buffer.shape) != 1:
            return (indices[0],)
        lanes = max([1, *(lanes_of(index.dtype) for index in indices)])
        wide = "int64" if lanes == 1 else f"int64x{lanes}"
        total: Expr = Const(0, "int64")
        for index, extent in zip(indices, buffer.shape, strict=True):
            number = extent.astype("int64") if isinstance(extent, Var) else Const(extent, "int64")
            total = total * number + index.astype(wide if lanes_of(index.dtype) > 1 else "int64")
        return (total,)

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        return Load(inner.buffer, self._position(inner.buffer, inner.indices))

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        return Store(inner.buffer, self._position(inner.buffer, inner.indices), inner.value)

    def _prefetch(self, node: Prefetch) -> Stmt:
        inner = self.descend(node)
        return Prefetch(inner.buffer, self._position(inner.buffer, inner.indices))

    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        return replace(inner, kind="serial") if node.kind == "vectorize" else inner

    def _call(self, node: Call) -> Expr:
        inner = self.descend(node)
        return inner if node.name in EXACT else call("abs", inner.args[0])

    def _allocate(self, node: Allocate) -> Stmt:
        buffer, place = node.buffer, Var("unset")
        if is_float(buffer.dtype):
            unset: Expr = Const(float("nan"), buffer.dtype)
        elif buffer.dtype == "bool":
            unset = Const(True, "bool")
        else:
            size = np.dtype(buffer.dtype).itemsize
            unset = const(np.frombuffer(b"\xab" * size, buffer.dtype)[0])
        fill = For(place, Const(buffer.size), "serial", Store(buffer, (place,), unset))
        return Allocate(buffer, Seq((fill, self(node.body))), node.pragmas)

    rules = {
        Load: _load,
        Store: _store,
        Prefetch: _prefetch,
        For: _for,
        Call: _call,
        Allocate: _allocate,
    }


def compiled(func: PrimFunc) -> Module:
    """The module of `func`, with every product rounded: the interpreter has no fused multiply-add."""
    llvm, machine = LLVM(), this_machine()
    artifact = llvm.compile(func, Target.host().options)
    text = artifact.text.replace(" contract ", " ")
    code = emit_object(optimise(text, machine), machine)
    return llvm.load(replace(artifact, text=text, code=code))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Iterations of a parallel loop may store to one element: in one thread, the last iteration wins."""
    before = num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@settings(
    max_examples=settings().max_examples // (1 if os.environ.get("ESPALIER_NIGHTLY") else 2),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), seed=st.integers(0, 2**16))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_compiled_programs_equal_the_interpreter(data: st.DataObject, seed: int) -> None:
    func = data.draw(functions(FEATURES))
    func = func.with_body(Lowered()(func.body))
    arrays = random_arrays(func.params, seed)
    expected, got = [a.copy() for a in arrays], [a.copy() for a in arrays]
    try:
        interpret(func, *expected)
    except (IndexError, ValueError):
        assume(False)
    compiled(func)(*got)
    for buffer, a, b in zip(func.params, expected, got, strict=True):
        np.testing.assert_array_equal(b, a, err_msg=f"{buffer} of\n{func}")
