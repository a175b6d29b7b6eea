"""Recurrent layers over whole sequences: LSTM, GRU and RNN, with the options of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import forward, rank, same_dtype, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.op import Fuse, Op
from compiler.relay.language.types import ANY, TensorType, TupleType, Type
from compiler.relay.operator.elementwise import check_dtype, quiet
from compiler.relay.operator.network.product import fits
from compiler.suggest import unknown

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Functions:
    """What activations are written with, for arrays and for expressions."""

    exp: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    log1p: Callable[[Any], Any]
    abs: Callable[[Any], Any]
    maximum: Callable[[Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]


_NUMPY = Functions(np.exp, np.tanh, np.log1p, np.abs, np.maximum, np.minimum, np.where)
_TE = Functions(te.exp, te.tanh, te.log1p, te.abs, te.maximum, te.minimum, te.select)

# name -> (function of (functions, x, alpha, beta), default alpha or None, default beta or None)
ACTIVATIONS: dict[str, tuple[Callable[..., Any], float | None, float | None]] = {
    "relu": (lambda f, x, a, b: f.maximum(x, x * 0), None, None),
    "tanh": (lambda f, x, a, b: f.tanh(x), None, None),
    "sigmoid": (lambda f, x, a, b: 1.0 / (f.exp(x * -1.0) + 1.0), None, None),
    "affine": (lambda f, x, a, b: x * a + b, 1.0, 0.0),
    "leakyrelu": (lambda f, x, a, b: f.where(x >= 0.0, x, x * a), 0.01, None),
    "thresholdedrelu": (lambda f, x, a, b: f.where(x >= a, x, x * 0), 1.0, None),
    "scaledtanh": (lambda f, x, a, b: f.tanh(x * b) * a, 1.0, 1.0),
    "hardsigmoid": (lambda f, x, a, b: f.minimum(f.maximum(x * a + b, x * 0), x * 0 + 1.0), 0.2, 0.5),
    "elu": (lambda f, x, a, b: f.where(x >= 0.0, x, (f.exp(f.minimum(x, x * 0)) - 1.0) * a), 1.0, None),
    "softsign": (lambda f, x, a, b: x / (f.abs(x) + 1.0), None, None),
    "softplus": (lambda f, x, a, b: f.log1p(f.exp(f.abs(x) * -1.0)) + f.maximum(x, x * 0), None, None),
}

# kind -> (gates, default activations of a direction)
KINDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "lstm": (4, ("sigmoid", "tanh", "tanh")),
    "gru": (3, ("sigmoid", "tanh")),
    "rnn": (1, ("tanh",)),
}


def activations(kind: str, attrs: Attrs) -> list[list[Callable[[Functions, Any], Any]]]:
    """For each direction its activations, as functions of (functions, x); `alphas` and `betas` are consumed
    in order by those that have such a parameter.
    """
    default = KINDS[kind][1]
    count = _directions(attrs)
    names = attrs.activations if attrs.activations is not None else default * count
    if len(names) != len(default) * count:
        raise ValueError(f"{kind}: {len(default) * count} activations are needed, not {names}")
    alphas, betas = iter(attrs.alphas), iter(attrs.betas)
    found: list[Callable[[Functions, Any], Any]] = []
    for name in names:
        if name not in ACTIVATIONS:
            raise ValueError(unknown("activation", str(name), ACTIVATIONS))
        function, alpha, beta = ACTIVATIONS[name]
        a = next(alphas, alpha) if alpha is not None else None
        b = next(betas, beta) if beta is not None else None

        def bound(f: Functions, x: Any, function: Any = function, a: Any = a, b: Any = b) -> Any:
            return function(f, x, a, b)

        found.append(bound)
    return [found[d * len(default) : (d + 1) * len(default)] for d in range(count)]


def _directions(attrs: Attrs) -> int:
    return 2 if attrs.direction == "bidirectional" else 1


def is_reversed(attrs: Attrs, d: int) -> bool:
    """Whether a direction begins at the end of the sequence."""
    return bool(attrs.direction == "reverse" or d == 1)


def more_arguments(kind: str, attrs: Attrs, more: Sequence[Any]) -> tuple[Any, Any]:
    """The lengths and the peepholes among the last arguments, None for those that are not given."""
    expected = int(attrs.lens) + int(kind == "lstm" and attrs.peepholes)
    if len(more) != expected:
        raise ValueError(
            f"{kind}: {expected} more arguments are needed as lens and peepholes say, not {len(more)}"
        )
    rest = list(more)
    lens = rest.pop(0) if attrs.lens else None
    return lens, rest[0] if rest else None


# types ---------------------------------------------------------------------------------------------------


def _type(kind: str) -> Any:
    gates, states = KINDS[kind][0], 2 if kind == "lstm" else 1

    def rule(attrs: Attrs, *given: Type) -> Type:
        x, w, r, b, *rest = (tensor(t) for t in given)
        initial, (lens, peepholes) = rest[:states], more_arguments(kind, attrs, rest[states:])
        activations(kind, attrs)
        check_dtype(x, "a float")
        same_dtype(x, w, r, b, *initial)
        count = _directions(attrs)
        if rank(x) != 3 or rank(w) != 3 or rank(r) != 3:
            raise ValueError(f"{kind}: x, w and r need three axes, not {x}, {w} and {r}")
        first, second, inputs = x.shape  # type: ignore[misc]
        steps, batch = (second, first) if attrs.layout else (first, second)
        hidden = r.shape[2]  # type: ignore[index]
        wide = gates * hidden if type(hidden) is int else ANY
        double = 2 * wide if type(wide) is int else ANY
        state = (batch, count, hidden) if attrs.layout else (count, batch, hidden)
        needed: list[tuple[str, TensorType, tuple[Any, ...]]] = [
            ("w", w, (count, wide, inputs)),
            ("r", r, (count, wide, hidden)),
            ("b", b, (count, double)),
        ]
        needed += [("an initial state", t, state) for t in initial]
        if lens is not None:
            needed.append(("lens", lens, (batch,)))
        if peepholes is not None:
            triple = 3 * hidden if type(hidden) is int else ANY
            needed.append(("the peepholes", peepholes, (count, triple)))
        for name, found, shape in needed:
            dims = tuple(found.shape)  # type: ignore[arg-type]
            if len(dims) != len(shape) or not all(map(fits, dims, shape)):
                raise ValueError(f"{kind}: {name} is {found}; the shape {shape} is needed")
        y = (batch, steps, count, hidden) if attrs.layout else (steps, count, batch, hidden)
        return TupleType((TensorType(y, x.dtype), *(TensorType(state, x.dtype) for _ in initial)))

    return forward(rule)


# the definition ------------------------------------------------------------------------------------------


def clipped(attrs: Attrs, f: Functions, z: Any) -> Any:
    """The sum that an activation is given."""
    return f.minimum(f.maximum(z, z * 0 - attrs.clip), z * 0 + attrs.clip) if attrs.clip > 0 else z


@dataclass(frozen=True, slots=True)
class _Weights:
    """The parameters of one direction: (gates * hidden, inputs or hidden), the two biases, the peepholes."""

    w: Array
    r: Array
    wb: Array
    rb: Array
    p: Array | None


def _step(
    kind: str, attrs: Attrs, acts: Any, zx: Array, h: Array, c: Array | None, q: _Weights
) -> tuple[Array, Array | None]:
    """The states after a step: `zx` is the part of the gates that the input makes, with its bias."""
    n = h.shape[1]

    def gate(k: int) -> slice:
        return slice(k * n, (k + 1) * n)

    def act(k: int, z: Array) -> Array:
        return np.asarray(acts[k](_NUMPY, clipped(attrs, _NUMPY, z)))

    if kind == "rnn":
        return act(0, zx + h @ q.r.T + q.rb), None
    if kind == "gru":
        z = act(0, zx[:, gate(0)] + h @ q.r[gate(0)].T + q.rb[gate(0)])
        r = act(0, zx[:, gate(1)] + h @ q.r[gate(1)].T + q.rb[gate(1)])
        if attrs.linear_before_reset:
            inner = r * (h @ q.r[gate(2)].T + q.rb[gate(2)])
        else:
            inner = (r * h) @ q.r[gate(2)].T + q.rb[gate(2)]
        new = act(1, zx[:, gate(2)] + inner)
        return (1 - z) * new + z * h, None
    assert c is not None
    total = zx + h @ q.r.T + q.rb
    p = np.zeros(3 * n, h.dtype) if q.p is None else q.p
    i = act(0, total[:, gate(0)] + p[gate(0)] * c)
    f = 1 - i if attrs.input_forget else act(0, total[:, gate(2)] + p[gate(2)] * c)
    cell = f * c + i * act(1, total[:, gate(3)])
    o = act(0, total[:, gate(1)] + p[gate(1)] * cell)
    return o * acts[2](_NUMPY, cell), cell


def _evaluated(kind: str) -> Any:
    gates, states = KINDS[kind][0], 2 if kind == "lstm" else 1

    def evaluate(attrs: Attrs, x: Array, w: Array, r: Array, b: Array, *rest: Array) -> Any:
        dtype, wide = x.dtype, np.float64 if x.dtype == np.float64 else np.float32
        lens, peepholes = more_arguments(kind, attrs, rest[states:])
        x, w, r, b = (a.astype(wide) for a in (x, w, r, b))
        x = x.swapaxes(0, 1) if attrs.layout else x
        initial = [a.astype(wide).swapaxes(0, 1) if attrs.layout else a.astype(wide) for a in rest[:states]]
        (steps, batch, _), hidden, count = x.shape, r.shape[2], _directions(attrs)
        lengths = np.full(batch, steps) if lens is None else np.asarray(lens).astype(np.int64)
        y = np.zeros((steps, count, batch, hidden), wide)
        last = [np.zeros((count, batch, hidden), wide) for _ in range(states)]
        each = np.arange(batch)
        for d, acts in enumerate(activations(kind, attrs)):
            half = gates * hidden
            p = None if peepholes is None else peepholes[d].astype(wide)
            q = _Weights(w[d], r[d], b[d, :half], b[d, half:], p)
            zx = x @ q.w.T + q.wb
            h, c = initial[0][d], initial[1][d] if states > 1 else None
            for s in range(steps):
                active = s < lengths
                at = np.where(active, lengths - 1 - s, s) if is_reversed(attrs, d) else np.full(batch, s)
                new_h, new_c = _step(kind, attrs, acts, zx[at, each], h, c, q)
                keep = active[:, None]
                h = np.where(keep, new_h, h)
                c = None if new_c is None or c is None else np.where(keep, new_c, c)
                y[at[active], d, each[active]] = h[active]
            last[0][d] = h
            if c is not None:
                last[1][d] = c
        if attrs.layout:
            y, last = y.transpose(2, 0, 1, 3), [a.swapaxes(0, 1) for a in last]
        return tuple(np.ascontiguousarray(a).astype(dtype) for a in (y, *last))

    return evaluate


# the computation -----------------------------------------------------------------------------------------


class _Scan:
    """The steps of one direction as a scan: row 0 of its states is the initial one, row t that after t."""

    def __init__(self, kind: str, attrs: Attrs, tensors: Sequence[Any], d: int) -> None:
        self.kind, self.attrs, self.d = kind, attrs, d
        states = 2 if kind == "lstm" else 1
        self.x, self.w, self.r, self.b, *rest = tensors
        self.initial = rest[:states]
        self.lens, self.peepholes = more_arguments(kind, attrs, rest[states:])
        self.hidden, self.dtype = self.r.shape[2], self.x.dtype
        first, second, self.inputs = self.x.shape
        self.steps, self.batch = (second, first) if attrs.layout else (first, second)
        self.acts = activations(kind, attrs)[d]
        self.backward = is_reversed(attrs, d)

    def place(self, step: Any, b: Any) -> Any:
        """The element of the sequence that a step, counted from 0, takes."""
        if self.lens is None:
            return self.steps - 1 - step if self.backward else step
        if not self.backward:
            return step
        length = self.lens[b].astype("int32")
        return te.minimum(te.maximum(te.select(step < length, length - 1 - step, step), 0), self.steps - 1)

    def tensors(self) -> list[Any]:
        """The states of all steps: shape (steps + 1, batch, hidden), one tensor for each."""
        gates, hidden, batch, d = KINDS[self.kind][0], self.hidden, self.batch, self.d
        wide, tag = gates * hidden, "reverse" if self.backward else "forward"
        i = te.reduce_axis((0, self.inputs), "i")

        def taken(t: Any, b: Any) -> tuple[Any, Any]:
            return (b, t) if self.attrs.layout else (t, b)

        given = te.compute(
            (self.steps, batch, wide),
            lambda t, b, g: te.sum(self.x[(*taken(t, b), i)] * self.w[d, g, i], axis=i),
            f"{tag}_inputs",
        )
        # with the gates contiguous, those of a step are computed in the lanes of vectors
        self.turned = te.compute((hidden, wide), lambda k, g: self.r[d, g, k], f"{tag}_weights")
        shape = (self.steps + 1, batch, hidden)
        self.states = [
            te.placeholder(shape, f"{tag}_{n}", self.dtype) for n in ("h", "c")[: len(self.initial)]
        ]
        first = [
            te.compute(
                (1, batch, hidden),
                lambda _, b, j, s=s: s[(b, d, j) if self.attrs.layout else (d, b, j)],
                f"{tag}_initial",
            )
            for s in self.initial
        ]

        def total(t: Any, b: Any, g: Any) -> Any:
            """What the input and the first bias give to a gate."""
            return given[self.place(t - 1, b), b, g] + self.b[d, g]

        updates = {"lstm": self._lstm, "gru": self._gru, "rnn": self._rnn}[self.kind](shape, total, tag)
        inputs = [given]
        found = te.scan(first, updates, self.states, inputs=inputs, name=f"{tag}_{self.kind}")
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def act(self, k: int, z: Any) -> Any:
        """An activation of a clipped sum."""
        return self.acts[k](_TE, clipped(self.attrs, _TE, z))

    def products(self, shape: Sequence[int], count: int, first: int, tag: str, state: Any = None) -> Any:
        """The products of a state and the weights of some gates, for all steps."""
        k, n = te.reduce_axis((0, self.hidden), "k"), self.hidden
        h = self.states[0]

        def element(t: Any, b: Any, g: Any) -> Any:
            value = h[t - 1, b, k] if state is None else state[t, b, k]
            return te.sum(value * self.turned[k, g + first * n], axis=k)

        return te.compute((*shape[:2], count * n), element, f"{tag}_products")

    def bias(self, g: Any) -> Any:
        """The second bias of a gate."""
        return self.b[self.d, g + KINDS[self.kind][0] * self.hidden]

    def kept(self, t: Any, b: Any, new: Any, old: Any) -> Any:
        """The new state, or after the end of the sequence the old one."""
        return new if self.lens is None else te.select(t - 1 < self.lens[b].astype("int32"), new, old)

    def _rnn(self, shape: Any, total: Any, tag: str) -> list[Any]:
        h, dots = self.states[0], self.products(shape, 1, 0, tag)

        def update(t: Any, b: Any, j: Any) -> Any:
            return self.kept(t, b, self.act(0, total(t, b, j) + dots[t, b, j] + self.bias(j)), h[t - 1, b, j])

        return [te.compute(shape, update, f"{tag}_next")]

    def _gru(self, shape: Any, total: Any, tag: str) -> list[Any]:
        n, (h,), linear = self.hidden, self.states, self.attrs.linear_before_reset
        dots = self.products(shape, 3 if linear else 2, 0, tag)

        def gate(t: Any, b: Any, g: Any) -> Any:
            return self.act(0, total(t, b, g) + dots[t, b, g] + self.bias(g))

        gates = te.compute((*shape[:2], 2 * n), gate, f"{tag}_gates")
        if not linear:
            reset = te.compute(shape, lambda t, b, j: gates[t, b, j + n] * h[t - 1, b, j], f"{tag}_reset")
            inner = self.products(shape, 1, 2, f"{tag}_new", reset)

        def update(t: Any, b: Any, j: Any) -> Any:
            if linear:
                value = gates[t, b, j + n] * (dots[t, b, j + 2 * n] + self.bias(j + 2 * n))
            else:
                value = inner[t, b, j] + self.bias(j + 2 * n)
            new = self.act(1, total(t, b, j + 2 * n) + value)
            z, old = gates[t, b, j], h[t - 1, b, j]
            return self.kept(t, b, (1.0 - z) * new + z * old, old)

        return [te.compute(shape, update, f"{tag}_next")]

    def _lstm(self, shape: Any, total: Any, tag: str) -> list[Any]:
        n, (h, c) = self.hidden, self.states
        dots = self.products(shape, 4, 0, tag)

        def gate(k: int, t: Any, b: Any, j: Any, peephole: int | None = None, cell: Any = None) -> Any:
            g = j + k * n
            value = total(t, b, g) + dots[t, b, g] + self.bias(g)
            if peephole is not None and self.peepholes is not None:
                value = value + self.peepholes[self.d, j + peephole * n] * cell
            return value

        def cell(t: Any, b: Any, j: Any) -> Any:
            old = c[t - 1, b, j]
            i = self.act(0, gate(0, t, b, j, 0, old))
            f = 1.0 - i if self.attrs.input_forget else self.act(0, gate(2, t, b, j, 2, old))
            return self.kept(t, b, f * old + i * self.act(1, gate(3, t, b, j)), old)

        cells = te.compute(shape, cell, f"{tag}_cell")

        def update(t: Any, b: Any, j: Any) -> Any:
            o = self.act(0, gate(1, t, b, j, 1, cells[t, b, j]))
            return self.kept(t, b, o * self.acts[2](_TE, cells[t, b, j]), h[t - 1, b, j])

        return [te.compute(shape, update, f"{tag}_next"), cells]

    def output(self, found: Any, t: Any, b: Any, j: Any) -> Any:
        """The state at an element of the sequence, zero after its end."""
        if self.lens is None:
            return found[self.steps - t if self.backward else t + 1, b, j]
        length = self.lens[b].astype("int32")
        row = te.minimum(te.maximum(length - t, 0), self.steps) if self.backward else t + 1
        return te.if_then_else(t < length, found[row, b, j], te.const(0, self.dtype))


def _computed(kind: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        scans = [_Scan(kind, attrs, tensors, d) for d in range(_directions(attrs))]
        states = [scan.tensors() for scan in scans]
        steps = scans[0].steps
        y, *last = result.fields

        def chosen(d: Any, values: Sequence[Any]) -> Any:
            return values[0] if len(values) == 1 else te.if_then_else(te.equal(d, 0), values[0], values[1])

        def output(*at: Any) -> Any:
            b, t, d, j = at if attrs.layout else (at[2], at[0], at[1], at[3])
            return chosen(d, [s.output(found[0], t, b, j) for s, found in zip(scans, states, strict=True)])

        def final(k: int) -> Any:
            def element(*at: Any) -> Any:
                b, d, j = at if attrs.layout else (at[1], at[0], at[2])
                return chosen(d, [found[k][steps, b, j] for found in states])

            return element

        outs = [te.compute(y.shape, output, "y")]
        return outs + [te.compute(t.shape, final(k), "last") for k, t in enumerate(last)]

    return compute


_DIRECTIONS = ("forward", "reverse", "bidirectional")
_ATTRIBUTES = (
    Attribute("direction", "str", "forward", _DIRECTIONS),
    Attribute("activations", "any", None),
    Attribute("alphas", "floats", ()),
    Attribute("betas", "floats", ()),
    Attribute("clip", "float", 0.0),
    Attribute("layout", "int", 0, (0, 1)),
    Attribute("lens", "bool", False),
)


def _row(kind: str, inputs: tuple[str, ...], own: tuple[Attribute, ...], doc: str) -> Op:
    return Op(
        f"nn.{kind}",
        inputs,
        _type(kind),
        quiet(_evaluated(kind)),
        _computed(kind),
        Fuse.OPAQUE,
        (*_ATTRIBUTES, *own),
        doc=doc,
    )


ROWS = (
    _row(
        "lstm",
        ("x", "w", "r", "b", "h", "c", "*more"),
        (Attribute("input_forget", "bool", False), Attribute("peepholes", "bool", False)),
        "Long short-term memory: all states, the last one, and the last cell.",
    ),
    _row(
        "gru",
        ("x", "w", "r", "b", "h", "*more"),
        (Attribute("linear_before_reset", "bool", False),),
        "Gated recurrent units (arXiv 1406.1078): all states, and the last one.",
    ),
    _row(
        "rnn",
        ("x", "w", "r", "b", "h", "*more"),
        (),
        "A simple recurrent layer: all states, and the last one.",
    ),
)
