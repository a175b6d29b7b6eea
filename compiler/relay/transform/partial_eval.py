"""Partial evaluation: what is known when the program is compiled is evaluated, and the rest is left.

Tuples, closures, references and data whose contents are known are traced through calls, which are unfolded.
A reference needs no code until it escapes: to a branch that is not known, to a function that is not, or into
the result. So the references and closures of a gradient disappear, and its operators stay (Relay, arXiv
1810.00952, section 4.3; Thiemann and Dussart, Partial evaluation for higher-order languages with state,
1996).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from compiler.ir.recursion import Recursive, counted
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    Var,
    copy_notes,
    pattern_vars,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op, evaluated
from compiler.relay.language.visit import free_vars
from compiler.relay.transform.eliminate_dead_code import eliminate_dead_code
from compiler.relay.transform.known_values import (
    Closure,
    Data,
    Frame,
    KnownTuple,
    Ref,
    Value,
    bytes_of,
    closed,
    constant_value,
    is_opaque,
    known_tensors,
    matched,
    with_vars,
)
from compiler.relay.transform.to_anf import to_anf

LARGEST_KNOWN = 4096
"""Bytes of a tensor up to which operators on known tensors are evaluated: counters and conditions."""

MOST_UNFOLDED = 20_000
"""Calls that are unfolded in one function of the module, at most."""


def partial_eval(module: IRModule) -> IRModule:
    """Evaluate what is known in each function of the module, then remove what has become dead.

    A recursive function is unfolded where nothing but known conditions lies between a call and the next
    one. The result is in A-normal form.
    """
    module = to_anf(module)
    functions = {name: _Evaluator(module).function(f) for name, f in module.functions.items()}
    return eliminate_dead_code(module.with_functions(functions))


class _Evaluator(Recursive):
    """Evaluates one function of a module."""

    def __init__(self, module: IRModule) -> None:
        self.module = module
        self.frame = Frame(None)
        self.store: dict[Ref, Value | None] = {}  # None: written by code that is not known
        self.escaped: dict[Ref, Var] = {}
        self.unfolding: list[Function] = []
        self.guards: list[int] = [
            0
        ]  # unknown branches in each of these activations, around what is evaluated
        self.unfolded = 0

    def function(self, function: Function) -> Function:
        """A function of the module, of unknown arguments."""
        if function.attrs.get("primitive"):
            return function
        params = tuple(Var(p.name, p.annotation) for p in function.params)
        environment = {old: Value(None, new) for old, new in zip(function.params, params, strict=True)}
        with self._inside() as frame:
            self.unfolding.append(function)
            body = self._code(self.evaluate(function.body, environment))
            self.unfolding.pop()
        return Function(
            params, frame.block.ending(body), function.result, function.type_params, function.attrs
        )

    # ---- evaluation

    @counted
    def evaluate(self, expr: Expr, environment: dict[Var, Value]) -> Value:
        """The value of an expression in A-normal form."""
        while type(expr) is Let:
            if type(expr.value) is Function and not is_opaque(expr.value):
                environment = dict(environment)  # the closure keeps what it has seen, and itself
                environment[expr.var] = Value(Closure(expr.value, environment))
            else:
                environment[expr.var] = self.operation(expr.value, environment)
            expr = expr.body
        return self.operation(expr, environment)

    def operation(self, expr: Any, environment: dict[Var, Value]) -> Value:
        """The value of an operation on atoms."""
        rule = self._RULES.get(type(expr))
        if rule is None:
            raise TypeError(f"partial evaluation has no rule for {type(expr).__name__}")
        return rule(self, expr, environment)

    def _var(self, expr: Var, environment: dict[Var, Value]) -> Value:
        return environment.get(expr) or Value(None, expr)

    def _constant(self, expr: Expr, environment: dict[Var, Value]) -> Value:
        return Value(expr, expr)

    def _function(self, expr: Function, environment: dict[Var, Value]) -> Value:
        return Value(None, expr) if is_opaque(expr) else Value(Closure(expr, environment))

    def _tuple(self, expr: Tuple, environment: dict[Var, Value]) -> Value:
        return Value(KnownTuple(tuple(self.operation(f, environment) for f in expr.fields)))

    def _field(self, expr: TupleGetItem, environment: dict[Var, Value]) -> Value:
        value = self.operation(expr.tuple_value, environment)
        if isinstance(value.known, KnownTuple):
            return value.known.fields[expr.index]
        return self._emitted(TupleGetItem(self._code(value), expr.index), expr)

    def _let(self, expr: Let, environment: dict[Var, Value]) -> Value:
        return self.evaluate(expr, dict(environment))

    def _if(self, expr: If, environment: dict[Var, Value]) -> Value:
        condition = self.operation(expr.condition, environment)
        if isinstance(condition.known, Constant):
            branch = expr.then if condition.known.data.item() else expr.otherwise
            return self.evaluate(branch, dict(environment))
        code = self._code(condition)
        branches = self._branches([(expr.then, environment), (expr.otherwise, environment)])
        return self._emitted(If(code, *branches), expr)

    def _match(self, expr: Match, environment: dict[Var, Value]) -> Value:
        data = self.operation(expr.data, environment)
        for clause in expr.clauses:
            bindings = matched(clause.pattern, data)
            if bindings is None:
                continue
            if bindings == "unknown":
                break
            return self.evaluate(clause.body, {**environment, **bindings})
        code = self._code(data)
        patterns, bodies = [], []
        for clause in expr.clauses:
            new = {v: Var(v.name) for v in pattern_vars(clause.pattern)}
            patterns.append(with_vars(clause.pattern, new))
            known = {old: Value(None, var) for old, var in new.items()}
            bodies.append((clause.body, {**environment, **known}))
        clauses = map(Clause, patterns, self._branches(bodies))
        return self._emitted(Match(code, tuple(clauses), expr.complete), expr)

    def _ref_create(self, expr: RefCreate, environment: dict[Var, Value]) -> Value:
        ref = Ref()
        self.store[ref] = self.operation(expr.value, environment)
        return Value(ref)

    def _ref_read(self, expr: RefRead, environment: dict[Var, Value]) -> Value:
        ref = self.operation(expr.ref, environment)
        if isinstance(ref.known, Ref):
            held = self.store.get(ref.known)
            if held is not None:
                return held
        read = self._emitted(RefRead(self._code(ref)), expr)
        if isinstance(ref.known, Ref):
            self.store[ref.known] = read
        return read

    def _ref_write(self, expr: RefWrite, environment: dict[Var, Value]) -> Value:
        ref, value = self.operation(expr.ref, environment), self.operation(expr.value, environment)
        if isinstance(ref.known, Ref) and ref.known not in self.escaped:
            self.store[ref.known] = value
            return Value(KnownTuple(()))
        self._emitted(RefWrite(self._code(ref), self._code(value)), expr)
        if isinstance(ref.known, Ref):
            self.store[ref.known] = value
        else:
            self._forget()  # it may be any that has escaped
        return Value(KnownTuple(()))

    def _call(self, expr: Call, environment: dict[Var, Value]) -> Value:
        args = [self.operation(a, environment) for a in expr.args]
        if type(expr.function) is Op:
            return self._operator(expr, args)
        if type(expr.function) is Constructor:
            return Value(Data(expr.function, tuple(args)))
        function = self.operation(expr.function, environment)
        closure = self._closure(function)
        if closure is not None and self._unfolds(closure.function):
            inner = {**closure.environment, **dict(zip(closure.function.params, args, strict=True))}
            self.unfolding.append(closure.function)
            self.guards.append(0)
            self.unfolded += 1
            try:
                return self.evaluate(closure.function.body, inner)
            finally:
                self.unfolding.pop()
                self.guards.pop()
        opaque = type(function.code) is Function and is_opaque(function.code)
        called = self._code(function)
        codes = tuple(map(self._code, args))
        if not (opaque and called.attrs.get("primitive")):  # type: ignore[attr-defined]
            self._forget()
        return self._emitted(Call(called, codes, expr.attrs, expr.type_args), expr)

    def _operator(self, expr: Call, args: list[Value]) -> Value:
        row = expr.function
        assert isinstance(row, Op)
        known = [known_tensors(a) for a in args]
        if not row.effect and row.evaluate is not None and row.name != "annotation.checkpoint":
            sizes = [bytes_of(k) for k in known]
            if all(size is not None and size <= LARGEST_KNOWN for size in sizes):
                return constant_value(evaluated(row, expr.attrs, known))
        return self._emitted(Call(row, tuple(map(self._code, args)), expr.attrs), expr)

    # ---- calls

    def _closure(self, function: Value) -> Closure | None:
        if isinstance(function.known, GlobalVar) and function.known in self.module:
            called = self.module[function.known]
            return None if called.attrs.get("primitive") else Closure(called, {})
        return function.known if isinstance(function.known, Closure) else None

    def _unfolds(self, function: Function) -> bool:
        """Whether a call is replaced by the body of the function.

        A recursive one is, unless a branch that is not known lies between the last call and this one: then
        this evaluation ends if the program does.
        """
        if self.unfolded >= MOST_UNFOLDED:
            return False
        if function not in self.unfolding:
            return True
        last = len(self.unfolding) - 1 - self.unfolding[::-1].index(function)
        return sum(self.guards[last:]) == 0

    def _forget(self) -> None:
        """The references that have escaped may have been written."""
        for ref in self.escaped:
            self.store[ref] = None

    # ---- code

    def _emitted(self, operation: Expr, old: Expr) -> Value:
        copy_notes(old, operation)
        return Value(None, self.frame.block.let(operation), self.frame)

    def _code(self, value: Value) -> Expr:
        """The atom that holds a value, whose code is made now if it has none that is visible here."""
        if value.code is not None and self.frame.contains(value.frame):
            return value.code
        known = value.known
        if isinstance(known, Ref):
            return self._escape(known)
        if isinstance(known, KnownTuple):
            made: Expr = Tuple(tuple(map(self._code, known.fields)))
        elif isinstance(known, Data):
            made = Call(known.constructor, tuple(map(self._code, known.fields)))
        elif isinstance(known, Closure):
            return self._closure_code(value, known)
        else:
            assert value.code is not None
            return value.code
        value.code, value.frame = self.frame.block.let(made), self.frame
        return value.code

    def _escape(self, ref: Ref) -> Var:
        """The variable of a reference, which code may read and write from now on."""
        if ref not in self.escaped:
            held = self.store[ref]
            assert held is not None
            self.escaped[ref] = Var("ref")  # before its value, which may hold the reference
            self.frame.block.bindings.append((self.escaped[ref], RefCreate(self._code(held))))
        return self.escaped[ref]

    def _closure_code(self, value: Value, closure: Closure) -> Expr:
        """A function in the code; what it may read and write escapes."""
        function = closure.function
        self._escape_all([closure.environment.get(v) for v in free_vars(function)])
        var = Var("f")
        value.code, value.frame = var, self.frame  # the function may call itself
        params = tuple(Var(p.name, closed(p.annotation)) for p in function.params)
        inner = {
            **closure.environment,
            **{o: Value(None, n) for o, n in zip(function.params, params, strict=True)},
        }
        stored = dict(self.store)
        self._forget()  # it runs at another time
        with self._inside() as frame:
            self.unfolding.append(function)
            self.guards.append(1)
            body = self._code(self.evaluate(function.body, inner))
            self.unfolding.pop()
            self.guards.pop()
        self.store = stored
        made = Function(params, frame.block.ending(body), closed(function.result), (), function.attrs)
        self.frame.block.bindings.append((var, made))
        return var

    def _branches(self, branches: Sequence[tuple[Expr, dict[Var, Value]]]) -> list[Expr]:
        """The code of branches of which one is executed."""
        for body, environment in branches:
            self._escape_all([environment.get(v) for v in free_vars(body)])
        stored, made = dict(self.store), []
        self.guards[-1] += 1
        for body, environment in branches:
            self.store = dict(stored)
            with self._inside() as frame:
                result = self._code(self.evaluate(body, dict(environment)))
            made.append(frame.block.ending(result))
        self.guards[-1] -= 1
        self.store = stored
        self._forget()
        return made

    def _escape_all(self, values: Sequence[Value | None]) -> None:
        """Make code of all references that values hold, which code in another scope may reach."""
        pending, seen = [v for v in values if v is not None], set()
        while pending:
            value = pending.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            known = value.known
            if isinstance(known, Ref):
                held = self.store.get(known)
                self._escape(known)
                pending += [held] if held is not None else []
            elif isinstance(known, (KnownTuple, Data)):
                pending += known.fields
            elif isinstance(known, Closure):
                pending += [known.environment[v] for v in free_vars(known.function) if v in known.environment]

    @contextmanager
    def _inside(self) -> Iterator[Frame]:
        """A scope of the code within the present one."""
        frame = Frame(self.frame)
        self.frame = frame
        try:
            yield frame
        finally:
            assert frame.outer is not None
            self.frame = frame.outer

    _RULES: dict[type, Callable[[Any, Any, dict[Var, Value]], Value]] = {
        Var: _var,
        Constant: _constant,
        GlobalVar: _constant,
        Constructor: _constant,
        Op: _constant,
        Function: _function,
        Tuple: _tuple,
        TupleGetItem: _field,
        Let: _let,
        If: _if,
        Match: _match,
        RefCreate: _ref_create,
        RefRead: _ref_read,
        RefWrite: _ref_write,
        Call: _call,
    }
