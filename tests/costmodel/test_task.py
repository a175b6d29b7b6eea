from __future__ import annotations

from dataclasses import replace

import pytest

from compiler import te
from compiler.ops.operator import Operator
from costmodel.registry import register
from costmodel.task import Task


@register(reference=lambda a, n: a * 3, flops=lambda n: n)
def threefold(knobs, n):
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] * 3.0, "B")
    s = te.create_schedule(B.op)
    _, inner = knobs.split("i", n, 2, default=(1,))
    s[B].split(B.op.axis[0], inner)
    return s, [A, B]


def test_built_in_operator_by_name():
    task = Task("matmul", (64, 32, 16))
    assert isinstance(task.operator, Operator)
    assert task.key == "matmul(64, 32, 16) float32 llvm"
    assert task.flops == 2 * 64 * 32 * 16
    assert task.gflops(1e-3) == pytest.approx(64 * 32 * 16 * 2 / 1e-3 / 1e9)
    assert task.space.size > 1


@pytest.mark.parametrize("index", range(8))
def test_every_configuration_makes_a_schedule(index):
    import compiler

    schedule, args = Task("threefold", [24]).instantiate(index)
    assert "for" in str(compiler.loop_nest(schedule, args))


def test_config_from_index_mapping_and_nothing():
    task = Task("threefold", [24])
    assert task.config() == task.space.default
    assert task.config(3) == task.space.at(3)
    assert task.config({"i": [8, 3]})["i"] == (8, 3)
    assert task.config(task.space.at(2)).index == 2


def test_template_whose_knobs_depend_on_their_values():
    @register(reference=lambda a, n: a, flops=lambda n: n, name="fickle")
    def fickle(knobs, n):
        A = te.placeholder((n,), "A")
        B = te.compute((n,), lambda i: A[i] + 0.0, "B")
        if not knobs.choice("first", [False, True]):
            knobs.choice("second", [1, 2])
        return te.create_schedule(B.op), [A, B]

    with pytest.raises(ValueError, match="did not request 'second'"):
        Task("fickle", [4]).instantiate({"first": True, "second": 1})


def test_unknown_operator():
    with pytest.raises(ValueError, match="unknown operator 'matmull'; did you mean 'matmul'"):
        Task("matmull", (4, 4, 4))


def test_unknown_target_is_refused():
    with pytest.raises(ValueError, match="llv"):
        Task("matmul", (4, 4, 4), "llv")


def test_wrong_number_of_shape_values_names_the_parameters():
    with pytest.raises(ValueError, match=r"matmul needs M, N, K; K is missing"):
        Task("matmul", (4, 4))


@pytest.mark.parametrize(
    "value, message", [(2.5, "N is 2.5; a positive whole"), (True, "whole"), (-1, "N is -1; a positive")]
)
def test_shape_values_must_be_whole_numbers(value, message):
    with pytest.raises(ValueError, match=message):
        Task("matmul", (4, value, 4))


def test_shapes_by_name_and_in_words():
    task = Task("conv2d", {"N": 1, "CI": 4, "H": 9, "W": 9, "CO": 8, "kernel": [3, 5], "groups": 2})
    assert task.key == "conv2d(1, 4, 9, 9, 8, 3x5, groups=2) float32 llvm"
    assert Task("conv2d", task.shape).shape == task.shape
    with pytest.raises(ValueError, match="unknown parameter of threefold 'm'"):
        Task("threefold", {"m": 3})


def test_a_shape_that_the_template_refuses():
    with pytest.raises(ValueError, match="M is 0"):
        _ = Task("matmul", (0, 4, 4)).key


def test_the_key_names_a_type_that_is_not_the_default():
    assert Task("matmul", {"M": 4, "N": 5, "K": 6, "dtype": "float32"}).key == "matmul(4, 5, 6) float32 llvm"
    assert Task("matmul", (4, 5, 6, 0, "NN", "none", "int8")).key == "matmul(4, 5, 6, dtype=int8) int32 llvm"


def test_a_kind_of_target_without_a_schedule():
    @register(reference=lambda a, n: a, flops=lambda n: n, name="elsewhere", kind="cuda")
    def elsewhere(knobs, n):
        A = te.placeholder((n,), "A")
        B = te.compute((n,), lambda i: A[i] + 0.0, "B")
        return te.create_schedule(B.op), [A, B]

    with pytest.raises(
        ValueError, match="elsewhere has no schedule for targets of kind 'llvm', only for 'cuda'"
    ):
        Task("elsewhere", [4])


def test_an_operator_without_a_name_in_the_registry():
    other = replace(Task("threefold", [4]).operator, name="unregistered")
    task = Task(other, [24])
    assert task.key == "unregistered(24) float32 llvm" and task.space.size == 8
