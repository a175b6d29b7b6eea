"""Reverse mode for programs with closures, control flow, recursion, references and data types.

Every tensor becomes a pair of its value and a reference to its derivative. A reference `bp`, which is passed
to every function, holds the backpropagator: a closure that adds to the derivatives, in the reverse order of
the operations, and that each operation extends (Relay, arXiv 1810.00952, section 4.2; Pearlmutter and Siskind
2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.relay.gradient.first_order import GradientError, gradient_of, is_float
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.attributes import Attrs
from compiler.relay.language.block import Block
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
    Pattern,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    TypeData,
    Var,
    copy_notes,
    set_type,
    span_of,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op, is_call_of, op
from compiler.relay.language.types import (
    UNIT,
    FuncType,
    GlobalTypeVar,
    RefType,
    TensorType,
    TupleType,
    Type,
    TypeCall,
    TypeVar,
)
from compiler.relay.language.visit import free_vars, map_functions, renamed, rewrite, substitute
from compiler.relay.transform.to_anf import to_anf

BACKPROPAGATOR = RefType(FuncType((), UNIT))


def higher_order(module: IRModule, name: GlobalVar, wanted: Sequence[int]) -> IRModule:
    """The module in which a function returns its result and the derivatives by some parameters.

    Parameters
    ----------
    module : IRModule
    name : GlobalVar
        The function that is replaced.
    wanted : sequence of int
        Positions of parameters, which are tensors or tuples of tensors.

    Raises
    ------
    GradientError
        For an operator without a gradient, or a parameter or result that is no tensor.
    """
    module = to_anf(hold_checkpoints(module))
    infer_type(module)
    reverse = _Reverse(module)
    function = module[name]
    block = Block()
    bp = block.let(RefCreate(Function((), Tuple(()), UNIT)), "bp")
    params = [Var(p.name, p.checked_type) for p in function.params]
    for old, new in zip(function.params, params, strict=True):
        if not _is_tensors(old.checked_type):
            raise GradientError(f"the parameter {old.name} is {old.checked_type}; tensors are needed")
        reverse.variables[old] = block.let(lift(block, new, old.checked_type), old.name)
    result_type = function.body.checked_type
    if not _is_tensors(result_type):
        raise GradientError(f"the result is {result_type}; tensors are needed")
    result = block.let(reverse.scope(function.body, bp), "result")
    _seed(block, result, result_type)
    block.let(Call(RefRead(bp), ()), "done")
    derivatives = tuple(
        derivative(reverse.variables[function.params[i]], function.params[i].checked_type) for i in wanted
    )
    body = block.ending(Tuple((primal(result, result_type), Tuple(derivatives))))
    main = Function(tuple(params), body, None, function.type_params, function.attrs)
    return IRModule({**module.functions, **reverse.functions, name: main}, {**module.types, **reverse.types})


def _is_tensors(type_: Type) -> bool:
    if isinstance(type_, TupleType):
        return all(map(_is_tensors, type_.fields))
    return isinstance(type_, TensorType)


def lift(block: Block, value: Expr, type_: Type) -> Expr:
    """A value with references to derivatives, which are zero."""
    if isinstance(type_, TupleType):
        return Tuple(tuple(lift(block, TupleGetItem(value, i), t) for i, t in enumerate(type_.fields)))
    return Tuple((value, RefCreate(op("zeros_like")(value))))


def primal(value: Expr, type_: Type) -> Expr:
    """The value alone of one with references."""
    if isinstance(type_, TupleType):
        return Tuple(tuple(primal(TupleGetItem(value, i), t) for i, t in enumerate(type_.fields)))
    return TupleGetItem(value, 0)


def derivative(value: Expr, type_: Type) -> Expr:
    """The derivatives that the references hold."""
    if isinstance(type_, TupleType):
        return Tuple(tuple(derivative(TupleGetItem(value, i), t) for i, t in enumerate(type_.fields)))
    return RefRead(TupleGetItem(value, 1))


def accumulate(block: Block, value: Expr, type_: Type, grad: Expr) -> None:
    """Add to the derivatives that the references hold."""
    if isinstance(type_, TupleType):
        for i, field in enumerate(type_.fields):
            part = grad.fields[i] if type(grad) is Tuple else TupleGetItem(grad, i)
            accumulate(block, TupleGetItem(value, i), field, part)
    elif is_float(type_):
        ref = block.let(TupleGetItem(value, 1), "ref")
        block.let(RefWrite(ref, op("add")(RefRead(ref), grad)), "added")


def _seed(block: Block, value: Expr, type_: Type) -> None:
    """Set the derivatives of the result to one."""
    if isinstance(type_, TupleType):
        for i, field in enumerate(type_.fields):
            _seed(block, TupleGetItem(value, i), field)
    elif is_float(type_):
        block.let(RefWrite(TupleGetItem(value, 1), op("ones_like")(TupleGetItem(value, 0))), "seed")


class _Reverse:
    """Transforms the expressions of a module in A-normal form, whose types are inferred.

    Attributes
    ----------
    variables : dict of Var to Var
        Variable -> the one that holds its value with references.
    thunks : dict of Expr to Function
        Variable -> what is below a checkpoint, as a function without parameters.
    functions, types : dict
        The transformed functions and data types that are needed so far.
    """

    def __init__(self, module: IRModule) -> None:
        self.module = module
        self.variables: dict[Var, Var] = {}
        self.thunks: dict[Expr, Function] = {}
        self.functions: dict[GlobalVar, Function] = {}
        self.types: dict[GlobalTypeVar, TypeData] = {}

    # ---- types

    def type(self, type_: Any) -> Any:
        """The type of a value with references."""
        if isinstance(type_, TensorType):
            return TupleType((type_, RefType(type_)))
        if isinstance(type_, TupleType):
            return TupleType(tuple(map(self.type, type_.fields)))
        if isinstance(type_, RefType):
            return RefType(self.type(type_.value))
        if isinstance(type_, FuncType):
            params = (*map(self.type, type_.params), BACKPROPAGATOR)
            return FuncType(params, self.type(type_.result), type_.type_params)
        if isinstance(type_, TypeCall):
            return TypeCall(self._data_type(type_.name), tuple(map(self.type, type_.arguments)))
        return type_

    def _data_type(self, name: GlobalTypeVar) -> GlobalTypeVar:
        """The data type whose fields have references: itself, if its fields are parameters and data."""
        data = self.module.type_data(name)
        if all(self._is_structural(t, name) for c in data.constructors for t in c.inputs):
            return name
        new = GlobalTypeVar(f"{name.name}_grad")
        if new not in self.types:
            self.types[new] = TypeData(new, data.type_vars)  # a field may be of this type
            constructors = tuple(
                Constructor(f"{c.name}_grad", tuple(map(self.type, c.inputs)), new, c.tag)
                for c in data.constructors
            )
            self.types[new] = TypeData(new, data.type_vars, constructors)
        return new

    def _is_structural(self, type_: Type, around: GlobalTypeVar) -> bool:
        if isinstance(type_, TypeVar):
            return True
        if isinstance(type_, TupleType):
            return all(self._is_structural(t, around) for t in type_.fields)
        if isinstance(type_, TypeCall):
            same = type_.name == around or self._data_type(type_.name) == type_.name
            return same and all(self._is_structural(t, around) for t in type_.arguments)
        return False

    def constructor(self, constructor: Constructor) -> Constructor:
        """The constructor of the data type with references."""
        name = self._data_type(constructor.belongs_to)
        if name == constructor.belongs_to:
            return constructor
        return self.types[name].constructors[constructor.tag]

    # ---- expressions

    def scope(self, body: Expr, bp: Expr) -> Expr:
        """The lets of a scope, transformed one after the other, and its result."""
        block = Block()
        while type(body) is Let:
            self._bind(block, body, bp)
            body = body.body
        return block.ending(self.value(block, body, bp))

    def _bind(self, block: Block, let: Let, bp: Expr) -> None:
        if type(let.value) is Function and let.value.attrs.get("checkpoint"):
            self.thunks[let.var] = let.value
            return
        var = Var(let.var.name)
        self.variables[let.var] = var  # before the value: a function may name it
        block.bindings.append((var, self.value(block, let.value, bp)))

    def atom(self, block: Block, expr: Expr) -> Expr:
        """A variable, constant or name with references."""
        if type(expr) is Var:
            return self.variables[expr]
        if type(expr) is GlobalVar:
            return self._global(expr)
        if type(expr) is Constructor:
            return self.constructor(expr)
        if type(expr) is Constant:
            return lift(block, expr, expr.checked_type)
        raise GradientError(f"{expr} is used as a value, which has no derivative: call it")

    def value(self, block: Block, expr: Any, bp: Expr) -> Expr:
        """An operation on atoms, with references."""
        made = self._value(block, expr, bp)
        return copy_notes(expr, made)

    def _value(self, block: Block, expr: Any, bp: Expr) -> Expr:
        if type(expr) is Call:
            if type(expr.function) is Op:
                return self._operator(block, expr, bp)
            if expr.function in self.thunks:
                return self._checkpoint(block, expr, self.thunks[expr.function], bp)
            args = [self.atom(block, a) for a in expr.args]
            if type(expr.function) is Constructor:
                return Call(self.constructor(expr.function), tuple(args))
            return Call(self.atom(block, expr.function), (*args, bp))
        if type(expr) is Function:
            return self.function(expr)
        if type(expr) is If:
            condition = TupleGetItem(self.atom(block, expr.condition), 0)
            return If(condition, self.scope(expr.then, bp), self.scope(expr.otherwise, bp))
        if type(expr) is Match:
            clauses = tuple(Clause(self._pattern(c.pattern), self.scope(c.body, bp)) for c in expr.clauses)
            return Match(self.atom(block, expr.data), clauses, expr.complete)
        if type(expr) is Tuple:
            return Tuple(tuple(self.atom(block, f) for f in expr.fields))
        if type(expr) is TupleGetItem:
            return TupleGetItem(self.atom(block, expr.tuple_value), expr.index)
        if type(expr) is RefCreate:
            return RefCreate(self.atom(block, expr.value))
        if type(expr) is RefRead:
            return RefRead(self.atom(block, expr.ref))
        if type(expr) is RefWrite:
            return RefWrite(self.atom(block, expr.ref), self.atom(block, expr.value))
        if type(expr) is Let:
            return self.scope(expr, bp)
        return self.atom(block, expr)

    def function(self, function: Function) -> Function:
        """A function on values with references, with the backpropagator as last parameter."""
        params = []
        for param in function.params:
            self.variables[param] = Var(param.name, self.type(param.checked_type))
            params.append(self.variables[param])
        bp = Var("bp", BACKPROPAGATOR)
        body = self.scope(function.body, bp)
        result = None if function.result is None else self.type(function.result)
        return Function((*params, bp), body, result, function.type_params)

    def _global(self, name: GlobalVar) -> GlobalVar:
        new = GlobalVar(f"{name.name}_grad")
        if new not in self.functions:
            self.functions[new] = Function((), Tuple(()))  # the function may call itself
            self.functions[new] = self.function(self.module[name])
        return new

    def _pattern(self, pattern: Pattern) -> Pattern:
        if isinstance(pattern, PatternVar):
            self.variables[pattern.var] = Var(pattern.var.name)
            return PatternVar(self.variables[pattern.var])
        if isinstance(pattern, PatternConstructor):
            inner = tuple(map(self._pattern, pattern.patterns))
            return PatternConstructor(self.constructor(pattern.constructor), inner)
        if isinstance(pattern, PatternTuple):
            return PatternTuple(tuple(map(self._pattern, pattern.patterns)))
        return pattern

    def _operator(self, block: Block, call: Call, bp: Expr) -> Expr:
        """The value of an operator, and a backpropagator that has its gradient first."""
        args = [block.let(self.atom(block, a), "arg") for a in call.args]
        values = []
        for arg, old in zip(args, call.args, strict=True):
            value = block.let(primal(arg, old.checked_type), "value")
            set_type(value, old.checked_type)
            values.append(value)
        # the call on these values, whose types the gradient reads
        again = Call(call.function, tuple(values), call.attrs).with_span(span_of(call))
        set_type(again, call.checked_type)
        value = block.let(again, "y")
        result = block.let(lift(block, value, call.checked_type), "result")
        inner = Block()
        grad = inner.let(derivative(result, call.checked_type), "grad")
        set_type(grad, call.checked_type)
        if any(_has_float(a.checked_type) for a in call.args) and _has_float(call.checked_type):
            for arg, old, part in zip(args, call.args, gradient_of(again, grad), strict=True):
                if part is not None:
                    accumulate(inner, arg, old.checked_type, inner.let(part, "part"))
            self._extend(block, inner, bp)
        return result

    @staticmethod
    def _extend(block: Block, inner: Block, bp: Expr) -> None:
        """Put what `inner` does before what the backpropagator has done so far."""
        before = block.let(RefRead(bp), "before")
        block.let(RefWrite(bp, Function((), inner.ending(Call(before, ())), UNIT)), "extended")

    def _checkpoint(self, block: Block, call: Call, thunk: Function, bp: Expr) -> Expr:
        """The value alone; the backpropagator evaluates the expression again, with references.

        `thunk` is the function without parameters that `hold_checkpoints` made of the expression.
        """
        primals: dict[Var, Expr] = {}
        for var in free_vars(thunk):
            type_ = var.checked_type
            if not _is_tensors(type_):
                raise GradientError(f"{var.name}, used below a checkpoint, is {type_}; tensors are needed")
            primals[var] = block.let(primal(self.variables[var], type_), var.name)
        forward = renamed(thunk)
        assert isinstance(forward, Function)
        value = block.let(substitute(forward.body, primals), "y")
        result = block.let(lift(block, value, call.checked_type), "result")
        inner = Block()
        own = inner.let(RefCreate(Function((), Tuple(()), UNIT)), "bp")
        again = inner.let(self.scope(thunk.body, own), "again")
        grad = inner.let(derivative(result, call.checked_type), "grad")
        accumulate(inner, again, call.checked_type, grad)
        inner.let(Call(RefRead(own), ()), "done")
        self._extend(block, inner, bp)
        return result


def hold_checkpoints(module: IRModule) -> IRModule:
    """Write ``annotation.checkpoint(e)`` as a call of a function without parameters that returns ``e``.

    In A-normal form what is below a checkpoint then stays apart from what is around it.
    """

    def change(node: Any, old: Any) -> Any:
        if is_call_of(node, "annotation.checkpoint"):
            return Call(Function((), node.args[0], attrs=Attrs(checkpoint=True)), ())
        return node

    return map_functions(module, lambda f: rewrite(f, change))


def _has_float(type_: Type) -> bool:
    if isinstance(type_, TupleType):
        return any(map(_has_float, type_.fields))
    return is_float(type_)
