from __future__ import annotations

import queue

import pytest

from costmodel.measure.patience import Patience


class Waiting:
    """Something that replies after a number of waits; each may take longer than it was allowed to."""

    def __init__(self, empty: int) -> None:
        self.empty = empty
        self.waits: list[float] = []

    def get(self, seconds: float) -> str:
        self.waits.append(seconds)
        if len(self.waits) <= self.empty:
            raise queue.Empty
        return "reply"


def test_the_limit_is_the_sum_of_the_waits():
    waiting = Waiting(empty=100)
    with pytest.raises(queue.Empty):
        Patience(2.5).wait(waiting.get, queue.Empty)
    assert waiting.waits == [1.0, 1.0, 0.5]


def test_a_machine_that_slept_has_used_one_wait():
    # the first wait lasted a minute, because the machine slept: the rest of the limit is still there
    waiting = Waiting(empty=1)
    patience = Patience(2.5)
    assert patience.wait(waiting.get, queue.Empty) == "reply"
    assert patience.left == 1.5
