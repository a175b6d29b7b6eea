"""Running an operator's template under random answers to its knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import note
from hypothesis import strategies as st

from compiler.ir.interpret import interpret
from compiler.ir.verify import verify
from compiler.lower import build
from compiler.ops import Defaults, Knobs, Operator
from compiler.passes import run
from compiler.schedule.nest import loop_nest


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


def check(op: Operator, knobs: Knobs, *shape: int) -> None:
    """The template's program gives the reference's result, before and after the passes, and compiled."""
    s, args = op.schedule(knobs, *shape)
    nest = loop_nest(s, args)
    verify(nest)
    lowered = run(nest, lambda _, func: verify(func))
    inputs = op.inputs(np.random.default_rng(0), *shape)
    reference = op.reference(*inputs, *shape)
    sizes = op.reference(*(np.abs(x) for x in inputs), *shape)
    module = build(lowered)
    for how in (lambda *a: interpret(nest, *a), lambda *a: interpret(lowered, *a), module):
        result = op.output(*shape)
        result.fill(np.nan)
        how(*inputs, result)
        assert result.shape == reference.shape
        assert np.all(np.abs(result - reference) <= op.tolerance(*shape) * (sizes + 1e-30))


@pytest.fixture(scope="session")
def random_knobs() -> type[RandomKnobs]:
    return RandomKnobs


@pytest.fixture(scope="session")
def asking_defaults() -> type[AskingDefaults]:
    return AskingDefaults


@pytest.fixture(scope="session")
def check_operator() -> Callable[..., None]:
    return check
