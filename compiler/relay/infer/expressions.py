"""The types of expressions, a step for each form; nothing recurs over expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compiler.relay.infer.exhaustive import missing_case
from compiler.relay.infer.kinds import check_kinds
from compiler.relay.infer.solver import Scheme, Solver, TypeInferenceError, place
from compiler.relay.infer.unify import UnificationError, join
from compiler.relay.language.attributes import checked_attrs
from compiler.relay.language.expr import (
    Call,
    Constant,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    Var,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.types import (
    UNIT,
    FuncType,
    IncompleteType,
    RefType,
    TensorType,
    TupleType,
    TypeCall,
    scalar,
)
from compiler.relay.language.visit import children
from compiler.suggest import unknown

_CONDITION = scalar("bool")


class Expressions(Solver):
    """The types of the expressions of a program, as far as they are found."""

    def __init__(self, module: IRModule) -> None:
        super().__init__()
        self.module = module
        self.data_types = module.types
        self.types: dict[int, Any] = {}
        """``id`` of an expression -> its type, which may have holes, or its scheme."""
        self.nodes: list[Any] = []
        """The expressions that have types, each after its children."""
        self.vars: dict[Var, Any] = {}
        self.globals: dict[GlobalVar, Any] = {}
        self.marks: list[int] = []

    # definitions

    def open(self) -> None:
        """Begin a definition."""
        self.marks.append(self.count)
        self.depth += 1

    def close(self, functions: list[Any]) -> list[Any]:
        """End a definition of functions; returns their types, generalised."""
        raise NotImplementedError

    def expression(self, root: Expr) -> None:
        """Find the types of an expression and of all below it."""
        types, nodes = self.types, self.nodes
        pending: list[Any] = [root]
        while pending:
            item = pending.pop()
            if type(item) is tuple:
                step, node = item
                self.origin = node
                found = step(self, node)
                if found is not None:
                    types[id(node)] = found
                    nodes.append(node)
                if self.queue:
                    self.solve()
                continue
            if id(item) in types or type(item) is Op:
                continue
            enter = _ENTER.get(type(item))
            if enter is None:
                raise TypeInferenceError(f"{item!r} is no expression")
            self.origin = item
            enter(self, item, pending)

    def use(self, node: Any) -> Any:
        """The type of an expression where it is used: an instance of what is general."""
        if type(node) is Op:
            return self.operator(node)
        found = self.types[id(node)]
        return self.instance(found) if type(found) is Scheme else found

    def value(self, node: Any) -> Any:
        """The type of an expression that becomes a part of a value: not quantified."""
        return self.instantiated(self.find(self.use(node)))

    def operator(self, node: Op) -> Any:
        """The type of an operator that is a value."""
        if node.variadic:
            raise TypeInferenceError(f"{place(node)} takes any number of arguments, and is no value")
        attrs = self._checked(node, lambda: checked_attrs(node.name, node.attributes, {}))
        params, result = tuple(self.hole() for _ in node.inputs), self.hole()
        self.relate(node.relation, (*params, result), attrs, node.name)
        return FuncType(params, result)

    def equate(self, node: Any, needed: Any, given: Any, what: str) -> None:
        """Make two types equal, or raise the error that names the expression and both types."""
        try:
            self.unify(needed, given)
        except UnificationError as error:
            detail = f" ({error.detail})" if error.detail else ""
            given, needed = self.resolve(given), self.resolve(needed)
            raise TypeInferenceError(
                f"{place(node)}: {what} is of type {given}; {needed} is needed{detail}"
            ) from None

    def _checked(self, node: Any, check: Callable[[], Any]) -> Any:
        try:
            return check()
        except ValueError as error:
            raise TypeInferenceError(f"{place(node)}: {error}") from None

    def annotated(self, node: Any, type_: Any) -> Any:
        """A type that the program gives, or a hole."""
        if type_ is None:
            return self.hole()
        if type(type_) is not TensorType or not type_.concrete:
            self.adopt(type_)
        self._checked(node, lambda: check_kinds(type_, self.data_types))
        return type_

    def record(self, node: Any, type_: Any) -> None:
        """Note the type of an expression without children."""
        self.types[id(node)] = type_
        self.nodes.append(node)

    def enter_var(self, node: Var, pending: list[Any]) -> None:
        if node not in self.vars:  # a free variable
            self.vars[node] = self.annotated(node, node.annotation)
        self.record(node, self.vars[node])

    def enter_global(self, node: GlobalVar, pending: list[Any]) -> None:
        if node not in self.globals:
            names = [g.name for g in self.module.functions]
            raise TypeInferenceError(f"{place(node)}: {unknown('function', node.name, names)}")
        self.record(node, self.globals[node])

    def enter_constant(self, node: Constant, pending: list[Any]) -> None:
        self.record(node, TensorType(node.data.shape, node.dtype))

    def enter_constructor(self, node: Constructor, pending: list[Any]) -> None:
        data = self.data_types.get(node.belongs_to)
        if data is None:
            names = [t.name for t in self.data_types]
            raise TypeInferenceError(f"{place(node)}: {unknown('data type', node.belongs_to.name, names)}")
        self.record(node, FuncType(node.inputs, TypeCall(data.name, data.type_vars), data.type_vars))

    def enter_call(self, node: Call, pending: list[Any]) -> None:
        pending.append((Expressions.call, node))
        function = node.function
        if type(function) is Op:
            pending += node.args[::-1]
        elif type(function) is Function and not function.type_params:
            pending += [function, (Expressions.params_of_call, node), *node.args[::-1]]
        else:
            pending += [*node.args[::-1], function]

    def params_of_call(self, node: Call) -> None:
        """Where a function is called where it is written, its parameters have the types of the arguments."""
        function: Any = node.function
        if id(function) not in self.types and len(function.params) == len(node.args):
            for param, arg in zip(function.params, node.args, strict=True):
                type_ = self.param(param)
                self.equate(node, type_, self.value(arg), f"%{param.name}")

    def param(self, param: Var) -> Any:
        if param not in self.vars:
            self.vars[param] = self.annotated(param, param.annotation)
        return self.vars[param]

    def call(self, node: Call) -> Any:
        function = node.function
        if type(function) is Op:
            self._checked(node, lambda: function.check_arguments(len(node.args)))
            result = self.hole()
            self.relate(
                function.relation, (*[self.value(a) for a in node.args], result), node.attrs, function.name
            )
            return self.find(result)
        called = self.find(self.use(function))
        if type(called) is IncompleteType:
            result = self.hole()
            wanted = FuncType(tuple([self.value(a) for a in node.args]), result)
            self.equate(node, wanted, called, "what is called")
            return result
        if type(called) is not FuncType:
            raise TypeInferenceError(
                f"{place(node)}: what is called is of type {self.resolve(called)}; a function is needed"
            )
        if node.type_args and len(node.type_args) != len(called.type_params):
            raise TypeInferenceError(
                f"{place(node)}: {len(called.type_params)} type arguments are needed, "
                f"not {len(node.type_args)}"
            )
        for given in node.type_args:
            self.annotated(node, given)
        called = self.instantiated(called, node.type_args)
        if len(called.params) != len(node.args):
            raise TypeInferenceError(
                f"{place(node)}: {len(node.args)} arguments are given to a function of type "
                f"{self.resolve(called)}; {len(called.params)} are needed"
            )
        for at, (param, arg) in enumerate(zip(called.params, node.args, strict=True), 1):
            self.equate(node, param, self.use(arg), f"argument {at}")
        return called.result

    def declared(self, function: Function) -> FuncType:
        """The type of a function by its annotations."""
        self._enter_type_params(function)
        params = tuple([self.param(p) for p in function.params])
        result = self.annotated(function, function.result)
        self.depth -= bool(function.type_params)
        return FuncType(params, result, function.type_params)

    def _enter_type_params(self, function: Function) -> None:
        if function.type_params:
            self.depth += 1
            for var in function.type_params:
                self.level[var] = self.depth

    def enter_function(self, node: Function, pending: list[Any]) -> None:
        self._enter_type_params(node)
        for param in node.params:
            self.param(param)
        pending += [(Expressions.function, node), node.body]

    def function(self, node: Function) -> Any:
        if node.result is None:
            result = self.value(node.body)
        else:
            result = self.annotated(node, node.result)
            self.equate(node, result, self.use(node.body), "the body")
        self.depth -= bool(node.type_params)
        return FuncType(tuple([self.vars[p] for p in node.params]), result, node.type_params)

    def enter_let(self, node: Let, pending: list[Any]) -> None:
        pending += [(Expressions.let, node), node.body]
        value = node.value
        if type(value) is not Function or id(value) in self.types:
            pending += [(Expressions.bind, node), value]
            return
        self.open()
        annotation = node.var.annotation
        declared = self.declared(value)
        self.vars[node.var] = declared if annotation is None else self.annotated(node, annotation)
        pending += [(Expressions.bind_function, node), value]

    def bind(self, node: Let) -> None:
        found = self.types[id(node.value)] if type(node.value) is not Op else self.use(node.value)
        if node.var.annotation is not None:
            annotation = self.annotated(node, node.var.annotation)
            given = self.instance(found)
            self.equate(node, annotation, given, f"the value of %{node.var.name}")
            found = annotation
        self.vars[node.var] = found

    def bind_function(self, node: Let) -> None:
        self.equate(node, self.vars[node.var], self.types[id(node.value)], f"the value of %{node.var.name}")
        quantified = self.resolve(self.vars[node.var])
        (found,) = self.close([node.value])
        if type(found) is not Scheme and node.var.annotation is not None:
            found = quantified
        self.vars[node.var] = found
        if id(node.var) in self.types:
            self.types[id(node.var)] = found

    def let(self, node: Let) -> Any:
        return self.types[id(node.body)] if type(node.body) is not Op else self.use(node.body)

    def if_(self, node: If) -> Any:
        self.equate(node, _CONDITION, self.value(node.condition), "the condition")
        return self.merged(
            node, self.value(node.then), self.value(node.otherwise), "the branch for a false condition"
        )

    def merged(self, node: Expr, first: Any, second: Any, what: str) -> Any:
        """The type of one of two values."""
        self.equate(node, first, second, what)
        first, second = self.resolve(first), self.resolve(second)
        return join(first, second)

    def tuple_(self, node: Tuple) -> Any:
        return TupleType(tuple([self.value(f) for f in node.fields]))

    def field(self, node: TupleGetItem) -> Any:
        of = self.find(self.value(node.tuple_value))
        if type(of) is TupleType and 0 <= node.index < len(of.fields):
            return of.fields[node.index]
        result = self.hole()

        def rule(types: Any, attrs: Any, solver: Any) -> bool:
            of = types[0]
            if type(of) is IncompleteType:
                return False
            if type(of) is not TupleType or not 0 <= node.index < len(of.fields):
                raise ValueError(f"{of} has no field {node.index}")
            solver.unify(types[1], of.fields[node.index])
            return True

        self.relate(rule, (of, result), None, "")
        return result

    def new_ref(self, node: RefCreate) -> Any:
        return RefType(self.value(node.value))

    def read_ref(self, node: RefRead) -> Any:
        return self.value_of_ref(node, node.ref)

    def write_ref(self, node: RefWrite) -> Any:
        held = self.value_of_ref(node, node.ref)
        self.equate(node, held, self.value(node.value), "the value that is written")
        return UNIT

    def value_of_ref(self, node: Expr, ref: Expr) -> Any:
        given = self.find(self.value(ref))
        if type(given) is RefType:
            return given.value
        held = self.hole()
        self.equate(node, RefType(held), given, "the reference")
        return held

    def enter_match(self, node: Match, pending: list[Any]) -> None:
        pending.append((Expressions.match, node))
        pending += [clause.body for clause in reversed(node.clauses)]
        pending += [(Expressions.patterns, node), node.data]

    def patterns(self, node: Match) -> None:
        """Find the types of the variables of all patterns."""
        pending = [(clause.pattern, self.value(node.data)) for clause in reversed(node.clauses)]
        while pending:
            pattern, type_ = pending.pop()
            if isinstance(pattern, PatternVar):
                var = pattern.var
                self.vars[var] = self.annotated(var, var.annotation)
                self.equate(node, self.vars[var], type_, f"%{var.name}")
            elif isinstance(pattern, PatternConstructor):
                constructor = pattern.constructor
                data = self.data_types.get(constructor.belongs_to)
                if data is None:
                    self.enter_constructor(constructor, [])
                    return
                if len(constructor.inputs) != len(pattern.patterns):
                    raise TypeInferenceError(
                        f"{place(node)}: the pattern of {constructor.name} has "
                        f"{len(pattern.patterns)} parts; the constructor has {len(constructor.inputs)} inputs"
                    )
                made = self.instantiated(
                    FuncType(constructor.inputs, TypeCall(data.name, data.type_vars), data.type_vars)
                )
                self.equate(node, made.result, type_, f"what is matched with {constructor.name}")
                pending += reversed(list(zip(pattern.patterns, made.params, strict=True)))
            elif isinstance(pattern, PatternTuple):
                holes = tuple([self.hole() for _ in pattern.patterns])
                self.equate(node, TupleType(holes), type_, "what is matched with a tuple")
                pending += reversed(list(zip(pattern.patterns, holes, strict=True)))

    def match(self, node: Match) -> Any:
        if not node.clauses:
            result: Any = self.hole()
        else:
            result = self.value(node.clauses[0].body)
        for at, clause in enumerate(node.clauses[1:], 2):
            result = self.merged(node, result, self.value(clause.body), f"the value of case {at}")
        if node.complete:
            missing = missing_case(node, self.data_types)
            if missing is not None:
                raise TypeInferenceError(
                    f"{place(node)} has no case for {missing}; add one, or write match? to leave it out"
                )
        return result


def _enter(step: Callable[[Expressions, Any], Any]) -> Callable[[Expressions, Any, list[Any]], None]:
    """For an expression whose children are inferred first, in their order."""

    def enter(inference: Expressions, node: Any, pending: list[Any]) -> None:
        pending.append((step, node))
        pending += children(node)[::-1]

    return enter


_ENTER: dict[type, Callable[[Expressions, Any, list[Any]], None]] = {
    Var: Expressions.enter_var,
    GlobalVar: Expressions.enter_global,
    Constant: Expressions.enter_constant,
    Constructor: Expressions.enter_constructor,
    Call: Expressions.enter_call,
    Function: Expressions.enter_function,
    Let: Expressions.enter_let,
    Match: Expressions.enter_match,
    If: _enter(Expressions.if_),
    Tuple: _enter(Expressions.tuple_),
    TupleGetItem: _enter(Expressions.field),
    RefCreate: _enter(Expressions.new_ref),
    RefRead: _enter(Expressions.read_ref),
    RefWrite: _enter(Expressions.write_ref),
}
