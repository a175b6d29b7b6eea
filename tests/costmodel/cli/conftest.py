"""The command in a folder of its own, and a file with operators of a user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from costmodel.cli import main

OPERATORS = """
from compiler import te
from costmodel import register
from costmodel.space import Replay

@register(reference=lambda a, n: a + 1, flops=lambda n: n, name="{name}")
def shifted(knobs, n):
    _, inner = knobs.split("inner", n, 2, max_inner=64)
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] + 1.0, "B")
    s = te.create_schedule(B.op)
    s[B].split(B.op.axis[0], inner)
    return s, [A, B]


@register(reference=lambda a, n: a + 1, flops=lambda n: n, name="{name} broken")
def broken(knobs, n):
    knobs.choice("step", list(range(40)))
    if isinstance(knobs, Replay):  # not while the space is recorded
        raise KeyError("step is odd")
    return shifted(knobs, n)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object, status: int = 0) -> str:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == status, result.output
        return result.output

    return invoke


@pytest.fixture
def operators(tmp_path: Path) -> str:
    """A file of operators whose names are those of the test's folder, as they are registered for good."""
    name = tmp_path.name
    (tmp_path / "mine.py").write_text(OPERATORS.format(name=name))
    return name
