"""The parser: from text to the loop IR. `compiler.ir.text` describes the syntax."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from textwrap import dedent
from typing import Any, NoReturn

from compiler.ir.dtype import INDEX, PACKED_TYPES, SCALAR_TYPES, is_float, lanes_of, vector_of
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
    const,
)
from compiler.ir.foreign import LLVM, C
from compiler.ir.function import Intrinsic, Invoke, PrimFunc
from compiler.ir.operators import ARITHMETIC, BITWISE, INTRINSICS
from compiler.ir.recursion import Recursive, counted
from compiler.ir.scope import SCOPES, is_scope
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
    sequence,
)
from compiler.ir.text.printer import LOOPS, RESERVED

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
OPERATORS |= {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_KINDS = {name: kind for kind, name in LOOPS.items()}
_TYPES = (*SCALAR_TYPES, *PACKED_TYPES)
_STATEMENT = "a statement (for, if, pass, with, name = value, buffer[...] = value or a call as copy(...))"


class ParseError(ValueError):
    """The text is not a function of the loop IR."""


def parse_function(text: str) -> PrimFunc:
    """Parse a function; its variables, buffers and intrinsics are new.

    Syntax and names are checked here, everything else by `compiler.ir.semantics.verify.verify`.

    Raises
    ------
    ParseError
        If the text does not match the syntax; the message names the line, and what was expected there.
    """
    try:
        module = ast.parse(dedent(text))
    except SyntaxError as error:
        raise ParseError(f"line {error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nesting too deep for Python
        raise ParseError(f"line 1: the text cannot be read: {error}") from None
    return _Parser().module(module)


def _fail(node: Any, expected: str) -> NoReturn:
    found = ast.unparse(node).strip().splitlines()[0]
    raise ParseError(f"line {node.lineno}: expected {expected}; found `{found}`")


def _callee(node: ast.AST) -> str:
    """The name of the function that is called; empty if `node` is not such a call."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _hint(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class _Parser(Recursive):
    def __init__(self) -> None:
        self.scope: dict[str, Var | Buffer | Intrinsic] = {}

    def module(self, module: ast.Module) -> PrimFunc:
        intrinsics: dict[str, Var | Buffer | Intrinsic] = {}
        rest: list[ast.stmt] = []
        for node in module.body:
            marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", ())]
            if not isinstance(node, ast.FunctionDef) or marks != ["intrinsic"]:
                rest.append(node)
                continue
            self.scope = dict(intrinsics)
            self.define(node, node.name, None)
            self.scope = dict(intrinsics)
            intrinsics[node.name] = Intrinsic(node.name, self.function(node))
        if len(rest) != 1 or not isinstance(rest[0], ast.FunctionDef):
            raise ParseError(
                f"line {rest[0].lineno if rest else 1}: expected one function, "
                f"`def name(A: float32[4]): ...`; found {len(rest)} statement(s)"
            )
        if rest[0].decorator_list or rest[0] is not module.body[-1]:
            _fail(rest[0], "a function without decorators, after each `@intrinsic` that it invokes")
        self.scope = intrinsics
        return self.function(rest[0])

    def function(self, func: ast.FunctionDef) -> PrimFunc:
        args = func.args
        if func.returns or args.posonlyargs or args.kwonlyargs:
            _fail(func, "a function without result type, `/` or `*`")
        if args.vararg or args.kwarg or args.defaults:
            _fail(func, "parameters of the form `name: float32[4]` alone")
        params = tuple(filter(None, map(self.param, args.args)))
        result = PrimFunc(func.name, params, self.block(func.body))
        for arg in args.args:
            size = self.scope[arg.arg]
            if isinstance(size, Var) and size not in result.sizes:
                _fail(arg, "a dynamic extent of a parameter")
        return result

    def param(self, arg: ast.arg) -> Buffer | None:
        """A parameter; None for a dynamic extent, which is part of the shapes of buffers."""
        array = arg.annotation
        if array is None:
            _fail(arg, "a parameter with its type, `name: float32[4]`")
        if _callee(array) == "size":
            self.define(arg, arg.arg, self.size(array, arg.arg))
            return None
        if isinstance(array, ast.Tuple) and len(array.elts) == 2:
            return self.define(arg, arg.arg, self.buffer(array.elts[0], array.elts[1], arg.arg))
        return self.define(arg, arg.arg, self.buffer(array, None, arg.arg))

    def size(self, node: Any, name: str) -> Var:
        bounds, keywords = self.call(
            node, 2, ("dtype",), '`size(low, high)` or `size(low, high, dtype="int64")`'
        )
        low, high = map(self.bound, bounds)
        return Var(name, self.dtype(keywords["dtype"]) if keywords else INDEX, (low, high))

    def define(self, node: Any, name: str, item: Any) -> Any:
        if name in RESERVED:
            _fail(node, f"a name; {name!r} is reserved")
        if name in self.scope:
            _fail(node, f"a new name; {name!r} is already defined")
        self.scope[name] = item
        return item

    @contextmanager
    def defined(self, node: ast.Name, item: Any) -> Iterator[None]:
        """A context in which the name `node` refers to `item`."""
        self.define(node, node.id, item)
        yield
        del self.scope[node.id]

    def look_up(self, node: ast.Name, kind: type) -> Any:
        item = self.scope.get(node.id)
        noun = "buffer" if kind is Buffer else "variable"
        if item is None:
            known = [name for name, value in self.scope.items() if isinstance(value, kind)]
            _fail(node, f"a {noun} in scope{_hint(node.id, known)}")
        if not isinstance(item, kind):
            _fail(node, f"a {noun}")
        return item

    # pieces

    def call(
        self, node: ast.Call, count: int, options: Sequence[str] = (), form: str = ""
    ) -> tuple[list[ast.expr], dict[str, ast.expr]]:
        """The positional and the keyword arguments of a call; each keyword of `options` is optional."""
        names = [keyword.arg for keyword in node.keywords]
        if len(node.args) != count or names != [name for name in options if name in names]:
            _fail(node, form or f"{count} argument(s)")
        return node.args, {str(keyword.arg): keyword.value for keyword in node.keywords}

    def args(self, node: ast.Call, count: int) -> list[ast.expr]:
        return self.call(node, count)[0]

    def string(self, node: ast.expr, what: str) -> str:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            _fail(node, f"{what} in quotes")
        return node.value

    def dtype(self, node: ast.expr) -> str:
        name = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(name, str) or not re.fullmatch(rf"({'|'.join(_TYPES)})(x[1-9]\d*)?", name):
            _fail(node, f"a type in quotes{_hint(str(name), _TYPES)}")
        return name

    def count(self, node: ast.expr) -> int:
        if not isinstance(node, ast.Constant) or type(node.value) is not int:
            _fail(node, "an integer")
        return node.value

    def extent(self, node: ast.expr) -> int | Var:
        return self.look_up(node, Var) if isinstance(node, ast.Name) else self.count(node)

    def bound(self, node: ast.expr) -> int:
        negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        return -self.count(node.operand) if negative else self.count(node)  # type: ignore[attr-defined]

    def stride(self, node: ast.expr) -> int | Var:
        return self.look_up(node, Var) if isinstance(node, ast.Name) else self.bound(node)

    def group(self, node: ast.expr) -> list[ast.expr]:
        if not isinstance(node, ast.Tuple):
            _fail(node, "a tuple with a value for each axis, `(4, 16)` or `(4,)`")
        return node.elts

    def exprs(self, node: ast.expr) -> tuple[Expr, ...]:
        return tuple(map(self.expr, self.group(node)))

    def pragmas(self, node: ast.expr | None) -> tuple[Pragma, ...]:
        if node is None:
            return ()
        if not isinstance(node, ast.Dict) or None in node.keys:
            _fail(node, 'pragmas, `{"key": value}`')
        keys = [self.string(key, "the key of a pragma") for key in node.keys if key is not None]
        return tuple(zip(keys, map(self.pragma, node.values), strict=True))

    def pragma(self, node: ast.expr) -> int | str | bool:
        try:
            value = ast.literal_eval(node)
        except ValueError:
            value = None
        if not isinstance(value, (int, str)):
            _fail(node, "the value of a pragma: an integer, a text in quotes, True or False")
        return value

    def buffer(self, array: ast.expr, scope: ast.expr | None, name: str) -> Buffer:
        if isinstance(array, ast.Call) and _callee(array) == "strided" and array.args:
            dense, *steps = self.args(array, len(array.args))
            found = self.buffer(dense, scope, name)
            strides = tuple(map(self.stride, steps))
            return Buffer(name, found.shape, found.dtype, found.scope, strides)
        if not isinstance(array, ast.Subscript) or not isinstance(array.value, ast.Name):
            _fail(array, "the type of a buffer, `float32[64, 64]`")
        if array.value.id not in _TYPES:
            _fail(array.value, f"a type{_hint(array.value.id, _TYPES)}")
        where = "global" if scope is None else scope.value if isinstance(scope, ast.Constant) else None
        if not isinstance(where, str) or not is_scope(where):
            _fail(scope, f"a scope ({', '.join(map(repr, SCOPES))}, or a dotted name as 'vta.acc')")
        return Buffer(name, tuple(map(self.extent, _axes(array))), array.value.id, where)

    def region(self, node: ast.expr) -> Region:
        if (
            not isinstance(node, ast.Call)
            or _callee(node) != "region"
            or not isinstance(node.args[0], ast.Name)
        ):
            _fail(node, "`region(buffer, offset, (4, 16), (64, 1))`")
        buffer, offset, extents, strides = self.args(node, 4)
        assert isinstance(buffer, ast.Name)
        counts = tuple(map(self.count, self.group(extents)))
        return Region(self.look_up(buffer, Buffer), self.expr(offset), counts, self.exprs(strides))

    # statements

    @counted
    def block(self, nodes: Sequence[ast.stmt]) -> Stmt:
        stmts: list[Stmt] = []
        for position, node in enumerate(nodes):
            target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            if isinstance(node, ast.Assign) and isinstance(target, ast.Name):
                stmts.append(self.definition(target, node.value, nodes[position + 1 :]))
                break
            rule = self.stmt_rules.get(type(node))
            if rule is None:
                _fail(node, _STATEMENT)
            stmts.append(rule(self, node))
        return sequence(stmts)

    def definition(self, name: ast.Name, value: ast.expr, body: Sequence[ast.stmt]) -> Stmt:
        """``name = allocate(...)`` or ``name = expression`` with its scope."""
        if isinstance(value, ast.Call) and _callee(value) == "allocate":
            form = '`allocate(float32[16], "local")`'
            (array, scope), keywords = self.call(value, 2, ("pragmas",), form)
            buffer = self.buffer(array, scope, name.id)
            with self.defined(name, buffer):
                return Allocate(buffer, self.block(body), self.pragmas(keywords.get("pragmas")))
        bound = self.expr(value)
        var = Var(name.id, bound.dtype)
        with self.defined(name, var):
            return Let(var, bound, self.block(body))

    def _for(self, node: ast.For) -> Stmt:
        call = node.iter
        if not isinstance(node.target, ast.Name) or node.orelse:
            _fail(node, "`for name in range(extent):` without `else`")
        name = _callee(call)
        if not isinstance(call, ast.Call) or name not in (*_KINDS, "bind"):
            _fail(call, f"a loop over {', '.join((*_KINDS, 'bind'))}")
        tag = ', "threadIdx.x"' if name == "bind" else ""
        form = f'`{name}(extent{tag})` or `{name}(extent{tag}, dtype="int64")`'
        args, keywords = self.call(call, 2 if tag else 1, ("dtype", "pragmas"), form)
        kind = self.string(args[1], f"a tag ({', '.join(THREAD_TAGS)})") if tag else _KINDS[name]
        extent = self.expr(args[0])
        dtype = self.dtype(keywords["dtype"]) if "dtype" in keywords else extent.dtype
        var = Var(node.target.id, dtype)
        with self.defined(node.target, var):
            return For(var, extent, kind, self.block(node.body), self.pragmas(keywords.get("pragmas")))

    def _assign(self, node: ast.Assign) -> Stmt:
        target = node.targets[0]
        if len(node.targets) != 1 or not isinstance(target, ast.Subscript):
            _fail(node, _STATEMENT)
        return Store(*self.element(target), self.expr(node.value))

    def _if(self, node: ast.If) -> Stmt:
        condition, then = self.expr(node.test), self.block(node.body)
        return If(condition, then, self.block(node.orelse) if node.orelse else None)

    def _with(self, node: ast.With) -> Stmt:
        name, value = node.items[0].optional_vars, node.items[0].context_expr
        if len(node.items) != 1 or not isinstance(name, ast.Name):
            _fail(node, '`with allocate(float32[16], "local") as name:`')
        if isinstance(value, ast.Call) and _callee(value) == "let":
            value = self.args(value, 1)[0]
        elif _callee(value) != "allocate":
            _fail(value, '`allocate(float32[16], "local")` or `let(value)`')
        return self.definition(name, value, node.body)

    def _statement(self, node: ast.Expr) -> Stmt:
        call, name = node.value, _callee(node.value)
        if not isinstance(call, ast.Call) or not name:
            _fail(node, _STATEMENT)
        rule = self.call_stmts.get(name)
        if rule is not None:
            return rule(self, call)
        intrinsic = self.scope.get(name)
        if not isinstance(intrinsic, Intrinsic):
            known = [name for name, item in self.scope.items() if isinstance(item, Intrinsic)]
            _fail(node, f"a known statement{_hint(name, (*self.call_stmts, *known))}")
        return Invoke(intrinsic, tuple(map(self.region, self.args(call, len(call.args)))))

    def _prefetch(self, node: ast.Call) -> Stmt:
        (target,) = self.args(node, 1)
        if not isinstance(target, ast.Subscript):
            _fail(node, "an element of a buffer, `prefetch(A[i, j])`")
        return Prefetch(*self.element(target))

    def _copy(self, node: ast.Call) -> Stmt:
        form = "`copy(region(...), region(...), before=(0, 0), after=(0, 0), fill=0.0)`"
        (target, source), keywords = self.call(node, 2, ("before", "after", "fill"), form)
        if len(keywords) != 3:
            _fail(node, form)
        before, after = self.exprs(keywords["before"]), self.exprs(keywords["after"])
        return Copy(self.region(target), self.region(source), before, after, self.expr(keywords["fill"]))

    def _token(self, node: ast.Call) -> Stmt:
        source, target = self.args(node, 2)
        return Token(_callee(node), self.string(source, "a stage"), self.string(target, "a stage"))

    call_stmts: dict[str, Callable[[Any, ast.Call], Stmt]] = {
        "prefetch": _prefetch,
        "barrier": lambda self, node: Barrier(self.string(self.args(node, 1)[0], "a scope")),
        "copy": _copy,
        "push": _token,
        "pop": _token,
    }

    stmt_rules: dict[type, Callable[[Any, Any], Stmt]] = {
        ast.For: _for,
        ast.Assign: _assign,
        ast.If: _if,
        ast.With: _with,
        ast.Expr: _statement,
        ast.Pass: lambda self, node: Seq(()),
    }

    # expressions

    @counted
    def expr(self, node: ast.expr) -> Expr:
        rule = self.expr_rules.get(type(node))
        if rule is None:
            _fail(node, "an expression")
        return rule(self, node)

    def element(self, node: ast.Subscript) -> tuple[Buffer, tuple[Expr, ...]]:
        if not isinstance(node.value, ast.Name):
            _fail(node, "an element of a buffer, `A[i, j]`")
        return self.look_up(node.value, Buffer), tuple(map(self.expr, _axes(node)))

    def binary(self, op: str, a: Expr, b: Expr) -> Expr:
        if op in ARITHMETIC or op in BITWISE:
            return Binary(op, a, b, a.dtype)
        return Binary(op, a, b, vector_of("bool", lanes_of(a.dtype)))

    def literal(self, node: ast.expr, dtype: str | None) -> Const:
        negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        number = node.operand if isinstance(node, ast.UnaryOp) and negative else node
        value = number.value if isinstance(number, ast.Constant) else None
        if not negative and dtype is None and isinstance(value, bool):
            return const(value)
        if not negative and is_float(dtype or "") and value in ("inf", "-inf", "nan"):
            return const(float(value), dtype)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or dtype == "bool":
            _fail(node, f"a number for a literal of type {dtype or INDEX}")
        try:
            return const(-value if negative else value, dtype or (INDEX if isinstance(value, int) else None))
        except ValueError as error:
            _fail(node, f"a literal of type {dtype or INDEX}: {error}")

    def _unary(self, node: ast.UnaryOp) -> Expr:
        if isinstance(node.op, ast.Not):
            return Not(self.expr(node.operand))
        if not isinstance(node.op, ast.USub) or not isinstance(node.operand, ast.Constant):
            _fail(node, "`-` before a literal alone (write `0 - x`)")
        return self.literal(node, None)

    def _operation(self, node: ast.BinOp) -> Expr:
        op = OPERATORS.get(type(node.op))
        if op is None:
            _fail(node, f"one of the operators {', '.join(OPERATORS.values())}")
        return self.binary(op, self.expr(node.left), self.expr(node.right))

    def _compare(self, node: ast.Compare) -> Expr:
        op = COMPARISONS.get(type(node.ops[0]))
        if len(node.ops) != 1 or op is None:
            _fail(node, f"one comparison ({', '.join(COMPARISONS.values())}), not a chain")
        return self.binary(op, self.expr(node.left), self.expr(node.comparators[0]))

    def _logic(self, node: ast.BoolOp) -> Expr:
        op = "and" if isinstance(node.op, ast.And) else "or"
        result, *rest = map(self.expr, node.values)
        for value in rest:
            result = self.binary(op, result, value)
        return result

    def _call(self, node: ast.Call) -> Expr:
        name = _callee(node)
        if name in SCALAR_TYPES:
            return self.literal(self.args(node, 1)[0], name)
        if name in INTRINSICS:
            function = INTRINSICS[name]
            args = tuple(map(self.expr, self.args(node, function.arity)))
            dtype = args[-1].dtype
            return Call(name, args, vector_of("bool", lanes_of(dtype)) if function.is_condition else dtype)
        if name in ("call_extern", "call_intrin"):
            return self.foreign(node, C if name == "call_extern" else "")
        rule = self.call_rules.get(name)
        if rule is None:
            _fail(node, f"a known function{_hint(name, (*INTRINSICS, *self.call_rules, *SCALAR_TYPES))}")
        arity, make = rule
        return make(self, *self.args(node, arity))

    def foreign(self, node: ast.Call, prefix: str) -> Call:
        if len(node.args) < 2 or node.keywords:
            _fail(node, f'`{_callee(node)}("float32", "name", arguments)`')
        dtype, name, *args = node.args
        called = self.string(name, "the name of a function")
        if not (prefix or called.startswith(LLVM)):
            _fail(name, "the name of an intrinsic of LLVM")
        return Call(prefix + called, tuple(map(self.expr, args)), self.dtype(dtype))

    call_rules: dict[str, tuple[int, Callable[..., Expr]]] = {
        "min": (2, lambda self, a, b: self.binary("min", self.expr(a), self.expr(b))),
        "max": (2, lambda self, a, b: self.binary("max", self.expr(a), self.expr(b))),
        "select": (3, lambda self, *args: Select(*map(self.expr, args))),
        "cast": (2, lambda self, value, dtype: Cast(self.expr(value), self.dtype(dtype))),
        "reinterpret": (2, lambda self, value, dtype: Reinterpret(self.expr(value), self.dtype(dtype))),
        "ramp": (3, lambda self, a, b, lanes: Ramp(self.expr(a), self.expr(b), self.count(lanes))),
        "broadcast": (2, lambda self, value, lanes: Broadcast(self.expr(value), self.count(lanes))),
    }

    expr_rules: dict[type, Callable[[Any, Any], Expr]] = {
        ast.Name: lambda self, node: self.look_up(node, Var),
        ast.Constant: lambda self, node: self.literal(node, None),
        ast.UnaryOp: _unary,
        ast.BinOp: _operation,
        ast.Compare: _compare,
        ast.BoolOp: _logic,
        ast.Call: _call,
        ast.Subscript: lambda self, node: Load(*self.element(node)),
    }


def _axes(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
