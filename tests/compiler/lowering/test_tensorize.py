"""Tensorization: loops that match a declared intrinsic, their replacement, and loops that do not match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import te
from compiler.ir.expr import Var
from compiler.ir.function import Invoke
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.visit import walk
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule
from compiler.schedule.intrinsic import TensorIntrinsic
from compiler.te.tensor import Tensor


def gemm(m: int, n: int, k: int, dtype: str = "int32", **more: object) -> TensorIntrinsic:
    a, b = te.placeholder((m, k), "a", dtype), te.placeholder((k, n), "b", dtype)
    r = te.reduce_axis((0, k), "r")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), "c")
    return te.decl_tensor_intrin(c.op, name="gemm", **more)  # type: ignore[arg-type]


def product(m: int | Var = 16, n: int = 16, k: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    X, Y = te.placeholder((m, k), "X", "int32"), te.placeholder((k, n), "Y", "int32")
    r = te.reduce_axis((0, k), "k")
    return X, Y, te.compute((m, n), lambda i, j: te.sum(X[i, r] * Y[r, j], axis=r), "Z")


def tiled(args: Sequence[Tensor], m: int, n: int, k: int | None = None) -> tuple[Schedule, list]:
    """The loops ``i_outer, j_outer, [k_outer,] i_inner, j_inner, k_inner``, and the schedule."""
    Z = args[-1]
    s = te.create_schedule(Z.op)
    io, jo, ii, ji = s[Z].tile(*Z.op.axis, m, n)
    (r,) = Z.op.reduce_axis
    if k is None:
        return s, [io, jo, ii, ji, r]
    ko, ki = s[Z].split(r, k)
    s[Z].reorder(io, jo, ko, ii, ji, ki)
    return s, [io, jo, ko, ii, ji, ki]


def check(s: Schedule, args: Sequence[Tensor], uses: list[str]) -> None:
    """The nest uses the intrinsics, is well formed, and computes what the default schedule does."""
    nest = loop_nest(s, args)
    assert [node.intrinsic.name for node in walk(nest.body) if isinstance(node, Invoke)] == uses
    verify(nest)
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-9, 10, t.shape).astype(t.dtype) for t in args]
    results = []
    for func in (nest, loop_nest(te.create_schedule(args[-1].op), args)):
        results.append([a.copy() for a in arrays])
        interpret(func, *results[-1])
    np.testing.assert_array_equal(results[0][-1], results[1][-1])


def statements(s: Schedule, args: Sequence[Tensor]) -> str:
    text = str(loop_nest(s, args))
    return dedent("\n".join(text[text.index("def main") :].splitlines()[1:]))


def test_a_whole_reduction() -> None:
    args = product()
    s, loops = tiled(args, 4, 8)
    s[args[-1]].tensorize(loops[2], gemm(4, 8, 8))
    check(s, args, ["gemm"])
    assert statements(s, args) == dedent(
        """\
        for i_outer in range(4):
            for j_outer in range(2):
                gemm(region(X, i_outer * 32, (4, 8), (8, 1)), region(Y, j_outer * 8, (8, 8), (16, 1)), region(Z, i_outer * 64 + j_outer * 8, (4, 8), (16, 1)))"""  # noqa: E501
    )


def test_a_part_of_a_reduction() -> None:
    args = product()
    s, loops = tiled(args, 4, 8, 2)
    s[args[-1]].tensorize(loops[3], gemm(4, 8, 2))
    check(s, args, ["gemm_reset", "gemm_update"])
    assert statements(s, args) == dedent(
        """\
        for i_outer in range(4):
            for j_outer in range(2):
                gemm_reset(region(Z, i_outer * 64 + j_outer * 8, (4, 8), (16, 1)))
                for k_outer in range(4):
                    gemm_update(region(X, i_outer * 32 + k_outer * 2, (4, 2), (8, 1)), region(Y, k_outer * 32 + j_outer * 8, (2, 8), (16, 1)), region(Z, i_outer * 64 + j_outer * 8, (4, 8), (16, 1)))"""  # noqa: E501
    )


def test_a_reduce_loop_outside_of_data_loops() -> None:
    """The elements are set in copies of the data loops between."""
    args = product()
    s, (io, jo, ko, ii, ji, ki) = tiled(args, 4, 8, 2)
    s[args[-1]].reorder(ko, io, jo, ii, ji, ki)
    s[args[-1]].tensorize(ii, gemm(4, 8, 2))
    check(s, args, ["gemm_reset", "gemm_update"])


def test_the_descriptions_of_an_intrinsic() -> None:
    made = gemm(2, 2, 3)
    assert str(made.update.description) == dedent(
        """\
        def gemm_update(a: int32[2, 3], b: int32[3, 2], c: int32[2, 2]):
            for i in range(2):
                for j in range(2):
                    for r in range(3):
                        c[i, j] = c[i, j] + a[i, r] * b[r, j]"""
    )
    assert str(made.reset.description) == dedent(
        """\
        def gemm_reset(c: int32[2, 2]):
            for i in range(2):
                for j in range(2):
                    c[i, j] = 0"""
    )
    assert [b.name for b in made.whole.description.params] == ["a", "b", "c"]


def test_implementations_are_kept_for_the_targets() -> None:
    def does(*regions: object) -> None:
        return None

    made = gemm(2, 2, 3, implementations={"llvm": does}, update={"vta": does})
    assert made.whole.implementations == {"llvm": does}
    assert made.update.implementations == {"vta": does}
    assert made.reset.implementations == {}


def test_operands_of_commutative_operators_may_be_exchanged() -> None:
    X, Y, _ = product()
    k = te.reduce_axis((0, 8), "k")
    Z = te.compute((16, 16), lambda i, j: te.sum(Y[k, j] * X[i, k], axis=k), "Z")
    s, loops = tiled((X, Y, Z), 4, 8)
    s[Z].tensorize(loops[2], gemm(4, 8, 8))
    check(s, (X, Y, Z), ["gemm"])


def test_a_batch_axis_of_extent_one_is_ignored() -> None:
    X, Y = te.placeholder((3, 8, 4), "X", "int32"), te.placeholder((3, 4, 8), "Y", "int32")
    k = te.reduce_axis((0, 4), "k")
    Z = te.compute((3, 8, 8), lambda n, i, j: te.sum(X[n, i, k] * Y[n, k, j], axis=k), "Z")
    s = te.create_schedule(Z.op)
    s[Z].tensorize(Z.op.axis[1], gemm(8, 8, 4))
    check(s, (X, Y, Z), ["gemm"])


def test_caches_and_their_layout() -> None:
    """The operands are small copies, one of them transposed in memory: their strides say so."""
    args = product()
    X, Y, Z = args
    s = te.create_schedule(Z.op)
    CC = s.cache_write(Z, "local")
    copy = s.cache_read(Y, "local", [CC])
    s[copy].transform_layout(lambda k, j: [j, k])
    io, jo, ii, ji = s[Z].tile(*Z.op.axis, 4, 8)
    s[CC].compute_at(s[Z], jo)
    s[copy].compute_at(s[Z], jo)
    s[CC].tensorize(CC.op.axis[0], gemm(4, 8, 8))
    check(s, args, ["gemm"])
    assert "region(Y_local, 0, (8, 8), (1, 8)), region(Z_local, 0, (4, 8), (8, 1))" in statements(s, args)


def test_a_convolution_as_products() -> None:
    """Channels are the matrix axes; the window position is in the offsets of the regions."""
    data, weight = te.placeholder((6, 6, 4), "data", "int32"), te.placeholder((3, 3, 4, 8), "weight", "int32")
    kh, kw, ci = (te.reduce_axis((0, n), name) for n, name in ((3, "kh"), (3, "kw"), (4, "ci")))
    out = te.compute(
        (4, 4, 8),
        lambda h, w, c: te.sum(data[h + kh, w + kw, ci] * weight[kh, kw, ci, c], axis=(kh, kw, ci)),
        "out",
    )
    s = te.create_schedule(out.op)
    h, w, c = out.op.axis
    s[out].reorder(h, kh, kw, w, c, ci)
    s[out].tensorize(w, gemm(4, 8, 4))
    check(s, (data, weight, out), ["gemm_reset", "gemm_update"])


def test_two_reduce_axes_in_another_order() -> None:
    a = te.placeholder((2, 3, 4), "a", "int32")
    p, q = te.reduce_axis((0, 2), "p"), te.reduce_axis((0, 3), "q")
    c = te.compute((4,), lambda i: te.sum(a[p, q, i], axis=(q, p)), "c")
    intrinsic = te.decl_tensor_intrin(c, name="columns")
    X = te.placeholder((2, 3, 8), "X", "int32")
    k, l = te.reduce_axis((0, 2), "k"), te.reduce_axis((0, 3), "l")  # noqa: E741
    Z = te.compute((8,), lambda i: te.sum(X[k, l, i], axis=(k, l)), "Z")
    s = te.create_schedule(Z.op)
    _, inner = s[Z].split(Z.op.axis[0], 4)
    s[Z].tensorize(inner, intrinsic)
    check(s, (X, Z), ["columns"])


def test_argmax_of_a_row() -> None:
    a = te.placeholder((4,), "a", "int32")
    r = te.reduce_axis((0, 4), "r")
    c = te.compute((1,), lambda i: te.argmax(a[r], axis=r), "c")
    intrinsic = te.decl_tensor_intrin(c[0].op, name="peak")
    X = te.placeholder((6, 4), "X", "int32")
    k = te.reduce_axis((0, 4), "k")
    index, value = te.compute((6,), lambda i: te.argmax(X[i, k], axis=k), "Z")
    s = te.create_schedule(index.op)
    s[index].tensorize(k, intrinsic)
    check(s, (X, index, value), ["peak"])


@given(st.data())
def test_any_tile(data: st.DataObject) -> None:
    """All tiles that divide the extents, with any loops outside, give the same product."""
    m, n, k = (data.draw(st.integers(1, 3), label="tiles") for _ in range(3))
    tm, tn, tk = (data.draw(st.integers(1, 4), label="tile") for _ in range(3))
    args = product(m * tm, n * tn, k * tk)
    s, (io, jo, ko, ii, ji, ki) = tiled(args, tm, tn, tk)
    s[args[-1]].reorder(*data.draw(st.permutations([io, jo, ko])), *data.draw(st.permutations([ii, ji, ki])))
    first = s[args[-1]].leaf[3]
    s[args[-1]].tensorize(first, gemm(tm, tn, tk))
    nest = loop_nest(s, args)
    verify(nest)
    rng = np.random.default_rng(1)
    x, y, z = (rng.integers(-9, 10, t.shape).astype(t.dtype) for t in args)
    interpret(nest, x, y, z)
    np.testing.assert_array_equal(z, x @ y)


# --- what does not fit ----------------------------------------------------------------------------


def lowered(
    intrinsic: TensorIntrinsic, args: Sequence[Tensor] | None = None, at: int = 2, tile=(4, 8)
) -> object:
    args = args or product()
    s, loops = tiled(args, *tile)
    s[args[-1]].tensorize(loops[at], intrinsic)
    return loop_nest(s, args)


def changed(change: Callable[[Schedule, Tensor, list], object]) -> object:
    args = product()
    s, loops = tiled(args, 4, 8)
    s[args[-1]].tensorize(loops[2], gemm(4, 8, 8))
    change(s, args[-1], loops)
    return loop_nest(s, args)


def declared(element: Callable, reduce: Callable = te.sum, **more: object) -> TensorIntrinsic:
    """A 4 x 8 intrinsic over 8 terms, of another expression."""
    a, b = te.placeholder((4, 8), "a", "int32"), te.placeholder((8, 8), "b", "int32")
    r = te.reduce_axis((0, 8), "r")
    c = te.compute((4, 8), lambda i, j: reduce(element(a, b, i, j, r), axis=r, **more), "c")
    return te.decl_tensor_intrin(c, name="other")


def copied() -> object:
    args = product()
    X, Y, Z = args
    s, loops = tiled(args, 4, 8)
    copy = s.cache_read(X, "local", [Z])
    s[copy].compute_at(s[Z], loops[3])
    s[Z].tensorize(loops[2], gemm(4, 8, 8))
    return loop_nest(s, args)


def plain() -> object:
    X, Y, _ = product()
    Z = te.compute((16, 16), lambda i, j: X[i, j % 8] * 2, "Z")
    s = te.create_schedule(Z.op)
    s[Z].tensorize(Z.op.axis[0], gemm(16, 16, 8))
    return loop_nest(s, [X, Z])


def of_a_size() -> object:
    rows = te.size_var("rows", (1, 9))
    args = product(rows)
    s = te.create_schedule(args[-1].op)
    s[args[-1]].tensorize(args[-1].op.axis[0], gemm(4, 16, 8))
    return loop_nest(s, args)


def across_rows() -> object:
    args = product()
    Z = args[-1]
    s = te.create_schedule(Z.op)
    _, inner = s[Z].split(s[Z].fuse(*Z.op.axis), 5)
    s[Z].tensorize(inner, gemm(4, 8, 8))
    return loop_nest(s, args)


def with_gaps() -> object:
    args = product()
    s, (io, jo, ii, ji, r) = tiled(args, 4, 8)
    s[args[-1]].reorder(ii, jo, io, ji, r)
    s[args[-1]].tensorize(io, gemm(4, 8, 8))
    return loop_nest(s, args)


def cut_operand() -> object:
    X, Y, Z = args = product()
    s, loops = tiled(args, 4, 8)
    copy = s.cache_read(Y, "local", [Z])
    s[copy].transform_layout(lambda k, j: [j // 4, k, j % 4])
    s[Z].tensorize(loops[2], gemm(4, 8, 8))
    return loop_nest(s, args)


def elementwise(mine: Callable, theirs: Callable, shape: tuple[int, ...] = (8,)) -> object:
    """A stage of two tensors of one shape, and an intrinsic of two tensors of another."""
    X, Y = te.placeholder((8, 8), "X", "int32"), te.placeholder((8, 8), "Y", "int32")
    Z = te.compute((8, 8), lambda i, j: mine(X, Y, i, j), "Z")
    a, b = te.placeholder(shape, "a", "int32"), te.placeholder(shape, "b", "int32")
    c = te.compute((8,), lambda j: theirs(a, b, j), "c")
    s = te.create_schedule(Z.op)
    s[Z].tensorize(Z.op.axis[1], te.decl_tensor_intrin(c, name="row"))
    return loop_nest(s, [*Z.op.inputs, Z])


def masked(element, axis) -> object:
    return te.sum(element, axis=axis, where=axis.var < 4)


HEAD = r"^Z: tensorize of 'i_inner' with \w+: "
small = te.placeholder((4,), "small")
n = te.size_var("n", (1, 4))
sized = te.placeholder((n,), "sized")
P = te.compute((4,), lambda i: small[i] + 1.0, "P")
Q = te.compute((4,), lambda i: P[i] + 1.0, "Q")

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "other extents": (
        lambda: lowered(gemm(4, 4, 8)),
        HEAD + r"its data axes are i\(4\) x j\(4\), and the loops below run over i\(4\) x j\(8\)",
    ),
    "another length of the reduction": (
        lambda: lowered(gemm(4, 8, 4)),
        HEAD + r"its reduce axes are r\(4\), and the loops below run over k\(8\)",
    ),
    "another type": (
        lambda: lowered(gemm(4, 8, 8, "float32")),
        HEAD + r"it computes float32, and the stage int32",
    ),
    "another expression": (
        lambda: lowered(declared(lambda a, b, i, j, r: a[i, r] + b[r, j])),
        HEAD + r"it computes a\[i, r\] \+ b\[r, j\] where the stage computes X\[i, k\] \* Y\[k, j\]",
    ),
    "other elements": (
        lambda: lowered(declared(lambda a, b, i, j, r: a[i, r] * b[j, r])),
        HEAD + r"it computes b\[j, r\] where the stage computes Y\[k, j\] \(it reads other elements\)",
    ),
    "one operand for two": (
        lambda: lowered(declared(lambda a, b, i, j, r: b[r, j] * b[r, j])),
        HEAD + r"it computes b\[r, j\] where the stage computes X\[i, k\] \(it reads other elements\)",
    ),
    "another reducer": (
        lambda: lowered(declared(lambda a, b, i, j, r: a[i, r] * b[r, j], te.max)),
        HEAD + r"it reduces by max, and the stage by sum",
    ),
    "a condition": (
        lambda: lowered(declared(lambda a, b, i, j, r: a[i, r] * b[r, j], masked)),
        HEAD + r"one of the two reductions has a condition \(where=\), and the other has none",
    ),
    "a size below": (
        of_a_size,
        r"Z: tensorize of 'i' with gemm: the extent of the loop 'i' is dynamic; split it by a factor",
    ),
    "a part of some rows": (
        across_rows,
        r"Z: tensorize of 'i_j_fused_inner' with gemm: 'i' runs over .* values below it, which is not a con",
    ),
    "every fourth row": (
        with_gaps,
        r"Z: tensorize of 'i_outer' with gemm: the data loops below have 32 iterations for a box of "
        "104 elements, but must cover it exactly",
    ),
    "an operand that is cut in memory": (
        cut_operand,
        HEAD + r"the elements of Y_local for its operand b have no constant stride in memory",
    ),
    "another number": (
        lambda: elementwise(lambda X, Y, i, j: X[i, j] * 2, lambda a, b, j: a[j] * 3),
        r"Z: tensorize of 'j' with row: it computes 3 where the stage computes 2",
    ),
    "a number for an operand": (
        lambda: elementwise(lambda X, Y, i, j: X[i, j] * 2, lambda a, b, j: a[j] * b[j]),
        r"it computes b\[j\] where the stage computes 2",
    ),
    "fewer dimensions": (
        lambda: elementwise(lambda X, Y, i, j: X[j, j] * 2, lambda a, b, j: a[j] * 2),
        r"it computes a\[j\] where the stage computes X\[j, j\] \(it reads fewer dimensions\)",
    ),
    "two operands for one": (
        lambda: elementwise(lambda X, Y, i, j: X[i, j] - Y[i, j], lambda a, b, j: a[j] - a[j]),
        r"its operand a is X here, and there Y\[i, j\]",
    ),
    "an index as value": (
        lambda: elementwise(lambda X, Y, i, j: X[i, j] + i, lambda a, b, j: a[j] + j),
        r"it computes j where the stage computes i",
    ),
    "no reduction": (plain, r"^Z: tensorize of 'i' with gemm: it is a reduction, and the stage is none"),
    "a loop that runs past the end": (
        lambda: lowered(gemm(5, 8, 8), tile=(5, 8)),
        HEAD + r"the loops below run past the end of the tensor \(where not i_outer \* 5 \+ i_inner < 16\); "
        "split by a factor that divides the extent",
    ),
    "a part of an axis outside": (
        lambda: lowered(gemm(4, 8, 8), at=3),
        r"^Z: tensorize of 'j_inner' with gemm: its data axes are i\(4\) x j\(8\), .* over i\(1\) x j\(8\)",
    ),
    "a mark below": (
        lambda: changed(lambda s, Z, loops: s[Z].vectorize(loops[3])),
        HEAD + r"the loop 'j_inner' below is marked 'vectorize', but the intrinsic replaces it",
    ),
    "a stage below": (
        copied,
        r"Z: tensorize of 'i_inner' with gemm: X_local is computed inside of 'j_inner', which it replaces",
    ),
    "a split after tensorize": (
        lambda: changed(lambda s, Z, loops: s[Z].split(loops[2], 2)),
        r"Z: 'i_inner' is marked 'tensorize' already; split it before that",
    ),
    "a second time": (
        lambda: changed(lambda s, Z, loops: s[Z].tensorize(loops[3], gemm(4, 8, 8))),
        r"Z: tensorized at 'i_inner' already, with gemm",
    ),
    "an object that is not an intrinsic": (
        lambda: changed(lambda s, Z, loops: s[Z].tensorize(loops[3], gemm)),
        r"Z: tensorize takes an intrinsic of te\.decl_tensor_intrin, not function",
    ),
    "a loop that does not exist": (
        lambda: changed(lambda s, Z, loops: s[Z].tensorize(Z.op.axis[0], gemm(4, 8, 8))),
        r"Z: tensorize of 'i', which is not one of its loops now",
    ),
    "another memory": (
        lambda: lowered(scoped()),
        HEAD
        + r"its operand a must be in 'vta\.inp' memory, but X is in 'global'; use set_scope\('vta\.inp'\)",
    ),
    "a declaration of two stages": (
        lambda: te.decl_tensor_intrin(Q.op, name="two"),
        r"two: a tensor intrinsic is declared by one te\.compute of placeholders",
    ),
    "a declaration with a size": (
        lambda: te.decl_tensor_intrin(te.compute((n,), lambda i: sized[i] + 1.0, "c"), name="sized"),
        r"sized: a tensor intrinsic must have a fixed shape, without dynamic extents",
    ),
    "a name that is not an identifier": (
        lambda: te.decl_tensor_intrin(P.op, name="4x4"),
        r"the name of an intrinsic is an identifier, not '4x4'",
    ),
    "reset and update without a reduction": (
        lambda: te.decl_tensor_intrin(P.op, name="plus", update={"llvm": lambda *r: None}),
        r"plus: reset and update are the parts of a reduction, and it is not a reduction",
    ),
    "memory of another tensor": (
        lambda: te.decl_tensor_intrin(P.op, name="plus", scopes={Q: "local"}),
        r"plus: 'local' is not a memory for Q: float32\[4\] of the intrinsic",
    ),
}


def scoped() -> TensorIntrinsic:
    a, b = te.placeholder((4, 8), "a", "int32"), te.placeholder((8, 8), "b", "int32")
    r = te.reduce_axis((0, 8), "r")
    c = te.compute((4, 8), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), "c")
    return te.decl_tensor_intrin(c.op, name="gemm", scopes={a: "vta.inp"})


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_an_operand_in_its_memory() -> None:
    args = product()
    X, Y, Z = args
    s, loops = tiled(args, 4, 8)
    copy = s.cache_read(X, "vta.inp", [Z])
    s[copy].compute_at(s[Z], loops[0])
    s[Z].tensorize(loops[2], scoped())
    check(s, args, ["gemm"])
