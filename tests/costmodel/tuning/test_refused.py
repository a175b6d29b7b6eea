"""Refused candidates have no score, never reach a batch, and are refused by the worker as a last check."""

from __future__ import annotations

import numpy as np
import pytest

from compiler import Target, te
from costmodel import Measurer, Reason, Task, register, tune
from costmodel.learned import BoostedTreeCostModel
from costmodel.tuning.scorer import Scorer


@register(reference=lambda a, b, n: a @ b, flops=lambda n: 2 * n**3)
def spilling_product(knobs, n):
    """A tile of sums in registers, of which the larger ones do not fit those of any target."""
    rows = knobs.choice("rows", (1, 2, 4, 16, 32))
    columns = knobs.choice("columns", (16, 32, 64))
    A, B = te.placeholder((n, n), "A"), te.placeholder((n, n), "B")
    k = te.reduce_axis((0, n), "k")
    C = te.compute((n, n), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")
    s = te.create_schedule(C.op)
    tile = s.cache_write(C, "local")
    _, jo, _, _ = s[C].tile(*C.op.axis, rows, columns)
    s[tile].compute_at(s[C], jo)
    i, j = tile.op.axis
    s[tile].reorder(tile.op.reduce_axis[0], i, j)
    s[tile].unroll(i)
    s[tile].vectorize(j)
    return s, [A, B, C]


def spills(config, target: str = "llvm") -> bool:
    hardware = Target.parse(target).hardware
    vectors = -(-config["columns"] * 32 // hardware.vector_bits)
    return config["rows"] * vectors + 1 > hardware.vector_registers


@pytest.fixture
def task() -> Task:
    return Task("spilling_product", (64,))


def test_refused_candidates_have_no_score_and_a_reason(task):
    scorer = Scorer(task, BoostedTreeCostModel())
    every = list(range(task.space.size))
    expected = [i for i in every if spills(task.space.at(i))]
    assert 0 < len(expected) < task.space.size
    assert scorer.sieve(every) == [i for i in every if i not in expected]
    assert sorted(scorer.refused) == expected
    assert all("vector registers in the loop over 'k'" in reason for reason in scorer.refused.values())
    assert scorer.features(expected[0]) is not None  # a measured default has features to learn from
    scorer.model.fit(np.stack([scorer.features(i) for i in every]), np.arange(1.0, 1.0 + len(every)))
    assert np.array_equal(np.isneginf(scorer(every)), [i in expected for i in every])


def test_refused_candidates_are_counted_and_not_measured(task):
    result = tune(task, trials=8, batch_size=4, seed=1, shipped=False)
    assert not result.failures
    assert result.refused and all(spills(task.space.at(i)) for i in result.refused)
    assert not any(spills(task.space.at(r.index)) for r in result.records)


def test_the_worker_refuses_before_it_compiles(task):
    with Measurer() as measurer:
        result = measurer.measure(task, {"rows": 32, "columns": 64})
        assert result.reason is Reason.REFUSED
        assert "vector registers in the loop over 'k'" in result.message
        assert measurer.measure(task, task.space.default).ok
