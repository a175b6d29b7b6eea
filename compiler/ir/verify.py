"""Checks that a function is well formed: what every pass may expect, and must leave behind."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np

from compiler.ir.expr import (
    ARITHMETIC,
    COMPARISON,
    INTRINSICS,
    LOGIC,
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
    is_float,
    lanes_of,
    scalar_of,
    vector_of,
)
from compiler.ir.function import SCOPES, Buffer, PrimFunc, is_scope
from compiler.ir.stmt import LOOP_KINDS, Allocate, For, If, Seq, Stmt, Store
from compiler.ir.text import Names, print_expr, print_stmt


class VerifyError(ValueError):
    """A function that breaks a rule of the language."""


def verify(func: PrimFunc) -> None:
    """Check `func` against the rules of the language.

    - The name is an identifier. The parameters are distinct. Shapes are whole numbers; types, scopes,
      loop kinds, operators and intrinsics are known.
    - A variable is used inside of its loop only, and no loop inside of that binds it again. A buffer is a
      parameter, or is used inside of its allocation only, with no allocation of it inside of that.
    - Extents are scalar integers of the type of the loop's variable; those of ``vectorize`` are literals.
    - An access has an integer index for each axis, or one alone: the row-major position. All that are
      vectors have the same number of lanes. A stored value has the type of the buffer, and the lanes of
      the index.
    - Operands have one type, lanes included. Arithmetic takes numbers: ``/`` floats, ``//`` and ``%``
      integers. Logic and conditions take bools. A scalar condition may choose between vectors.
    - The base and stride of a ramp are scalar integers of one type; a broadcast value is a scalar.
    - An index that is a literal, or a vector of literals, is inside of the shape, unless the access is
      under a condition or in a loop that may not run.

    Raises
    ------
    VerifyError
        For the first broken rule in the order of the text; names the culprit as `print_function` would.
    """
    _Verifier(func).function(func)


class _Verifier:
    def __init__(self, func: PrimFunc) -> None:
        self.func = func
        self.names = Names()
        self.in_scope: set[Var | Buffer] = set()
        self.defined: set[Var | Buffer] = set()
        self.stmts: list[Stmt] = []
        self.runs = True  # whether what is looked at runs whenever the function does

    def fail(self, message: str) -> NoReturn:
        where = ""
        if self.stmts:
            where = f", at `{print_stmt(self.stmts[-1], self.names).splitlines()[0]}`"
        raise VerifyError(f"{self.func.name}{where}: {message}")

    def text(self, node: Any) -> str:
        return f"`{print_expr(node, self.names)}`"

    def known(self, what: str, name: Any, options: Sequence[str]) -> None:
        if name not in options:
            close = get_close_matches(str(name), options, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options)}"
            self.fail(f"unknown {what} {name!r}; {hint}")

    def dtype(self, dtype: Any) -> None:
        scalar = next((t for t in SCALAR_TYPES if f"{dtype}x".startswith(f"{t}x")), dtype)
        self.known("type", scalar, SCALAR_TYPES)
        if dtype != scalar and not re.fullmatch(r"x([2-9]|[1-9]\d+)", dtype.removeprefix(scalar)):
            self.fail(f"unknown type {dtype!r}; a vector is written as {scalar}x16")

    def function(self, func: PrimFunc) -> None:
        if not (func.name.isascii() and func.name.isidentifier()) or keyword.iskeyword(func.name):
            self.fail(f"the name of a function is an identifier, not {func.name!r}")
        for buffer in func.params:
            if buffer in self.defined:
                self.fail(f"parameter `{self.names[buffer]}` is given twice")
            self.define(buffer)
        self.stmt(func.body)

    # definitions

    def define(self, item: Var | Buffer) -> None:
        self.names.define(item)
        self.defined.add(item)
        self.in_scope.add(item)
        self.dtype(item.dtype)
        if isinstance(item, Var):
            return
        self.known("type", item.dtype, SCALAR_TYPES)
        if not is_scope(item.scope):
            self.known("scope", item.scope, SCOPES)
        if not all(isinstance(extent, int) and extent >= 0 for extent in item.shape):
            self.fail(f"the shape of `{self.names[item]}` is {item.shape}; an extent is a whole number")

    def leave(self, item: Var | Buffer) -> None:
        self.in_scope.discard(item)
        self.names.forget(item)

    # statements

    def stmt(self, stmt: Stmt) -> None:
        rule = self.stmt_rules.get(type(stmt))
        if rule is None:
            self.fail(f"a statement cannot be a {type(stmt).__name__}: {stmt!r}")
        if type(stmt) is Seq:
            return rule(self, stmt)
        self.stmts.append(stmt)
        rule(self, stmt)
        self.stmts.pop()

    def guarded(self, check: Callable[[Any], None], *nodes: Any, runs: bool = False) -> None:
        """Check nodes that run only if `runs`, beside what guards the place itself."""
        outside, self.runs = self.runs, self.runs and runs
        for node in nodes:
            check(node)
        self.runs = outside

    def _for(self, loop: For) -> None:
        self.known("kind of loop", loop.kind, LOOP_KINDS)
        self.expr(loop.extent)
        extent, var = loop.extent, loop.var
        if not _is_integer(extent.dtype) or lanes_of(extent.dtype) > 1:
            self.fail(f"the extent {self.text(extent)} is {extent.dtype}; an extent is a scalar integer")
        if var in self.in_scope:
            self.fail(f"variable {self.text(var)} is bound by two loops, one inside the other")
        if var.dtype != extent.dtype:
            self.fail(f"variable {self.text(var)} is {var.dtype}, and its extent {extent.dtype}")
        if loop.kind == "vectorize" and not isinstance(extent, Const):
            self.fail(f"the extent of a vectorize loop is a literal, not {self.text(extent)}")
        self.define(var)
        self.guarded(self.stmt, loop.body, runs=isinstance(extent, Const) and extent.value > 0)
        self.leave(var)

    def _store(self, store: Store) -> None:
        lanes = self.access(store.buffer, store.indices)
        self.expr(store.value)
        wanted = vector_of(store.buffer.dtype, lanes)
        if store.value.dtype != wanted:
            self.fail(f"the value {self.text(store.value)} is {store.value.dtype}, but {wanted} is stored to")

    def _if(self, branch: If) -> None:
        self.expr(branch.condition)
        if branch.condition.dtype != "bool":
            condition = branch.condition
            self.fail(f"the condition {self.text(condition)} is {condition.dtype}; it must be a scalar bool")
        self.guarded(self.stmt, branch.then)
        if branch.otherwise is not None:
            self.guarded(self.stmt, branch.otherwise)

    def _seq(self, seq: Seq) -> None:
        for stmt in seq.stmts:
            self.stmt(stmt)

    def _allocate(self, allocate: Allocate) -> None:
        buffer = allocate.buffer
        if buffer in self.in_scope:
            what = "is a parameter" if buffer in self.func.params else "is allocated inside of its allocation"
            self.fail(f"buffer `{self.names[buffer]}` {what}; give each allocation a buffer of its own")
        self.define(buffer)
        self.stmt(allocate.body)
        self.leave(buffer)

    stmt_rules: dict[type, Callable[[Any, Any], None]] = {
        For: _for,
        Store: _store,
        If: _if,
        Seq: _seq,
        Allocate: _allocate,
    }

    # expressions: operands first, so that the innermost culprit is named

    def expr(self, expr: Expr) -> None:
        rule = self.expr_rules.get(type(expr))
        if rule is None:
            self.fail(f"an expression cannot be a {type(expr).__name__}: {expr!r}")
        rule(self, expr)

    def access(self, buffer: Buffer, indices: tuple[Expr, ...]) -> int:
        """Check an element, and tell how many it is."""
        if buffer not in self.in_scope:
            known = "outside of its allocation" if buffer in self.defined else "but never defined"
            self.fail(f"buffer `{self.names[buffer]}` is used {known}; it is no parameter")

        def wrong(message: str) -> NoReturn:
            self.fail(f"in {self.text(Load(buffer, indices))}, {message}")

        if len(indices) not in (1, len(buffer.shape)):
            wrong(
                f"{len(indices)} indices are given; take one for each axis of {buffer.shape}, or the position"
            )
        extents = buffer.shape if len(indices) == len(buffer.shape) else (buffer.size,)
        lanes = 1
        for index, extent in zip(indices, extents, strict=True):
            self.expr(index)
            if not _is_integer(index.dtype):
                wrong(f"the index {self.text(index)} is {index.dtype}; an index is an integer")
            if lanes_of(index.dtype) not in (1, lanes) and lanes > 1:
                wrong(f"the indices have {lanes} and {lanes_of(index.dtype)} lanes")
            lanes = max(lanes, lanes_of(index.dtype))
            outside = [i for i in _literals(index) if not 0 <= i < extent]
            if self.runs and outside:
                wrong(f"the index {outside[0]} is out of bounds; there are {extent} elements")
        return lanes

    def _var(self, var: Var) -> None:
        if var not in self.in_scope:
            known = "outside of its loop" if var in self.defined else "but never defined"
            self.fail(f"variable {self.text(var)} is used {known}")

    def _const(self, node: Const) -> None:
        self.known("type of a literal", node.dtype, SCALAR_TYPES)
        value = node.value
        if node.dtype == "bool":
            fits = isinstance(value, bool)
        elif is_float(node.dtype):
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            info = np.iinfo(node.dtype)
            fits = type(value) is int and info.min <= value <= info.max
        if not fits:
            self.fail(f"{value!r} is no literal of type {node.dtype}")

    def _binary(self, node: Binary) -> None:
        self.known("operator", node.op, ARITHMETIC + COMPARISON + LOGIC)
        self.expr(node.a)
        self.expr(node.b)
        dtype = node.a.dtype
        if dtype != node.b.dtype:
            self.fail(
                f"the operands of {self.text(node)} are {dtype} and {node.b.dtype}; cast or broadcast one"
            )
        scalar = scalar_of(dtype)
        if node.op in LOGIC and scalar != "bool":
            self.fail(f"`{node.op}` takes bools, but the operands of {self.text(node)} are {dtype}")
        if node.op in ARITHMETIC and scalar == "bool":
            self.fail(f"`{node.op}` takes numbers, but the operands of {self.text(node)} are {dtype}")
        if node.op == "/" and not is_float(scalar):
            self.fail(f"`/` takes floats, but the operands of {self.text(node)} are {dtype}")
        if node.op in ("//", "%") and is_float(scalar):
            self.fail(f"`{node.op}` takes integers, but the operands of {self.text(node)} are {dtype}")
        self.result(node, dtype if node.op in ARITHMETIC else vector_of("bool", lanes_of(dtype)))

    def result(self, node: Binary | Call, dtype: str) -> None:
        if node.dtype != dtype:
            self.fail(f"{self.text(node)} is labelled {node.dtype}, but its value is {dtype}")

    def _not(self, node: Not) -> None:
        self.expr(node.a)
        if scalar_of(node.a.dtype) != "bool":
            self.fail(f"`not` takes a bool, but {self.text(node.a)} is {node.a.dtype}")

    def choice(self, node: Select | Call, condition: Expr, a: Expr, b: Expr) -> None:
        if scalar_of(condition.dtype) != "bool":
            self.fail(f"the condition {self.text(condition)} is {condition.dtype}; it must be a bool")
        if a.dtype != b.dtype:
            self.fail(f"the arms of {self.text(node)} are {a.dtype} and {b.dtype}")
        if lanes_of(condition.dtype) not in (1, lanes_of(a.dtype)):
            self.fail(f"the condition of {self.text(node)} is {condition.dtype}, and its arms are {a.dtype}")

    def _select(self, node: Select) -> None:
        for part in (node.condition, node.a, node.b):
            self.expr(part)
        self.choice(node, node.condition, node.a, node.b)

    def _cast(self, node: Cast) -> None:
        self.expr(node.value)
        self.dtype(node.dtype)
        if lanes_of(node.dtype) != lanes_of(node.value.dtype):
            self.fail(f"{self.text(node)} changes the number of lanes of {node.value.dtype}")

    def _load(self, node: Load) -> None:
        self.access(node.buffer, node.indices)

    def _call(self, node: Call) -> None:
        self.known("intrinsic", node.name, tuple(INTRINSICS))
        if len(node.args) != INTRINSICS[node.name]:
            self.fail(f"{self.text(node)} has {len(node.args)} argument(s); it takes {INTRINSICS[node.name]}")
        self.expr(node.args[0])
        if node.name == "if_then_else":
            self.guarded(self.expr, *node.args[1:])
            self.choice(node, *node.args)
            return self.result(node, node.args[1].dtype)
        for arg in node.args[1:]:
            self.expr(arg)
        dtype = node.args[0].dtype
        if not is_float(dtype) and not (node.name == "abs" and _is_integer(dtype)):
            self.fail(f"{node.name} takes a float, but the argument of {self.text(node)} is {dtype}")
        if any(arg.dtype != dtype for arg in node.args):
            types = " and ".join(arg.dtype for arg in node.args)
            self.fail(f"the arguments of {self.text(node)} are {types}")
        self.result(node, dtype)

    def _ramp(self, node: Ramp) -> None:
        self.expr(node.base)
        self.expr(node.stride)
        self.lanes(node)
        dtype = node.base.dtype
        if not _is_integer(dtype) or lanes_of(dtype) > 1 or node.stride.dtype != dtype:
            self.fail(
                f"the base and the stride of {self.text(node)} are {dtype} and {node.stride.dtype}; "
                f"they must be scalar integers of one type"
            )

    def _broadcast(self, node: Broadcast) -> None:
        self.expr(node.value)
        self.lanes(node)
        if lanes_of(node.value.dtype) > 1:
            self.fail(f"the value of {self.text(node)} is {node.value.dtype}; it must be a scalar")

    def lanes(self, node: Ramp | Broadcast) -> None:
        if type(node.lanes) is not int or node.lanes < 1:
            self.fail(f"{self.text(node)} has {node.lanes!r} lanes; at least 1 is needed")

    expr_rules: dict[type, Callable[[Any, Any], None]] = {
        Var: _var,
        Const: _const,
        Binary: _binary,
        Not: _not,
        Select: _select,
        Cast: _cast,
        Load: _load,
        Call: _call,
        Ramp: _ramp,
        Broadcast: _broadcast,
    }


def _is_integer(dtype: str) -> bool:
    return not is_float(dtype) and scalar_of(dtype) != "bool"


def _literals(index: Expr) -> list[int]:
    """The lanes of an index made of literals; none of any other."""
    if isinstance(index, Const):
        return [int(index.value)]
    if isinstance(index, Broadcast) and isinstance(index.value, Const):
        return [int(index.value.value)]
    if isinstance(index, Ramp) and isinstance(index.base, Const) and isinstance(index.stride, Const):
        return [int(index.base.value + index.stride.value * lane) for lane in (0, index.lanes - 1)]
    return []
