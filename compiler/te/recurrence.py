"""Recurrences: tensors that are set first and then updated in sequential steps; scans and scatters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compiler.ir.address import widened
from compiler.ir.dtype import is_integer
from compiler.ir.expr import Const, Expr, Var, as_expr, binary, conjunction
from compiler.ir.semantics.bounds import message, proof
from compiler.ir.simplify.simplify import Interval, Simplifier
from compiler.ir.text import print_expr
from compiler.ir.visit import substitute
from compiler.suggest import unknown
from compiler.te.axis import IterVar, Shape, new_axis
from compiler.te.reducer import MAX, MIN, PROD, SUM, Reducer
from compiler.te.tensor import Compute, Placeholder, Tensor, reads_of

SEQUENTIAL = "sequential"
"""The kind of the axes whose iterations run one after another."""


@dataclass(frozen=True, slots=True, eq=False)
class Recurrence(Compute):
    """Tensors of one shape that are set first, and then updated in sequential steps.

    ::

        for first_axes, data axes:
            out[first_axes, data axes] = first
        for sequential axes:              # in order
            for data axes:
                if condition:
                    out[element] = body

    Its `axes` are the sequential ones, then the data axes, each of which is an index of `element`.

    Parameters
    ----------
    first_axes : tuple of IterVar
        The axes of the leading dimensions for the first values.
    first : tuple of Expr
        For each tensor the first value.
    element : tuple of Expr
        The indices of the element that a step updates.
    condition : Expr
        Steps for which it is false update nothing.
    states : tuple of Placeholder tensors
        For each tensor the name by which `body`, and the operations that it reads, read its elements.
    """

    first_axes: tuple[IterVar, ...] = ()
    first: tuple[Expr, ...] = ()
    element: tuple[Expr, ...] = ()
    condition: Expr = Const(True, "bool")
    states: tuple[Tensor, ...] = ()

    @classmethod
    def made(
        cls, old: Recurrence | None, name: str, shape: Shape, axes: tuple[IterVar, ...], **parts: Any
    ) -> Recurrence:
        """A recurrence of the given parts, or those of `old`; its types and inputs follow from them."""
        kept = {} if old is None else {part: getattr(old, part) for part in _PARTS}
        draft = cls(name, (), (), (), axes, **(kept | parts))
        inputs = tuple(dict.fromkeys(read.tensor for read in reads_of(draft.exprs)))
        dtypes = tuple(value.dtype for value in draft.body)
        return cls(name, (shape,) * len(dtypes), dtypes, inputs, axes, **(kept | parts))

    @property
    def dims(self) -> tuple[IterVar | None, ...]:
        data = {axis.var: axis for axis in self.axes if axis.kind == "data"}
        return tuple(data.get(index) if isinstance(index, Var) else None for index in self.element)

    @property
    def sequence(self) -> tuple[IterVar, ...]:
        return tuple(axis for axis in self.axes if axis.kind == SEQUENTIAL)

    @property
    def scan_axis(self) -> IterVar:
        """The outermost sequential axis, by TVM's name."""
        return self.sequence[0]

    @property
    def steps(self) -> tuple[Expr, ...]:
        """The expressions that each step evaluates."""
        return (*self.body, *self.element, self.condition)

    @property
    def exprs(self) -> tuple[Expr, ...]:
        return (*self.steps, *self.first)

    def rewritten(
        self, rewrite: Callable[[Expr], Expr], name: str = "", axes: tuple[IterVar, ...] = ()
    ) -> Recurrence:
        parts: dict[str, Any] = {
            part: tuple(map(rewrite, getattr(self, part))) for part in ("body", "first", "element")
        }
        parts["condition"] = rewrite(self.condition)
        return self.made(self, name or self.name, self.shape, axes or self.axes, **parts)


_PARTS = ("body", "first_axes", "first", "element", "condition", "states")


def scan(
    init: Tensor | Sequence[Tensor],
    update: Tensor | Sequence[Tensor],
    state: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor] = (),
    name: str = "scan",
) -> Any:
    """A tensor whose rows follow from earlier rows: a recurrence along the first axis, as TVM's `scan`.

    Rows ``0 .. k - 1`` are those of `init`, and row t of `update` is row t of the result for each later t.
    `update`, and whatever it reads, may read earlier rows of the result by the placeholder `state`.

    Parameters
    ----------
    init : Tensor of shape (k, ...), or sequence of Tensor
        The first rows of each state, ``k >= 1``.
    update : Tensor of shape (t, ...), or sequence of Tensor
        Later rows; rows below k are not evaluated.
    state : Tensor of shape (t, ...), or sequence of Tensor
        A placeholder for each state.
    inputs : sequence of Tensor, optional
        The tensors from outside that `update` depends on, as in TVM: documentation, which is checked.
    name : str

    Returns
    -------
    Tensor or tuple of Tensor
        ``op.scan_axis`` is its sequential axis. Operations that depend on `state` are computed in each of its
        steps; others, such as a product with all inputs, before all steps.

    Raises
    ------
    ValueError
        If the tensors do not fit together, or a step reads a row that is not known to be an earlier one.

    Examples
    --------
    The sums of the first rows of a matrix::

        state = te.placeholder((n, m), "state")
        init = te.compute((1, m), lambda _, i: X[0, i], "init")
        update = te.compute((n, m), lambda t, i: state[t - 1, i] + X[t, i], "update")
        sums = te.scan(init, update, state, inputs=[X])
    """
    inits, updates, states = (_several(given) for given in (init, update, state))
    if not updates or not len(inits) == len(updates) == len(states):
        raise ValueError(
            f"{name!r}: {len(inits)} init, {len(updates)} update and {len(states)} state tensor(s) are "
            "given; each state needs one of each"
        )
    for one in zip(inits, updates, states, strict=True):
        _check_state(name, *one)
    rows, first = updates[0].shape[0], inits[0].shape[0]
    for before, after in zip(inits, updates, strict=True):
        if (before.shape[0], after.shape) != (first, updates[0].shape):
            raise ValueError(
                f"{name!r}: all states have one shape and one number of first rows, but {after!r} with "
                f"{before!r} is not like {updates[0]!r} with {inits[0]!r}"
            )
    least = rows if isinstance(rows, int) else (rows.bounds or (0, 0))[0]
    if not isinstance(first, int) or first > least:
        raise ValueError(
            f"{name!r}: init has {first} rows, but there are only {least} at least ({updates[0]!r})"
        )
    reached = _check_steps(name, updates, states, first)
    for given in inputs:
        if given not in reached:
            raise ValueError(
                f"{name!r}: {given!r} is among the inputs, but {updates[0].name} does not depend on it"
            )
    named = [axis.name for axis in updates[0].op.axis[1:]] or [f"i{d}" for d in range(1, updates[0].ndim)]
    step = new_axis(
        updates[0].op.axis[0].name if updates[0].op.axis else "t", rows - first, SEQUENTIAL, first
    )
    data = tuple(new_axis(n, extent) for n, extent in zip(named, updates[0].shape[1:], strict=True))
    row = new_axis(f"{step.name}_first", first)
    inner = tuple(axis.var for axis in data)
    op = Recurrence.made(
        None,
        name,
        updates[0].shape,
        (step, *data),
        body=tuple(tensor[(step.var, *inner)] for tensor in updates),
        first_axes=(row,),
        first=tuple(tensor[(row.var, *inner)] for tensor in inits),
        element=(step.var, *inner),
        states=tuple(states),
    )
    return op.output() if len(states) == 1 else op.outputs


def _several(given: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [given] if isinstance(given, Tensor) else list(given)


def _check_state(name: str, init: Tensor, update: Tensor, state: Tensor) -> None:
    for tensor in (init, update, state):
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name!r}: init, update and state are tensors, not {type(tensor).__name__}")
    if not isinstance(state.op, Placeholder):
        raise ValueError(f"{name!r}: the state {state!r} is computed; it must be a placeholder")
    if state.ndim == 0 or state.shape != update.shape or init.shape[1:] != state.shape[1:] or init.ndim == 0:
        raise ValueError(
            f"{name!r}: init {init!r}, update {update!r} and state {state!r} do not fit: update and state "
            "have one shape, and init has it but for the number of rows"
        )
    if not init.dtype == update.dtype == state.dtype:
        raise ValueError(f"{name!r}: {init!r}, {update!r} and {state!r} must have one type")


def _check_steps(name: str, updates: Sequence[Tensor], states: Sequence[Tensor], first: int) -> set[Tensor]:
    """The tensors that the updates depend on.

    Raises
    ------
    ValueError
        If a step may read a row that is no earlier one.
    """
    step = Var("t")
    rows = updates[0].shape[0]
    last = (rows if isinstance(rows, int) else (rows.bounds or (0, 1 << 31))[1]) - 1
    ranges: dict[Var, Interval] = {step: (first, last)}
    pending: list[tuple[Tensor, tuple[Expr, ...]]] = []
    for update in updates:
        inner = tuple(Var(f"i{d}") for d in range(1, update.ndim))
        ranges |= {var: (0, _high(n) - 1) for var, n in zip(inner, update.shape[1:], strict=True)}
        pending.append((update, (step, *inner)))
    depends = _dependent(updates, states)
    seen: set[tuple[Tensor, tuple[Expr, ...]]] = set()
    while pending:
        tensor, indices = pending.pop()
        if (tensor, indices) in seen or tensor not in depends:
            continue
        seen.add((tensor, indices))
        op = tensor.op
        if not isinstance(op, Compute) or isinstance(op, Recurrence):
            raise ValueError(
                f"{name!r}: {op.name} reads the state, but it is no te.compute, so the rows that it reads in "
                "a step are unknown"
            )
        for axis in op.reduce_axis:
            if isinstance(axis.start, int):
                ranges[axis.var] = (axis.start, axis.start + _high(axis.extent) - 1)
        if indices[0] is step:
            _check_inside(name, op, states, first)
        values = dict(zip((axis.var for axis in op.axes), indices, strict=True))
        for read in reads_of(op.exprs):
            where = tuple(substitute(index, values) for index in read.indices)
            if read.tensor not in states:
                pending.append((read.tensor, where))
                continue
            simplifier = Simplifier(ranges)
            earlier = binary("<", where[0], step)
            if not (simplifier.proves(earlier) and simplifier.proves(binary(">=", where[0], 0))):
                raise ValueError(
                    f"{name!r}: step t reads the row {print_expr(where[0])} of {read.tensor.name}; with "
                    f"{first} first row(s), the rows t - 1 to t - {first} are known to be earlier ones"
                )
    return set(_reached(updates))


def _check_inside(name: str, op: Compute, states: Sequence[Tensor], first: int) -> None:
    """Raise the error if a step, whose row is the first axis of `op`, is proved to read outside of a tensor.

    What `te.compute` found is doubtful where earlier rows are evaluated, which no step does.
    """
    row = op.axes[0].var
    for site in op.doubtful:
        low, high = site.ranges.get(row, (0, -1))
        if site.item in states or max(low, first) > high:
            continue
        facts = Simplifier({**site.ranges, row: (max(low, first), high)})
        narrowed = replace(site, ranges=dict(facts.ranges), interval=facts.bounds(facts(site.index)))
        example = proof(narrowed)
        if example is not None:
            raise ValueError(f"{name!r}: in a step, {op.name!r} {message(narrowed, example)}")


def _high(extent: Any) -> int:
    if isinstance(extent, int):
        return extent
    return extent.bounds[1] if isinstance(extent, Var) and extent.bounds else 1 << 31


def _reached(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The tensors that `tensors` depend on, consumers first."""
    found: dict[Tensor, None] = {}
    pending = list(tensors)
    while pending:
        for tensor in pending.pop().op.inputs:
            if tensor not in found:
                found[tensor] = None
                pending.append(tensor)
    return list(found)


def _dependent(updates: Sequence[Tensor], states: Sequence[Tensor]) -> set[Tensor]:
    """The tensors among `updates`, and below them, that depend on `states`."""
    below = [*updates, *_reached(updates)]
    found = set(states)
    while True:
        more = {t for t in below if t not in found and not found.isdisjoint(t.op.inputs)}
        if not more:
            return found
        found |= more


_COMBINES: dict[str, Reducer | None] = {"add": SUM, "mul": PROD, "max": MAX, "min": MIN, "set": None}


def scatter(
    init: Tensor,
    indices: Tensor | Sequence[Tensor],
    updates: Tensor,
    combine: str = "add",
    batch: int = 0,
    name: str = "scatter",
) -> Tensor:
    """`init` with updates at computed indices: histograms, gradients of embeddings.

    ::

        out[...] = init[...]
        for u in (positions of indices, in row-major order):
            out[indices[u], ...] += updates[u, ...]

    Updates of one element are applied in that order, under every schedule: the axes of positions are
    sequential. An index outside of its dimension, negative ones included, drops its update.

    Parameters
    ----------
    init : Tensor
        Shape ``(batch..., rows..., inner...)``.
    indices : Tensor of integers, or sequence of them
        Shape ``(batch..., positions...)``; one for each dimension of ``rows``.
    updates : Tensor
        Shape ``(batch..., positions..., inner...)``, of the type of `init`.
    combine : str
        ``"add"``, ``"mul"``, ``"max"``, ``"min"`` (NaN if either is NaN), or ``"set"``: the last update wins.
    batch : int
        The number of leading dimensions that all three share. They are data axes, which may run in parallel:
        a long histogram is the sum of private ones, ``batch=1``, over parts of the data.
    name : str

    Returns
    -------
    Tensor
        Of the shape of `init`. Its axes are ``op.axis``: the positions, then the batch, then the inner axes.

    Raises
    ------
    ValueError
        If the shapes or types do not fit, or `combine` is unknown.
    """
    where = _several(indices)
    if combine not in _COMBINES:
        raise ValueError(f"{name!r}: " + unknown("combine", combine, _COMBINES))
    if not where or any(not isinstance(t, Tensor) for t in (init, updates, *where)):
        raise ValueError(f"{name!r}: init, indices and updates are tensors")
    for index in where:
        if not is_integer(index.dtype):
            raise ValueError(f"{name!r}: the indices {index!r} must be integers")
    shared, rows = init.shape[:batch], init.shape[batch : batch + len(where)]
    inner, places = init.shape[batch + len(where) :], where[0].shape[batch:]
    fits = len(rows) == len(where) and all(index.shape == (*shared, *places) for index in where)
    if not (batch >= 0 and places and fits and updates.shape == (*shared, *places, *inner)):
        raise ValueError(
            f"{name!r}: init {init!r}, indices {', '.join(map(repr, where))} and updates {updates!r} do not "
            f"fit: with batch={batch} they are (batch..., rows..., inner...), (batch..., positions...) and "
            "(batch..., positions..., inner...)"
        )
    if init.dtype != updates.dtype:
        raise ValueError(f"{name!r}: init is {init.dtype}, but the updates are {updates.dtype}; cast them")
    steps = tuple(new_axis(f"u{d}" if d else "u", n, SEQUENTIAL) for d, n in enumerate(places))
    outer = tuple(new_axis(f"b{d}" if d else "b", n) for d, n in enumerate(shared))
    data = tuple(new_axis(f"j{d}" if d else "j", n) for d, n in enumerate(inner))
    row = tuple(new_axis(f"n{d}" if d else "n", n) for d, n in enumerate(rows))
    b, u, j = (tuple(axis.var for axis in axes) for axes in (outer, steps, data))
    at = [widened(index[(*b, *u)]) for index in where]
    inside = conjunction(
        c for i, n in zip(at, rows, strict=True) for c in (binary(">=", i, 0), binary("<", i, n))
    )
    state = Placeholder(f"{name}_state", (init.shape,), (init.dtype,)).output()
    element = (*b, *at, *j)
    value: Expr = updates[(*b, *u, *j)]
    reducer = _COMBINES[combine]
    if reducer is not None:
        (value,) = reducer.combine((state[element],), (value,))
    return Recurrence.made(
        None,
        name,
        init.shape,
        (*steps, *outer, *data),
        body=(value,),
        first_axes=row,
        first=(init[(*b, *(axis.var for axis in row), *j)],),
        element=tuple(map(as_expr, element)),
        condition=inside,
        states=(state,),
    ).output()
