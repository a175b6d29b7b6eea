"""Recurrent layers as a step of primitive operators for each element of the sequence, for derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.relay.gradient.numbers import Numbers, chosen, function
from compiler.relay.language.expr import Call, Expr, Tuple, constant
from compiler.relay.language.op import op
from compiler.relay.operator.network.recurrence import (
    KINDS,
    Functions,
    activations,
    clipped,
    is_reversed,
    more_arguments,
)

_PROGRAM = Functions(
    exp=function("exp"),
    tanh=function("tanh"),
    log1p=function("log1p"),
    abs=function("abs"),
    maximum=function("maximum"),
    minimum=function("minimum"),
    where=chosen,
)


def unrolled(kind: str, call: Call, given: Sequence[Expr]) -> Expr:
    """What ``nn.lstm``, ``nn.gru`` or ``nn.rnn`` computes.

    Parameters
    ----------
    kind : str
    call : Call
        Types of its arguments are inferred.
    given : sequence of Expr
        The arguments.

    Raises
    ------
    ValueError
        If the number of steps is not known.
    """
    return _Layer(kind, call, given).result()


class _Layer:
    def __init__(self, kind: str, call: Call, given: Sequence[Expr]) -> None:
        self.kind, self.attrs = kind, call.attrs
        type_: Any = call.args[0].checked_type
        self.dtype = str(type_.dtype)
        self.wide = "float64" if self.dtype == "float64" else "float32"
        self.steps = type_.shape[1 if self.attrs.layout else 0]
        if type(self.steps) is not int:
            raise ValueError(
                f"the derivative of nn.{kind} needs the number of steps, which {type_} leaves open"
            )
        states = 2 if kind == "lstm" else 1
        self.hidden = call.args[2].checked_type.shape[2]  # type: ignore[attr-defined]
        rest = list(given[4 + states :])
        self.lens, self.peepholes = more_arguments(kind, self.attrs, rest)
        if self.lens is not None:
            self.integer = str(call.args[4 + states].checked_type.dtype)  # type: ignore[attr-defined]
        floats: list[Expr] = [
            op("cast")(value, dtype=self.wide) if self.wide != self.dtype else value for value in given
        ]
        self.x, self.w, self.r, self.b, *self.initial = floats[: 4 + states]
        if self.peepholes is not None:
            self.peepholes = floats[-1]
        if self.attrs.layout:
            self.x = op("transpose")(self.x, axes=(1, 0, 2))
            self.initial = [op("transpose")(value, axes=(1, 0, 2)) for value in self.initial]

    def result(self) -> Expr:
        found = [self.direction(d, acts) for d, acts in enumerate(activations(self.kind, self.attrs))]
        outputs, *states = zip(*found, strict=True)
        y = op("stack")(Tuple(tuple(outputs)), axis=1)
        last = [op("stack")(Tuple(tuple(parts)), axis=0) for parts in states]
        if self.attrs.layout:
            y = op("transpose")(y, axes=(2, 0, 1, 3))
            last = [op("transpose")(value, axes=(1, 0, 2)) for value in last]
        results = [y, *last]
        if self.wide != self.dtype:
            results = [op("cast")(value, dtype=self.dtype) for value in results]
        return Tuple(tuple(results))

    def numbers(self, expr: Expr) -> Numbers:
        return Numbers(expr, self.wide)

    def direction(self, d: int, acts: Any) -> list[Expr]:
        """The states at all steps, and the last ones."""
        gates = KINDS[self.kind][0] * self.hidden
        w, r, b = (_element(value, d) for value in (self.w, self.r, self.b))
        inputs: Expr = op("add")(op("nn.matmul")(self.x, op("transpose")(w)), _part(b, 0, gates))
        backward = is_reversed(self.attrs, d)
        inputs = self.turned(inputs) if backward else inputs
        self.weights, self.bias = op("transpose")(r), _part(b, gates, 2 * gates)
        self.peephole = None if self.peepholes is None else _element(self.peepholes, d)
        state = [self.numbers(_element(value, d)) for value in self.initial]
        outputs: list[Expr] = []
        for s in range(self.steps):
            after = self.step(acts, _element(inputs, s), state)
            if self.lens is None:
                state, shown = after, after[0].expr
            else:
                active = op("greater")(self.lens, constant(s, dtype=self.integer))
                active = op("expand_dims")(active, axis=1)
                state = [chosen(active, new, old) for new, old in zip(after, state, strict=True)]
                shown = op("where")(active, state[0].expr, op("zeros_like")(state[0].expr))
            outputs.append(shown)
        y = op("stack")(Tuple(tuple(outputs)), axis=0)
        return [self.turned(y) if backward else y, *(value.expr for value in state)]

    def turned(self, sequence: Expr) -> Expr:
        """Sequences from the end."""
        if self.lens is None:
            return op("reverse")(sequence, axis=0)
        return op("reverse_sequence")(sequence, self.lens, seq_axis=0, batch_axis=1)

    def step(self, acts: Any, inputs: Expr, state: list[Numbers]) -> list[Numbers]:
        """The states after a step."""
        attrs, n = self.attrs, self.hidden
        zx, h = self.numbers(inputs), state[0]

        def gate(value: Numbers, k: int) -> Numbers:
            return self.numbers(_part(value.expr, k * n, (k + 1) * n))

        def act(k: int, z: Numbers) -> Numbers:
            return acts[k](_PROGRAM, clipped(attrs, _PROGRAM, z))

        def product(value: Numbers, first: int, last: int) -> Numbers:
            """Of a state and the weights of some gates, with the bias."""
            weights, bias = (_part(part, first * n, last * n) for part in (self.weights, self.bias))
            return self.numbers(op("add")(op("nn.matmul")(value.expr, weights), bias))

        if self.kind == "rnn":
            return [act(0, zx + product(h, 0, 1))]
        if self.kind == "gru":
            both = product(h, 0, 2)
            z, r = (act(0, gate(zx, k) + gate(both, k)) for k in (0, 1))
            inner = r * product(h, 2, 3) if attrs.linear_before_reset else product(r * h, 2, 3)
            return [(1.0 - z) * act(1, gate(zx, 2) + inner) + z * h]
        total, c = zx + product(h, 0, 4), state[1]

        def peeped(k: int, peephole: int, cell: Numbers) -> Numbers:
            if self.peephole is None:
                return gate(total, k)
            return (
                gate(total, k) + self.numbers(_part(self.peephole, peephole * n, (peephole + 1) * n)) * cell
            )

        i = act(0, peeped(0, 0, c))
        f = 1.0 - i if attrs.input_forget else act(0, peeped(2, 2, c))
        cell = f * c + i * act(1, gate(total, 3))
        o = act(0, peeped(1, 1, cell))
        return [o * acts[2](_PROGRAM, cell), cell]


def _element(value: Expr, index: int) -> Expr:
    """One of the first axis, without that axis."""
    cut = op("strided_slice")(value, begin=(index,), end=(index + 1,), strides=(1,), axes=(0,))
    return op("squeeze")(cut, axis=(0,))


def _part(value: Expr, begin: int, end: int) -> Expr:
    """Some elements of the last axis."""
    return op("strided_slice")(value, begin=(begin,), end=(end,), strides=(1,), axes=(-1,))
