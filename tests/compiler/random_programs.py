"""Random programs of the loop IR, for the property tests.

The programs pass the verifier and stay inside of their buffers, so they print, parse and run. Beside loops,
branches, stores and allocations they use the nodes and types named in `FEATURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from hypothesis import strategies as st

from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, bits_of, integer_range, is_float, vector_of
from compiler.ir.expr import (
    Binary,
    Broadcast,
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Reinterpret,
    Select,
    Var,
    upper_bound,
)
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.operators import BITWISE, COMPARISON, INTRINSICS, LOGIC
from compiler.ir.scope import SCOPES
from compiler.ir.semantics.bfloat16 import narrowed
from compiler.ir.stmt import (
    THREAD_TAGS,
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Pragma,
    Prefetch,
    Region,
    Seq,
    Stmt,
    Store,
    Token,
)

# including equal names, names that Python or the text reserves, and names that are not identifiers
NAMES = ("A", "A_1", "i", "i", "i.outer", "x", "min", "for", "range", "float32", "2d", "", "\u00e9", "A")
INTEGERS = tuple(t for t in SCALAR_TYPES if t != "bool" and not is_float(t))
FLOATS = tuple(t for t in SCALAR_TYPES if is_float(t))
FUNCTIONS = tuple(
    n for n, f in INTRINSICS.items() if f.arity == 1 and f.takes != "an integer" and not f.is_condition
)
FUNCTIONS_OF_TWO = tuple(n for n, f in INTRINSICS.items() if f.arity == 2)
FEATURES = frozenset(
    ("let", "prefetch", "barrier", "copy", "invoke", "token")  # statements
    + ("bitwise", "functions", "packed", "pragmas", "scopes", "sizes", "threads", "vthread")
)
OLD_FUNCTIONS = ("exp", "log", "sqrt", "tanh", "abs", "floor", "ceil")


class _Writer:
    """Draws pieces of a program, given what is in scope."""

    def __init__(self, draw: st.DrawFn, features: Collection[str] = FEATURES) -> None:
        self.draw = draw
        self.features = frozenset(features)
        self.vars: list[Var] = []
        self.buffers: list[Buffer] = []
        self.intrinsics: list[Intrinsic] = []
        self.tags: list[str] = []
        self.meets = False  # whether all threads of a block execute the current statement

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def has(self, feature: str) -> bool:
        return feature in self.features

    def new_buffer(self, scope: str, dtype: str | None = None) -> Buffer:
        shape = tuple(self.draw(st.lists(st.integers(1, 4), max_size=3)))
        types = [*SCALAR_TYPES, *(PACKED_TYPES if self.has("packed") else ())]
        return Buffer(self.pick(*NAMES), shape, dtype or self.pick("float32", "int32", *types), scope)

    def new_param(self, scope: str, sizes: list[Var]) -> Buffer:
        """A parameter: sizes may be extents, and packed elements fill whole bytes."""
        buffer = self.new_buffer(scope)
        if buffer.dtype in PACKED_TYPES:
            return Buffer(buffer.name, (*buffer.shape[:-1], 8), buffer.dtype, scope)
        options = [*buffer.shape, *sizes]
        return Buffer(buffer.name, tuple(self.pick(n, *options) for n in buffer.shape), buffer.dtype, scope)

    # statements

    def stmt(self, depth: int) -> Stmt:
        leaves = ["prefetch", *["barrier"] * 3 * self.meets, "copy", "invoke"]
        leaves = [kind for kind in leaves if self.has(kind)]
        if not depth:
            return getattr(self, self.pick("store", "store", "store", "empty", *leaves))(depth)
        kinds = ["loop", "loop", "seq", "seq", "branch", "allocate", "store"]
        kinds += [kind for kind in ("let", "token") if self.has(kind)]
        kind = self.pick(*kinds, *["leaf"] * bool(leaves), *["barrier"] * 3 * ("barrier" in leaves))
        return getattr(self, self.pick(*leaves) if kind == "leaf" else kind)(depth - 1)

    def empty(self, depth: int) -> Stmt:
        return Seq(())

    def seq(self, depth: int) -> Stmt:
        return Seq(tuple(self.stmt(depth) for _ in range(self.pick(0, 1, 2, 3, 2))))

    def store(self, depth: int) -> Stmt:
        buffer, lanes = self.pick(*self.buffers), self.pick(1, 1, 2, 4)
        if not buffer.shape:
            lanes = 1
        return Store(buffer, self.indices(buffer, lanes), self.value(buffer.dtype, lanes, 3))

    def apart(self, uniform: bool, depth: int) -> Stmt:
        """A statement that all threads execute only if `uniform`."""
        outside, self.meets = self.meets, self.meets and uniform
        body = self.stmt(depth)
        self.meets = outside
        return body

    def branch(self, depth: int) -> Stmt:
        otherwise = self.apart(False, depth) if self.draw(st.booleans()) else None
        return If(self.expr("bool", 1, 2), self.apart(False, depth), otherwise)

    def loop(self, depth: int) -> Stmt:
        kinds = ["serial", "parallel", "vectorize", "unroll", *["vthread"] * self.has("vthread")]
        if self.has("threads"):
            kinds += [tag for tag in THREAD_TAGS if tag not in self.tags and "z" not in tag]
        kind, dtype = self.pick(*kinds), self.pick("int32", "int32", *INTEGERS)
        extent: Expr = Const(self.pick(0, 1, 2, 3), dtype)
        literal = kind == "vectorize" or self.draw(st.booleans())
        if not literal:
            extent = Binary("%", self.expr(dtype, 1, 1), Const(4, dtype), dtype)
        var = Var(self.pick(*NAMES), dtype)
        outside = self.meets
        if kind.startswith("threadIdx") and not any(tag.startswith("threadIdx") for tag in self.tags):
            self.meets = True
        self.vars.append(var)
        self.tags += [kind] if kind in THREAD_TAGS else []
        body = self.apart((literal or kind.startswith("threadIdx")) and kind != "vectorize", depth)
        self.tags = [tag for tag in self.tags if tag != kind]
        self.vars.pop()
        self.meets = outside
        return For(var, extent, kind, body, self.pragmas())

    def pragmas(self) -> tuple[Pragma, ...]:
        if not self.has("pragmas"):
            return ()
        values = st.booleans() | st.integers(-3, 100) | st.sampled_from(["", "x", "it's", 'a "b"', "\\"])
        return tuple(self.draw(st.dictionaries(st.sampled_from(["a", "b.c", "d'"]), values)).items())

    def allocate(self, depth: int) -> Stmt:
        own = [*SCOPES, "vta.acc"] if self.has("scopes") else ["global", "local"]
        return self.around(self.new_buffer(self.pick(*own)), lambda: self.stmt(depth))

    def around(self, buffer: Buffer, body: Callable[[], Stmt]) -> Stmt:
        self.buffers.append(buffer)
        inside = body()
        self.buffers.pop()
        return Allocate(buffer, inside, self.pragmas())

    def let(self, depth: int) -> Stmt:
        dtype, lanes = self.pick("int32", "float32", *SCALAR_TYPES), self.pick(1, 1, 2, 4)
        var, value = Var(self.pick(*NAMES), vector_of(dtype, lanes)), self.expr(dtype, lanes, 2)
        self.vars.append(var)
        body = self.stmt(depth)
        self.vars.pop()
        return Let(var, value, body)

    def token(self, depth: int) -> Stmt:
        stages = (self.pick("load", "compute"), self.pick("compute", "store"))
        return Seq((Token("push", *stages), self.stmt(depth), Token("pop", *stages)))

    def barrier(self, depth: int) -> Stmt:
        return Barrier(self.pick("shared", "global"))

    def prefetch(self, depth: int) -> Stmt:
        buffer = self.pick(*self.buffers)
        return Prefetch(buffer, tuple(self.expr("int32", 1, 1) for _ in buffer.shape))

    # regions

    def min_elements(self, buffer: Buffer) -> int:
        """The number of elements of a buffer at the lower bounds of its dynamic extents."""
        return int(
            np.prod([extent.bounds[0] if isinstance(extent, Var) else extent for extent in buffer.shape])
        )

    def region(self, buffer: Buffer, extents: tuple[int, ...], strides: tuple[int, ...]) -> Region:
        """A random region inside of `buffer`, which is large enough for it."""
        last = sum((n - 1) * stride for n, stride in zip(extents, strides, strict=True))
        offset = self.pick(
            Const(self.min_elements(buffer) - 1 - last),
            Binary("%", self.expr("int32", 1, 1), Const(self.min_elements(buffer) - last), "int32"),
        )
        return Region(buffer, offset, extents, tuple(map(Const, strides)))

    def compact(self, extents: tuple[int, ...], dtype: str, others: Collection[Buffer], use) -> Stmt:
        """The result of `use` on a region without gaps, in a buffer that is not one of `others`."""
        strides = tuple(int(np.prod(extents[axis + 1 :])) for axis in range(len(extents)))
        fits = [
            b
            for b in self.buffers
            if b.dtype == dtype and b not in others and self.min_elements(b) >= np.prod(extents)
        ]
        if fits:
            return use(self.region(self.pick(*fits), extents, strides))
        buffer = Buffer(self.pick(*NAMES), extents, dtype, "local")
        return self.around(buffer, lambda: use(self.region(buffer, extents, strides)))

    def copy(self, depth: int) -> Stmt:
        buffer = self.pick(*self.buffers)
        extents = tuple(self.draw(st.lists(st.integers(1, 3), max_size=2)))
        strides = tuple(self.pick(0, 1, 2, 3) for _ in extents)
        last = sum((n - 1) * stride for n, stride in zip(extents, strides, strict=True))
        if last >= self.min_elements(buffer):
            strides = (0,) * len(extents)
        source = self.region(buffer, extents, strides)
        before: list[Expr] = []
        after: list[Expr] = []
        total = []
        for extent in extents:
            margin = self.pick(0, 1, 2)
            total.append(extent + margin)
            first = Binary("%", self.expr("int32", 1, 1), Const(margin + 1), "int32")
            before.append(self.pick(Const(margin), first))
            after.append(Binary("-", Const(margin), before[-1], "int32"))
        fill = self.value(buffer.dtype, 1, 1)
        margins = (tuple(before), tuple(after))
        return self.compact(
            tuple(total), buffer.dtype, [buffer], lambda target: Copy(target, source, *margins, fill)
        )

    def invoke(self, depth: int) -> Stmt:
        if not self.intrinsics or self.pick(False, False, True):
            inside = _Writer(self.draw, self.features - {"sizes", "barrier", "invoke"})
            inside.buffers = [inside.new_param("global", []) for _ in range(self.pick(1, 2))]
            func = PrimFunc(f"t{len(self.intrinsics)}", tuple(inside.buffers), inside.stmt(1))
            self.intrinsics.append(Intrinsic(func.name, func))
        intrinsic = self.pick(*self.intrinsics)
        operands: list[Region] = []

        def operand(region: Region | None = None) -> Stmt:
            operands.extend([] if region is None else [region])
            if len(operands) == len(intrinsic.description.params):
                return intrinsic(*operands)
            buffer = intrinsic.description.params[len(operands)]
            used = [other.buffer for other in operands]
            return self.compact(buffer.shape, buffer.dtype, used, operand)

        return operand()

    # expressions

    def indices(self, buffer: Buffer, lanes: int) -> tuple[Expr, ...]:
        """Indices inside of the shape, one of them a vector if `lanes` is more than one."""
        flat = not buffer.sizes and self.pick(False, False, True)
        shape = (buffer.size,) if flat else buffer.shape
        wide = self.pick(*range(len(shape))) if lanes > 1 else -1
        result = []
        for axis, extent in enumerate(shape):
            count = lanes if axis == wide else 1
            dtype = self.pick("int32", *(t for t in INTEGERS if integer_range(t)[1] >= upper_bound(extent)))
            index = self.expr(dtype, count, 1)
            number: Expr = extent.astype(dtype) if isinstance(extent, Var) else Const(extent, dtype)
            bound = self.repeat(number, count)
            result.append(Binary("%", index, bound, index.dtype))
        return tuple(result)

    def repeat(self, value: Expr, lanes: int) -> Expr:
        return value if lanes == 1 else Broadcast(value, lanes)

    def value(self, dtype: str, lanes: int, depth: int) -> Expr:
        """Something to store: of a packed type it is a conversion."""
        if dtype not in PACKED_TYPES:
            return self.expr(dtype, lanes, depth)
        return Cast(self.expr(self.pick("int32", *SCALAR_TYPES), lanes, depth), vector_of(dtype, lanes))

    def expr(self, dtype: str, lanes: int, depth: int) -> Expr:
        usable = [b for b in self.buffers if b.shape or lanes == 1]
        loads = [b for b in usable if b.dtype == dtype]
        packed = [b for b in usable if b.dtype in PACKED_TYPES]
        variables = [v for v in self.vars if v.dtype in (dtype, vector_of(dtype, lanes))]
        kinds = ["literal"] + ["load"] * bool(loads and depth) + ["variable"] * 3 * bool(variables)
        if depth:
            kinds += ["unpack"] * bool(packed)
            kinds += ["bitwise"] * (self.has("bitwise") and dtype in INTEGERS)
            kinds += ["isnan"] * (self.has("functions") and dtype == "bool")
            kinds += ["count_bits"] * (self.has("functions") and dtype in INTEGERS)
            kinds += ["reinterpret"] * (self.has("functions") and dtype != "bool")
            kinds += ["select", "cast", "if_then_else"]
            kinds += ["compare", "logic", "not_"] if dtype == "bool" else ["arithmetic", "arithmetic"]
            kinds += ["function"] * is_float(dtype) + ["ramp"] * (dtype in INTEGERS and lanes > 1)
        kind = self.pick(*kinds)
        if kind == "load":
            buffer = self.pick(*loads)
            return Load(buffer, self.indices(buffer, lanes))
        if kind == "variable":
            var = self.pick(*variables)
            return var if var.dtype == vector_of(dtype, lanes) else self.repeat(var, lanes)
        if kind == "unpack":
            buffer = self.pick(*packed)
            return Cast(Load(buffer, self.indices(buffer, lanes)), vector_of(dtype, lanes))
        return getattr(self, kind)(dtype, lanes, depth - 1)

    def literal(self, dtype: str, lanes: int, depth: int) -> Expr:
        if dtype == "bool":
            values: st.SearchStrategy = st.booleans()
        elif is_float(dtype):
            special = st.sampled_from(
                [0.0, -0.0, 1.0, -1.5, 0.1, 1e30, float("inf"), float("-inf"), float("nan")]
            )
            values = special | st.floats()
        else:
            low, high = integer_range(dtype)
            values = st.integers(max(low, -3), 4) | st.integers(low, high)
        return self.repeat(Const(self.draw(values), dtype), lanes)

    def select(self, dtype: str, lanes: int, depth: int) -> Expr:
        condition = self.expr("bool", self.pick(1, lanes), depth)
        return Select(condition, self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth))

    def if_then_else(self, dtype: str, lanes: int, depth: int) -> Expr:
        condition = self.expr("bool", self.pick(1, lanes), depth)
        args = (condition, self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth))
        return Call("if_then_else", args, vector_of(dtype, lanes))

    def cast(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Cast(self.expr(self.pick(*SCALAR_TYPES), lanes, depth), vector_of(dtype, lanes))

    def function(self, dtype: str, lanes: int, depth: int) -> Expr:
        if self.pick(False, False, True):
            args: tuple[Expr, ...] = (self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth))
            return Call(self.pick("pow", *FUNCTIONS_OF_TWO), args, vector_of(dtype, lanes))
        names = FUNCTIONS if self.has("functions") else OLD_FUNCTIONS
        return Call(self.pick(*names), (self.expr(dtype, lanes, depth),), vector_of(dtype, lanes))

    def ramp(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Ramp(self.expr(dtype, 1, depth), self.expr(dtype, 1, depth), lanes)

    def arithmetic(self, dtype: str, lanes: int, depth: int) -> Expr:
        op = self.pick("+", "-", "*", "min", "max", *(("/",) if is_float(dtype) else ("//", "%")))
        b = self.expr(dtype, lanes, depth)
        if op in ("//", "%") and self.pick(True, True, False):
            negative = [] if dtype.startswith("u") else [-1, -2, -3]
            b = self.repeat(Const(self.pick(0, 1, 2, 3, 7, *negative), dtype), lanes)
        return Binary(op, self.expr(dtype, lanes, depth), b, vector_of(dtype, lanes))

    def isnan(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Call("isnan", (self.expr(self.pick(*FLOATS), lanes, depth),), vector_of("bool", lanes))

    def reinterpret(self, dtype: str, lanes: int, depth: int) -> Expr:
        # of integers, as NaN has many values of its bits
        sources = [t for t in INTEGERS if bits_of(t) == bits_of(dtype)]
        return Reinterpret(self.expr(self.pick(*sources), lanes, depth), vector_of(dtype, lanes))

    def count_bits(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Call(
            self.pick("popcount", "clz", "ctz"), (self.expr(dtype, lanes, depth),), vector_of(dtype, lanes)
        )

    def bitwise(self, dtype: str, lanes: int, depth: int) -> Expr:
        op, b = self.pick(*BITWISE), self.expr(dtype, lanes, depth)
        if op in ("<<", ">>") and self.pick(True, False):
            bits = bits_of(dtype)
            b = self.repeat(Const(self.pick(0, 1, 3, bits - 1, bits, bits + 1), dtype), lanes)
        return Binary(op, self.expr(dtype, lanes, depth), b, vector_of(dtype, lanes))

    def compare(self, dtype: str, lanes: int, depth: int) -> Expr:
        operand = self.pick(*SCALAR_TYPES)
        a, b = self.expr(operand, lanes, depth), self.expr(operand, lanes, depth)
        return Binary(self.pick(*COMPARISON), a, b, vector_of("bool", lanes))

    def logic(self, dtype: str, lanes: int, depth: int) -> Expr:
        a, b = self.expr("bool", lanes, depth), self.expr("bool", lanes, depth)
        return Binary(self.pick(*LOGIC), a, b, vector_of("bool", lanes))

    def not_(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Not(self.expr("bool", lanes, depth))


@st.composite
def functions(draw: st.DrawFn, features: Collection[str] = FEATURES) -> PrimFunc:
    """Functions that use no more than `features`, a subset of `FEATURES`; by default all of them."""
    writer = _Writer(draw, features)
    own = SCOPES if "scopes" in features else ("global", "local")
    scopes = draw(st.lists(st.sampled_from(("global", "global", *own)), min_size=1, max_size=3))
    sizes = []
    if "sizes" in features:
        sizes = [Var(writer.pick(*NAMES), bounds=writer.pick((1, 4), (2, 2), (2, 5))) for _ in range(2)]
    writer.buffers = [writer.new_param(scope, sizes) for scope in scopes]
    params = tuple(writer.buffers)
    writer.vars = list(PrimFunc("f", params, Seq(())).sizes)
    return PrimFunc(draw(st.sampled_from(["main", "exp", "f_1"])), params, writer.stmt(4))


@st.composite
def vector_values(draw: st.DrawFn) -> tuple[tuple[Buffer, ...], Expr]:
    """Expressions of several lanes, with the buffers that they read."""
    writer = _Writer(draw)
    writer.buffers = [Buffer("A", (2, 3), "float32"), Buffer("B", (5,), "int32"), Buffer("M", (4,), "bool")]
    params = tuple(writer.buffers)
    return params, writer.expr(draw(st.sampled_from(SCALAR_TYPES)), draw(st.sampled_from([2, 4])), 3)


def random_arrays(params: tuple[Buffer, ...], seed: int) -> list[np.ndarray]:
    """One array for each parameter, with special values of each type among its elements."""
    rng = np.random.default_rng(seed)
    sizes = {n: rng.integers(*n.bounds, endpoint=True) for n in PrimFunc("f", params, Seq(())).sizes}
    arrays = []
    for buffer in params:
        shape = tuple(int(sizes[n]) if isinstance(n, Var) else n for n in buffer.shape)
        if buffer.dtype in PACKED_TYPES:
            shape = (*shape[:-1], shape[-1] * bits_of(buffer.dtype) // 8)
        held = {**dict.fromkeys(PACKED_TYPES, "uint8"), "bfloat16": "float32"}
        dtype = np.dtype(held.get(buffer.dtype, buffer.dtype))
        if dtype.kind == "f":
            array = rng.normal(scale=10, size=shape).astype(dtype)
            special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], size=shape).astype(dtype)
            array = np.where(rng.random(shape) < 0.2, special, array)
        elif dtype.kind == "b":
            array = rng.random(shape) < 0.5
        else:
            info = np.iinfo(dtype)
            array = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        array = np.asarray(array, dtype).reshape(shape)
        arrays.append(np.asarray(narrowed(array)) if buffer.dtype == "bfloat16" else array)
    return arrays
