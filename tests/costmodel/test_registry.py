"""Operators made of a user's template."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ops import Defaults, Operator, Parameter, Rounding
from costmodel import Task
from costmodel.registry import load_file, operator, register, registered


@register(reference=lambda a, n: a * 3, flops=lambda n: n)
def triple(knobs, n):
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] * 3.0, "B")
    s = te.create_schedule(B.op)
    _, inner = knobs.split("i", n, 2, default=(1,))
    s[B].split(B.op.axis[0], inner)
    return s, [A, B]


def test_a_registered_template_is_an_operator():
    op = operator("triple")
    assert isinstance(op, Operator)
    assert op.parameters == (Parameter("n", "count"),)
    (a,) = op.inputs(np.random.default_rng(0), 24)
    assert a.shape == (24,) and a.dtype == np.float32
    np.testing.assert_array_equal(op.reference(a, 24), a * 3)
    assert op.output(24).shape == (24,)
    assert op.flops(24) == 24


def test_register_returns_the_function():
    assert callable(triple) and triple.__name__ == "triple"


def test_unknown_operators():
    with pytest.raises(ValueError, match="unknown operator 'matmull'; did you mean 'matmul'"):
        operator("matmull")
    with pytest.raises(ValueError, match="did you mean 'triple'"):
        operator("tripel")


@pytest.mark.parametrize(
    "values, named, message",
    [
        ((), {"m": 3}, "unknown parameter of triple 'm'"),
        ((), {}, "triple needs n; n is missing"),
        ((1, 2), {}, r"triple takes 1 values \(n\), not 2"),
        ((2.5,), {}, "triple: n is 2.5; a whole number of at least zero is needed"),
        ((True,), {}, "triple: n is True; a whole number"),
        ((-1,), {}, "triple: n is -1; a whole number"),
    ],
)
def test_values_that_are_refused(values, named, message):
    with pytest.raises(ValueError, match=message):
        operator("triple").shape(*values, **named)


def test_built_in_names_are_taken():
    with pytest.raises(ValueError, match="'matmul' is a built-in operator"):
        register(reference=lambda: None, flops=lambda: 0, name="matmul")(lambda knobs, n: None)


def test_registered_names_are_taken():
    with pytest.raises(ValueError, match="'triple' is already registered, by triple"):
        register(reference=lambda: None, flops=lambda: 0, name="triple")(lambda knobs, n: None)


def test_a_second_kind_of_target_joins_the_operator():
    def one(knobs, n): ...
    def other(knobs, n): ...

    for kind, template in (("cuda", one), ("vta", other)):
        register(reference=lambda a, n: a, flops=lambda n: n, name="two kinds", kind=kind)(template)
    assert dict(operator("two kinds").schedules) == {"cuda": one, "vta": other}


def test_the_target_is_passed_to_a_function_that_takes_it():
    seen = []

    @register(reference=lambda a, n: a, flops=lambda n: n)
    def with_target(knobs, n, *, target):
        seen.append(target.kind)
        return triple(knobs, n)

    op = operator("with_target")
    assert [p.name for p in op.parameters] == ["n"]
    op.schedule(Defaults(), 4)
    assert seen == ["llvm"]


def test_types():
    @register(reference=lambda a, n, dtype: a + a, flops=lambda n, dtype: n, dtypes=("float32", "int8"))
    def doubled(knobs, n, dtype):
        A = te.placeholder((n,), "A", dtype)
        B = te.compute((n,), lambda i: A[i] + A[i], "B")
        return te.create_schedule(B.op), [A, B]

    op = operator("doubled")
    assert op.spell(op.shape(4)) == "doubled(4)"
    assert op.spell(op.shape(4, "int8")) == "doubled(4, dtype=int8)"
    (a,) = op.inputs(np.random.default_rng(0), 1000, "int8")
    assert a.dtype == "int8" and (a.min(), a.max()) == (0, 7)
    out = op.output(1000, "int8")
    compiler.build(*op.schedule(Defaults(), 1000, "int8"))(a, out)
    np.testing.assert_array_equal(out, op.reference(a, 1000, "int8"))
    with pytest.raises(ValueError, match="unknown dtype 'int4'"):
        op.shape(4, "int4")


def test_types_need_a_parameter():
    with pytest.raises(
        ValueError, match="the last parameter of the function must be called 'dtype', not 'n'"
    ):
        register(reference=lambda: None, flops=lambda: 0, dtypes=("int8",))(lambda knobs, n: None)


def test_inputs_and_error_model_of_the_user():
    @register(
        reference=lambda a, n: np.sqrt(a),
        flops=lambda n: n,
        inputs=lambda rng, n: [rng.uniform(1, 2, n).astype("float32")],
        rounding=lambda n: Rounding(terms=4),
        constants=["a"],
    )
    def roots(knobs, n):
        a = te.placeholder((n,), "a")
        b = te.compute((n,), lambda i: te.sqrt(a[i]), "b")
        return te.create_schedule(b.op), [a, b]

    op = operator("roots")
    (a,) = op.inputs(np.random.default_rng(0), 100)
    assert a.min() >= 1
    assert op.constants == ("a",)
    assert op.tolerance(np.ones(1, "float32"), 100) == Rounding(4).tolerance(np.ones(1, "float32"))


def test_the_default_error_model_is_that_of_the_operations():
    @register(reference=lambda a, b, n: a @ b, flops=lambda n: 2 * n * n * n)
    def square_product(knobs, n):
        a, b = (te.placeholder((n, n), x) for x in "ab")
        k = te.reduce_axis((0, n), "k")
        c = te.compute((n, n), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), "c")
        return te.create_schedule(c.op), [a, b, c]

    assert operator("square_product").error_model(9) == Rounding(9)


def test_a_computation_is_an_operator_with_derived_schedules():
    @register(reference=lambda a, n: (a.sum(0), a.max(0)), flops=lambda n: 2 * n * n)
    def columns(n):
        A = te.placeholder((n, n), "A")
        i, k = te.reduce_axis((0, n), "i"), te.reduce_axis((0, n), "k")
        total = te.compute((n,), lambda j: te.sum(A[i, j], axis=i), "total")
        return [A, total, te.compute((n,), lambda j: te.max(A[k, j], axis=k), "top")]

    task = Task("columns", (37,))
    assert columns(3)[0].shape == (3, 3)
    assert task.space.size > 100
    (a,) = task.operator.inputs(np.random.default_rng(0), 37)
    outputs = task.operator.outputs(37)
    for index in (task.space.default.index, *task.space.random(np.random.default_rng(0), 3)):
        compiler.build(*task.instantiate(index))(a, *outputs)
        np.testing.assert_allclose(outputs[0], a.sum(0), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(outputs[1], a.max(0))


FILE = """
import beside
from compiler import te
from costmodel.registry import register

@register(reference=lambda a, n: a, flops=lambda n: n, name="{name}")
def template(knobs, n):
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] * beside.FACTOR, "B")
    return te.create_schedule(B.op), [A, B]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file that registers an operator of the folder's name, by a module beside it."""
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    (tmp_path / "beside.py").write_text("FACTOR = 3.0\n")
    (tmp_path / "a_file_of_operators.py").write_text(FILE.format(name=tmp_path.name))
    yield tmp_path
    sys.modules.pop("a_file_of_operators", None)
    sys.modules.pop("beside", None)


def test_the_operators_of_a_file(folder):
    path = folder / "a_file_of_operators.py"
    assert load_file(path) == [folder.name] and folder.name in registered()
    first = operator(folder.name)
    assert [p.name for p in first.parameters] == ["n"]
    # a file that is loaded again has changed, as that of a user who edits it
    assert load_file(path) == [folder.name] and operator(folder.name) is not first


def test_a_file_does_not_take_the_place_of_a_module(folder):
    (folder / "a_file_of_operators.py").rename(folder / "json.py")
    load_file(folder / "json.py")
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1\n", "registers no operator: decorate a template with costmodel.register"),
        ("import nothing_of_this_name\n", "line 1: ModuleNotFoundError: No module named 'nothing_of"),
        ("\n\ndef f(:\n", "line 3: SyntaxError"),
        ("def f():\n    1 / 0\n\nf()\n", "line 2: ZeroDivisionError"),
    ],
)
def test_files_that_are_refused(folder, text, message):
    path = folder / "a_file_of_operators.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"a_file_of_operators.py.*{message}"):
        load_file(path)
    with pytest.raises(FileNotFoundError, match="nothing.py: no such file"):
        load_file("nothing.py")
