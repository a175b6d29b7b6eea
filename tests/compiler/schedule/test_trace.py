"""Traces: the recorded calls of primitives as plain JSON, and their replay."""

from __future__ import annotations

import json

import pytest

from compiler import te
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.axis import ThreadAxis
from compiler.te.tensor import Tensor


def program() -> tuple[Tensor, ...]:
    """A new product on each call, as another process would make it."""
    A, B = te.placeholder((16, 16), "A"), te.placeholder((16, 16), "B")
    k = te.reduce_axis((0, 16), "k")
    return A, B, te.compute((16, 16), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")


def scheduled() -> tuple[Schedule, tuple[Tensor, ...]]:
    A, B, C = program()
    s = te.create_schedule(C.op)
    CC = s.cache_write(C, "local")
    BB = s.cache_read(B, scope="global", readers=[CC])
    s[BB].transform_layout(lambda k, j: [j // 4, k, j % 4])
    io, jo, _, ji = s[C].tile(*C.op.axis, 4, 8)
    s[CC].compute_at(s[C], jo)
    ko, ki = s[CC].split(s[CC].op.reduce_axis[0], nparts=4)
    s[CC].reorder(ko, ki, *CC.op.axis)
    s[CC].unroll(ki)
    s[C].vectorize(ji)
    s[C].parallel(io)
    return s, (A, B, C)


def test_a_schedule_is_replayed_from_json() -> None:
    s, args = scheduled()
    text = json.dumps(s.steps)
    *inputs, C = program()
    again = te.create_schedule(C.op).replay(json.loads(text))
    assert again.steps == s.steps
    assert str(loop_nest(again, [*inputs, C])) == str(loop_nest(s, args))


def test_steps_can_be_read() -> None:
    s, _ = scheduled()
    assert s.steps[0] == {"call": "cache_write", "args": [{"tensor": ["C", 0]}, "local"], "kwargs": {}}
    assert s.steps[3] == {
        "call": "tile",
        "on": "C",
        "args": [{"axis": ["C", "i"]}, {"axis": ["C", "j"]}, 4, 8],
        "kwargs": {},
    }
    assert s.steps[4]["args"] == [{"stage": "C"}, {"axis": ["C", "j_outer"]}]
    assert [step["call"] for step in s.steps] == [
        "cache_write",
        "cache_read",
        "transform_layout",
        "tile",
        "compute_at",
        "split",
        "reorder",
        "unroll",
        "vectorize",
        "parallel",
    ]


def test_a_refused_call_is_no_step_and_changes_nothing() -> None:
    *args, C = program()
    s = te.create_schedule(C.op)
    before = str(loop_nest(s, [*args, C]))
    i, j = C.op.axis
    k = C.op.reduce_axis[0]
    for call in (
        lambda: s[C].tile(i, j, 4, 0),
        lambda: s[C].fuse(i, j, k),
        lambda: s[C].split(i),
        lambda: s.cache_write(C, "nowhere"),
        lambda: s.rfactor(C, i),
    ):
        with pytest.raises(ScheduleError):
            call()
    assert s.steps == []
    assert str(loop_nest(s, [*args, C])) == before
    s[C].tile(i, j, 4, 4)
    again = te.create_schedule(C.op).replay(s.steps)
    assert again[C].leaf[0].name == "i_outer"


def test_names_in_use_get_a_number() -> None:
    A = te.placeholder((4, 4), "T")
    B = te.compute((4, 4), lambda i, j: A[i, j] + 1.0, "T")
    k = te.reduce_axis((0, 4), "i")
    C = te.compute((4,), lambda i: te.sum(B[i, k], axis=k), "T")
    s = te.create_schedule(C.op)
    s[B].compute_at(s[C], C.op.axis[0])
    s[C].unroll(k)
    assert s.steps == [
        {"call": "compute_at", "on": "T#1", "args": [{"stage": "T#2"}, {"axis": ["T#2", "i"]}], "kwargs": {}},
        {"call": "unroll", "on": "T#2", "args": [{"axis": ["T#2", "i#1"]}], "kwargs": {}},
    ]
    again = te.create_schedule(C.op).replay(s.steps)
    assert str(loop_nest(again, [A, C])) == str(loop_nest(s, [A, C]))


def test_several_tensors_and_an_intrinsic() -> None:
    A = te.placeholder((8, 8), "A")
    k = te.reduce_axis((0, 8), "k")
    index, value = te.compute((8,), lambda i: te.argmax(A[i, k], axis=k), "C")
    s = te.create_schedule(index.op)
    _, value_cache = s.cache_write([index, value], "local")
    s[value_cache].compute_at(s[index], index.op.axis[0])
    assert s.steps[0]["args"] == [[{"tensor": ["C", 0]}, {"tensor": ["C", 1]}], "local"]
    a = te.placeholder((4,), "a")
    double = te.decl_tensor_intrin(te.compute((4,), lambda i: a[i] * 2.0, "c"), name="double")
    D = te.compute((8,), lambda i: value[i] * 2.0, "D")
    s = te.create_schedule(D.op)
    _, inner = s[D].split(D.op.axis[0], 4)
    s[D].tensorize(inner, double)
    assert s.steps[-1]["args"] == [{"axis": ["D", "i_inner"]}, {"intrinsic": "double"}]
    again = te.create_schedule(D.op).replay(json.loads(json.dumps(s.steps)), [double])
    assert str(loop_nest(again, [A, D])) == str(loop_nest(s, [A, D]))
    with pytest.raises(ScheduleError, match=r"unknown intrinsic 'double' \(known: \)"):
        te.create_schedule(D.op).replay(s.steps)


def test_a_reader_can_be_given_by_its_operation() -> None:
    A, B, C = program()
    s = te.create_schedule(C.op)
    s.cache_read(A, "local", C.op)
    s.cache_read(B, "local", [C.op])
    assert s.steps[0]["args"] == [{"tensor": ["A", 0]}, "local", {"tensor": ["C", 0]}]
    again = te.create_schedule(C.op).replay(s.steps)
    assert str(loop_nest(again, [A, B, C])) == str(loop_nest(s, [A, B, C]))


def test_a_thread_axis_in_a_trace() -> None:
    s, _ = scheduled()
    for axis in (te.thread_axis("blockIdx.x"), te.thread_axis((0, 4), "vthread")):
        reference = json.loads(json.dumps(s.trace.encode(axis)))
        assert s.trace.decode(reference, {"thread_axis": lambda given: ThreadAxis(*given)}) == axis


def test_every_method_that_changes_a_schedule_is_recorded() -> None:
    """A primitive without a record would be lost when a tuning record is replayed."""
    s, _ = scheduled()
    for thing, others in (
        (s, {"replay", "consumers", "insert"}),
        (s[s.outputs[0]], {"replace", "restart", "check_leaf"}),
    ):
        methods = {n for n in dir(thing) if not n.startswith("_") and callable(getattr(type(thing), n, None))}
        recorded = {n for n in methods if hasattr(getattr(type(thing), n), "is_primitive")}
        assert methods - recorded == others


STRANGE: dict[str, tuple[dict, str]] = {
    "a primitive": (
        {"call": "splitt", "on": "C", "args": [], "kwargs": {}},
        r"step 0 of a trace: unknown primitive 'splitt'; did you mean 'split'\?",
    ),
    "a method that is not a primitive": (
        {"call": "restart", "on": "C", "args": [[]], "kwargs": {}},
        r"step 0 of a trace: unknown primitive 'restart'",
    ),
    "a stage": (
        {"call": "split", "on": "D", "args": [], "kwargs": {}},
        r"unknown name in a trace 'stage\.D'",
    ),
    "an axis": (
        {"call": "split", "on": "C", "args": [{"axis": ["C", "l"]}, 2], "kwargs": {}},
        r"unknown name in a trace 'axis\.C\.l'",
    ),
    "an unknown kind of reference": (
        {"call": "split", "on": "C", "args": [{"loop": ["C", "i"]}, 2], "kwargs": {}},
        r"unknown name in a trace 'loop\.C\.i'",
    ),
    "a reference with two kinds": (
        {"call": "split", "on": "C", "args": [{"axis": ["C", "i"], "stage": "C"}, 2], "kwargs": {}},
        r"a trace refers to an object as \{kind: name\}, not ",
    ),
    "a step without arguments": ({"on": "C"}, r"step 0 of a trace: unknown primitive None"),
    "arguments that are missing": (
        {"call": "split", "on": "C"},
        r"step 0 of a trace: 'args' and 'kwargs' of split are needed",
    ),
    "too many arguments": (
        {"call": "compute_root", "on": "C", "args": [1, 2], "kwargs": {}},
        r"step 0 of a trace: compute_root takes other arguments",
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_invalid_traces_are_refused(name: str) -> None:
    step, message = STRANGE[name]
    *_, C = program()
    with pytest.raises(ScheduleError, match=message):
        te.create_schedule(C.op).replay([step])
