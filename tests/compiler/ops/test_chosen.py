"""Functions that choose the knobs of operators inside of a block."""

from __future__ import annotations

import threading

import pytest

from compiler import Target, te
from compiler.ops import Defaults, Operator, Parameter, chosen_by


class Fixed(Defaults):
    """A source of knobs with one value for every choice."""

    def __init__(self, value: int) -> None:
        self.value = value

    def choice(self, name, options, *, default=None):
        return self.value


def operator() -> tuple[Operator, list[int]]:
    """An operator, and the values that its template was given."""
    seen: list[int] = []

    def template(knobs, n):
        seen.append(knobs.choice("step", [1, 2, 3]))
        A = te.placeholder((n,), "A")
        B = te.compute((n,), lambda i: A[i] + 1.0, "B")
        return te.create_schedule(B.op), [A, B]

    made = Operator(
        name="plus one",
        parameters=(Parameter("n", "count"), Parameter("mode", "count", 7)),
        schedules={"llvm": lambda knobs, n, mode: template(knobs, n)},
        compute_reference=lambda arrays, n, mode: arrays[0] + 1,
        count_flops=lambda n, mode: n,
    )
    return made, seen


def test_the_default_is_replaced_inside_of_the_block_alone():
    op, seen = operator()
    asked = []

    def choose(operator, shape, target):
        asked.append((operator, shape, target))
        return Fixed(3)

    with chosen_by(choose):
        op.schedule(Defaults(), 4)
    op.schedule(Defaults(), 4)
    assert seen == [3, 1]
    assert asked == [(op, (4, 7), Target.host())]


def test_other_knobs_are_not_replaced():
    op, seen = operator()
    with chosen_by(lambda *_: Fixed(3)):
        op.schedule(Fixed(2), 4)
    assert seen == [2]


def test_what_an_operator_computes_does_not_depend_on_it():
    op, seen = operator()
    with chosen_by(lambda *_: pytest.fail("consulted for a computation")):
        op.tensors(4)
    assert seen == [1]


def test_the_innermost_answer_counts():
    op, seen = operator()
    with chosen_by(lambda *_: Fixed(2)):
        with chosen_by(lambda operator, shape, target: Fixed(3) if shape[0] == 4 else None):
            op.schedule(Defaults(), 4)
            op.schedule(Defaults(), 5)
        op.schedule(Defaults(), 4)
    assert seen == [3, 2, 2]


def test_an_error_ends_the_block():
    op, seen = operator()
    with pytest.raises(KeyError), chosen_by(lambda *_: Fixed(2)):
        raise KeyError
    op.schedule(Defaults(), 4)
    assert seen == [1]


def test_other_threads_have_blocks_of_their_own():
    op, seen = operator()
    inside, done = threading.Event(), threading.Event()

    def other():
        with chosen_by(lambda *_: Fixed(3)):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    op.schedule(Defaults(), 4)
    done.set()
    thread.join()
    assert seen == [1]
