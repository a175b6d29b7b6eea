"""Tensorization: loops that compute what a declared intrinsic computes are replaced by the intrinsic.

The loops from the tensorized one inwards run over a box of the axes of the operation. On the box the
operation must equal the declared one: the same shape, the same reducer, the same expression, and the same
elements of each tensor. Axes and dimensions of extent one are ignored, so a declared 4 x 4 product matches a
batched product whose batch loop is outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

from compiler.errors import ScheduleError
from compiler.ir.expr import Binary, Buffer, Const, Expr, Load, Var, as_expr, binary
from compiler.ir.function import Invoke
from compiler.ir.recursion import recursive
from compiler.ir.simplify.simplify import Interval, Simplifier
from compiler.ir.stmt import Region, Stmt
from compiler.ir.text import print_expr
from compiler.ir.visit import children, substitute, walk
from compiler.lowering import bounds
from compiler.te.axis import IterVar
from compiler.te.reducer import Reduction
from compiler.te.tensor import ReadRewriter, Tensor, TensorRead

if TYPE_CHECKING:
    from compiler.schedule.stage import Stage

Position = Callable[[Tensor, tuple[Expr, ...]], tuple[Expr, ...]]


@dataclass(slots=True)
class _Box:
    """The values of an axis of the operation in the loops that the intrinsic replaces: ``base + var``.

    Attributes
    ----------
    axis : IterVar
    base : Expr
        The smallest value, in terms of the loops outside, relative to `Domain.mins`.
    extent : int
        The number of values.
    var : Expr
        A new variable with the values ``0 .. extent - 1``; the literal zero if `extent` is one.
    """

    axis: IterVar
    base: Expr
    extent: int
    var: Expr


@dataclass(slots=True)
class _Operand:
    """The tensor that corresponds to a declared one.

    Attributes
    ----------
    tensor : Tensor
    base : tuple of Expr
        The indices of the first element that the intrinsic accesses.
    along : list of (int or None)
    """

    tensor: Tensor
    base: tuple[Expr, ...]
    along: list[int | None]
    """For each dimension of the declared tensor, that of `tensor`; None for one of extent one."""


class Tensorized:
    """A stage whose inner loops are replaced by an intrinsic.

    Parameters
    ----------
    stage : Stage
    domain : Domain
        The box that the stage computes.
    ranges : mapping of Var to interval
        Of the loops around the intrinsic, and of the dynamic extents.
    position : callable
        Tensor and indices of an element -> its indices in the buffer.
    buffers : mapping of Tensor to Buffer

    Raises
    ------
    ScheduleError
        If the loops do not compute what the intrinsic computes; the message names the difference.
    """

    def __init__(
        self,
        stage: Stage,
        domain: bounds.Domain,
        ranges: Mapping[Var, Interval],
        position: Position,
        buffers: Mapping[Tensor, Buffer],
    ) -> None:
        assert stage.tensorized is not None
        self.axis, self.intrinsic = stage.tensorized
        self.stage, self.domain, self.position, self.buffers = stage, domain, position, buffers
        at = stage.leaf.index(self.axis)
        self.inner = stage.leaf[at:]
        self.simplifier = Simplifier(ranges)
        self._check_loops()
        self.boxes = {axis: self._box(axis) for axis in (*stage.op.axis, *stage.op.reduce_axis)}
        self._check_guards()
        self.operands: dict[Tensor, _Operand] = {}
        self._match()

    def fail(self, message: str) -> NoReturn:
        """Raise `ScheduleError` with the stage, the loop and the intrinsic."""
        raise ScheduleError(
            f"{self.stage.name}: tensorize of {self.axis.name!r} with {self.intrinsic.name}: {message}"
        )

    # --- the loops ----------------------------------------------------------------------------

    def _check_loops(self) -> None:
        for axis in self.inner:
            extent = self.domain.extents[axis]
            if not isinstance(extent, int):
                self.fail(f"the extent of the loop {axis.name!r} is dynamic; split it by a factor")
            if axis in self.stage.kinds and axis is not self.axis:
                self.fail(
                    f"the loop {axis.name!r} below is marked {self.stage.kinds[axis]!r}, but the intrinsic "
                    "replaces it; leave it unmarked"
                )
            self.simplifier.ranges[self.domain.loops[axis]] = (0, extent - 1)

    def _box(self, axis: IterVar) -> _Box:
        """The values of an axis of the operation in the replaced loops."""
        offset = self.simplifier(self.domain.offsets[axis])
        lengths = {self.domain.loops[a]: self.domain.extents[a] for a in self.inner}
        low, high = bounds.span(offset, lengths) or self.fail(f"the range of {axis.name!r} is unknown")
        length = self.simplifier(binary("+", binary("-", high, low), 1))
        if not isinstance(length, Const):
            self.fail(
                f"{axis.name!r} runs over {print_expr(length)} values below it, which is not a constant"
            )
        extent = int(length.value)
        return _Box(axis, self.simplifier(low), extent, Const(0) if extent == 1 else Var(axis.name))

    def _check_guards(self) -> None:
        stage, domain = self.stage, self.domain
        for kind in ("data", "reduce"):
            lengths: list[Any] = [domain.extents[a] for a in self.inner if a.kind == kind]
            runs = prod(lengths)
            covers = prod(box.extent for box in self.boxes.values() if box.axis.kind == kind)
            if runs != covers:
                self.fail(
                    f"the {kind} loops below have {runs} iterations for a box of {covers} elements, but must "
                    "cover it exactly: split by divisors, and keep all parts of an axis below"
                )
        conditions = [c for r in stage.relations for c in r.conditions(domain.offsets, domain.extents)]
        for axis, low in zip(stage.op.axis, domain.mins, strict=True):
            if low != Const(0) or domain.extents[axis] != axis.extent:
                value = binary("+", low, domain.offsets[axis])
                conditions += [binary("<", value, axis.extent), binary(">=", value, 0)]
        for condition in conditions:
            if not self.simplifier.proves(condition):
                self.fail(
                    f"the loops below run past the end of the tensor (where not {print_expr(condition)}); "
                    "split by a factor that divides the extent"
                )

    # --- the operation ------------------------------------------------------------------------

    def _match(self) -> None:
        actual, declared = self.stage.compute, self.intrinsic.op
        if actual.dtypes != declared.dtypes:
            self.fail(f"it computes {', '.join(declared.dtypes)}, and the stage {', '.join(actual.dtypes)}")
        a, b = actual.reduction, declared.reduction
        if (a is None) != (b is None):
            what = "a reduction" if b is not None else "no reduction"
            self.fail(f"it is {what}, and the stage is {'one' if a is not None else 'none'}")
        if a is not None and b is not None and not _same_reducer(a, b, actual.dtypes):
            self.fail(f"it reduces by {b.reducer.name}, and the stage by {a.reducer.name}")
        data = self._paired(actual.axes, declared.axes)
        full = {box.axis.var: self._value(box, box.var) for box in self.boxes.values()}
        low = {box.axis.var: self._value(box, Const(0)) for box in self.boxes.values()}
        reasons: list[str] = []
        # reduce axes may correspond in any order
        for reduced in self._reduce_axes(declared.reduce_axis):
            matcher = _Matcher(self.simplifier, full, low, data | reduced)
            if len(actual.exprs) != len(declared.exprs):
                self.fail("one of the two reductions has a condition (where=), and the other has none")
            differs = [matcher.difference(x, y) for x, y in zip(actual.exprs, declared.exprs, strict=True)]
            reason = next((d for d in differs if d is not None), None)
            if reason is None:
                self.operands = matcher.operands
                return
            reasons.append(reason)
        self.fail(reasons[0])

    def _value(self, box: _Box, inside: Expr) -> Expr:
        value = binary("+", box.base, inside)
        if box.axis.kind == "reduce":
            return binary("+", value, box.axis.start)
        return binary("+", self.domain.mins[self.stage.op.axis.index(box.axis)], value)

    def _paired(self, actual: Sequence[IterVar], declared: Sequence[IterVar]) -> dict[Var, Expr]:
        """Variable of a declared axis -> the corresponding expression; zero for an axis of extent one."""
        boxes = [box for box in map(self.boxes.__getitem__, actual) if box.extent > 1]
        wide = [axis for axis in declared if axis.extent > 1]
        if [box.extent for box in boxes] != [axis.extent for axis in wide]:
            kind = declared[0].kind if declared else actual[0].kind
            takes = _product((a.name, a.extent) for a in declared)
            runs = _product((a.name, self.boxes[a].extent) for a in actual)
            self.fail(f"its {kind} axes are {takes}, and the loops below run over {runs}")
        pairs: dict[Var, Expr] = {axis.var: Const(0) for axis in declared}
        return pairs | {axis.var: box.var for axis, box in zip(wide, boxes, strict=True)}

    def _reduce_axes(self, declared: Sequence[IterVar]) -> list[dict[Var, Expr]]:
        actual = self.stage.op.reduce_axis
        if not declared and not actual:
            return [{}]
        wide = sorted(a.extent for a in declared if a.extent > 1)
        if sorted(self.boxes[a].extent for a in actual if self.boxes[a].extent > 1) != wide:
            self._paired(actual, declared)  # raises the error that names the difference
        found = []
        for order in permutations([a for a in actual if self.boxes[a].extent > 1]):
            if [self.boxes[a].extent for a in order] == [a.extent for a in declared if a.extent > 1]:
                found.append(self._paired(order, declared))
        return found

    # --- the statements -----------------------------------------------------------------------

    def whole(self) -> Stmt:
        """The application of the intrinsic for the whole operation."""
        return Invoke(self.intrinsic.whole, (*self._inputs(), *self._outputs()))

    def reset(self) -> Stmt:
        """The application of the intrinsic that sets the elements of a reduction to the identity."""
        assert self.intrinsic.reset is not None
        return Invoke(self.intrinsic.reset, self._outputs())

    def update(self) -> Stmt:
        """The application of the intrinsic that adds terms to the elements of a reduction."""
        assert self.intrinsic.update is not None
        return Invoke(self.intrinsic.update, (*self._inputs(), *self._outputs()))

    def _inputs(self) -> tuple[Region, ...]:
        return tuple(self._region(t, self.operands[t]) for t in self.intrinsic.op.inputs)

    def _outputs(self) -> tuple[Region, ...]:
        axes = self.stage.op.axis
        base = tuple(self._value(self.boxes[a], Const(0)) for a in axes)
        wide = [d for d, a in enumerate(axes) if self.boxes[a].extent > 1]
        along = [None if a.extent == 1 else wide.pop(0) for a in self.intrinsic.op.axes]
        return tuple(
            self._region(declared, _Operand(tensor, base, along))
            for declared, tensor in zip(self.intrinsic.op.outputs, self.stage.tensors, strict=True)
        )

    def _region(self, declared: Tensor, operand: _Operand) -> Region:
        """The region of a declared tensor in the buffer of the corresponding tensor."""
        buffer = self.buffers[operand.tensor]
        wanted = next(
            b
            for b, t in zip(
                self.intrinsic.whole.description.params,
                (*self.intrinsic.op.inputs, *self.intrinsic.op.outputs),
                strict=True,
            )
            if t == declared
        )
        if wanted.scope not in ("global", buffer.scope):
            self.fail(
                f"its operand {declared.name} must be in {wanted.scope!r} memory, but {operand.tensor.name} "
                f"is in {buffer.scope!r}; use set_scope({wanted.scope!r}), or a cache"
            )
        steps = [Var(f"e{d}") for d in range(declared.ndim)]
        simplifier = Simplifier(self.simplifier.ranges)
        index = list(operand.base)
        for step, extent, dimension in zip(steps, declared.shape, operand.along, strict=True):
            simplifier.ranges[step] = (0, int(extent) - 1)  # type: ignore[arg-type]
            if dimension is not None:
                index[dimension] = binary("+", index[dimension], step)
        flat: Expr = Const(0)
        for i, extent in zip(self.position(operand.tensor, tuple(index)), buffer.shape, strict=True):
            flat = binary("+", binary("*", flat, extent), i)
        offset = simplifier(substitute(flat, {step: Const(0) for step in steps}))
        strides = []
        rest = simplifier(binary("-", flat, offset))
        for step in steps:
            stride = simplifier(binary("-", substitute(rest, {step: binary("+", step, 1)}), rest))
            if any(node in steps for node in walk(stride)):
                self.fail(
                    f"the elements of {operand.tensor.name} for its operand {declared.name} have no "
                    "constant stride in memory; change the layout, or the split"
                )
            strides.append(stride)
        return Region(buffer, offset, tuple(map(int, declared.shape)), tuple(strides))  # type: ignore[arg-type]


@dataclass(slots=True)
class _Matcher:
    """Compares an expression of a stage with the declared one.

    Parameters
    ----------
    full, low : mapping of Var to Expr
        The axes of the operation at any element of the box, and at its first element.
    pairs : mapping of Var to Expr
        Declared axis -> the corresponding variable of the box.
    """

    simplifier: Simplifier
    full: Mapping[Var, Expr]
    low: Mapping[Var, Expr]
    pairs: Mapping[Var, Expr]
    operands: dict[Tensor, _Operand] = field(default_factory=dict)

    @recursive
    def difference(self, actual: Expr, declared: Expr) -> str | None:
        """A description of the first difference; None if the expressions are equal."""
        if type(declared) is TensorRead:
            return self._read(actual, declared)
        if type(actual) is Var or type(declared) is Var:
            x = self.simplifier(substitute(actual, self.full))
            same = x == self.simplifier(substitute(declared, self.pairs))
            return None if same else self._differs(actual, declared)
        if (
            type(actual) is not type(declared)
            or actual.dtype != declared.dtype
            or not _same_label(actual, declared)
        ):
            return self._differs(actual, declared)
        before = dict(self.operands)
        a: tuple[Any, ...] = children(actual)
        b: tuple[Any, ...] = children(declared)
        if len(a) != len(b) or (not a and actual != declared):
            return self._differs(actual, declared)
        result = self._all(a, b)
        if (
            result is not None
            and isinstance(actual, Binary)
            and actual.op in ("+", "*", "&", "|", "^", "and", "or")
        ):
            self.operands = before
            if self._all(a, tuple(reversed(b))) is None:
                return None
            self.operands = before
        return result

    def _all(self, actual: Sequence[Expr], declared: Sequence[Expr]) -> str | None:
        differs = (self.difference(x, y) for x, y in zip(actual, declared, strict=True))
        return next((d for d in differs if d is not None), None)

    def _differs(self, actual: Expr, declared: Expr) -> str:
        return f"it computes {_text(declared)} where the stage computes {_text(actual)}"

    def _read(self, actual: Expr, declared: TensorRead) -> str | None:
        if type(actual) is not TensorRead or actual.dtype != declared.dtype:
            return self._differs(actual, declared)
        base, local = [], []
        for index in actual.indices:
            low = self.simplifier(substitute(index, self.low))
            base.append(low)
            local.append(self.simplifier(binary("-", substitute(index, self.full), low)))
        wide = [d for d, index in enumerate(local) if index != Const(0)]
        along: list[int | None] = []
        for index in declared.indices:
            wanted = self.simplifier(substitute(index, self.pairs))
            if wanted == Const(0):
                along.append(None)
                continue
            if not wide or local[wide[0]] != wanted:
                return self._differs(actual, declared) + " (it reads other elements)"
            along.append(wide.pop(0))
        if wide:
            return self._differs(actual, declared) + " (it reads fewer dimensions)"
        operand = _Operand(actual.tensor, tuple(base), along)
        known = self.operands.setdefault(declared.tensor, operand)
        if (known.tensor, known.base, known.along) != (operand.tensor, operand.base, operand.along):
            return (
                f"its operand {declared.tensor.name} is {known.tensor.name} here, and there {_text(actual)}"
            )
        return None


def _same_label(a: Expr, b: Expr) -> bool:
    return all(getattr(a, part, None) == getattr(b, part, None) for part in ("op", "name", "lanes"))


def _same_reducer(a: Reduction, b: Reduction, dtypes: Sequence[str]) -> bool:
    """Whether two reductions have the same combination and the same identity."""
    if a.reducer is b.reducer:
        return True
    x, y = (tuple(Var(name, dtype) for dtype in dtypes) for name in "xy")
    same_step = a.reducer.combine(x, y) == b.reducer.combine(x, y)
    return same_step and a.reducer.initial(dtypes) == b.reducer.initial(dtypes)


def _product(axes: Iterable[tuple[str, int]]) -> str:
    return " x ".join(f"{name}({extent})" for name, extent in axes) or "none"


def _text(expr: Expr) -> str:
    """An expression over tensors, as text for an error message."""

    def shown(read: TensorRead) -> Expr:
        return Load(Buffer(read.tensor.name, read.tensor.shape, read.dtype), read.indices)

    return print_expr(as_expr(ReadRewriter(shown)(expr)))
