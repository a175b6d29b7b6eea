"""Text of the loop IR: what a person reads, and what parses back to an equal function.

The text is Python's grammar with a meaning of its own; it is read with `ast` and never run. For example::

    def main(A: float32[64, 64], B: float32[64]):
        for i in parallel(64):
            acc = allocate(float32[1], "local")
            acc[0] = 0.0
            for j in range(64):
                acc[0] = acc[0] + A[i, j]
            if i < 32:
                B[i] = max(acc[0], 0.0)
            else:
                B[i] = acc[0]

Loops are ``range`` (serial), ``parallel``, ``vectorize`` and ``unroll``. The variable of a loop has the
type of the extent; ``range(8, dtype="int64")`` says otherwise.

Literals carry their type: ``3`` is int32, ``0.5`` is float32, ``True`` is bool, and every other one is a
call of its type, as in ``int64(3)``, ``float64(0.5)``, ``float32("inf")``. A conversion of any other value
is ``cast(value, "float32")``, so the two are never confused.

``name = allocate(type[shape], scope)`` holds for the rest of its block. Where statements follow that are
not inside the allocation, it is written ``with allocate(type[shape], scope) as name:``. A parameter outside
of main memory is ``name: (type[shape], scope)``. A buffer without axes has the shape and the index ``()``.

Names are those of the variables and buffers, made legal, and distinct among all that are in scope at once.
Nested sequences print as the flat one, which means the same (see `compiler.ir.equal.structural_equal`).
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches
from math import isfinite
from textwrap import dedent
from typing import Any, NoReturn

from compiler.ir.expr import (
    ARITHMETIC,
    COMPARISON,
    INDEX,
    INTRINSICS,
    SCALAR_TYPES,
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    const,
    is_float,
    lanes_of,
    vector_of,
)
from compiler.ir.function import SCOPES, Buffer, PrimFunc, is_scope
from compiler.ir.stmt import Allocate, For, If, Seq, Stmt, Store, sequence

LOOPS = {"serial": "range", "parallel": "parallel", "vectorize": "vectorize", "unroll": "unroll"}

# names that the text gives a meaning, so that no variable or buffer may have them
RESERVED = frozenset(
    (*keyword.kwlist, *SCALAR_TYPES, *INTRINSICS, *LOOPS, *LOOPS.values())
    + ("allocate", "broadcast", "cast", "max", "min", "ramp", "select")
)

# how tightly an operator binds; an operand that binds less is put in parentheses
_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _ATOM = range(1, 8)
_PRECEDENCE = {"or": _OR, "and": _AND, "+": _ADD, "-": _ADD, "*": _MULTIPLY, "/": _MULTIPLY}
_PRECEDENCE |= {"//": _MULTIPLY, "%": _MULTIPLY} | dict.fromkeys(COMPARISON, _COMPARE)


class ParseError(ValueError):
    """A text that is not a function of the loop IR."""


class Names:
    """The name in the text of each variable and buffer, distinct among those in scope.

    What is used outside of its definition keeps the name of its first use for good.
    """

    def __init__(self) -> None:
        self._names: dict[Var | Buffer, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, item: Var | Buffer) -> str:
        return self._names[item] if item in self._names else self.define(item)

    def define(self, item: Var | Buffer) -> str:
        """Give `item` a name that nothing in scope has."""
        if item in self._names:
            return self._names[item]
        base = _identifier(item.name, RESERVED)
        name, count = base, 0
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._names[item] = name
        self._taken.add(name)
        return name

    def forget(self, item: Var | Buffer) -> None:
        """Leave the scope of `item`."""
        self._taken.discard(self._names.pop(item, ""))


def print_function(func: PrimFunc) -> str:
    """The text of a function; `parse_function` reads it back."""
    printer = _Printer(Names())
    params = ", ".join(printer.param(p) for p in func.params)
    name = _identifier(func.name, keyword.kwlist)
    return "\n".join([f"def {name}({params}):", *printer.block(func.body, 1)])


def print_stmt(stmt: Stmt, names: Names | None = None) -> str:
    """The text of a statement; `names` are those of the text around it, if any."""
    return "\n".join(_Printer(names or Names()).block(stmt, 0))


def print_expr(expr: Expr, names: Names | None = None) -> str:
    """The text of an expression; `names` are those of the text around it, if any."""
    return _Printer(names or Names()).expr(expr)


def parse_function(text: str) -> PrimFunc:
    """The function of a text, with variables and buffers of its own.

    Only the grammar and the names are checked here: `compiler.ir.verify.verify` checks the meaning.

    Raises
    ------
    ParseError
        If the text is not of the grammar; names the line, and what was expected there.
    """
    try:
        module = ast.parse(dedent(text))
    except SyntaxError as error:
        raise ParseError(f"line {error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nesting too deep for Python
        raise ParseError(f"line 1: the text cannot be read: {error}") from None
    return _Parser().module(module)


def _identifier(name: str, reserved: Collection[str]) -> str:
    """The legal identifier nearest to `name`: itself if it is one."""
    legal = re.sub(r"[^0-9A-Za-z_]", "_", name) or "_"
    legal = "_" + legal if legal[0].isdigit() else legal
    return legal + "_" if legal in reserved else legal


def flatten(stmt: Stmt) -> Iterator[Stmt]:
    """The statements of a block in order, with nested sequences joined."""
    if isinstance(stmt, Seq):
        for child in stmt.stmts:
            yield from flatten(child)
    else:
        yield stmt


class _Printer:
    def __init__(self, names: Names) -> None:
        self.names = names

    # statements: lists of lines

    def block(self, stmt: Stmt, depth: int) -> list[str]:
        indent = "    " * depth
        stmts = list(flatten(stmt))
        lines = [] if stmts else [f"{indent}pass"]
        for position, child in enumerate(stmts):
            if isinstance(child, Allocate) and position == len(stmts) - 1:
                name = self.names.define(child.buffer)
                lines.append(f"{indent}{name} = {_allocation(child.buffer)}")
                lines += self.block(child.body, depth)
                self.names.forget(child.buffer)
            else:
                rule = self.stmt_rules.get(type(child))
                lines += [indent + repr(child)] if rule is None else rule(self, child, depth)
        return lines

    def _for(self, loop: For, depth: int) -> list[str]:
        extent = self.expr(loop.extent)
        name = self.names.define(loop.var)
        dtype = "" if loop.var.dtype == loop.extent.dtype else f', dtype="{loop.var.dtype}"'
        header = f"for {name} in {LOOPS.get(loop.kind, loop.kind)}({extent}{dtype}):"
        body = self.block(loop.body, depth + 1)
        self.names.forget(loop.var)
        return ["    " * depth + header, *body]

    def _store(self, store: Store, depth: int) -> list[str]:
        return [f"{'    ' * depth}{self.element(store.buffer, store.indices)} = {self.expr(store.value)}"]

    def _if(self, branch: If, depth: int) -> list[str]:
        indent = "    " * depth
        lines = [f"{indent}if {self.expr(branch.condition)}:", *self.block(branch.then, depth + 1)]
        if branch.otherwise is None:
            return lines
        otherwise = list(flatten(branch.otherwise))
        if len(otherwise) == 1 and isinstance(otherwise[0], If):
            first, *rest = self._if(otherwise[0], depth)
            return [*lines, indent + "el" + first.lstrip(), *rest]
        return [*lines, f"{indent}else:", *self.block(branch.otherwise, depth + 1)]

    def _allocate(self, allocate: Allocate, depth: int) -> list[str]:
        name = self.names.define(allocate.buffer)
        body = self.block(allocate.body, depth + 1)
        self.names.forget(allocate.buffer)
        return [f"{'    ' * depth}with {_allocation(allocate.buffer)} as {name}:", *body]

    stmt_rules: dict[type, Callable[[Any, Any, int], list[str]]] = {
        For: _for,
        Store: _store,
        If: _if,
        Allocate: _allocate,
    }

    # expressions: text, and how tightly it binds

    def param(self, buffer: Buffer) -> str:
        name, array = self.names.define(buffer), _array(buffer)
        return f"{name}: {array}" if buffer.scope == "global" else f'{name}: ({array}, "{buffer.scope}")'

    def element(self, buffer: Buffer, indices: tuple[Expr, ...]) -> str:
        return f"{self.names[buffer]}[{', '.join(map(self.expr, indices)) or '()'}]"

    def expr(self, expr: Expr, at_least: int = 0) -> str:
        """The text of `expr`, in parentheses if it binds less than `at_least`."""
        rule = self.expr_rules.get(type(expr))
        text, precedence = (repr(expr), _ATOM) if rule is None else rule(self, expr)
        return text if precedence >= at_least else f"({text})"

    def call(self, name: str, *args: Expr | str) -> tuple[str, int]:
        texts = (arg if isinstance(arg, str) else self.expr(arg) for arg in args)
        return f"{name}({', '.join(texts)})", _ATOM

    def _binary(self, node: Binary) -> tuple[str, int]:
        precedence = _PRECEDENCE.get(node.op)
        if precedence is None:
            return self.call(node.op, node.a, node.b)
        # Python would read a < b < c as a chain, so neither side of a comparison may be one
        left = self.expr(node.a, precedence + (precedence == _COMPARE))
        return f"{left} {node.op} {self.expr(node.b, precedence + 1)}", precedence

    expr_rules: dict[type, Callable[[Any, Any], tuple[str, int]]] = {
        Var: lambda self, n: (self.names[n], _ATOM),
        Const: lambda self, n: (_literal(n), _ATOM),
        Binary: _binary,
        Not: lambda self, n: (f"not {self.expr(n.a, _NOT)}", _NOT),
        Select: lambda self, n: self.call("select", n.condition, n.a, n.b),
        Cast: lambda self, n: self.call("cast", n.value, f'"{n.dtype}"'),
        Load: lambda self, n: (self.element(n.buffer, n.indices), _ATOM),
        Call: lambda self, n: self.call(n.name, *n.args),
        Ramp: lambda self, n: self.call("ramp", n.base, n.stride, str(n.lanes)),
        Broadcast: lambda self, n: self.call("broadcast", n.value, str(n.lanes)),
    }


def _array(buffer: Buffer) -> str:
    return f"{buffer.dtype}[{', '.join(map(str, buffer.shape)) or '()'}]"


def _allocation(buffer: Buffer) -> str:
    return f'allocate({_array(buffer)}, "{buffer.scope}")'


def _literal(node: Const) -> str:
    value, text = node.value, repr(node.value)
    if is_float(node.dtype) and isinstance(value, (int, float)):
        text = repr(float(value)) if isfinite(value) else f'"{value}"'
    bare = node.dtype in ("bool", INDEX) or (node.dtype == "float32" and not text.startswith('"'))
    return text if bare else f"{node.dtype}({text})"


_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
_COMPARISON = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_KINDS = {name: kind for kind, name in LOOPS.items()}
_STATEMENT = "a statement (for, if, pass, with allocate, name = allocate or buffer[...] = value)"


def _fail(node: Any, expected: str) -> NoReturn:
    found = ast.unparse(node).strip().splitlines()[0]
    raise ParseError(f"line {node.lineno}: expected {expected}; found `{found}`")


def _callee(node: ast.AST) -> str:
    """The name of the function that a call calls, or nothing."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _hint(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class _Parser:
    def __init__(self) -> None:
        self.scope: dict[str, Var | Buffer] = {}

    def module(self, module: ast.Module) -> PrimFunc:
        if len(module.body) != 1 or not isinstance(module.body[0], ast.FunctionDef):
            raise ParseError(
                f"line {module.body[0].lineno if module.body else 1}: expected one function, "
                f"`def name(A: float32[4]): ...`; found {len(module.body)} statement(s)"
            )
        func = module.body[0]
        args = func.args
        if func.decorator_list or func.returns or args.posonlyargs or args.kwonlyargs:
            _fail(func, "a function without decorators, result type, `/` or `*`")
        if args.vararg or args.kwarg or args.defaults:
            _fail(func, "parameters of the form `name: float32[4]` alone")
        params = tuple(self.param(arg) for arg in args.args)
        return PrimFunc(func.name, params, self.block(func.body))

    def param(self, arg: ast.arg) -> Buffer:
        array = arg.annotation
        if array is None:
            _fail(arg, "a parameter with its type, `name: float32[4]`")
        if isinstance(array, ast.Tuple) and len(array.elts) == 2:
            return self.define(arg, arg.arg, self.buffer(array.elts[0], array.elts[1], arg.arg))
        return self.define(arg, arg.arg, self.buffer(array, None, arg.arg))

    def define(self, node: Any, name: str, item: Any) -> Any:
        if name in RESERVED:
            _fail(node, f"a name; {name!r} has a meaning of its own")
        if name in self.scope:
            _fail(node, f"a new name; {name!r} is already defined")
        self.scope[name] = item
        return item

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

    def dtype(self, node: ast.expr) -> str:
        name = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(name, str) or not re.fullmatch(rf"({'|'.join(SCALAR_TYPES)})(x[1-9]\d*)?", name):
            _fail(node, f"a type in quotes{_hint(str(name), SCALAR_TYPES)}")
        return name

    def count(self, node: ast.expr) -> int:
        if not isinstance(node, ast.Constant) or type(node.value) is not int:
            _fail(node, "a whole number")
        return node.value

    def buffer(self, array: ast.expr, scope: ast.expr | None, name: str) -> Buffer:
        if not isinstance(array, ast.Subscript) or not isinstance(array.value, ast.Name):
            _fail(array, "the type of a buffer, `float32[64, 64]`")
        if array.value.id not in SCALAR_TYPES:
            _fail(array.value, f"a type{_hint(array.value.id, SCALAR_TYPES)}")
        where = "global" if scope is None else scope.value if isinstance(scope, ast.Constant) else None
        if not is_scope(where):
            _fail(scope, f"a scope ({', '.join(map(repr, SCOPES))})")
        return Buffer(name, tuple(map(self.count, _axes(array))), array.value.id, str(where))

    # statements

    def block(self, nodes: Sequence[ast.stmt]) -> Stmt:
        stmts: list[Stmt] = []
        for position, node in enumerate(nodes):
            target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            if isinstance(node, ast.Assign) and isinstance(target, ast.Name):
                buffer = self.define(target, target.id, self.allocation(node.value, target.id))
                stmts.append(Allocate(buffer, self.block(nodes[position + 1 :])))
                del self.scope[target.id]
                break
            rule = self.stmt_rules.get(type(node))
            if rule is None:
                _fail(node, _STATEMENT)
            stmts.append(rule(self, node))
        return sequence(stmts)

    def allocation(self, node: ast.expr, name: str) -> Buffer:
        if not isinstance(node, ast.Call) or _callee(node) != "allocate":
            _fail(node, '`allocate(float32[16], "local")`')
        array, scope = self.args(node, 2)
        return self.buffer(array, scope, name)

    def _for(self, node: ast.For) -> Stmt:
        call = node.iter
        if not isinstance(node.target, ast.Name) or node.orelse:
            _fail(node, "`for name in range(extent):` without `else`")
        if not isinstance(call, ast.Call) or _callee(call) not in _KINDS:
            _fail(call, f"a loop over {', '.join(_KINDS)}")
        kind = _callee(call)
        if len(call.args) != 1 or [k.arg for k in call.keywords] not in ([], ["dtype"]):
            _fail(call, f'`{kind}(extent)` or `{kind}(extent, dtype="int64")`')
        extent = self.expr(call.args[0])
        dtype = self.dtype(call.keywords[0].value) if call.keywords else extent.dtype
        name = node.target.id
        var = self.define(node.target, name, Var(name, dtype))
        body = self.block(node.body)
        del self.scope[name]
        return For(var, extent, _KINDS[kind], body)

    def _assign(self, node: ast.Assign) -> Stmt:
        target = node.targets[0]
        if len(node.targets) != 1 or not isinstance(target, ast.Subscript):
            _fail(node, _STATEMENT)
        return Store(*self.element(target), self.expr(node.value))

    def _if(self, node: ast.If) -> Stmt:
        condition, then = self.expr(node.test), self.block(node.body)
        return If(condition, then, self.block(node.orelse) if node.orelse else None)

    def _with(self, node: ast.With) -> Stmt:
        name = node.items[0].optional_vars
        if len(node.items) != 1 or not isinstance(name, ast.Name):
            _fail(node, '`with allocate(float32[16], "local") as name:`')
        buffer = self.define(name, name.id, self.allocation(node.items[0].context_expr, name.id))
        body = self.block(node.body)
        del self.scope[name.id]
        return Allocate(buffer, body)

    stmt_rules: dict[type, Callable[[Any, Any], Stmt]] = {
        ast.For: _for,
        ast.Assign: _assign,
        ast.If: _if,
        ast.With: _with,
        ast.Pass: lambda self, node: Seq(()),
    }

    # expressions

    def expr(self, node: ast.expr) -> Expr:
        rule = self.expr_rules.get(type(node))
        if rule is None:
            _fail(node, "an expression")
        return rule(self, node)

    def element(self, node: ast.Subscript) -> tuple[Buffer, tuple[Expr, ...]]:
        if not isinstance(node.value, ast.Name):
            _fail(node, "an element of a buffer, `A[i, j]`")
        return self.look_up(node.value, Buffer), tuple(map(self.expr, _axes(node)))

    def args(self, node: ast.Call, count: int) -> list[ast.expr]:
        if len(node.args) != count or node.keywords:
            _fail(node, f"{count} argument(s)")
        return node.args

    def binary(self, op: str, a: Expr, b: Expr) -> Expr:
        if op in ARITHMETIC:
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
            return const(-value if negative else value, dtype)
        except ValueError as error:
            _fail(node, f"a literal of type {dtype or INDEX}: {error}")

    def _unary(self, node: ast.UnaryOp) -> Expr:
        if isinstance(node.op, ast.Not):
            return Not(self.expr(node.operand))
        if not isinstance(node.op, ast.USub) or not isinstance(node.operand, ast.Constant):
            _fail(node, "`-` before a literal alone (write `0 - x`)")
        return self.literal(node, None)

    def _arithmetic(self, node: ast.BinOp) -> Expr:
        op = _ARITHMETIC.get(type(node.op))
        if op is None:
            _fail(node, f"one of the operators {', '.join(_ARITHMETIC.values())}")
        return self.binary(op, self.expr(node.left), self.expr(node.right))

    def _compare(self, node: ast.Compare) -> Expr:
        op = _COMPARISON.get(type(node.ops[0]))
        if len(node.ops) != 1 or op is None:
            _fail(node, f"one comparison ({', '.join(_COMPARISON.values())}), not a chain")
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
            args = tuple(map(self.expr, self.args(node, INTRINSICS[name])))
            return Call(name, args, args[-1].dtype)
        rule = self.call_rules.get(name)
        if rule is None:
            _fail(node, f"a known function{_hint(name, (*INTRINSICS, *self.call_rules, *SCALAR_TYPES))}")
        arity, make = rule
        return make(self, *self.args(node, arity))

    call_rules: dict[str, tuple[int, Callable[..., Expr]]] = {
        "min": (2, lambda self, a, b: self.binary("min", self.expr(a), self.expr(b))),
        "max": (2, lambda self, a, b: self.binary("max", self.expr(a), self.expr(b))),
        "select": (3, lambda self, *args: Select(*map(self.expr, args))),
        "cast": (2, lambda self, value, dtype: Cast(self.expr(value), self.dtype(dtype))),
        "ramp": (3, lambda self, a, b, lanes: Ramp(self.expr(a), self.expr(b), self.count(lanes))),
        "broadcast": (2, lambda self, value, lanes: Broadcast(self.expr(value), self.count(lanes))),
    }

    expr_rules: dict[type, Callable[[Any, Any], Expr]] = {
        ast.Name: lambda self, node: self.look_up(node, Var),
        ast.Constant: lambda self, node: self.literal(node, None),
        ast.UnaryOp: _unary,
        ast.BinOp: _arithmetic,
        ast.Compare: _compare,
        ast.BoolOp: _logic,
        ast.Call: _call,
        ast.Subscript: lambda self, node: Load(*self.element(node)),
    }


def _axes(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
