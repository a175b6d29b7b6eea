"""The primitives on scans and scatters: loop nests, and what is refused with its reason."""

from __future__ import annotations

import pytest

from compiler import te
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor


def sums(last: bool = True) -> tuple[Schedule, dict[str, Tensor]]:
    """The sums of the first rows of a matrix; with `last`, a stage that reads the last row."""
    X, state = te.placeholder((9, 20), "X"), te.placeholder((9, 20), "state")
    init = te.compute((1, 20), lambda t, i: X[t, i], "init")
    update = te.compute((9, 20), lambda t, i: state[t - 1, i] + X[t, i], "update")
    S = te.scan(init, update, state, name="S")
    out = te.compute((20,), lambda i: S[8, i], "out")
    tensors = {"X": X, "state": state, "init": init, "update": update, "S": S, "out": out}
    return te.create_schedule((out if last else S).op), tensors


def text(s: Schedule, *args: Tensor) -> str:
    return "\n".join(str(loop_nest(s, args)).splitlines()[1:])


def test_the_default_nest() -> None:
    s, of = sums(last=False)
    assert (
        text(s, of["X"], of["S"])
        == """\
    init = allocate(float32[1, 20], "global")
    for i in range(20):
        init[0, i] = X[0, i]
    for i_init in range(20):
        S[0, i_init] = init[0, i_init]
    for t in range(8):
        update = allocate(float32[1, 20], "global")
        for i in range(20):
            update[0, i] = S[t, i] + X[t + 1, i]
        for i in range(20):
            S[t + 1, i] = update[0, i]"""
    )


def test_steps_that_are_split_and_unrolled() -> None:
    s, of = sums(last=False)
    s[of["init"]].compute_inline()
    s[of["update"]].compute_inline()
    t, i = of["S"].op.axis
    outer, inner = s[of["S"]].split(t, 3)
    s[of["S"]].reorder(outer, inner, i)
    s[of["S"]].unroll(inner)
    t = "t_outer * 3 + t_inner"
    assert (
        text(s, of["X"], of["S"])
        == f"""\
    for i_init in range(20):
        S[0, i_init] = X[0, i_init]
    for t_outer in range(3):
        for t_inner in unroll(3):
            for i in range(20):
                if {t} < 8:
                    S[{t} + 1, i] = S[{t}, i] + X[{t} + 1, i]"""
    )


def test_the_nest_of_a_scatter() -> None:
    where, values = te.placeholder((30,), "where", "uint8"), te.placeholder((30, 4), "values")
    start = te.placeholder((7, 4), "start")
    out = te.scatter(start, where, values, "max", name="out")
    s = te.create_schedule(out.op)
    u, j = out.op.axis
    s[out].reorder(j, u)
    s[out].parallel(j)
    at = 'cast(where[u], "int32")'
    assert (
        text(s, start, where, values, out)
        == f"""\
    for j in parallel(4):
        for n in range(7):
            out[n, j] = start[n, j]
        for u in range(30):
            if {at} < 7:
                out[{at}, j] = max(out[{at}, j], values[u, j])"""
    )


@pytest.mark.parametrize("mark", ["parallel", "vectorize"])
def test_a_sequential_axis_cannot_be_marked(mark: str) -> None:
    s, of = sums()
    with pytest.raises(
        ScheduleError,
        match=rf"S: 't' is a sequential axis, whose iterations run in order; {mark} needs a data",
    ):
        getattr(s[of["S"]], mark)(of["S"].op.axis[0])
    with pytest.raises(ScheduleError, match="S: 't' is a sequential axis"):
        s[of["S"]].bind(of["S"].op.axis[0], te.thread_axis("threadIdx.x"))


def test_steps_stay_in_order() -> None:
    s, of = sums()
    outer, inner = s[of["S"]].split(of["S"].op.scan_axis, 2)
    with pytest.raises(
        ScheduleError, match="S: reorder would change the order of t_inner, t_outer, sequential"
    ):
        s[of["S"]].reorder(inner, outer)
    with pytest.raises(
        ScheduleError, match="is a sequential axis and 'i' a data axis; only axes of one kind"
    ):
        s[of["S"]].fuse(inner, of["S"].op.axis[1])
    s[of["S"]].fuse(outer, inner)


def test_primitives_that_need_another_order_or_memory() -> None:
    s, of = sums()
    S = of["S"]
    with pytest.raises(ScheduleError, match="S: a recurrence cannot be inlined; use compute_at"):
        s[S].compute_inline()
    with pytest.raises(ScheduleError, match="S: cache_write of a recurrence, whose steps read its memory"):
        s.cache_write(S, "local")
    with pytest.raises(ScheduleError, match="S: transform_layout of a recurrence, whose steps have an order"):
        s[S].transform_layout(lambda t, i: [i, t])
    with pytest.raises(ScheduleError, match="S: double_buffer of a recurrence"):
        s[S].double_buffer()
    with pytest.raises(ScheduleError, match="S: rfactor takes a reduction"):
        s.rfactor(S, S.op.axis[0])
    with pytest.raises(ScheduleError, match="S: storage_align of 't'"):
        s[S].storage_align(S.op.axis[0], 8)
    assert s.steps == []


def test_what_reads_earlier_steps_is_computed_in_each_step() -> None:
    s, of = sums()
    s[of["update"]].compute_at(s[of["S"]], of["S"].op.scan_axis)  # where it is already
    outer, inner = s[of["S"]].split(of["S"].op.scan_axis, 2)
    with pytest.raises(ScheduleError, match="update: placed inside the loop 't' of S, which was split"):
        loop_nest(s, [of["X"], of["out"]])
    s[of["update"]].compute_at(s[of["S"]], outer)
    with pytest.raises(
        ScheduleError,
        match="update: reads earlier steps of S, so .* compute it at 't_inner' of S, or in a loop",
    ):
        loop_nest(s, [of["X"], of["out"]])
    s[of["update"]].compute_root()  # back in the steps
    assert "update = allocate(float32[1, 20]" in text(s, of["X"], of["out"])

    s = te.create_schedule([of["S"].op, of["update"].op])
    with pytest.raises(ScheduleError, match="update: reads earlier steps of S, .* cannot be an output"):
        loop_nest(s, [of["X"], of["S"], of["update"]])


def test_what_the_first_rows_read_is_computed_before_the_steps() -> None:
    s, of = sums()
    s[of["init"]].compute_at(s[of["S"]], of["S"].op.axis[1])
    with pytest.raises(ScheduleError, match="init: computed in the loop 'i' of S, but its first rows"):
        loop_nest(s, [of["X"], of["out"]])
    s[of["S"]].reorder(of["S"].op.axis[1], of["S"].op.axis[0])
    assert "init = allocate(float32[1, 1]" in text(s, of["X"], of["out"])


def test_loops_around_the_steps_separate_the_elements() -> None:
    X, state = te.placeholder((9, 4, 6), "X"), te.placeholder((9, 4, 6), "state")
    init = te.compute((1, 4, 6), lambda t, b, i: X[t, b, i], "init")
    update = te.compute((9, 4, 6), lambda t, b, i: state[t - 1, b, 5 - i] + X[t, b, i], "update")
    S = te.scan(init, update, state, name="S")
    t, b, i = S.op.axis
    for order, legal in (((b, t, i), True), ((i, t, b), False), ((b, i, t), False)):
        s = te.create_schedule(S.op)
        s[S].reorder(*order)
        if legal:
            loop_nest(s, [X, S])
            continue
        with pytest.raises(
            ScheduleError,
            match=r"S: the loop\(s\) .* are outside of its steps, but update reads other elements of state "
            "along 'i' than the same iteration updates; move them inside of 't'",
        ):
            loop_nest(s, [X, S])
    s = te.create_schedule(S.op)
    s[update].compute_inline()
    s[S].reorder(i, t, b)
    with pytest.raises(ScheduleError, match="but S reads other elements of state along 'i'"):
        loop_nest(s, [X, S])


def test_only_dimensions_that_the_steps_do_not_mix_are_computed_in_part() -> None:
    s, of = sums()
    s[of["S"]].compute_at(s[of["out"]], of["out"].op.axis[0])
    assert "S = allocate(float32[9, 20]" in text(s, of["X"], of["out"])  # `update` may read all columns
    s[of["update"]].compute_inline()
    assert "S = allocate(float32[9, 1]" in text(s, of["X"], of["out"])


def test_a_state_has_one_scan() -> None:
    state = te.placeholder((9, 4), "state")
    init = te.compute((1, 4), lambda t, i: 0.0, "init")
    update = te.compute((9, 4), lambda t, i: state[t - 1, i] + 1, "update")
    first, second = te.scan(init, update, state, name="A"), te.scan(init, update, state, name="B")
    with pytest.raises(ScheduleError, match="'state' is the state of 'A', and of 'B'"):
        te.create_schedule([first.op, second.op])


def test_a_trace_names_the_state() -> None:
    s, of = sums()
    cached = s.cache_read(of["state"], "local", [of["update"]])
    again = te.create_schedule(of["out"].op).replay(s.steps)
    assert again.steps == s.steps
    assert text(s, of["X"], of["out"]) == text(again, of["X"], of["out"])
    assert f"{cached.name} = allocate(float32[1, 20]" in text(s, of["X"], of["out"])
