"""The verifier: the invariants of a function, which every pass may assume and must preserve."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import Any

from compiler.ir.dtype import SCALAR_TYPES, bits_of, integer_range, is_integer, lanes_of, vector_of
from compiler.ir.expr import Buffer, Const, Var
from compiler.ir.function import Intrinsic, Invoke, PrimFunc
from compiler.ir.recursion import counted
from compiler.ir.scope import SCOPES, is_scope
from compiler.ir.semantics.bounds import Refusing
from compiler.ir.semantics.typecheck import TYPES, TypeChecker, VerifyError
from compiler.ir.stmt import (
    LOOP_KINDS,
    THREAD_TAGS,
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Pragma,
    Prefetch,
    Seq,
    Stmt,
    Store,
    Token,
)
from compiler.ir.text.printer import RESERVED

__all__ = ["VerifyError", "verify"]


def verify(func: PrimFunc) -> None:
    """Check `func` against the rules of the language.

    - The name is an identifier. The parameters are distinct. Types, scopes, loop kinds, operators and
      intrinsics are known. Extents of buffers are non-negative integers; a parameter may have dynamic
      extents: integer variables with bounds. The last extent of a parameter of a packed type fills whole
      bytes.
    - A variable is a dynamic extent, or is used only inside of its loop or let, where no other node binds it.
      A buffer is a parameter, or is used only inside of its allocation, where it is not allocated again. Only
      dynamic extents have bounds.
    - The extent of a loop is a scalar integer of the type of its variable; that of ``vectorize`` is a
      literal. Loops with the same thread tag are not nested. A barrier is inside of a ``threadIdx`` loop. The
      keys of pragmas are distinct. The variable of a let has the type of its value.
    - A parameter may have strides, an integer or a variable with bounds for each axis.
    - An access has one integer index per axis, or a single one: the row-major position. In a buffer with
      strides it has a single one, the position relative to the first element. All vector indices
      have the same number of lanes. A stored value has the type of the buffer, and the lanes of the index.
      The index of a prefetch is a scalar.
    - Operands have one type, lanes included. Arithmetic accepts numbers: ``/`` floats; ``//``, ``%`` and the
      bitwise operators integers. Logical operators and conditions accept bools. A scalar condition may choose
      between vectors. Values of packed types are only loaded, stored, cast and repeated.
    - The base and stride of a ramp are scalar integers of one type; the value of a broadcast is a scalar.
    - A region has a scalar integer stride per extent. The two regions and the fill of a copy have one type,
      and the padding makes the extents agree. Intrinsics have distinct names and valid descriptions of fixed
      shape; each operand is a region of the type and shape of its parameter.
    - A literal index or region is within the shape, unless the access is under a condition or in a loop that
      may have no iterations. No index is proved to be outside, by its interval where the access is executed
      or for some values of the variables (`compiler.ir.semantics.bounds`).

    Raises
    ------
    VerifyError
        For the first violation in the order of the text; the message quotes the node as printed.
    """
    _Verifier(func).function(func)


class _Verifier(TypeChecker):
    def scope(self, scope: Any) -> None:
        if not isinstance(scope, str) or not is_scope(scope):
            self.known("scope", scope, SCOPES)

    def function(self, func: PrimFunc) -> None:
        if not (func.name.isascii() and func.name.isidentifier()) or keyword.iskeyword(func.name):
            self.fail(f"the name of a function is an identifier, not {func.name!r}")
        extents = {extent for buffer in func.params for extent in buffer.shape}
        for size in func.sizes:
            self.size(size, size in extents)
        for buffer in func.params:
            if buffer in self.defined:
                self.fail(f"parameter `{self.names[buffer]}` is given twice")
            self.define(buffer, sizes=True)
            bits = bits_of(buffer.dtype)
            if bits < 8 and (not buffer.shape or not _fills_bytes(buffer.shape[-1], bits)):
                self.fail(
                    f"the last extent of parameter `{self.names[buffer]}` must fill whole bytes, "
                    f"a multiple of {8 // bits} known at build, for {buffer.dtype}"
                )
        self.stmt(func.body)
        Refusing(self.fail)(func.body)

    # definitions

    def size(self, size: Var, extent: bool) -> None:
        name, bounds = self.names.define(size), size.bounds
        self.known("type", size.dtype, SCALAR_TYPES)
        if not is_integer(size.dtype):
            self.fail(f"the dynamic extent `{name}` is {size.dtype}; it must be an integer")
        if bounds is None:
            self.fail(f"the dynamic extent `{name}` has no bounds; give it (smallest, largest)")
        least, most = integer_range(size.dtype)
        least = 0 if extent else least
        if not least <= bounds[0] <= bounds[1] <= most:
            self.fail(
                f"the bounds of the dynamic extent `{name}` are {bounds}; they must be ordered and within "
                f"{least} .. {most}, the values of {size.dtype}"
            )
        self.defined.add(size)
        self.in_scope.add(size)

    def define(self, item: Var | Buffer, sizes: bool = False) -> None:
        self.names.define(item)
        self.defined.add(item)
        self.in_scope.add(item)
        if isinstance(item, Var):
            self.dtype(item.dtype)
            if item.bounds is not None:
                self.fail(
                    f"variable {self.text(item)} has bounds; only dynamic extents of parameters have them"
                )
            return
        self.known("type", item.dtype, TYPES)
        self.scope(item.scope)
        if item.strides is not None and not (
            sizes
            and len(item.strides) == len(item.shape)
            and all(type(stride) is int or isinstance(stride, Var) for stride in item.strides)
        ):
            self.fail(
                f"`{self.names[item]}` has the strides {item.strides}; a parameter may have an integer, or a "
                "variable with bounds, for each axis"
            )
        for extent in item.shape:
            if not (type(extent) is int and extent >= 0) and not (sizes and isinstance(extent, Var)):
                hint = ", as the upper bound of a dynamic extent" if isinstance(extent, Var) else ""
                self.fail(
                    f"the shape of `{self.names[item]}` is {item.shape}; an extent is a non-negative integer"
                    + hint
                )

    def leave(self, item: Var | Buffer) -> None:
        self.in_scope.discard(item)
        self.names.forget(item)

    # statements

    @counted
    def stmt(self, stmt: Stmt) -> None:
        rule = self.stmt_rules.get(type(stmt))
        if rule is None:
            self.fail(f"a statement cannot be a {type(stmt).__name__}: {stmt!r}")
        if type(stmt) is Seq:
            return rule(self, stmt)
        self.stmts.append(stmt)
        rule(self, stmt)
        self.stmts.pop()

    def _for(self, loop: For) -> None:
        self.known("kind of loop", loop.kind, LOOP_KINDS)
        self.pragmas(loop.pragmas)
        self.expr(loop.extent)
        extent, var = loop.extent, loop.var
        if not is_integer(extent.dtype) or lanes_of(extent.dtype) > 1:
            self.fail(f"the extent {self.text(extent)} is {extent.dtype}; an extent is a scalar integer")
        self.unbound(var)
        if var.dtype != extent.dtype:
            self.fail(f"variable {self.text(var)} is {var.dtype}, and its extent {extent.dtype}")
        if loop.kind == "vectorize" and not isinstance(extent, Const):
            self.fail(f"the extent of a vectorize loop is a literal, not {self.text(extent)}")
        if loop.kind in self.tags:
            self.fail(f"two loops are bound to {loop.kind}, one inside the other")
        self.define(var)
        self.tags += [loop.kind] if loop.kind in THREAD_TAGS else []
        self.guarded(self.stmt, loop.body, runs=isinstance(extent, Const) and extent.value > 0)
        self.tags = [tag for tag in self.tags if tag != loop.kind]
        self.leave(var)

    def unbound(self, var: Var) -> None:
        if var in self.in_scope:
            self.fail(f"variable {self.text(var)} is bound twice, by one loop or let inside the other")

    def pragmas(self, pragmas: tuple[Pragma, ...]) -> None:
        keys = [key for key, _ in pragmas]
        for key, value in pragmas:
            if not isinstance(key, str) or not isinstance(value, (int, str)):
                self.fail(f"pragma {key!r} is {value!r}; it must be a string, an integer or a bool")
            if keys.count(key) > 1:
                self.fail(f"pragma {key!r} is given twice")

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
        self.pragmas(allocate.pragmas)
        if buffer in self.in_scope:
            what = "is a parameter" if buffer in self.func.params else "is allocated inside of its allocation"
            self.fail(f"buffer `{self.names[buffer]}` {what}; allocate another buffer here")
        self.define(buffer)
        self.stmt(allocate.body)
        self.leave(buffer)

    def _let(self, let: Let) -> None:
        self.expr(let.value)
        self.unbound(let.var)
        self.define(let.var)
        if let.var.dtype != let.value.dtype:
            self.fail(f"variable {self.text(let.var)} is {let.var.dtype}, and its value {let.value.dtype}")
        self.stmt(let.body)
        self.leave(let.var)

    def _prefetch(self, prefetch: Prefetch) -> None:
        # the index of a prefetch may be out of bounds, so its literal indices are not checked
        lanes: list[int] = []
        self.guarded(lambda node: lanes.append(self.access(node.buffer, node.indices)), prefetch)
        if lanes != [1]:
            self.fail(f"the index of a prefetch is a scalar, but there are {lanes[0]} lanes")

    def _barrier(self, barrier: Barrier) -> None:
        self.scope(barrier.scope)
        if not any(tag.startswith("threadIdx") for tag in self.tags):
            self.fail("a barrier must be inside of a loop that is bound to threadIdx")

    def _copy(self, copy: Copy) -> None:
        target, source = copy.target, copy.source
        self.region(target)
        self.region(source)
        for value in (*copy.before, *copy.after):
            self.index(value, "padding")
        ndim = len(target.extents)
        if not len(source.extents) == len(copy.before) == len(copy.after) == ndim:
            self.fail(
                f"the target has {ndim} axes, the source {len(source.extents)}, and the padding "
                f"{len(copy.before)} and {len(copy.after)}; the numbers must agree"
            )
        self.expr(copy.fill)
        types = (target.buffer.dtype, source.buffer.dtype, copy.fill.dtype)
        if len(set(types)) > 1:
            self.fail(
                "the target, the source and the fill are {}, {} and {}; they must have one type".format(
                    *types
                )
            )
        for axis, (before, after) in enumerate(zip(copy.before, copy.after, strict=True)):
            if isinstance(before, Const) and isinstance(after, Const):
                filled = int(before.value) + source.extents[axis] + int(after.value)
                if min(before.value, after.value) < 0 or filled != target.extents[axis]:
                    self.fail(
                        f"along axis {axis} the target has {target.extents[axis]} elements, but "
                        f"{before.value} before, {source.extents[axis]} of the source and {after.value} "
                        f"after make {filled}"
                    )

    def _invoke(self, invoke: Invoke) -> None:
        intrinsic = invoke.intrinsic
        params = intrinsic.description.params
        if self.intrinsics.setdefault(intrinsic.name, intrinsic) is not intrinsic:
            self.fail(f"two intrinsics are called {intrinsic.name!r}")
        self.description(intrinsic)
        if len(invoke.operands) != len(params):
            self.fail(f"{intrinsic.name} takes {len(params)} region(s), not {len(invoke.operands)}")
        for region, buffer in zip(invoke.operands, params, strict=True):
            self.region(region)
            given = (region.buffer.dtype, region.extents)
            if given != (buffer.dtype, buffer.shape):
                self.fail(
                    f"parameter `{buffer.name}` of {intrinsic.name} is {buffer.dtype} of shape "
                    f"{buffer.shape}, but {self.text(region)} is {given[0]} of shape {given[1]}"
                )

    def description(self, intrinsic: Intrinsic) -> None:
        name, func = intrinsic.name, intrinsic.description
        if not (name.isascii() and name.isidentifier()) or name in RESERVED:
            self.fail(f"the name of an intrinsic is an identifier that is not reserved, not {name!r}")
        if func.sizes:
            self.fail(
                f"intrinsic {name} must have fixed shapes, but {func.sizes[0].name!r} is a dynamic extent"
            )
        inside = _Verifier(func)
        inside.intrinsics = self.intrinsics
        inside.function(func)

    def _token(self, token: Token) -> None:
        self.known("action of a token", token.action, ("push", "pop"))
        for stage in (token.source, token.target):
            if not isinstance(stage, str) or not stage:
                self.fail(f"the name of a pipeline stage is a non-empty string, not {stage!r}")

    stmt_rules: dict[type, Callable[[Any, Any], None]] = {
        For: _for,
        Store: _store,
        If: _if,
        Seq: _seq,
        Allocate: _allocate,
        Let: _let,
        Prefetch: _prefetch,
        Barrier: _barrier,
        Copy: _copy,
        Invoke: _invoke,
        Token: _token,
    }


def _fills_bytes(extent: int | Var, bits: int) -> bool:
    return isinstance(extent, int) and extent * bits % 8 == 0
