"""Conversion to and from the layout of AutoTVM's log files."""

from __future__ import annotations

import dataclasses
import json

import pytest

from compiler import te
from costmodel.records import Record, from_autotvm, to_autotvm
from costmodel.records.autotvm import is_autotvm
from costmodel.registry import register
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task


@register(reference=lambda a, n, m: a + 1, flops=lambda n, m: n * m, name="every kind of knob")
def every_kind(knobs, n, m):
    A = te.placeholder((n, m), "A")
    B = te.compute((n, m), lambda i, j: A[i, j] + 1.0, "B")
    s = te.create_schedule(B.op)
    _, rows = knobs.split("rows", n, 2)
    outer, inner = s[B].split(B.op.axis[0], rows)
    knobs.reorder("order", "ab", [(0, 1), (1, 0)])
    knobs.annotate("loop", ["none", "unroll"])
    knobs.choice("step", [1, 2, (3, 4)])
    return s, [A, B]


TASK = Task("every kind of knob", (8, 4))
VALUES = {"rows": (2, 4), "order": (1, 0), "loop": "unroll", "step": (3, 4)}


def record(outcome: MeasureResult | None = None) -> Record:
    outcome = outcome or MeasureResult(Reason.OK, (2e-3, 1e-3), total_seconds=0.5, timestamp=1000.0)
    return Record.of(TASK, TASK.space.config(VALUES), outcome, cpu="a CPU", source="model", trial=7)


# as AutoTVM writes it, by hand from its documented layout
LINE = {
    "input": ["llvm", "every kind of knob", [8, 4], {}],
    "config": {
        "index": TASK.space.config(VALUES).index,
        "code_hash": None,
        "entity": [
            ["rows", "sp", [2, 4]],
            ["order", "re", [1, 0]],
            ["loop", "an", "unroll"],
            ["step", "ot", [3, 4]],
        ],
    },
    "result": [[0.002, 0.001], 0, 0.5, 1000.0],
    "version": 0.2,
    "tvm_version": "",
}


def test_a_record_in_the_layout():
    assert json.loads(to_autotvm(record())) == LINE
    assert is_autotvm(to_autotvm(record())) and not is_autotvm(record().line()) and not is_autotvm("{")


def test_a_line_of_the_layout():
    line = {**LINE, "input": ["llvm -keys=cpu -mcpu=x86-64-v3 -link-params=0", *LINE["input"][1:]]}
    (found,), aside = from_autotvm([json.dumps(line), "\n"], cpu="that CPU")
    assert not aside
    assert found.target == "llvm -mcpu=x86-64-v3" and found.cpu == "that CPU" and found.source == "autotvm"
    assert found.config == TASK.space.config(VALUES).plain() and found.index == LINE["config"]["index"]
    assert (found.costs, found.seconds, found.timestamp) == ((2e-3, 1e-3), 0.5, 1000.0)


@pytest.mark.parametrize("reason", [Reason.OK, Reason.TEMPLATE, Reason.BUILD, Reason.RUN, Reason.WRONG])
def test_there_and_back(reason):
    costs = (1e-3,) if reason is Reason.OK else ()
    original = record(MeasureResult(reason, costs, total_seconds=0.5, timestamp=1000.0))
    (found,), _ = from_autotvm([to_autotvm(original)])
    lost = {"cpu": "unknown CPU", "source": "autotvm", "trial": 1, "message": found.message}
    assert found == dataclasses.replace(original, **lost, hardware={}, noise=None, drift=None)
    assert (found.message == "") == found.ok


def test_failures_have_the_cost_and_the_numbers_of_that_layout():
    line = json.loads(to_autotvm(record(MeasureResult(Reason.TIMEOUT, message="slow", timestamp=1.0))))
    assert line["result"][:2] == [[1e9], 6]
    line["result"][1] = 8
    (found,), _ = from_autotvm([json.dumps(line)])
    assert found.reason == "crash" and found.costs == () and "error number 8" in found.message


def test_what_does_not_carry_over_is_counted():
    unknown = {**LINE, "input": ["llvm", "dense_pack.x86", [["TENSOR", [1, 2], "float32"]], {}]}
    shape = {**LINE, "input": ["llvm", "every kind of knob", [8], {}]}
    config = {**LINE, "config": {**LINE["config"], "entity": [["rows", "sp", [-1, 3]]]}}
    lines = [json.dumps(line) for line in (unknown, LINE, shape, config)]
    found, aside = from_autotvm([*lines, "{broken", '{"input": 1}'])
    assert len(found) == 1
    assert aside == {
        "of tasks that are unknown here": 2,
        "of configurations that the space does not have": 1,
        "broken lines": 2,
    }


def test_the_outermost_factor_may_be_left_open():
    entity = [["rows", "sp", [-1, 4]], *LINE["config"]["entity"][1:]]
    (found,), _ = from_autotvm([json.dumps({**LINE, "config": {"entity": entity}})])
    assert found.config["rows"] == [2, 4]


def test_a_record_of_an_unknown_operator_keeps_its_values():
    entity = json.loads(to_autotvm(dataclasses.replace(record(), operator="mine")))["config"]["entity"]
    assert entity == [[name, "ot", value] for name, _, value in LINE["config"]["entity"]]
