"""`Op`: an operator of the language is one row; the table of all rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from importlib import import_module
from typing import Any

import numpy as np

from compiler.ir.node import ATTRIBUTE
from compiler.relay.language.attributes import Attribute, Attrs, checked_attrs
from compiler.relay.language.expr import Call, Expr, constant
from compiler.relay.language.types import TensorType, Type
from compiler.suggest import unknown
from compiler.te.tensor import Tensor


class Fuse(IntEnum):
    """How an operator takes part in fusion. The kind of a group is the largest of its members'."""

    ELEMWISE = 0  # an element of the result depends on the element at the same index
    BROADCAST = 1  # ... at the same index, but for axes of extent one
    INJECTIVE = 2  # ... on elements at an index that is a function of its own
    COMM_REDUCE = 3  # a commutative reduction
    OUT_ELEMWISE_FUSABLE = 4  # convolutions and the like: elementwise operators may follow in the same loops
    TUPLE = 7
    OPAQUE = 8  # nothing is fused with it


@dataclass(frozen=True, slots=True)
class Template:
    """A scheduled operator of `compiler.ops` that computes a call.

    Parameters
    ----------
    operator : compiler.ops.Operator
        Without an epilogue: what follows in the group is applied by the schedule, see
        `compiler.relay.execute`.
    values : mapping of str to object
        Of its parameters.
    arguments : tuple of int
        For each of the operator's inputs, the position of the call's argument.
    """

    operator: Any
    values: Any
    arguments: tuple[int, ...]


Relation = Callable[[Sequence[Type], Attrs, Any], bool]
"""``relation(types, attrs, solver)``: `types` are those of the arguments, then the result's, as far as they
are known. It calls ``solver.unify(a, b)`` for what follows from what is known, and returns whether nothing is
left to find. It raises ValueError, saying what does not fit and what would. See
`compiler.relay.infer.relations`."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Op(Expr):
    """An operator: a row of the table.

    Parameters
    ----------
    name : str
        As in the text, ``"nn.conv2d"``.
    inputs : tuple of str
        Names of the arguments. ``"*"`` before the last one's: any number of them.
    relation : callable
        See `Relation`.
    evaluate : callable
        ``evaluate(attrs, *arrays)``: the result by NumPy, an array or a tuple of arrays. It is the definition
        that the interpreter and constant folding use.
    compute : callable, optional
        ``compute(attrs, tensors, result) -> Tensor or sequence of Tensor``: what is computed, in tensor
        expressions; `result` is the type of the call's result. None, where only `evaluate` is used.
    fuse : Fuse
    attributes : tuple of Attribute
    gradient : callable, optional
        ``gradient(call, grad) -> sequence``: for each argument an expression, or None where it is zero or has
        no gradient. `grad` has the type of the result. Types of the call and its arguments are inferred. None
        where the operator cannot be differentiated.
    template : callable, optional
        ``template(attrs, types) -> Template or None``: how a call on arguments of these types is scheduled
        (`types` are concrete tensor types of the arguments). None: by the general rules.
    layout : object, optional
        How the operator behaves when the layout of its operands changes, see
        `compiler.relay.optimize.layout`.
    effect : bool
        Whether a call does something else than to return its value, or returns another value each time.
    doc : str
        One line.
    """

    name: str
    inputs: tuple[str, ...] = field(metadata=ATTRIBUTE)
    relation: Relation = field(metadata=ATTRIBUTE)
    evaluate: Callable[..., Any] | None = field(default=None, metadata=ATTRIBUTE)
    compute: Callable[[Attrs, Sequence[Tensor], Type], Any] | None = field(default=None, metadata=ATTRIBUTE)
    fuse: Fuse = field(default=Fuse.OPAQUE, metadata=ATTRIBUTE)
    attributes: tuple[Attribute, ...] = field(default=(), metadata=ATTRIBUTE)
    gradient: Callable[[Call, Expr], Sequence[Expr | None]] | None = field(default=None, metadata=ATTRIBUTE)
    template: Callable[[Attrs, Sequence[TensorType]], Template | None] | None = field(
        default=None, metadata=ATTRIBUTE
    )
    layout: Any = field(default=None, metadata=ATTRIBUTE)
    effect: bool = False
    doc: str = ""

    def __call__(self, *args: Any, **attributes: Any) -> Call:
        """A call; numbers and arrays among the arguments become constants.

        Raises
        ------
        ValueError
            If the number of arguments or an attribute is wrong.
        """
        values = tuple(a if isinstance(a, Expr) else constant(a) for a in args)
        self.check_arguments(len(values))
        return Call(self, values, checked_attrs(self.name, self.attributes, attributes))

    @property
    def variadic(self) -> bool:
        """Whether the last argument may be given any number of times."""
        return bool(self.inputs) and self.inputs[-1].startswith("*")

    def check_arguments(self, count: int) -> None:
        """Raise ValueError for a wrong number of arguments."""
        least = len(self.inputs) - 1 if self.variadic else len(self.inputs)
        if count != least if not self.variadic else count < least:
            names = ", ".join(self.inputs)
            raise ValueError(f"{self.name} takes {len(self.inputs)} arguments ({names}), not {count}")


class _Table(dict[str, Op]):
    """The rows by their names; the families in `compiler.relay.operator` fill it at its first use."""

    def __missing__(self, name: str) -> Op:
        if self.fill():
            return self[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (self.fill() and super().__contains__(name))

    def fill(self) -> bool:
        """Import the families; whether they were not."""
        if "compiler.relay.operator" in sys.modules:
            return False
        import_module("compiler.relay.operator")
        return True


OPS: dict[str, Op] = _Table()
"""Name -> row."""


def register(rows: Iterable[Op]) -> None:
    """Add rows to the table.

    Raises
    ------
    ValueError
        If a name is taken.
    """
    for row in rows:
        if row.name in OPS and OPS[row.name] is not row:
            raise ValueError(f"there is an operator {row.name!r} already")
        OPS[row.name] = row


def op(name: str) -> Op:
    """The operator of a name.

    Raises
    ------
    ValueError
        If there is none; names the most similar one.
    """
    if name not in OPS:
        raise ValueError(unknown("operator", name, OPS))
    return OPS[name]


def is_call_of(expr: Any, *names: str) -> bool:
    """Whether `expr` is a call of one of the operators; of any operator, if no name is given."""
    if type(expr) is not Call or type(expr.function) is not Op:
        return False
    return not names or expr.function.name in names


def evaluated(call_op: Op, attrs: Attrs, arrays: Sequence[np.ndarray]) -> Any:
    """The result of an operator by its definition: an array, or a tuple of arrays.

    Raises
    ------
    ValueError
        If it has none.
    """
    if call_op.evaluate is None:
        raise ValueError(f"{call_op.name} has no definition that can be evaluated")
    result = call_op.evaluate(attrs, *arrays)
    return tuple(map(np.asarray, result)) if isinstance(result, (tuple, list)) else np.asarray(result)
