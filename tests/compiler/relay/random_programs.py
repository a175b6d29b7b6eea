"""Random well-typed programs, with sharing, closures, control flow, references and data types."""

from __future__ import annotations

from typing import Any

import numpy as np

import compiler.relay.operator  # the rows  # noqa: F401
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    PatternWildcard,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    Var,
)
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import FuncType, RefType, TensorType, TupleType, TypeCall, scalar
from compiler.relay.notation.prelude import prelude

FLOAT, MATRIX, INT, BOOL = scalar("float32"), TensorType((2, 3)), scalar("int32"), scalar("bool")
PAIR = TupleType((MATRIX, INT))
LIST = TypeCall(prelude().constructor("Nil").belongs_to, (INT,))
REF = RefType(INT)
FUNCTION = FuncType((INT,), INT)
TYPES = (FLOAT, MATRIX, INT, BOOL, PAIR, LIST, REF, FUNCTION)


class RandomProgram:
    """Makes expressions of a type, often from what is in scope, so that much is shared."""

    def __init__(self, seed: int, references: bool = True) -> None:
        self.random = np.random.default_rng(seed)
        self.references = references
        self.scope: list[tuple[Expr, Any]] = []
        self.count = 0
        self.left = 60

    def module(self) -> IRModule:
        """A module with the prelude and a ``main`` of a matrix and an integer."""
        params = (self.var(MATRIX), self.var(INT))
        self.scope = [(p, p.annotation) for p in params]
        types = [t for t in TYPES if t not in (REF, FUNCTION)]
        body = self.expr(types[self.random.integers(len(types))], 6)
        return prelude().with_functions({MAIN: Function(params, body)})

    def var(self, type_: Any, annotated: bool = True) -> Var:
        self.count += 1
        return Var(f"{'abc'[self.count % 3]}{self.count // 9}", type_ if annotated else None)

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def expr(self, type_: Any, depth: int) -> Expr:
        """An expression of a type."""
        self.left -= 1
        known = [e for e, t in self.scope if t == type_]
        if known and self.chance(0.35 if depth > 0 else 0.8):
            return known[self.random.integers(len(known))]
        if depth <= 0 or self.left < 0:
            return self.leaf(type_)
        made = self.compound(type_, depth - 1)
        self.scope.append((made, type_))
        return made

    def leaf(self, type_: Any) -> Expr:
        draw = self.random.integers
        if type_ == FLOAT:
            return Constant(np.float32(draw(-8, 9) / 4))
        if type_ == MATRIX:
            return Constant(self.random.standard_normal((2, 3)).astype("float32"))
        if type_ == INT:
            return Constant(np.int32(draw(-9, 10)))
        if type_ == BOOL:
            return Constant(np.asarray(self.chance(0.5)))
        if type_ == PAIR:
            return Tuple((self.leaf(MATRIX), self.leaf(INT)))
        if type_ == LIST:
            return Call(prelude().constructor("Nil"), (), type_args=(INT,))
        if type_ == REF:
            return RefCreate(self.leaf(INT))
        param = self.var(INT)
        return Function((param,), param)

    def compound(self, type_: Any, depth: int) -> Expr:
        general = [self.let, self.conditional, self.called, self.field, self.matched, self.identity]
        if self.references:
            general.append(self.sequence)
        if self.chance(0.4):
            return general[self.random.integers(len(general))](type_, depth)
        if type_ == FLOAT:
            return op("sum")(self.expr(MATRIX, depth))
        if type_ == MATRIX:
            name = ("add", "multiply", "subtract")[self.random.integers(3)]
            other = (MATRIX, FLOAT)[self.random.integers(2)]
            return op(name)(self.expr(MATRIX, depth), self.expr(other, depth))
        if type_ == INT:
            return self.integer(depth)
        if type_ == BOOL:
            return op("less")(self.expr(INT, depth), self.expr(INT, depth))
        if type_ == PAIR:
            return Tuple((self.expr(MATRIX, depth), self.expr(INT, depth)))
        if type_ == LIST:
            return self.list(depth)
        if type_ == REF:
            return RefCreate(self.expr(INT, depth))
        return self.function(FUNCTION, depth)

    def integer(self, depth: int) -> Expr:
        at = self.random.integers(5)
        if at == 0:
            return Call(GlobalVar("sum"), (self.expr(LIST, depth),))
        if at == 1:
            return Call(GlobalVar("length"), (self.expr(LIST, depth),))
        if at == 2 and self.references:
            return RefRead(self.expr(REF, depth))
        if at == 3:
            return Call(self.expr(FUNCTION, depth), (self.expr(INT, depth),))
        return op(("add", "subtract", "maximum")[at % 3])(self.expr(INT, depth), self.expr(INT, depth))

    def list(self, depth: int) -> Expr:
        at = self.random.integers(4)
        if at == 0:
            return Call(GlobalVar("map"), (self.expr(FUNCTION, depth), self.expr(LIST, depth)))
        if at == 1:
            return Call(GlobalVar("concat"), (self.expr(LIST, depth), self.expr(LIST, depth)))
        return Call(prelude().constructor("Cons"), (self.expr(INT, depth), self.expr(LIST, depth)))

    def function(self, type_: FuncType, depth: int) -> Function:
        params = tuple(self.var(t) for t in type_.params)
        outer = list(self.scope)
        self.scope += zip(params, type_.params, strict=True)
        body = self.expr(type_.result, depth)
        self.scope = outer
        return Function(params, body, type_.result if self.chance(0.5) else None)

    def let(self, type_: Any, depth: int) -> Expr:
        of = TYPES[self.random.integers(len(TYPES))]
        value = self.expr(of, depth)
        var = self.var(of, self.chance(0.3))
        outer = list(self.scope)
        self.scope.append((var, of))
        body = self.expr(type_, depth)
        self.scope = outer
        return Let(var, value, body)

    def conditional(self, type_: Any, depth: int) -> Expr:
        condition = self.expr(BOOL, depth)
        outer = list(self.scope)
        then = self.expr(type_, depth)
        self.scope = list(outer)
        otherwise = self.expr(type_, depth)
        self.scope = outer
        return If(condition, then, otherwise)

    def called(self, type_: Any, depth: int) -> Expr:
        of = TYPES[self.random.integers(len(TYPES))]
        return Call(self.function(FuncType((of,), type_), depth), (self.expr(of, depth),))

    def field(self, type_: Any, depth: int) -> Expr:
        at = int(self.random.integers(2))
        parts = [self.expr(TYPES[self.random.integers(len(TYPES))], depth) for _ in range(2)]
        parts[at] = self.expr(type_, depth)
        return TupleGetItem(Tuple(tuple(parts)), at)

    def matched(self, type_: Any, depth: int) -> Expr:
        cons, nil = prelude().constructor("Cons"), prelude().constructor("Nil")
        outer = list(self.scope)
        head, tail, matrix = self.var(INT), self.var(LIST, False), self.var(MATRIX, False)
        if self.chance(0.5):
            data = self.expr(PAIR, depth)
            self.scope = [*outer, (matrix, MATRIX)]
            pattern: Any = PatternTuple((PatternVar(matrix), PatternWildcard()))
            clauses: tuple[Clause, ...] = (Clause(pattern, self.expr(type_, depth)),)
        else:
            data = self.expr(LIST, depth)
            self.scope = [*outer, (head, INT), (tail, LIST)]
            some = Clause(
                PatternConstructor(cons, (PatternVar(head), PatternVar(tail))), self.expr(type_, depth)
            )
            self.scope = list(outer)
            clauses = (some, Clause(PatternConstructor(nil), self.expr(type_, depth)))
        self.scope = outer
        return Match(data, clauses)

    def identity(self, type_: Any, depth: int) -> Expr:
        return Call(GlobalVar("id"), (self.expr(type_, depth),))

    def sequence(self, type_: Any, depth: int) -> Expr:
        """A write to a reference before an expression."""
        write = RefWrite(self.expr(REF, depth), self.expr(INT, depth))
        return Let(self.var(None), write, self.expr(type_, depth))


def random_module(seed: int, references: bool = True) -> IRModule:
    """A random module with a ``main`` of a matrix (2, 3) of float32 and an int32."""
    return RandomProgram(seed, references).module()


def random_arguments(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Arguments of the ``main`` of a random module."""
    random = np.random.default_rng(seed)
    return random.standard_normal((2, 3)).astype("float32"), np.asarray(random.integers(-9, 10), "int32")


def plain(value: Any) -> Any:
    """A value of the interpreter as nested Python tuples, with the bytes of its arrays, to be compared."""
    from compiler.relay.interpret import ConstructorValue, RefValue

    done: list[Any] = []
    pending: list[tuple[Any, int]] = [(value, -1)]
    while pending:
        part, count = pending.pop()
        if count >= 0:
            inner = tuple(done[len(done) - count :])
            del done[len(done) - count :]
            done.append((part, inner))
        elif isinstance(part, tuple):
            pending += [("tuple", len(part)), *((p, -1) for p in reversed(part))]
        elif isinstance(part, ConstructorValue):
            pending += [(part.constructor.name, len(part.fields)), *((p, -1) for p in reversed(part.fields))]
        elif isinstance(part, RefValue):
            pending += [("ref", 1), (part.value, -1)]
        else:
            array = np.asarray(part)
            done.append((array.dtype.name, array.shape, array.tobytes()))
    return done[0]
