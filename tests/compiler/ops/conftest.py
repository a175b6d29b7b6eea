"""Running an operator's template under random answers to its knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import note
from hypothesis import strategies as st

from compiler.backend import pipeline
from compiler.driver import build
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.ops import Defaults, Knobs, Operator
from compiler.passes import run
from compiler.schedule import create_schedule


class RandomKnobs:
    """Draws every answer; keeps the questions."""

    def __init__(self, draw: Callable[[st.SearchStrategy], Any]) -> None:
        self.draw = draw
        self.asked: list[tuple[str, str]] = []

    def split(self, name: str, extent: int, parts: int, *, max_inner: int | None = None, default: Any = None):
        self.asked.append(("split", name))
        factors: list[int] = []
        for part in range(parts - 1):
            limit = max_inner if part == 0 and max_inner is not None else extent
            fitting = [d for d in range(1, min(extent, limit) + 1) if extent % d == 0]
            factors.append(self.draw(st.sampled_from(fitting)))
            extent //= factors[-1]
        return self.answer(name, (extent, *reversed(factors)))

    def choice(self, name: str, options: Sequence[Any], *, default: Any = None) -> Any:
        self.asked.append(("choice", name))
        return self.answer(name, self.draw(st.sampled_from(options)))

    def annotate(self, name: str, options: Sequence[str], *, default: Any = None) -> Any:
        self.asked.append(("annotate", name))
        return self.answer(name, self.draw(st.sampled_from(options)))

    def reorder(
        self, name: str, axes: Sequence[Any], candidates: Sequence[tuple[int, ...]], *, default: Any = None
    ):
        self.asked.append(("reorder", name))
        order = self.answer(name, self.draw(st.sampled_from(candidates)))
        return tuple(axes[position] for position in order)

    def answer(self, name: str, value: Any) -> Any:
        note(f"{name} = {value}")
        return value


class AskingDefaults(Defaults):
    """The default answers; keeps the questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def split(self, name, *args, **kwargs):
        self.asked.append(("split", name))
        return super().split(name, *args, **kwargs)

    def choice(self, name, *args, **kwargs):
        if not self.asked or self.asked[-1][1] != name:  # reorder and annotate are answered by a choice
            self.asked.append(("choice", name))
        return super().choice(name, *args, **kwargs)

    def annotate(self, name, *args, **kwargs):
        self.asked.append(("annotate", name))
        return super().annotate(name, *args, **kwargs)

    def reorder(self, name, *args, **kwargs):
        self.asked.append(("reorder", name))
        return super().reorder(name, *args, **kwargs)


def positive(op: Operator, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Inputs in the domain of the operator: logarithms and roots take positive numbers, divisors are not
    small.
    """
    return [np.abs(x) + np.float32(0.25) for x in arrays] if op.name in ("unary", "binary") else arrays


def check(
    op: Operator, knobs: Knobs, *values: Any, how: Sequence[str] = ("nest", "lowered", "compiled")
) -> None:
    """The template's program gives the reference's result, before and after the passes, and compiled.

    So does what the operator says that it computes, and the program that gets its constants beforehand.
    """
    shape = op.shape(*values)
    s, args = op.schedule(knobs, *shape)
    nest = loop_nest(s, args)
    verify(nest)
    lowered = run(nest, pipeline(), lambda _, func: verify(func))
    inputs = positive(op, op.inputs(np.random.default_rng(0), *shape))
    reference = op.reference(*inputs, *shape)
    sizes = np.maximum(op.reference(*(np.abs(x) for x in inputs), *shape), np.abs(reference))
    ways: dict[str, Callable[..., object]] = {
        "nest": lambda *a: interpret(nest, *a),
        "lowered": lambda *a: interpret(lowered, *a),
        "compiled": build(lowered),
        "definition": lambda *a: interpret(definition(op, shape), *a),
        "bound": lambda *a: bound(op, s, args, a),
    }
    for way in how:
        result = op.output(*shape)
        result.fill(np.nan)
        ways[way](*inputs, result)
        assert result.shape == reference.shape
        wrong = np.abs(result - reference) > op.tolerance(*shape) * (sizes + 1e-2)
        assert not wrong.any() and not np.isnan(result).any(), way


def definition(op: Operator, shape: tuple) -> Any:
    """The loop nest of what the operator says that it computes, under the schedule that changes nothing."""
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
def asking_defaults() -> type[AskingDefaults]:
    return AskingDefaults


@pytest.fixture(scope="session")
def check_operator() -> Callable[..., None]:
    return check
