"""Register buffers: a local buffer is split where its constant indices end."""

from __future__ import annotations

import pytest

from compiler.ir.text import parse_function
from compiler.passes.split_registers import REGISTER_LIMIT, split_registers

# name -> (before, after)
GOLDEN = {
    "accumulators that a loop reads": (
        """
        def main(A: float32[16], C: float32[2]):
            t = allocate(float32[2], "local")
            t[0] = 0.0
            t[1] = 0.0
            for k in range(8):
                t[0] = t[0] + A[k]
                t[1] = t[1] + A[k + 8]
            for i in range(2):
                C[i] = t[i]
        """,
        """
        def main(A: float32[16], C: float32[2]):
            t = allocate(float32[2], "local")
            t_memory = allocate(float32[2], "local", pragmas={"in_memory": True})
            t[0] = 0.0
            t[1] = 0.0
            for k in range(8):
                t[0] = t[0] + A[k]
                t[1] = t[1] + A[k + 8]
            t_memory[0] = t[0]
            t_memory[1] = t[1]
            for i in range(2):
                C[i] = t_memory[i]
        """,
    ),
    "vectors, and another buffer beside them": (
        """
        def main(A: float32[8], C: float32[8]):
            for i in range(1):
                u = allocate(float32[1], "local")
                t = allocate(float32[8], "local")
                u[0] = 2.0
                for k in range(3):
                    t[ramp(0, 1, 4)] = A[ramp(0, 1, 4)] * broadcast(u[0], 4)
                    t[ramp(4, 1, 4)] = A[ramp(4, 1, 4)]
                for k in range(8):
                    t[k] = t[k] + u[0]
                    C[k] = t[k]
        """,
        """
        def main(A: float32[8], C: float32[8]):
            for i in range(1):
                u = allocate(float32[1], "local")
                t = allocate(float32[8], "local")
                t_memory = allocate(float32[8], "local", pragmas={"in_memory": True})
                u[0] = 2.0
                for k in range(3):
                    t[ramp(0, 1, 4)] = A[ramp(0, 1, 4)] * broadcast(u[0], 4)
                    t[ramp(4, 1, 4)] = A[ramp(4, 1, 4)]
                t_memory[ramp(0, 1, 4)] = t[ramp(0, 1, 4)]
                t_memory[ramp(4, 1, 4)] = t[ramp(4, 1, 4)]
                for k in range(8):
                    t_memory[k] = t_memory[k] + u[0]
                    C[k] = t_memory[k]
        """,
    ),
}

# a block inside of ``t = allocate(float32[80], ...)``
KEPT = {
    "all indices are constants": "for k in range(8):\n    t[0] = A[k]\nC[0] = t[0]",
    "no loop accumulates": "t[0] = A[0]\nfor i in range(2):\n    C[i] = t[i]",
    "a varying index at first": "for i in range(8):\n    t[i] = A[i]\nfor i in range(8):\n    C[i] = t[i]",
    "accesses that overlap": (
        "for k in range(8):\n    t[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]\n    t[3] = A[k]\n"
        "for i in range(4):\n    C[i] = t[i]"
    ),
    "more accesses than registers": "for k in range(8):\n"
    + "".join(f"    t[{i}] = A[k]\n" for i in range(REGISTER_LIMIT + 1))
    + "for i in range(8):\n    C[i] = t[i]",
}


def program(body: str, scope: str = "local") -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f'def main(A: float32[8], C: float32[8]):\n    t = allocate(float32[80], "{scope}")\n{lines}'


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(split_registers, *GOLDEN[name])


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    func = parse_function(program(KEPT[name]))
    assert split_registers(func) is func


def test_a_buffer_with_the_pragma_is_unchanged() -> None:
    body = "for k in range(8):\n    t[0] = A[k]\nfor i in range(1):\n    C[i] = t[i]"
    func = parse_function(program(body, "global"))
    assert split_registers(func) is func
    local = parse_function(program(body))
    assert split_registers(local) is not local
