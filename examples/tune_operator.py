"""Define an operator with open choices, and search for its fastest program on this CPU."""

import numpy as np

from compiler import te
from costmodel import Measurer, Task, register, tune


@register(reference=lambda a, x, m, k: a @ x, flops=lambda m, k: 2 * m * k)
def matvec(knobs, m, k):
    """A matrix times a vector: a template that asks `knobs` for each choice."""
    _, rows = knobs.split("rows", m, 2, max_inner=32)
    _, lanes = knobs.split("lanes", k, 2, max_inner=64)
    A = te.placeholder((m, k), "A")
    x = te.placeholder((k,), "x")
    j = te.reduce_axis((0, k), "j")
    y = te.compute((m,), lambda i: te.sum(A[i, j] * x[j], axis=j), "y")
    s = te.create_schedule(y.op)
    outer, inner = s[y].split(y.op.axis[0], rows)
    j_outer, j_inner = s[y].split(y.op.reduce_axis[0], lanes)
    s[y].reorder(outer, j_outer, inner, j_inner)
    s[y].parallel(outer)
    return s, [A, x, y]


def main() -> None:
    task = Task("matvec", (512, 512))
    print(f"{task.space.size} programs; the default is {task.space.default}")
    # candidates run in a process of their own, which imports this file for the template
    with Measurer() as measurer:
        result = tune(task, 16, measurer=measurer, batch_size=8, records="matvec.jsonl", seed=0)
    # the default and the best of the trials, measured in turns at the end of the search
    for program in result.finals.comparisons:
        print(f"{program.name:17} {program.gflops:6.2f} GFLOP/s")
    print(f"{result.speedup.median:.2f} times the speed of the default")
    print("best configuration:", result.best_config)
    np.testing.assert_equal(sum(result.failures.values()), 0)


if __name__ == "__main__":
    main()
