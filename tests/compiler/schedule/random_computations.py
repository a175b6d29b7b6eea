"""Random programs of the tensor-expression language, for the property tests of schedules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import prod
from typing import Any

from hypothesis import strategies as st

from compiler import te
from compiler.ir.dtype import PACKED_TYPES, integer_range, is_float
from compiler.ir.expr import Binary, Const, Expr, Load, Not, Select, Var, binary, upper_bound
from compiler.ir.stmt import For, Stmt, Store
from compiler.te.tensor import Placeholder, Tensor

Draw = Callable[[st.SearchStrategy], Any]

INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
INDICES = (*INTEGERS, "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
FEATURES = ("sizes", "half", "packed", "extern", "named", "recurrences", "corners")
"""What a program may use beside placeholders, elementwise computations and reductions."""


@dataclass
class Program:
    """Tensors in the order in which they were made."""

    draw: Draw
    features: Collection[str] = ()
    tensors: list[Tensor] = field(default_factory=list)

    def placeholder(self, shape: tuple, dtype: str) -> Tensor:
        """A new input."""
        return self.add(te.placeholder(shape, f"in{len(self.tensors)}", dtype))

    def compute(self, shape: tuple, element: Callable) -> Tensor:
        """A new stage; the last of its tensors."""
        made = te.compute(shape, element, f"t{len(self.tensors)}")
        for tensor in made if isinstance(made, tuple) else (made,):
            self.add(tensor)
        return self.tensors[-1]

    def axis(self, a: Tensor) -> int:
        """A dimension of `a` whose extent is a number."""
        return self.draw(st.sampled_from(_numbers(a)))

    def add(self, tensor: Tensor) -> Tensor:
        self.tensors.append(tensor)
        return tensor

    def pick(self, fits: Callable[[Tensor], bool]) -> Tensor:
        """A random existing tensor that satisfies a condition; the newest are more likely."""
        found = [t for t in self.tensors if t.dtype not in PACKED_TYPES and fits(t)]
        return found[-1 - min(self.draw(st.integers(0, 5)) // 3, len(found) - 1)]


def _pointwise(p: Program, a: Tensor) -> Tensor:
    c = p.draw(st.integers(1, 4))
    functions: list[Callable] = [
        lambda x, i: x + c,
        lambda x, i: x * 2 - c,
        lambda x, i: te.maximum(x, c),
        lambda x, i: te.if_then_else(i < c, x, x * 3),
        lambda x, i: Select(te.any(i < c, x > 1), x + 1, x),
        lambda x, i: x + i.astype(a.dtype),
        lambda x, i: te.if_then_else(te.equal(i, c), 1, x),
        lambda x, i: te.select(te.not_equal(x, c), te.minimum(c, x), x),
    ]
    if is_float(a.dtype):
        functions += [lambda x, i: te.abs(x), lambda x, i: x / 3.0, lambda x, i: te.floor(x)]
        if "half" in p.features:
            functions += [lambda x, i: x.astype("float16")] * 4
    else:
        target = p.draw(st.sampled_from(INTEGERS))
        functions += [lambda x, i: x // 3, lambda x, i: x % 5, lambda x, i: (x * 4 + i) // 4]
        functions += [lambda x, i: x.astype(target), lambda x, i: x.astype("float32")]
    function = p.draw(st.sampled_from(functions))
    return p.compute(a.shape, lambda *i: function(a[i], i[p.draw(st.integers(0, a.ndim - 1))]))


def _together(p: Program, a: Tensor) -> Tensor:
    b = p.pick(lambda t: (t.shape, t.dtype) == (a.shape, a.dtype))
    op = p.draw(st.sampled_from(["+", "-", "*", "min", "max"]))
    return p.compute(a.shape, lambda *i: binary(op, a[i], b[i]))


def _window(p: Program, a: Tensor) -> Tensor:
    d = p.axis(a)
    width = p.draw(st.integers(1, min(3, a.shape[d])))
    shape = (*a.shape[:d], a.shape[d] - width + 1, *a.shape[d + 1 :])
    shifted = p.draw(st.permutations(range(width)))

    def element(*i):
        total = a[(*i[:d], i[d] + shifted[0], *i[d + 1 :])]
        for r in shifted[1:]:
            total = total + a[(*i[:d], i[d] + r, *i[d + 1 :])]
        return total

    return p.compute(shape, element)


def _pad(p: Program, a: Tensor) -> Tensor:
    d = p.axis(a)
    before, after = p.draw(st.integers(0, 2)), p.draw(st.integers(0, 2))
    n = a.shape[d]
    shape = (*a.shape[:d], n + before + after, *a.shape[d + 1 :])

    def element(*i):
        inside = te.all(i[d] >= before, i[d] < n + before)
        return te.if_then_else(inside, a[(*i[:d], i[d] - before, *i[d + 1 :])], 0)

    return p.compute(shape, element)


def _affine(p: Program, a: Tensor) -> Tensor:
    d = p.axis(a)
    n, step = a.shape[d], p.draw(st.integers(1, 3))
    backwards = p.draw(st.booleans())
    shape = (*a.shape[:d], -(-n // step), *a.shape[d + 1 :])

    def element(*i):
        place = n - 1 - i[d] * step if backwards else i[d] * step
        return a[(*i[:d], place, *i[d + 1 :])]

    return p.compute(shape, element)


def _skewed(p: Program, a: Tensor) -> Tensor:
    n = a.shape[0]

    def element(i, j):
        place = i * -1 + j + p.draw(st.integers(-1, 1))
        return te.if_then_else(te.all(place >= 0, place < n), a[place], 0)

    return p.compute((p.draw(st.integers(1, 4)), n), element)


def _transpose(p: Program, a: Tensor) -> Tensor:
    order = p.draw(st.permutations(range(a.ndim)))
    where = [order.index(d) for d in range(a.ndim)]
    return p.compute(tuple(a.shape[d] for d in order), lambda *i: a[tuple(i[w] for w in where)])


def _flat(p: Program, a: Tensor) -> Tensor:
    m, n = a.shape
    return p.compute((m * n,), lambda i: a[i // n, i % n])


def _folded(p: Program, a: Tensor) -> Tensor:
    n = p.draw(st.sampled_from([d for d in range(1, a.shape[0] + 1) if a.shape[0] % d == 0]))
    return p.compute((a.shape[0] // n, n), lambda i, j: a[i * n + j])


def _broadcast(p: Program, a: Tensor) -> Tensor:
    return p.compute((p.draw(st.integers(1, 4)), *a.shape), lambda i, j: a[j] + i.astype(a.dtype))


def _gather(p: Program, index: Tensor) -> Tensor:
    """Rows of a tensor through an index of any integer type."""
    a = p.pick(lambda t: True)
    n = a.shape[0]
    dtype = index.dtype if isinstance(n, Var) or p.draw(st.booleans()) else p.draw(st.sampled_from(INDICES))
    dtype = "int32" if isinstance(n, Var) else dtype  # the remainder is then computed in int32
    return p.compute((*index.shape, *a.shape[1:]), lambda *i: a[(index[i[0]].astype(dtype) % n, *i[1:])])


REDUCERS = (te.sum, te.sum, te.max, te.min, te.prod, te.argmax, te.argmin)


def _domain(p: Program, extent: int | Var) -> tuple:
    """All of an axis, or a part of it."""
    if isinstance(extent, Var) or p.draw(st.integers(0, 3)):
        return 0, extent
    low = p.draw(st.integers(0, extent - 1))
    return low, p.draw(st.integers(low + 1, extent))


def _reduction(p: Program, a: Tensor) -> Tensor:
    reducer = p.draw(st.sampled_from(REDUCERS))
    which = p.draw(st.sets(st.integers(0, a.ndim - 1), min_size=1, max_size=max(a.ndim - 1, 1)))
    axes = {d: te.reduce_axis(_domain(p, a.shape[d]), f"k{d}") for d in sorted(which)}
    kept = [d for d in range(a.ndim) if d not in axes]
    masked = p.draw(st.integers(0, 3)) == 0

    def element(*i):
        index: list[Any] = [axes.get(d) for d in range(a.ndim)]
        for d, axis in zip(kept, i, strict=True):
            index[d] = axis
        where = None
        if masked:  # by what is read, or by where it is read
            where = a[tuple(index)] > 0 if len(axes) > 1 else next(iter(axes.values())).var % 2 < 1
        return reducer(a[tuple(index)], axis=list(axes.values()), where=where)

    return p.compute(tuple(a.shape[d] for d in kept), element)


_complex = te.comm_reducer(
    lambda x, y: (x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]), lambda t, u: (1, 0), "complex"
)


def _named(p: Program, a: Tensor) -> Tensor:
    """The product of complex numbers: both parts of the last product are needed for both of the next."""
    k = te.reduce_axis((0, a.shape[-1]), "k")
    b = p.pick(lambda t: (t.shape, t.dtype) == (a.shape, a.dtype))
    return p.compute(a.shape[:-1], lambda *i: _complex((a[(*i, k)], b[(*i, k)]), axis=k))


def _several(p: Program, a: Tensor) -> Tensor:
    b = p.pick(lambda t: t.shape == a.shape)
    c = p.draw(st.integers(1, 3))
    return p.compute(
        a.shape, lambda *i: (a[i] + c, b[i] * c, te.select(i[0] < c, a[i], b[i].astype(a.dtype)))
    )


def _extern(p: Program, a: Tensor) -> Tensor:
    """The rows of a tensor in reverse order, by an extern."""

    def backwards(ins, outs):
        var = [Var(f"x{d}") for d in range(a.ndim)]
        n = a.shape[0]
        body: Stmt = Store(outs[0], tuple(var), Load(ins[0], (binary("-", n - 1, var[0]), *var[1:])))
        for v, extent in reversed(list(zip(var, a.shape, strict=True))):
            body = For(v, extent if isinstance(extent, Var) else Const(extent), "serial", body)
        return body

    return p.add(te.extern(a.shape, [a], backwards, f"t{len(p.tensors)}"))


def _pool(p: Program, a: Tensor) -> Tensor:
    n = a.shape[-1]
    width, step = p.draw(st.integers(1, min(3, n))), p.draw(st.integers(1, 2))
    r = te.reduce_axis((0, width), "r")
    reducer = p.draw(st.sampled_from([te.max, te.sum]))
    shape = (*a.shape[:-1], (n - width) // step + 1)
    return p.compute(shape, lambda *i: reducer(a[(*i[:-1], i[-1] * step + r)], axis=r))


def _matmul(p: Program, a: Tensor) -> Tensor:
    fitting = [t for t in p.tensors if t.ndim == 2 and t.shape[0] == a.shape[1] and t.dtype == a.dtype]
    if fitting and p.draw(st.booleans()):
        b = p.draw(st.sampled_from(fitting))
    else:
        b = p.placeholder((a.shape[1], p.draw(st.integers(1, 5))), a.dtype)
    k = te.reduce_axis((0, a.shape[1]), "k")
    return p.compute((a.shape[0], b.shape[1]), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k))


TYPES = (*INDICES, *FLOATS, "float16")


class _Corners:
    """Draws expressions whose operations are undefined on most machines, or differ between them.

    Shifts by any count, divisions by any number, conversions of any value between all types, comparisons with
    NaN, reads that are inside of a tensor only under a condition, and gathers through any integer.
    """

    def __init__(self, p: Program, a: Tensor, axes: tuple) -> None:
        self.p, self.a, self.axes = p, a, axes

    def pick(self, *options: Any) -> Any:
        return self.p.draw(st.sampled_from(options))

    def expr(self, x: Expr, depth: int) -> Expr:
        """An expression of `x`, of any type."""
        if depth == 0:
            return x
        x = self.expr(x, depth - 1)
        rule = self.pick("cast", "cast", "integer", "integer", "choice", "extreme", "function", "read")
        return getattr(self, rule)(x, depth - 1)

    def number(self, dtype: str) -> Expr:
        if is_float(dtype):
            return te.const(self.pick(0.0, -0.0, 1.0, -2.5, float("inf"), float("nan")), dtype)
        low, high = integer_range(dtype)
        bits = high.bit_length()
        options = [0, 1, 2, 3, 7, bits - 1, bits, bits + 1, 40, 100, -1, -3, low, high]
        return te.const(self.pick(*(n for n in options if low <= n <= high)), dtype)

    def condition(self, x: Expr) -> Expr:
        axis = self.pick(*self.axes)
        by_value = binary(self.pick("<", "<=", ">", ">=", "==", "!="), x, self.number(x.dtype))
        by_place = binary(self.pick("<", ">=", "==", "!="), axis, self.p.draw(st.integers(-1, 5)))
        kind = self.pick("value", "place", "all", "any", "not")
        if kind in ("all", "any"):
            return getattr(te, kind)(by_place, by_value)
        return Not(by_value) if kind == "not" else by_value if kind == "value" else by_place

    def cast(self, x: Expr, depth: int) -> Expr:
        return te.cast(x, self.pick(*TYPES))

    def integer(self, x: Expr, depth: int) -> Expr:
        x = x if not is_float(x.dtype) else te.cast(x, self.pick(*INDICES))
        other = self.pick(self.number(x.dtype), te.cast(self.pick(*self.axes), x.dtype))
        op = self.pick("<<", ">>", "//", "%", "&", "|", "^", "<<", ">>", "//", "%")
        if isinstance(other, Const) and other.value == 0 and op in ("//", "%"):
            return Binary(op, x, other, x.dtype)
        return binary(op, *((x, other) if self.pick(True, True, False) else (other, x)))

    def choice(self, x: Expr, depth: int) -> Expr:
        choose = self.pick(te.select, te.if_then_else)
        return choose(self.condition(x), x, self.pick(self.number(x.dtype), x))

    def extreme(self, x: Expr, depth: int) -> Expr:
        return self.pick(te.minimum, te.maximum)(x, self.pick(self.number(x.dtype), x))

    def function(self, x: Expr, depth: int) -> Expr:
        if not is_float(x.dtype):
            return self.pick(te.abs, te.popcount)(x)
        name = self.pick("abs", "floor", "ceil", "round", "trunc", "isnan", "sqrt")
        value = getattr(te, name)(x)
        return te.cast(value, "int8") if name == "isnan" else value

    def read(self, x: Expr, depth: int) -> Expr:
        """An element of a tensor: at a place beside the own one under a condition, or through a value."""
        fixed = [t for t in self.p.tensors if t.ndim and _fixed(t) and t.dtype not in PACKED_TYPES]
        if not fixed or not _fixed(self.a):  # dynamic extents are determined by what is read
            return x
        b = self.pick(*fixed[-2:])
        index = te.cast(x, self.pick(*INDICES)) if is_float(x.dtype) else x
        at: list = [te.const(0)] * b.ndim
        d = self.p.draw(st.integers(0, b.ndim - 1))
        extent = b.shape[d]
        if self.pick("beside", "through") == "beside":
            at[d] = self.pick(*self.axes) + self.p.draw(st.integers(-2, 2))
            inside = te.all(at[d] >= 0, at[d] < extent)
        elif self.pick(True, False):
            at[d] = te.cast(index, "int64") % extent
            return b[tuple(at)]
        else:
            at[d] = index
            wide = index.dtype == "uint64"
            inside = te.all(binary("<", index, extent) if wide else te.cast(index, "int64") < extent)
            inside = inside if index.dtype.startswith("u") else te.all(index >= 0, inside)
        choose = self.pick(te.select, te.if_then_else)
        return choose(inside, b[tuple(at)], self.number(b.dtype))


def _corner(p: Program, a: Tensor) -> Tensor:
    """An elementwise computation with corner values."""
    depth = p.draw(st.integers(1, 4))
    return p.compute(a.shape, lambda *i: _Corners(p, a, i).expr(a[i], depth))


def _packed(p: Program, a: Tensor) -> Tensor:
    b = p.placeholder((*a.shape[:-1], 8), p.draw(st.sampled_from(["int4", "uint4", "int2", "uint1"])))
    return p.compute(b.shape, lambda *i: b[i].astype("int32") * 3 - 1)


def _scan(p: Program, a: Tensor) -> Tensor:
    """A scan over the rows of a tensor, of one or two states, whose step may have several stages."""
    n, count = len(p.tensors), p.draw(st.integers(1, 2))
    rows = a.shape[0]
    first = 1 if isinstance(rows, Var) else p.draw(st.integers(1, min(2, rows)))
    states = [te.placeholder(a.shape, f"state{d}", a.dtype) for d in range(count)]
    back = p.draw(st.integers(1, first))
    mixed = a.ndim > 1 and not isinstance(a.shape[-1], Var) and p.draw(st.booleans())

    def earlier(t, *i):
        read = [s[(t - back, *i[:-1], a.shape[-1] - 1 - i[-1]) if mixed else (t - back, *i)] for s in states]
        return read[0] if count == 1 else read[0] * 2 - read[1]

    cell = te.compute(a.shape, earlier, f"cell{n}") if p.draw(st.booleans()) else None
    if a.ndim > 1 and p.draw(st.integers(0, 3)) == 0:
        k = te.reduce_axis((0, a.shape[-1]), "k")
        cell = te.compute(
            a.shape,
            lambda t, *i: te.max(states[0][(t - back, *i[:-1], k)] - i[-1].astype(a.dtype), axis=k),
            f"cell{n}",
        )
    op = p.draw(st.sampled_from(["+", "-", "max"]))
    updates = [
        te.compute(
            a.shape,
            lambda *i, d=d: binary(op, a[i], (earlier(*i) if cell is None else cell[i]) + d),
            f"update{n}{d}",
        )
        for d in range(count)
    ]
    inits = [te.compute((first, *a.shape[1:]), lambda *i, d=d: a[i] + d, f"init{n}{d}") for d in range(count)]
    made = te.scan(inits, updates, states, name=f"t{n}")
    for tensor in made if isinstance(made, tuple) else (made,):
        p.add(tensor)
    return p.tensors[-1]


def _scatter(p: Program, index: Tensor) -> Tensor:
    """Updates at computed indices, some of them outside."""
    values = p.pick(lambda t: t.ndim > 0 and t.shape[0] == index.shape[0])
    rows, n = p.draw(st.integers(1, 5)), len(p.tensors)
    start = te.compute((rows, *values.shape[1:]), lambda *i: i[0].astype(values.dtype) - 1, f"start{n}")
    dtype = p.draw(st.sampled_from(INDICES))
    inside = p.draw(st.booleans())
    place = te.compute(
        index.shape,
        lambda i: (index[i].astype("int32") % rows if inside else index[i]).astype(dtype),
        f"at{n}",
    )
    combine = p.draw(st.sampled_from(["add", "mul", "max", "min", "set"]))
    return p.add(te.scatter(start, place, values, combine, name=f"t{n}"))


def _numbers(a: Tensor) -> list[int]:
    return [d for d, n in enumerate(a.shape) if not isinstance(n, Var)]


def _fixed(a: Tensor) -> bool:
    return len(_numbers(a)) == a.ndim


def _wide(a: Tensor) -> bool:
    return a.ndim > 0


Maker = Callable[[Program, Tensor], Tensor]
Fits = Callable[[Tensor], bool]

# function that makes a stage -> the tensors that it accepts
MAKERS: list[tuple[Maker, Fits]] = [
    (m, _wide) for m in (_pointwise, _together, _transpose, _reduction, _several)
]
MAKERS += [(m, lambda t: bool(_numbers(t))) for m in (_window, _pad, _affine)]
MAKERS += [(m, lambda t: t.ndim == 2) for m in (_matmul, _reduction)]
MAKERS += [(_flat, lambda t: t.ndim == 2 and _fixed(t)), (_broadcast, lambda t: t.ndim == 1)]
MAKERS += [(m, lambda t: t.ndim == 1 and _fixed(t)) for m in (_folded, _skewed)]
MAKERS += [(_pool, lambda t: t.ndim > 0 and not isinstance(t.shape[-1], Var))]
MAKERS += [(_gather, lambda t: t.ndim == 1 and not is_float(t.dtype))]
EXTRA: dict[str, list[tuple[Maker, Fits]]] = {
    "packed": [(_packed, _wide)],
    "corners": [(_corner, _wide)] * 8,
    "extern": [(_extern, _wide)] * 2,
    "recurrences": [(_scan, _wide)] * 2 + [(_scatter, lambda t: t.ndim == 1 and not is_float(t.dtype))] * 2,
    "named": [(_named, lambda t: t.ndim > 0 and not is_float(t.dtype))] * 2,
}
SIZE_LIMIT = 120


@st.composite
def computations(draw: Draw, features: Collection[str] = ()) -> list[Tensor]:
    """The outputs of a random program of one to four stages: all tensors of each operation."""
    p = Program(draw, features)
    unknown = [te.size_var(name, (1, 6)) for name in "nm"] if "sizes" in features else []
    for _ in range(draw(st.integers(1, 2))):
        shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
        shape = [draw(st.sampled_from([n, *unknown])) for n in shape]
        p.placeholder(tuple(shape), draw(st.sampled_from(INTEGERS + FLOATS)))
    candidates = MAKERS + [pair for name in features for pair in EXTRA.get(name, ())]
    for _ in range(draw(st.sampled_from([3, 2, 4, 1]))):
        numbers = [t for t in p.tensors if t.dtype not in PACKED_TYPES]
        makers = [pair for pair in candidates if any(map(pair[1], numbers))]
        maker, fits = draw(st.sampled_from(makers))
        made = maker(p, p.pick(fits))
        if made.ndim == 0 or prod(map(upper_bound, made.shape)) > SIZE_LIMIT:
            break
    ops = list(dict.fromkeys(t.op for t in p.tensors if not isinstance(t.op, Placeholder)))
    others = [op for op in ops[:-1] if draw(st.integers(0, 4)) == 4]
    return [tensor for op in (*others, ops[-1]) for tensor in op.outputs]
