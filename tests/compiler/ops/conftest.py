"""Fixtures that run an operator's template under random values of its knobs, and check the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, note
from hypothesis import strategies as st

from compiler.backend import pipeline
from compiler.driver import build
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.ops import Defaults, Knobs, Operator
from compiler.ops.knob import Request
from compiler.ops.requirement import Requirement
from compiler.passes import run
from compiler.schedule import create_schedule


class RandomKnobs(Knobs):
    """Draws every value; keeps the kinds and names of the requested knobs."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.requested: list[tuple[str, str]] = []
        self.values: dict[str, Any] = {}

    def resolve(self, request: Request) -> Any:
        self.requested.append((request.kind, request.name))
        value = self.draw(st.sampled_from(request.knob().options))
        note(f"{request.name} = {value}")
        self.values[request.name] = value
        return value

    def restrict(self, requirement: Requirement) -> None:
        assume(requirement.holds(self.values))


class RecordingDefaults(Defaults):
    """Returns the defaults; keeps the kinds and names of the requested knobs."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: list[tuple[str, str]] = []

    def resolve(self, request: Request) -> Any:
        self.requested.append((request.kind, request.name))
        return super().resolve(request)


def check(
    op: Operator,
    knobs: Knobs,
    *values: Any,
    how: Sequence[str] = ("nest", "lowered", "compiled"),
    target: str = "llvm",
) -> None:
    """Compare the template's program with the reference, before and after the passes, and compiled.

    ``"definition"`` is the operator's `compute` without a schedule, ``"bound"`` the program that was given
    its constants before the call. The program is that of `target`, whose lanes and registers it fits, and
    runs here.
    """
    shape = op.shape(*values)
    s, args = op.schedule(knobs, *shape, target=target)
    nest = loop_nest(s, args)
    verify(nest)
    lowered = run(nest, pipeline(), lambda _, func: verify(func))
    inputs = op.inputs(np.random.default_rng(0), *shape)
    references = op.references(inputs, *shape)
    ways: dict[str, Callable[..., object]] = {
        "nest": lambda *a: interpret(nest, *a),
        "lowered": lambda *a: interpret(lowered, *a),
        "compiled": build(lowered),
        "definition": lambda *a: interpret(definition(op, shape), *a),
        "bound": lambda *a: bound(op, s, args, a),
    }
    for way in how:
        outputs = op.outputs(*shape)
        for output, reference in zip(outputs, references, strict=True):
            # no element has its right value before the call
            output[...] = np.nan if reference.dtype.kind == "f" else np.invert(reference)
        ways[way](*inputs, *outputs)
        for output, reference in zip(outputs, references, strict=True):
            assert (output.shape, output.dtype) == (reference.shape, reference.dtype)
            if reference.dtype.kind != "f":
                np.testing.assert_array_equal(output, reference, err_msg=way)
                continue
            difference = np.abs(output.astype("float64") - reference.astype("float64"))
            # a comparison by "not larger" would accept NaN
            assert np.all(difference <= op.tolerance(reference, *shape)), (way, difference.max())


def definition(op: Operator, shape: tuple) -> Any:
    """The loop nest of the operator's `compute`, under the default schedule."""
    tensors = op.tensors(*shape)
    return loop_nest(create_schedule(tensors[-1].op), tensors)


def bound(op: Operator, s: Any, args: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    """Run the program that was given its constants before."""
    fixed = [(t, a) for t, a in zip(args, arrays, strict=True) if t.name in op.constants]
    if not fixed:
        build(s, args)(*arrays)
        return
    program = build(s, args, constants=[t for t, _ in fixed]).bind(*(a for _, a in fixed))
    program(*(a for t, a in zip(args, arrays, strict=True) if t.name not in op.constants))


@pytest.fixture(scope="session")
def random_knobs() -> type[RandomKnobs]:
    return RandomKnobs


@pytest.fixture(scope="session")
def recording_defaults() -> type[RecordingDefaults]:
    return RecordingDefaults


@pytest.fixture(scope="session")
def check_operator() -> Callable[..., None]:
    return check
