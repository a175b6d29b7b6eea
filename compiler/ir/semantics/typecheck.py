"""Checks of expressions: types, scopes of variables and buffers, and bounds of literal indices."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from compiler.ir.dtype import (
    PACKED_TYPES,
    SCALAR_TYPES,
    bits_of,
    integer_range,
    is_float,
    is_integer,
    lanes_of,
    scalar_of,
    vector_of,
)
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
    upper_bound,
)
from compiler.ir.foreign import is_foreign, mistake
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.operators import ARITHMETIC, BITWISE, COMPARISON, INTRINSICS, LOGIC
from compiler.ir.recursion import Recursive, counted
from compiler.ir.semantics.view import reach
from compiler.ir.stmt import Region, Stmt
from compiler.ir.text.printer import Names, print_expr, print_stmt

TYPES = (*SCALAR_TYPES, *PACKED_TYPES)


class VerifyError(ValueError):
    """A function violates a rule of the language."""


class TypeChecker(Recursive):
    """Checks the expressions of one function by the rules of `compiler.ir.semantics.verify.verify`."""

    def __init__(self, func: PrimFunc) -> None:
        self.func = func
        self.names = Names()
        self.in_scope: set[Var | Buffer] = set()
        self.defined: set[Var | Buffer] = set()
        self.intrinsics: dict[str, Intrinsic] = {}
        self.tags: list[str] = []  # the thread tags of the enclosing loops
        self.stmts: list[Stmt] = []
        self.runs = True  # whether the current node runs in every call of the function

    def fail(self, message: str) -> NoReturn:
        """Raise `VerifyError` with the name of the function and the first line of the current statement."""
        where = ""
        if self.stmts:
            where = f", at `{print_stmt(self.stmts[-1], self.names).splitlines()[0]}`"
        raise VerifyError(f"{self.func.name}{where}: {message}")

    def text(self, node: Any) -> str:
        """The text of an expression or a region, in backquotes."""
        return f"`{print_expr(node, self.names)}`"

    def known(self, what: str, name: Any, options: Sequence[str]) -> None:
        """Check that `name` is one of `options`; the error suggests the most similar one."""
        if name not in options:
            close = get_close_matches(str(name), options, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options)}"
            self.fail(f"unknown {what} {name!r}; {hint}")

    def dtype(self, dtype: Any, options: Sequence[str] = SCALAR_TYPES) -> None:
        """Check that `dtype` is a scalar type of `options`, or a vector of one."""
        scalar = next((t for t in options if f"{dtype}x".startswith(f"{t}x")), dtype)
        self.known("type", scalar, options)
        if dtype != scalar and not re.fullmatch(r"x([2-9]|[1-9]\d+)", dtype.removeprefix(scalar)):
            self.fail(f"unknown type {dtype!r}; a vector is written as {scalar}x16")

    def guarded(self, check: Callable[[Any], None], *nodes: Any, runs: bool = False) -> None:
        """Check child nodes, which run whenever their parent does if `runs`, else only under a condition."""
        outside, self.runs = self.runs, self.runs and runs
        for node in nodes:
            check(node)
        self.runs = outside

    # expressions: operands first, so that the message names the innermost wrong expression

    @counted
    def expr(self, expr: Expr) -> None:
        """Check an expression and all expressions in it."""
        rule = self.expr_rules.get(type(expr))
        if rule is None:
            self.fail(f"an expression cannot be a {type(expr).__name__}: {expr!r}")
        rule(self, expr)

    def usable(self, buffer: Buffer) -> None:
        """Check that a buffer is in scope."""
        if buffer not in self.in_scope:
            known = "outside of its allocation" if buffer in self.defined else "but never defined"
            self.fail(f"buffer `{self.names[buffer]}` is used {known}; it is not a parameter")

    def index(self, value: Expr, what: str) -> None:
        """Check that an expression is a scalar integer; `what` is its noun in the error."""
        self.expr(value)
        if not is_integer(value.dtype) or lanes_of(value.dtype) > 1:
            self.fail(f"the {what} {self.text(value)} is {value.dtype}; it must be a scalar integer")

    def region(self, region: Region) -> None:
        """Check a region, and its bounds where its offset and strides are literals."""
        if type(region) is not Region:
            self.fail(f"a region was expected, not a {type(region).__name__}: {region!r}")
        self.usable(region.buffer)
        if region.buffer.strides is not None:
            self.fail(f"{self.text(region)} is a region of a buffer with strides")
        self.index(region.offset, "offset")
        for stride in region.strides:
            self.index(stride, "stride")
        extents, size = region.extents, region.buffer.size
        if not all(type(extent) is int and extent >= 0 for extent in extents):
            self.fail(f"the extents of {self.text(region)} are {extents}; they must be non-negative integers")
        if len(extents) != len(region.strides):
            self.fail(f"{self.text(region)} has {len(extents)} extents and {len(region.strides)} strides")
        literals = [node.value for node in (region.offset, *region.strides) if isinstance(node, Const)]
        if not self.runs or len(literals) <= len(extents) or 0 in extents:
            return
        first, *strides = map(int, literals)
        reach = [(n - 1) * stride for n, stride in zip(extents, strides, strict=True)]
        low, high = first + sum(min(0, r) for r in reach), first + sum(max(0, r) for r in reach)
        if low < 0 or high >= size:
            self.fail(f"{self.text(region)} is out of bounds: positions {low} .. {high} of {size} elements")

    def access(self, buffer: Buffer, indices: tuple[Expr, ...]) -> int:
        """Check the indices of an access; returns the number of its lanes."""
        self.usable(buffer)

        def wrong(message: str) -> NoReturn:
            self.fail(f"in {self.text(Load(buffer, indices))}, {message}")

        if buffer.strides is not None:
            if len(indices) != 1:
                wrong(f"{len(indices)} indices are given; a buffer with strides is accessed by the position")
        elif len(indices) not in (1, len(buffer.shape)):
            wrong(f"{len(indices)} indices are given; give one per axis of {buffer.shape}, or the position")
        by_axis = buffer.strides is None and len(indices) == len(buffer.shape)
        extents = tuple(map(upper_bound, buffer.shape)) if by_axis else (buffer.size,)
        lanes = 1
        for index, extent in zip(indices, extents, strict=True):
            self.expr(index)
            if not is_integer(index.dtype):
                wrong(f"the index {self.text(index)} is {index.dtype}; an index is an integer")
            if lanes_of(index.dtype) not in (1, lanes) and lanes > 1:
                wrong(f"the indices have {lanes} and {lanes_of(index.dtype)} lanes")
            lanes = max(lanes, lanes_of(index.dtype))
            least, most = (0, extent) if buffer.strides is None else reach(buffer)
            outside = [i for i in _literals(index) if not least <= i < most]
            if self.runs and outside:
                wrong(f"the index {outside[0]} is out of bounds; there are {extent} elements")
        return lanes

    def _var(self, var: Var) -> None:
        if var not in self.in_scope:
            known = "outside of its loop or let" if var in self.defined else "but never defined"
            self.fail(f"variable {self.text(var)} is used {known}")

    def _const(self, node: Const) -> None:
        self.known("type of a literal", node.dtype, SCALAR_TYPES)
        value = node.value
        if node.dtype == "bool":
            fits = isinstance(value, bool)
        elif is_float(node.dtype):
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            low, high = integer_range(node.dtype)
            fits = type(value) is int and low <= value <= high
        if not fits:
            self.fail(f"{value!r} is not a literal of type {node.dtype}")

    def _binary(self, node: Binary) -> None:
        self.known("operator", node.op, ARITHMETIC + BITWISE + COMPARISON + LOGIC)
        self.expr(node.a)
        self.expr(node.b)
        dtype = node.a.dtype
        if dtype != node.b.dtype:
            self.fail(
                f"the operands of {self.text(node)} are {dtype} and {node.b.dtype}; cast or broadcast one"
            )
        scalar = scalar_of(dtype)
        self.whole(node, dtype)
        if node.op in LOGIC and scalar != "bool":
            self.fail(f"`{node.op}` takes bools, but the operands of {self.text(node)} are {dtype}")
        if node.op in ARITHMETIC + BITWISE and scalar == "bool":
            self.fail(f"`{node.op}` takes numbers, but the operands of {self.text(node)} are {dtype}")
        if node.op == "/" and not is_float(scalar):
            self.fail(f"`/` takes floats, but the operands of {self.text(node)} are {dtype}")
        if node.op in ("//", "%", *BITWISE) and is_float(scalar):
            self.fail(f"`{node.op}` takes integers, but the operands of {self.text(node)} are {dtype}")
        condition = node.op in COMPARISON + LOGIC
        self.result(node, vector_of("bool", lanes_of(dtype)) if condition else dtype)

    def whole(self, node: Expr, dtype: str) -> None:
        """Check that `dtype`, the type of operands of `node`, is not a packed type."""
        if scalar_of(dtype) in PACKED_TYPES:
            self.fail(
                f"{self.text(node)} works on {dtype}, which is only loaded, stored and cast: cast it first"
            )

    def result(self, node: Binary | Call, dtype: str) -> None:
        """Check that `node` has the type `dtype`."""
        if node.dtype != dtype:
            self.fail(f"{self.text(node)} is labelled {node.dtype}, but its value is {dtype}")

    def _not(self, node: Not) -> None:
        self.expr(node.a)
        if scalar_of(node.a.dtype) != "bool":
            self.fail(f"`not` takes a bool, but {self.text(node.a)} is {node.a.dtype}")

    def choice(self, node: Select | Call, condition: Expr, a: Expr, b: Expr) -> None:
        """Check the condition and the arms of a choice."""
        if scalar_of(condition.dtype) != "bool":
            self.fail(f"the condition {self.text(condition)} is {condition.dtype}; it must be a bool")
        self.whole(node, a.dtype)
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
        self.dtype(node.dtype, TYPES)
        if lanes_of(node.dtype) != lanes_of(node.value.dtype):
            self.fail(f"{self.text(node)} changes the number of lanes of {node.value.dtype}")

    def _reinterpret(self, node: Reinterpret) -> None:
        self.expr(node.value)
        self.dtype(node.dtype)
        types = scalar_of(node.value.dtype), scalar_of(node.dtype)
        if any(not is_float(t) and not is_integer(t) for t in types) or bits_of(types[0]) != bits_of(
            types[1]
        ):
            self.fail(f"{self.text(node)} reads {types[0]} as {types[1]}: numbers of as many bits are needed")
        if lanes_of(node.dtype) != lanes_of(node.value.dtype):
            self.fail(f"{self.text(node)} changes the number of lanes of {node.value.dtype}")

    def _load(self, node: Load) -> None:
        self.access(node.buffer, node.indices)

    def _call(self, node: Call) -> None:
        if is_foreign(node.name):
            for arg in node.args:
                self.expr(arg)
                self.whole(node, arg.dtype)
            self.dtype(node.dtype)
            if wrong := mistake(node):
                self.fail(f"{self.text(node)}: {wrong}")
            return
        self.known("intrinsic", node.name, tuple(INTRINSICS))
        function = INTRINSICS[node.name]
        if len(node.args) != function.arity:
            self.fail(f"{self.text(node)} has {len(node.args)} argument(s); it takes {function.arity}")
        self.expr(node.args[0])
        if node.name == "if_then_else":
            self.guarded(self.expr, *node.args[1:])
            self.choice(node, *node.args)
            return self.result(node, node.args[1].dtype)
        for arg in node.args[1:]:
            self.expr(arg)
        dtype = node.args[0].dtype
        if function.refuses(dtype):
            self.fail(f"{node.name} takes {function.takes}, but the argument of {self.text(node)} is {dtype}")
        if any(arg.dtype != dtype for arg in node.args):
            types = " and ".join(arg.dtype for arg in node.args)
            self.fail(f"the arguments of {self.text(node)} are {types}")
        self.result(node, vector_of("bool", lanes_of(dtype)) if function.is_condition else dtype)

    def _ramp(self, node: Ramp) -> None:
        self.expr(node.base)
        self.expr(node.stride)
        self.lanes(node)
        dtype = node.base.dtype
        if not is_integer(dtype) or lanes_of(dtype) > 1 or node.stride.dtype != dtype:
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
        """Check the number of lanes of a ramp or broadcast."""
        if type(node.lanes) is not int or node.lanes < 1:
            self.fail(f"{self.text(node)} has {node.lanes!r} lanes; at least 1 is needed")

    expr_rules: dict[type, Callable[[Any, Any], None]] = {
        Var: _var,
        Const: _const,
        Binary: _binary,
        Not: _not,
        Select: _select,
        Cast: _cast,
        Reinterpret: _reinterpret,
        Load: _load,
        Call: _call,
        Ramp: _ramp,
        Broadcast: _broadcast,
    }


def _literals(index: Expr) -> list[int]:
    """The extreme lanes of an index made of literals; an empty list for any other index."""
    if isinstance(index, Const):
        return [int(index.value)]
    if isinstance(index, Broadcast) and isinstance(index.value, Const):
        return [int(index.value.value)]
    if isinstance(index, Ramp) and isinstance(index.base, Const) and isinstance(index.stride, Const):
        return [int(index.base.value + index.stride.value * lane) for lane in (0, index.lanes - 1)]
    return []
