"""Equality of programs up to the names of variables, and a digest that equal programs share.

Sharing counts: where one program uses one node twice, the other one does too, since a node with an effect, or
an expensive one, is evaluated once. Of what has no identity (variables, constants, functions of the module,
operators, constructors) only the value counts. Nothing here recurs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from compiler.ir.node import CHILDREN
from compiler.relay.language.attributes import NO_ATTRS
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    Let,
    Match,
    Pattern,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    TupleGetItem,
    TypeData,
    Var,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.types import (
    FuncType,
    GlobalTypeVar,
    IncompleteType,
    RefType,
    TensorType,
    TupleType,
    Type,
    TypeCall,
    TypeConstraint,
    TypeVar,
)


def structural_equal(a: Any, b: Any, *, map_free_vars: bool = False) -> bool:
    """Whether two programs, expressions or types are equal but for names of variables.

    Parameters
    ----------
    a, b : IRModule, Expr or Type
    map_free_vars : bool
        Whether a free variable of one may stand for a free variable of the other; otherwise it must be the
        same.

    Notes
    -----
    Annotations and attributes count, places and inferred types do not. Time is linear.
    """
    comparison = _Comparison()
    return comparison.equal(a, b) and (map_free_vars or comparison.same_free())


class _Comparison:
    def __init__(self) -> None:
        self.right: dict[Any, Any] = {}
        """Variable, type variable, hole or ``id`` of a node on the left -> its counterpart."""
        self.left: dict[Any, Any] = {}
        self.bound: set[Any] = set()

    def same_free(self) -> bool:
        """Whether each free variable stands for itself."""
        return all(
            a is b for a, b in self.right.items() if isinstance(a, (Var, TypeVar)) and a not in self.bound
        )

    def paired(self, a: Any, b: Any) -> bool | None:
        """Whether two have been found to correspond; None if neither has been met."""
        if a in self.right:
            return self.right[a] is b or self.right[a] == b
        if b in self.left:
            return False
        self.right[a], self.left[b] = b, a
        return None

    def equal(self, a: Any, b: Any) -> bool:
        """Whether two are equal, given what corresponds so far."""
        if isinstance(a, IRModule) and isinstance(b, IRModule):
            return self.modules(a, b)
        pending = [(a, b)]
        while pending:
            a, b = pending.pop()
            if type(a) is GlobalTypeVar:
                a = TypeCall(a)
            if type(b) is GlobalTypeVar:
                b = TypeCall(b)
            if type(a) is not type(b):
                return False
            if isinstance(a, tuple):
                if len(a) != len(b):
                    return False
                pending += zip(reversed(a), reversed(b), strict=True)
            elif isinstance(a, (Var, TypeVar, IncompleteType)):
                known = self.paired(a, b)
                if known is False or (known is None and not _alike(a, b)):
                    return False
                if known is None and isinstance(a, Var):
                    pending.append((a.annotation, b.annotation))
            elif isinstance(a, Constant):
                if not _same_constant(a, b):
                    return False
            elif isinstance(a, (GlobalVar, Op)):
                if a.name != b.name:
                    return False
            elif isinstance(a, Constructor):
                if (a.name, a.belongs_to, a.tag) != (b.name, b.belongs_to, b.tag):
                    return False
            elif isinstance(a, (Expr, Clause)):
                known = self.paired(_Id(a), _Id(b))
                if known is False:
                    return False
                if known is None:
                    self.bound.update(_binders(a))
                    pending += [(CHILDREN[type(a)](a), CHILDREN[type(b)](b)), (_own(a), _own(b))]
            elif isinstance(a, (Type, Pattern)):
                self.bound.update(_binders(a))
                pending.append((_own(a), _own(b)))
            elif a != b:
                return False
        return True

    def modules(self, a: IRModule, b: IRModule) -> bool:
        """Whether two modules define equal functions and data types under the same names."""
        if a.functions.keys() != b.functions.keys() or a.types.keys() != b.types.keys():
            return False
        for type_name, data in a.types.items():
            if not _Comparison().equal(_data_parts(data), _data_parts(b.types[type_name])):
                return False
        for name, function in a.functions.items():
            one = _Comparison()
            if not (one.equal(function, b.functions[name]) and one.same_free()):
                return False
        return True


class _Id:
    """A node as a key: two keys are equal if they are of the same node."""

    __slots__ = ("node",)

    def __init__(self, node: Any) -> None:
        self.node = node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Id) and other.node is self.node

    def __hash__(self) -> int:
        return id(self.node)


def _alike(a: Any, b: Any) -> bool:
    """Whether two variables may correspond."""
    return isinstance(a, Var) or a.kind is b.kind


def _same_constant(a: Constant, b: Constant) -> bool:
    if a.data is b.data and a.dtype == b.dtype:
        return True
    if a.dtype != b.dtype or a.data.shape != b.data.shape or a.data.dtype != b.data.dtype:
        return False
    return a.data.tobytes() == b.data.tobytes()


def _binders(node: Any) -> Iterator[Any]:
    """The variables and type parameters that a node binds."""
    if type(node) is Function:
        yield from node.params
        yield from node.type_params
    elif type(node) is Let or type(node) is PatternVar:
        yield node.var
    elif type(node) is FuncType:
        yield from node.type_params


def _own(node: Any) -> Any:
    """What a node has besides its expressions: binders first, then types, attributes and patterns."""
    kind = type(node)
    if kind is Call:
        return node.attrs, node.type_args
    if kind is Function:
        return node.type_params, node.params, node.result, node.attrs
    if kind is Let:
        return (node.var,)
    if kind is TupleGetItem:
        return (node.index,)
    if kind is Match:
        return (node.complete,)
    if kind is Clause:
        return (node.pattern,)
    if kind is PatternVar:
        return (node.var,)
    if kind is PatternConstructor:
        return node.constructor, node.patterns
    if kind is PatternTuple:
        return (node.patterns,)
    if kind is TensorType:
        return node.shape, node.dtype
    if kind is TupleType:
        return (node.fields,)
    if kind is RefType:
        return (node.value,)
    if kind is TypeCall:
        return getattr(node.name, "name", node.name), node.arguments
    if kind is TypeConstraint:
        return node.relation, node.arguments, node.attributes or NO_ATTRS
    if kind is FuncType:
        return node.type_params, node.params, node.result, node.constraints
    return ()


def _data_parts(data: TypeData) -> Any:
    return data.type_vars, tuple((c.name, c.tag, c.inputs) for c in data.constructors)


def structural_hash(program: Any) -> str:
    """A digest (SHA-256, hexadecimal) that equal programs share; it is the same in every process.

    Parameters
    ----------
    program : IRModule, Expr or Type
        Free variables count by the order of their first use.
    """
    if isinstance(program, IRModule):
        parts = [f"type {t.name} {_Digest().of(_data_parts(d))}" for t, d in program.types.items()]
        parts += [f"def {g.name} {_Digest().of(f)}" for g, f in program.functions.items()]
        return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
    return _Digest().of(program)


class _Digest:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.numbers: dict[Any, int] = {}

    def write(self, *parts: Any) -> None:
        self.hash.update("\0".join(map(str, parts)).encode("utf-8", "backslashreplace") + b"\n")

    def of(self, root: Any) -> str:
        """The digest of one expression or type: of what a traversal meets, in its order."""
        pending = [root]
        while pending:
            part = pending.pop()
            kind = type(part)
            if kind is GlobalTypeVar:
                part, kind = TypeCall(part), TypeCall
            if isinstance(part, tuple):
                self.write("tuple", len(part))
                pending += reversed(part)
            elif kind in (GlobalVar, Op):
                self.write(kind.__name__, part.name)
            elif kind is Constructor:
                self.write("constructor", part.belongs_to.name, part.name)
            elif kind is Constant:
                self.write("constant", part.dtype, part.data.shape)
                self.hash.update(np.ascontiguousarray(part.data).tobytes())
            elif isinstance(part, (Expr, Clause, TypeVar, IncompleteType)):
                key = part if isinstance(part, (Var, TypeVar, IncompleteType)) else _Id(part)
                known = self.numbers.get(key)
                self.write(kind.__name__, known)
                if known is None:
                    self.numbers[key] = len(self.numbers)
                    pending += self.below(part)
            elif isinstance(part, (Type, Pattern)):
                self.write(kind.__name__)
                pending.append(_own(part))
            else:
                self.write(kind.__name__, repr(part))
        return self.hash.hexdigest()

    def below(self, part: Any) -> list[Any]:
        """What belongs to a node that is met for the first time, last part first."""
        if isinstance(part, Var):
            return [part.annotation]
        if isinstance(part, (TypeVar, IncompleteType)):
            return [part.kind.value]
        return [CHILDREN[type(part)](part), _own(part)]
