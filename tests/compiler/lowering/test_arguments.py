"""Arguments with strides, and outputs in the memory of inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compiler import load_module, te
from compiler.driver import build, lower
from compiler.ir.expr import Const, Load
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Store
from compiler.ir.text import parse_function
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor

SHAPE = (8, 12)


def program(lanes: int = 4) -> tuple[Schedule, list[Tensor]]:
    """``C = A * 2 + B``, vectorized and parallel."""
    A, B = te.placeholder(SHAPE, "A"), te.placeholder(SHAPE, "B")
    C = te.compute(SHAPE, lambda i, j: A[i, j] * 2 + B[i, j], "C")
    s = te.create_schedule(C.op)
    i, j = C.op.axis
    s[C].vectorize(s[C].split(j, lanes)[1])
    s[C].parallel(i)
    return s, [A, B, C]


def ways(s: Schedule, args: list[Tensor], path: Path, **options) -> list[Callable]:
    """The program by the interpreter before and after the passes, compiled, and loaded from a file."""
    nest, lowered, module = (
        loop_nest(s, args, **options),
        lower(s, args, **options),
        build(s, args, **options),
    )
    for func in (nest, lowered):
        verify(func)
        assert structural_equal(parse_function(str(func)), func)
    module.save(path / "module")
    return [
        lambda *a: interpret(nest, *a),
        lambda *a: interpret(lowered, *a),
        module,
        load_module(path / "module"),
    ]


# --- strides --------------------------------------------------------------------------------------

VIEWS = {
    "a part": lambda x: x[:8, :12],
    "every second row": lambda x: x[::2][:8, 3:15],
    "every third column": lambda x: x[:8, ::3][:, :12],
    "reversed": lambda x: x[::-1, ::-1][:8, :12],
    "transposed": lambda x: x.T[:8, :12],
    "Fortran order": lambda x: np.asfortranarray(x[:8, :12]),
    "a repeated row": lambda x: np.broadcast_to(x[:1, :12], SHAPE),
    "dense": lambda x: np.ascontiguousarray(x[:8, :12]),
}
ROWS = ("a part", "every second row", "a repeated row", "dense")
"""Views whose rows are contiguous."""


@pytest.mark.parametrize("rows", [True, False], ids=["rows", "any"])
def test_views_are_taken_without_a_copy(rows: bool, tmp_path: Path) -> None:
    s, args = program()
    A, B, C = args
    strided = {A: (None, 1), C: (None, 1)} if rows else [A, C]
    x = np.random.default_rng(0).random((40, 60), np.float32)
    b = np.random.default_rng(1).random(SHAPE, np.float32)
    for run in ways(s, args, tmp_path, strided=strided):
        for name in ROWS if rows else VIEWS:
            a = VIEWS[name](x)
            memory = np.zeros((17, 60), np.float32)
            c = memory[1:17:2, 5:17] if rows else memory[16:0:-2, 5:29:2]
            run(a, b, c)
            np.testing.assert_allclose(c, a * 2 + b, rtol=1e-6, err_msg=name)
            c[...] = 0
            assert not memory.any(), name


def test_the_text_of_strides() -> None:
    s, args = program()
    A, _, C = args
    text = str(loop_nest(s, args, strided={A: (None, 1), C: (-24, 2)}))
    bounds = 'size(-1099511627776, 1099511627776, dtype="int64")'
    assert text.splitlines()[0] == (
        f"def main(A_stride0: {bounds}, A: strided(float32[8, 12], A_stride0, 1), B: float32[8, 12], "
        "C: strided(float32[8, 12], -24, 2)):"
    )
    assert 'C[cast(i, "int64") * int64(-24) +' in text
    assert 'A[cast(i, "int64") * A_stride0 +' in text


def test_dynamic_extents_and_strides(tmp_path: Path) -> None:
    n = te.size_var("n", (1, 1000))
    A = te.placeholder((n, n), "A")
    k = te.reduce_axis((0, n), "k")
    C = te.compute((n,), lambda i: te.sum(A[k, i], axis=k), "C")
    s = te.create_schedule(C.op)
    x = np.random.default_rng(0).random((70, 90), np.float32)
    for run in ways(s, [A, C], tmp_path, strided=[A]):
        for a in (x[:5, :5], x.T[3:60, 1:58], x[::-2, ::2][:35, :35]):
            c = np.zeros(len(a), np.float32)
            run(a, c)
            np.testing.assert_allclose(c, a.sum(0), rtol=1e-5)


def test_other_libraries_arrays_with_strides() -> None:
    """A view by DLPack, of both versions of the protocol."""

    class Exported:
        def __init__(self, array: np.ndarray, versions: bool) -> None:
            self.array, self.versions = array, versions

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

        def __dlpack__(self, **options):
            if options and not self.versions:
                raise TypeError("no max_version")
            return self.array.__dlpack__(**options)

    s, args = program()
    module = build(s, args, strided=args[:1])
    x = np.random.default_rng(0).random((40, 60), np.float32)
    b, c = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    for versions in (True, False):
        a = x[::-3, 1:37:3][:8]
        module(Exported(a, versions), b, c)
        np.testing.assert_array_equal(c, a * 2)


def test_what_is_wrong_with_a_view() -> None:
    s, args = program()
    A, _, C = args
    module = build(s, args, strided={A: (None, 1), C: (None, 1)})
    x, b, c = (np.zeros((20, 60), np.float32) for _ in range(3))
    b = np.ascontiguousarray(b[:8, :12])
    with pytest.raises(
        ValueError, match=r"argument 1, 'A', has strides \(60, 2\) in elements; \(any, 1\) is"
    ):
        module(x[:8, :24:2], b, c[:8, :12])
    with pytest.raises(ValueError, match="argument 2, 'B', is not C-contiguous"):
        module(x[:8, :12], x[:8, :12], c[:8, :12])
    with pytest.raises(
        ValueError, match="argument 3, 'C', is written to, but several of its elements may be"
    ):
        module(x[:8, :12], b, np.lib.stride_tricks.as_strided(c, SHAPE, (4, 4)))
    record = np.zeros((8, 12), np.dtype([("value", np.float32), ("tag", np.int8)]))["value"]
    with pytest.raises(
        ValueError, match=r"strides of \(60, 5\) bytes, which are no multiples of its elements"
    ):
        module(record, b, c[:8, :12])
    with pytest.raises(ValueError, match="argument 1, 'A', is not C-contiguous"):
        build(s, args)(x[:8, :12], b, np.zeros(SHAPE, np.float32))


def test_views_of_one_array_may_not_overlap() -> None:
    s, args = program()
    module = build(s, args, strided=args)
    x = np.random.default_rng(0).random((16, 48), np.float32)
    b = np.zeros(SHAPE, np.float32)
    for a, c in (
        (x[:8, :12], x[:8, 12:24]),  # neighbouring columns
        (x[:8, :24:2], x[:8, 1:24:2]),  # every other element
        (x[:16:2, :12], x[15::-2, :12]),  # every other row, in reverse
    ):
        expected = a * 2
        module(a, b, c)
        np.testing.assert_array_equal(c, expected)
    for a, c in ((x[:8, :12], x[:8, 11:23]), (x[:8, :12], x[7:15, :12]), (x[:8, :24:2], x[:8, 2:26:2])):
        before = x.copy()
        with pytest.raises(ValueError, match="the output 'C' shares memory with the argument 'A'"):
            module(a, b, c)
        np.testing.assert_array_equal(x, before)


def test_strides_that_are_refused_when_a_program_is_made() -> None:
    s, args = program()
    other = te.placeholder(SHAPE, "other")
    with pytest.raises(ScheduleError, match="other: .* cannot have strides: it is no argument of 'main'"):
        loop_nest(s, args, strided=[other])
    with pytest.raises(ScheduleError, match=r"A: .*: its strides are \(1,\); an integer, or None, is needed"):
        loop_nest(s, args, strided={args[0]: (1,)})
    with pytest.raises(ValueError, match="inplace and strided are for schedules"):
        build(lower(s, args), strided=args)
    packed = te.placeholder((4, 8), "packed", "int4")
    out = te.compute((4, 8), lambda i, j: te.cast(packed[i, j], "int32"), "out")
    with pytest.raises(ScheduleError, match="elements of a packed type share bytes"):
        loop_nest(te.create_schedule(out.op), [packed, out], strided=[packed])
    flat = te.extern(SHAPE, args[:1], lambda i, o: Store(o[0], (Const(0),), Load(i[0], (Const(0),))), "flat")
    with pytest.raises(ScheduleError, match="A: it has strides, but a statement uses a row-major position"):
        loop_nest(te.create_schedule(flat.op), [args[0], flat], strided=args[:1])


# --- outputs in place -----------------------------------------------------------------------------


def softmax() -> tuple[Tensor, dict[str, Tensor]]:
    A = te.placeholder(SHAPE, "A")
    j, k = te.reduce_axis((0, 12), "j"), te.reduce_axis((0, 12), "k")
    top = te.compute((8,), lambda i: te.max(A[i, j], axis=j), "top")
    total = te.compute((8,), lambda i: te.sum(te.exp(A[i, k] - top[i]), axis=k), "total")
    out = te.compute(SHAPE, lambda i, j: te.exp(A[i, j] - top[i]) / total[i], "out")
    return A, {"top": top, "total": total, "out": out}


@pytest.mark.parametrize("at", [None, 0])
def test_an_update_in_place(at: int | None, tmp_path: Path) -> None:
    A, of = softmax()
    out = of["out"]
    s = te.create_schedule(out.op)
    if at is not None:
        s[of["top"]].compute_at(s[out], out.op.axis[at])
        s[of["total"]].compute_at(s[out], out.op.axis[at])
        s[out].parallel(out.op.axis[0])
    x = np.random.default_rng(0).random(SHAPE, np.float32)
    power = np.exp(x - x.max(1, keepdims=True))
    for run in ways(s, [A], tmp_path, inplace={out: A}):
        a = x.copy()
        run(a)
        np.testing.assert_allclose(a, power / power.sum(1, keepdims=True), rtol=1e-5)


def test_an_update_of_a_view_in_place(tmp_path: Path) -> None:
    s, (A, B, C) = program()
    x, b = np.random.default_rng(0).random((2, 40, 60), np.float32)
    b = np.ascontiguousarray(b[:8, :12])
    for run in ways(s, [A, B], tmp_path, inplace={C: A}, strided=[A]):
        a = x.copy()
        run(a[::3, ::-5][:8], b)
        expected = x.copy()
        expected[::3, ::-5][:8] = expected[::3, ::-5][:8] * 2 + b
        np.testing.assert_allclose(a, expected, rtol=1e-6)


def test_several_outputs_in_place(tmp_path: Path) -> None:
    """A rotation: both new values are computed before either is stored."""
    X, Y = te.placeholder((10,), "X"), te.placeholder((10,), "Y")
    U, V = te.compute((10,), lambda i: (X[i] - Y[i], X[i] + Y[i]), "R")
    s = te.create_schedule(U.op)
    x, y = np.random.default_rng(0).random((2, 10), np.float32)
    for run in ways(s, [X, Y], tmp_path, inplace={U: X, V: Y}):
        a, b = x.copy(), y.copy()
        run(a, b)
        np.testing.assert_array_equal(a, x - y)
        np.testing.assert_array_equal(b, x + y)


def test_scans_and_scatters_in_place(tmp_path: Path) -> None:
    X, state = te.placeholder((9, 4), "X"), te.placeholder((9, 4), "state")
    init = te.compute((1, 4), lambda t, i: X[t, i], "init")
    update = te.compute((9, 4), lambda t, i: state[t - 1, i] + X[t, i], "update")
    S = te.scan(init, update, state)
    x = np.random.default_rng(0).random((9, 4), np.float32)
    for inlined in (False, True):
        s = te.create_schedule(S.op)
        if inlined:
            s[update].compute_inline()
            s[init].compute_inline()
        for run in ways(s, [X], tmp_path, inplace={S: X}):
            a = x.copy()
            run(a)
            np.testing.assert_allclose(a, np.cumsum(x, 0), rtol=1e-6)
    where, values = te.placeholder((30,), "where", "int64"), te.placeholder((30, 4), "values")
    out = te.scatter(X, where, values)
    s = te.create_schedule(out.op)
    nest = loop_nest(s, [X, where, values], inplace={out: X})
    assert "range(9)" not in str(nest)  # the first values are there already
    i, v = np.random.default_rng(1).integers(0, 9, 30), np.ones((30, 4), np.float32)
    expected = x.copy()
    np.add.at(expected, i, v)
    for run in ways(s, [X, where, values], tmp_path, inplace={out: X}):
        a = x.copy()
        run(a, i, v)
        np.testing.assert_allclose(a, expected, rtol=1e-6)


def compute(element: Callable) -> tuple[Tensor, Tensor]:
    A = te.placeholder(SHAPE, "A")
    return A, te.compute(SHAPE, lambda i, j: element(A, i, j), "C")


@pytest.mark.parametrize(
    "element",
    [
        lambda A, i, j: A[i, 11 - j],
        lambda A, i, j: A[7 - i, j],
        lambda A, i, j: A[i, j] + A[i, te.maximum(j - 1, 0)],
        lambda A, i, j: te.if_then_else(j < 11, A[i, te.minimum(j + 1, 11)], 0.0),
        lambda A, i, j: A[te.cast(A[i, j], "int32") % 8, j],
    ],
)
def test_other_elements_than_the_one_that_is_stored(element: Callable) -> None:
    A, C = compute(element)
    with pytest.raises(
        ScheduleError, match="C cannot be in the memory of A: C reads other elements than the one it stores"
    ):
        loop_nest(te.create_schedule(C.op), [A], inplace={C: A})


def test_a_copy_makes_other_elements_legal(tmp_path: Path) -> None:
    """Each row is copied before it is reversed; element by element that would be too late."""
    A, C = compute(lambda A, i, j: A[i, 11 - j])
    s = te.create_schedule(C.op)
    copy = s.cache_read(A, "local", [C])
    s[copy].compute_at(s[C], C.op.axis[1])
    with pytest.raises(ScheduleError, match="A_local reads other elements in the loops of C than the same"):
        loop_nest(s, [A], inplace={C: A})
    s[copy].compute_at(s[C], C.op.axis[0])
    x = np.random.default_rng(0).random(SHAPE, np.float32)
    for run in ways(s, [A], tmp_path, inplace={C: A}):
        a = x.copy()
        run(a)
        np.testing.assert_array_equal(a, x[:, ::-1])


def test_a_product_in_place_needs_a_cache(tmp_path: Path) -> None:
    A, B = te.placeholder((8, 8), "A"), te.placeholder((8, 8), "B")
    k = te.reduce_axis((0, 8), "k")
    C = te.compute((8, 8), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")
    s = te.create_schedule(C.op)
    with pytest.raises(
        ScheduleError, match="it is a reduction, which sets C before it reads A; use cache_write"
    ):
        loop_nest(s, [A, B], inplace={C: A})
    cache = s.cache_write(C, "local")
    part, row = s[C].split(C.op.axis[0], 4)
    s[cache].compute_at(s[C], row)
    x, y = np.random.default_rng(0).random((2, 8, 8), np.float32)
    for run in ways(s, [A, B], tmp_path, inplace={C: A}):
        a = x.copy()
        run(a, y)
        np.testing.assert_allclose(a, x @ y, rtol=1e-5)
    s[cache].compute_at(s[C], part)
    loop_nest(s, [A, B], inplace={C: A})
    with pytest.raises(ScheduleError, match="C_local reads other elements in the loops of C"):
        loop_nest(s, [A, B], inplace={C: B})


def test_reads_after_the_output_was_stored() -> None:
    A, C = compute(lambda A, i, j: A[i, j] + 1)
    D = te.compute(SHAPE, lambda i, j: C[i, j] * A[i, j], "D")
    with pytest.raises(ScheduleError, match="D reads A after C was stored"):
        loop_nest(te.create_schedule([C.op, D.op]), [A, D], inplace={C: A})
    E = te.compute(SHAPE, lambda i, j: C[i, j] * 2, "E")
    loop_nest(te.create_schedule([C.op, E.op]), [A, E], inplace={C: A})


def test_pairs_that_are_refused() -> None:
    s, (A, B, C) = program()
    other = te.placeholder((8, 13), "other")
    with pytest.raises(
        ScheduleError, match="C is computed in the memory of A, so it is no argument of 'main'"
    ):
        loop_nest(s, [A, B, C], inplace={C: A})
    with pytest.raises(ScheduleError, match="B: .* cannot be in place: it is no computed output"):
        loop_nest(s, [A, C], inplace={B: A})
    with pytest.raises(ScheduleError, match="types and shapes must agree"):
        loop_nest(s, [A, B], inplace={C: other})
    D = te.compute(SHAPE, lambda i, j: B[i, j] + 1, "D")
    both = te.create_schedule([C.op, D.op])
    with pytest.raises(ScheduleError, match="D cannot be in the memory of A, which holds C already"):
        loop_nest(both, [A, B], inplace={C: A, D: A})
    with pytest.raises(ScheduleError, match="D cannot be in the memory of C, which is no input"):
        loop_nest(both, [A, B, C], inplace={D: C})
    with pytest.raises(ValueError, match="A: .* cannot be a constant: an output is computed in its memory"):
        build(s, [A, B], constants=[A], inplace={C: A})
