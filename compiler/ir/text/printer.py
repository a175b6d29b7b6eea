"""The printer: from the loop IR to its text. `compiler.ir.text` describes the syntax."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from math import isfinite
from typing import Any

from compiler.ir.dtype import INDEX, PACKED_TYPES, SCALAR_TYPES, is_float
from compiler.ir.expr import Binary, Buffer, Call, Const, Expr, Load, Not, Var
from compiler.ir.foreign import C, is_foreign
from compiler.ir.function import Intrinsic, Invoke, PrimFunc
from compiler.ir.node import Node, is_node_class, schema_of
from compiler.ir.operators import COMPARISON, INTRINSICS
from compiler.ir.recursion import Recursive, counted
from compiler.ir.stmt import (
    Allocate,
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
from compiler.ir.visit import children, walk

# kind of loop -> its name in the text; a loop with a thread tag is `bind`
LOOPS = {"serial": "range"} | {kind: kind for kind in ("parallel", "vectorize", "unroll", "vthread")}

# names with a meaning in the syntax, which no variable, buffer or intrinsic may have
RESERVED = frozenset(
    (*keyword.kwlist, *SCALAR_TYPES, *PACKED_TYPES, *INTRINSICS, *LOOPS, *LOOPS.values())
    + ("allocate", "barrier", "bind", "broadcast", "call_extern", "call_intrin", "cast", "copy", "intrinsic")
    + ("let", "max", "min", "pop", "prefetch", "push", "ramp", "region", "reinterpret", "select", "size")
    + ("strided",)
)

# precedences of operators; an operand of lower precedence is put in parentheses
_OR, _AND, _NOT, _COMPARE, _BIT_OR, _BIT_XOR, _BIT_AND, _SHIFT, _ADD, _MULTIPLY, _ATOM = range(1, 12)
_PRECEDENCE = {"or": _OR, "and": _AND, "|": _BIT_OR, "^": _BIT_XOR, "&": _BIT_AND, "<<": _SHIFT, ">>": _SHIFT}
_PRECEDENCE |= {"+": _ADD, "-": _ADD, "*": _MULTIPLY, "/": _MULTIPLY, "//": _MULTIPLY, "%": _MULTIPLY}
_PRECEDENCE |= dict.fromkeys(COMPARISON, _COMPARE)

Named = Var | Buffer | Intrinsic


class Names:
    """The name of each variable, buffer and intrinsic in the text, distinct among those in scope.

    An item that is used without a definition keeps the name of its first use.
    """

    def __init__(self, intrinsics: Iterable[Intrinsic] = ()) -> None:
        self._names: dict[Named, str] = {}
        self._taken: set[str] = set()
        for intrinsic in intrinsics:
            self.define(intrinsic)

    def __getitem__(self, item: Named) -> str:
        return self._names[item] if item in self._names else self.define(item)

    def define(self, item: Named) -> str:
        """Assign `item` a name that no other item in scope has."""
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

    def forget(self, item: Named) -> None:
        """End the scope of `item`; its name is free again."""
        self._taken.discard(self._names.pop(item, ""))


def print_function(func: PrimFunc) -> str:
    """The text of a function; `compiler.ir.text.parser.parse_function` is the inverse."""
    intrinsics = tuple(_invoked(func, {}))
    texts = [
        "@intrinsic\n" + _definition(Names(intrinsics)[intrinsic], intrinsic.description, intrinsics)
        for intrinsic in intrinsics
    ]
    return "\n\n".join([*texts, _definition(_identifier(func.name, keyword.kwlist), func, intrinsics)])


PrimFunc.text = print_function


def print_stmt(stmt: Stmt, names: Names | None = None) -> str:
    """The text of a statement; `names` are those of the enclosing text, if any."""
    return "\n".join(_Printer(names or Names()).block(stmt, 0))


def print_expr(expr: Expr | Region, names: Names | None = None) -> str:
    """The text of an expression or a region; `names` are those of the enclosing text, if any."""
    return _Printer(names or Names()).expr(expr)


def _identifier(name: str, reserved: Collection[str]) -> str:
    """`name` changed into an identifier that is not in `reserved`; `name` itself if it is one."""
    legal = re.sub(r"[^0-9A-Za-z_]", "_", name) or "_"
    legal = "_" + legal if legal[0].isdigit() else legal
    return legal + "_" if legal in reserved else legal


def _invoked(func: PrimFunc, found: dict[Intrinsic, None]) -> dict[Intrinsic, None]:
    """The intrinsics that a function invokes, each after those that its description invokes."""
    for node in walk(func.body):
        if isinstance(node, Invoke) and node.intrinsic not in found:
            _invoked(node.intrinsic.description, found)
            found[node.intrinsic] = None
    return found


def _definition(name: str, func: PrimFunc, intrinsics: Iterable[Intrinsic]) -> str:
    printer = _Printer(Names(intrinsics))
    params = ", ".join([*map(printer.size, func.sizes), *map(printer.param, func.params)])
    return "\n".join([f"def {name}({params}):", *printer.block(func.body, 1)])


def flatten(stmt: Stmt) -> Iterator[Stmt]:
    """The statements of a block in order, with nested sequences joined."""
    pending = [stmt]
    while pending:
        top = pending.pop()
        if isinstance(top, Seq):
            pending += top.stmts[::-1]
        else:
            yield top


class _Printer(Recursive):
    def __init__(self, names: Names) -> None:
        self.names = names

    # statements: lists of lines

    @counted
    def block(self, stmt: Stmt, depth: int) -> list[str]:
        indent = "    " * depth
        stmts = list(flatten(stmt))
        lines = [] if stmts else [f"{indent}pass"]
        for position, child in enumerate(stmts):
            if isinstance(child, (Allocate, Let)):
                lines += self.definition(child, depth, position == len(stmts) - 1)
            else:
                lines += self.stmt_rules.get(type(child), _Printer.plain)(self, child, depth)
        return lines

    def definition(self, stmt: Allocate | Let, depth: int, last: bool) -> list[str]:
        """An allocation or a let: a line if its scope is the rest of the block, or else ``with``."""
        indent = "    " * depth
        item: Var | Buffer
        if isinstance(stmt, Allocate):
            item = stmt.buffer
            value = f'allocate({self.array(item)}, "{item.scope}"{_pragmas(stmt.pragmas)})'  # type: ignore[arg-type]
        else:
            item, value = stmt.var, self.expr(stmt.value)
        name = self.names.define(item)
        if last:
            lines = [f"{indent}{name} = {value}", *self.block(stmt.body, depth)]
        else:
            value = value if isinstance(stmt, Allocate) else f"let({value})"
            lines = [f"{indent}with {value} as {name}:", *self.block(stmt.body, depth + 1)]
        self.names.forget(item)
        return lines

    def plain(self, stmt: Stmt, depth: int) -> list[str]:
        """A statement that has no syntax: a call of its fields, with its statements as blocks."""
        below = children(stmt) if is_node_class(type(stmt)) else ()
        blocks = [child for child in below if isinstance(child, Stmt)]
        lines = self.line(self.fields(stmt)[0] + (":" if blocks else ""), depth)
        return lines + [line for block in blocks for line in self.block(block, depth + 1)]

    def _for(self, loop: For, depth: int) -> list[str]:
        extent = self.expr(loop.extent)
        name = self.names.define(loop.var)
        kind = LOOPS.get(loop.kind, "bind")
        tag = "" if loop.kind in LOOPS else f', "{loop.kind}"'
        dtype = "" if loop.var.dtype == loop.extent.dtype else f', dtype="{loop.var.dtype}"'
        header = f"for {name} in {kind}({extent}{tag}{dtype}{_pragmas(loop.pragmas)}):"
        body = self.block(loop.body, depth + 1)
        self.names.forget(loop.var)
        return ["    " * depth + header, *body]

    @counted
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

    def line(self, text: str, depth: int) -> list[str]:
        return ["    " * depth + text]

    def _store(self, store: Store, depth: int) -> list[str]:
        return self.line(f"{self.element(store.buffer, store.indices)} = {self.expr(store.value)}", depth)

    def _copy(self, copy: Copy, depth: int) -> list[str]:
        margins = f"before={self.group(copy.before)}, after={self.group(copy.after)}"
        fill = f"fill={self.expr(copy.fill)}"
        return self.line(self.call("copy", copy.target, copy.source, margins, fill)[0], depth)

    stmt_rules: dict[type, Callable[[Any, Any, int], list[str]]] = {
        For: _for,
        Store: _store,
        If: _if,
        Prefetch: lambda self, n, depth: self.line(f"prefetch({self.element(n.buffer, n.indices)})", depth),
        Copy: _copy,
        Invoke: lambda self, n, depth: self.line(self.call(self.names[n.intrinsic], *n.operands)[0], depth),
        Token: lambda self, n, depth: self.line(
            f"{n.action}({_quoted(n.source)}, {_quoted(n.target)})", depth
        ),
    }

    # parameters and buffers

    def size(self, size: Var) -> str:
        dtype = [] if size.dtype == INDEX else [f'dtype="{size.dtype}"']
        return f"{self.names.define(size)}: size({', '.join([*map(str, size.bounds or ()), *dtype])})"

    def param(self, buffer: Buffer) -> str:
        name, array = self.names.define(buffer), self.array(buffer)
        return f"{name}: {array}" if buffer.scope == "global" else f'{name}: ({array}, "{buffer.scope}")'

    def array(self, buffer: Buffer) -> str:
        extents = (self.names[n] if isinstance(n, Var) else str(n) for n in buffer.shape)
        dense = f"{buffer.dtype}[{', '.join(extents) or '()'}]"
        if buffer.strides is None:
            return dense
        strides = [self.names[n] if isinstance(n, Var) else str(n) for n in buffer.strides]
        return f"strided({', '.join([dense, *strides])})"

    def element(self, buffer: Buffer, indices: tuple[Expr, ...]) -> str:
        return f"{self.names[buffer]}[{', '.join(map(self.expr, indices)) or '()'}]"

    # expressions: text and precedence

    @counted
    def expr(self, expr: Node, at_least: int = 0) -> str:
        """The text of `expr`, in parentheses if its precedence is below `at_least`."""
        text, precedence = self.expr_rules.get(type(expr), _Printer.fields)(self, expr)
        return text if precedence >= at_least else f"({text})"

    def fields(self, node: Any) -> tuple[str, int]:
        """A node that has no syntax: its name in lower case, called with its fields in their order."""
        if not is_node_class(type(node)):
            return repr(node), _ATOM
        values = (getattr(node, part.name) for part in schema_of(type(node)).fields)
        shown = (self.field(value) for value in values if not isinstance(value, Stmt))
        return self.call(type(node).__name__.lower(), *shown)

    def field(self, value: Any) -> str:
        if isinstance(value, (Buffer, Intrinsic)):
            return self.names[value]
        if isinstance(value, tuple):
            return self.group(value)
        return self.expr(value) if isinstance(value, Node) else _quoted(value)

    def call(self, name: str, *args: Expr | Region | str) -> tuple[str, int]:
        texts = (arg if isinstance(arg, str) else self.expr(arg) for arg in args)
        return f"{name}({', '.join(texts)})", _ATOM

    def group(self, items: Iterable[Any]) -> str:
        texts = list(map(self.field, items))
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"

    def _binary(self, node: Binary) -> tuple[str, int]:
        precedence = _PRECEDENCE.get(node.op)
        if precedence is None:
            return self.call(node.op, node.a, node.b)
        # Python parses a < b < c as a chain, so a comparison as an operand needs parentheses on both sides
        left = self.expr(node.a, precedence + (precedence == _COMPARE))
        return f"{left} {node.op} {self.expr(node.b, precedence + 1)}", precedence

    def _call(self, node: Call) -> tuple[str, int]:
        if not is_foreign(node.name):
            return self.call(node.name, *node.args)
        kind = "call_extern" if node.name.startswith(C) else "call_intrin"
        return self.call(kind, _quoted(node.dtype), _quoted(node.name.removeprefix(C)), *node.args)

    expr_rules: dict[type, Callable[[Any, Any], tuple[str, int]]] = {
        Var: lambda self, n: (self.names[n], _ATOM),
        Const: lambda self, n: (_literal(n), _ATOM),
        Binary: _binary,
        Not: lambda self, n: (f"not {self.expr(n.a, _NOT)}", _NOT),
        Load: lambda self, n: (self.element(n.buffer, n.indices), _ATOM),
        Call: _call,
    }


def _pragmas(pragmas: tuple[Pragma, ...]) -> str:
    texts = ", ".join(f"{_quoted(key)}: {_quoted(value)}" for key, value in pragmas)
    return f", pragmas={{{texts}}}" if texts else ""


def _quoted(value: int | str | bool) -> str:
    """A Python literal; a string is in double quotes where possible."""
    text = repr(value)
    return f'"{value}"' if text == f"'{value}'" and '"' not in text else text


def _literal(node: Const) -> str:
    value, text = node.value, repr(node.value)
    if is_float(node.dtype) and isinstance(value, (int, float)):
        text = repr(float(value)) if isfinite(value) else f'"{value}"'
    bare = node.dtype in ("bool", INDEX) or (node.dtype == "float32" and not text.startswith('"'))
    return text if bare else f"{node.dtype}({text})"
