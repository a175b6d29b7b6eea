"""The memory plan: no two blocks that are in use together overlap, and gaps are filled."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.relay.execute.planning.memory import ALIGNMENT, Block, MemoryPlan, plan_memory

BLOCKS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 20), st.integers(0, 8)).map(
        lambda t: Block(t[0], t[1], t[1] + t[2])
    ),
    max_size=30,
)


@given(BLOCKS)
def test_blocks_in_use_together_do_not_overlap(blocks: list[Block]) -> None:
    plan = plan_memory(blocks)
    for i, a in enumerate(blocks):
        assert plan.offsets[i] % ALIGNMENT == 0
        assert plan.offsets[i] + a.nbytes <= plan.peak
        for j, b in enumerate(blocks[:i]):
            if a.first <= b.last and b.first <= a.last and a.nbytes and b.nbytes:
                begin, end = plan.offsets[i], plan.offsets[i] + a.nbytes
                assert end <= plan.offsets[j] or plan.offsets[j] + b.nbytes <= begin
    assert plan.bound <= plan.peak


def test_a_chain_needs_two_blocks() -> None:
    blocks = [Block(1024, i, i + 1) for i in range(10)]
    assert plan_memory(blocks) == MemoryPlan((0, 1024) * 5, 2048, 10240, 2048)


def test_the_smallest_gap_that_is_large_enough() -> None:
    # two gaps, of 1024 and of 512 bytes, between blocks that live throughout
    blocks = [
        Block(4096, 0, 9),
        Block(1024, 0, 0),
        Block(2048, 0, 9),
        Block(512, 0, 0),
        Block(1536, 0, 9),
        Block(448, 5, 6),
    ]
    plan = plan_memory(blocks)
    assert plan.peak == plan.bound == 4096 + 2048 + 1536 + 1024 + 512
    # sizes are placed from the largest on, so the two short ones are behind the others, and share their place
    assert plan.offsets[5] in (plan.offsets[1], plan.offsets[3])


def test_random_chains_come_near_the_bound() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(20):
        sizes = rng.integers(1, 40, 60) * ALIGNMENT
        plan = plan_memory([Block(int(size), i, i + 1) for i, size in enumerate(sizes)])
        shares.append(plan.peak / plan.bound)
        assert plan.share == plan.peak / sizes.sum()
    assert np.mean(shares) < 1.2
    assert max(shares) < 1.4
