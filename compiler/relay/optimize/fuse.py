"""`fuse_ops`: groups of operators that are compiled as one, by post-dominators of the data-flow graph.

An operator is fused into its immediate post-dominator, the nearest operator through which every path from it
to a result leads, if the kinds of all operators on these paths allow it (TVM, arXiv 1802.04799, section 3;
Relay, arXiv 1904.08368, section 4.4). So the branches of a diamond are fused into the operator where they
join.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.ir.node import CHILDREN, REBUILD
from compiler.relay.language.attributes import Attrs
from compiler.relay.language.expr import (
    Call,
    Constant,
    Expr,
    Function,
    Let,
    TupleGetItem,
    Var,
    copy_notes,
    set_type,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Fuse, Op, is_call_of, op
from compiler.relay.language.visit import post_order, rewrite
from compiler.relay.optimize.dominators import (
    DataFlow,
    Dominator,
    FlowNode,
    flows,
    is_primitive,
    post_dominators,
)

MAX_OPERATORS = 256
"""Operators of a group, each counted as often as its expression is repeated in the result's."""

PRIMITIVE = Attrs(primitive=True)

VIEWS = frozenset({"reshape", "squeeze", "expand_dims", "copy", "nn.batch_flatten", "stop_fusion"})
"""Operators whose result has the bytes of their first argument: they need no code."""


def fuse_ops(module: IRModule, limit: int = MAX_OPERATORS) -> IRModule:
    """Put the operators of each function into groups: calls of primitive functions.

    Types must be inferred, or groups do not regard how many elements a result has. ::

        %0 = nn.conv2d(%x, %w)                 %0 = fn (%p0, %p1, %p2, Primitive=1) {
        %1 = add(%0, %b)                ->         nn.relu(add(nn.conv2d(%p0, %p1), %p2))
        nn.relu(%1)                            }
                                               %0(%x, %w, %b)

    Scalar constants stay inside of a group; other constants are its arguments. A view (`VIEWS`) at the
    beginning or the end of a group stays outside, since it needs no code there.

    Parameters
    ----------
    module : IRModule
    limit : int
        Greatest number of operators of a group; 1 compiles each one for itself.

    Returns
    -------
    IRModule
        `module` itself, where there is no operator.
    """
    changed = {name: fused_function(f, limit) for name, f in module.functions.items()}
    return module.with_functions(changed)


def fused_function(function: Function, limit: int = MAX_OPERATORS) -> Function:
    """A function whose operators are in groups; see `fuse_ops`."""
    if is_primitive(function):
        return function
    function = _with_slices(function)
    graph = DataFlow(function)
    groups = _partition(graph, post_dominators(graph), limit)
    return _rewritten(function, graph, groups)


def is_view(call: Any) -> bool:
    """Whether a call of an operator only gives the bytes of its argument another shape."""
    if type(call) is not Call or type(call.function) is not Op:
        return False
    if call.function.name in VIEWS:
        return True
    if call.function.name != "transpose" or not call.args[0].has_type:
        return False
    shape = getattr(call.args[0].checked_type, "shape", ())
    axes = call.attrs.get("axes") or tuple(range(len(shape)))[::-1]
    moved = [axis % len(shape) for axis in axes if shape[axis] != 1]
    return moved == sorted(moved)


def _with_slices(function: Function) -> Function:
    """The function with a slice for each field of a tuple that `split` makes: what reads it needs no copy."""
    nodes = post_order(function)
    bound = {n.var: n.value for n in nodes if type(n) is Let and is_call_of(n.value, "split")}
    if not bound and not any(is_call_of(node, "split") for node in nodes):
        return function
    # variables that are used in another way
    kept = {
        child
        for node in nodes
        if type(node) not in (TupleGetItem, Function)
        for child in CHILDREN[type(node)](node)
        if child in bound
    }
    made: dict[int, Any] = {}

    def change(node: Any, old: Any) -> Any:
        if is_call_of(node, "split"):
            made[id(old)] = node
        if type(node) is Let and node.var in bound and node.var not in kept:
            return node.body
        if type(node) is not TupleGetItem:
            return _noted(node, old)
        var = old.tuple_value if old.tuple_value in bound else None
        split = node.tuple_value if var is None else made.get(id(bound[var]))
        slice_ = _slice(split, old) if is_call_of(split, "split") else None
        if slice_ is None and var is not None:
            kept.add(var)
        return _noted(node if slice_ is None else slice_, old)

    return rewrite(function, change, lambda node: not is_primitive(node))


def _slice(split: Any, field: TupleGetItem) -> Call | None:
    """A field of a split tensor as a slice of the tensor; None where a dimension is not known."""
    if not field.has_type or not split.args[0].has_type:
        return None
    whole, part = split.args[0].checked_type.shape, field.checked_type.shape  # type: ignore[attr-defined]
    if not isinstance(whole, tuple) or not all(type(d) is int for d in (*whole, *part)):
        return None
    axis = split.attrs.axis % len(whole)
    given = split.attrs.indices_or_sections
    cuts = given if isinstance(given, tuple) else [i * part[axis] for i in range(1, given)]
    begin = min(cuts[field.index - 1], whole[axis]) if field.index else 0
    return op("strided_slice")(split.args[0], begin=(begin,), end=(begin + part[axis],), axes=(axis,))


# --- groups ---------------------------------------------------------------------------------------


class _Groups:
    """Disjoint sets of nodes; the root of a set is the operator that computes the group's result."""

    def __init__(self, graph: DataFlow, limit: int) -> None:
        self.graph = graph
        self.limit = limit
        self.parent = list(range(len(graph.nodes)))
        self.kind = [node.kind for node in graph.nodes]
        self.members: list[list[int]] = [[i] for i in self.parent]

    def root(self, index: int) -> int:
        while self.parent[index] != index:
            self.parent[index] = self.parent[self.parent[index]]
            index = self.parent[index]
        return index

    def between(self, source: FlowNode, sink: FlowNode) -> list[FlowNode]:
        """The nodes on all paths from `source`, which is left out, to `sink`; the sink is the last."""
        found: list[FlowNode] = []
        seen = {sink}
        pending = [user for user, _ in source.uses]
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            found.append(node)
            pending += [user for user, _ in node.uses]
        return [*found, sink]

    def fuse(self, source: FlowNode, sink: FlowNode, allowed: Any) -> None:
        """Merge what is on the paths between two nodes, if ``allowed(kind, is_sink)`` holds for all of it."""
        path = self.between(source, sink)
        if not all(allowed(self.kind[self.root(n.index)], n is sink) for n in path):
            return
        roots = {self.root(node.index) for node in (source, *path)}
        members = [index for root in roots for index in self.members[root]]
        if self._repeated(members) > self.limit:
            return
        target = self.root(sink.index)
        kinds = [self.kind[root] for root in roots if self.kind[root] != Fuse.TUPLE]
        for root in roots:
            self.parent[root] = target
        self.members[target] = members
        if self.kind[target] != Fuse.TUPLE:
            self.kind[target] = max([*kinds, self.kind[target]])

    def _repeated(self, members: Sequence[int]) -> int:
        """The operators of the result's expression, written as a tree; as far as the limit is concerned."""
        inside, nodes, last, total = set(members), self.graph.nodes, max(members), 0
        count: dict[int, int] = {last: 1}
        for index in sorted(inside, reverse=True):
            if index != last:
                count[index] = sum(count[u.index] for u, _ in nodes[index].uses if u.index in inside)
            total += count[index] if is_call_of(nodes[index].expr) else 0
            if total > self.limit:
                break
        return total


def _partition(graph: DataFlow, tree: Sequence[Dominator], limit: int) -> _Groups:
    """Merge nodes in three phases; each phase takes the nodes in the order of the graph.

    The first one fuses elementwise operators into what follows, and convolutions and the like with the
    elementwise operators that follow them. The second one fuses injective operators, after the first has
    given elementwise ones to convolutions. The third one fuses injective operators into tuples that are
    fused into what reads them.
    """
    groups = _Groups(graph, limit)
    for phase in (0, 1, 2):
        for node, dominator in zip(graph.nodes, tree, strict=True):
            kind = groups.kind[groups.root(node.index)]
            if dominator.parent is None or kind == Fuse.OPAQUE or not flows(node.expr):
                continue
            sink = dominator.parent.node
            its, sinks = groups.root(node.index), groups.root(sink.index)
            if phase == 2:
                into_tuple = sink.kind == Fuse.TUPLE and groups.kind[sinks] <= Fuse.INJECTIVE
                if kind <= Fuse.INJECTIVE and into_tuple and its != sinks:
                    groups.fuse(node, sink, lambda k, last: k <= Fuse.INJECTIVE)
                continue
            if its == sinks or sink.kind == Fuse.TUPLE:
                continue
            if kind == Fuse.OUT_ELEMWISE_FUSABLE:
                if phase == 0 and dominator.kind == Fuse.ELEMWISE:
                    groups.fuse(node, sink, lambda k, last: k <= Fuse.BROADCAST)
            elif kind <= Fuse.BROADCAST:
                if dominator.kind <= Fuse.INJECTIVE or dominator.kind == Fuse.COMM_REDUCE:
                    groups.fuse(
                        node,
                        sink,
                        lambda k, last: k <= (Fuse.OUT_ELEMWISE_FUSABLE if last else Fuse.INJECTIVE),
                    )
            elif kind in (Fuse.INJECTIVE, Fuse.TUPLE) and phase == 1:
                groups.fuse(node, sink, lambda k, last: k <= Fuse.INJECTIVE)
    return groups


# --- rewriting ------------------------------------------------------------------------------------


def _rewritten(function: Function, graph: DataFlow, groups: _Groups) -> Function:
    """The function with a call of a primitive function for each group, at the place of its last operator."""
    rewriting = _Rewriting(graph, groups)
    return _rebuilt(function, (rewriting.body(function.body),))


class _Rewriting:
    """Makes the expressions of a function anew; ``new`` has them by the ``id`` of what they replace."""

    def __init__(self, graph: DataFlow, groups: _Groups) -> None:
        self.graph, self.groups = graph, groups
        self.new: dict[int, Any] = {}

    def body(self, root: Expr) -> Any:
        for expr in post_order(root):
            if id(expr) in self.graph.of and flows(expr):
                if self.is_root(expr):
                    self.new[id(expr)] = self.grouped(expr)
            elif type(expr) is Let and expr.var in self.graph.bound and not self.is_root(expr.value):
                self.new[id(expr)] = self.new[id(expr.body)]  # it is computed by the group of what uses it
            else:
                below = tuple(self.new[id(child)] for child in CHILDREN[type(expr)](expr))
                self.new[id(expr)] = _rebuilt(expr, below)
        return self.new[id(root)]

    def is_root(self, expr: Expr) -> bool:
        """Whether an expression is computed last in its group."""
        index = self.graph.of[id(expr)].index
        return self.groups.root(index) == index

    def grouped(self, root: Expr) -> Any:
        """The value of a group: a call of a primitive function, between the views around it."""
        graph, index = self.graph, self.graph.of[id(root)].index
        members = {id(graph.nodes[i].expr): graph.nodes[i].expr for i in sorted(self.groups.members[index])}
        last: Any = root
        views = []
        while is_view(last) and id(graph.value(last.args[0])) in members:
            views.append(last)
            del members[id(last)]
            last = graph.value(last.args[0])
        for key, expr in list(members.items()):
            source = _source(expr)
            if source is not None and expr is not last and id(graph.value(source)) not in members:
                del members[key]
                self.new[key] = self.outside(expr)
        alone = len(members) == 1 and (not is_call_of(last) or is_view(last))
        made = self.outside(last) if alone else self.call(last, members)
        for view in reversed(views):
            args = (made, *map(self.argument, view.args[1:]))
            made = _noted(Call(view.function, args, view.attrs, view.type_args), view)
        return made

    def outside(self, expr: Any) -> Any:
        """An expression that is part of no primitive function."""
        return _rebuilt(expr, tuple(map(self.argument, CHILDREN[type(expr)](expr))))

    def argument(self, child: Any) -> Any:
        """What takes the place of a value that a group uses and does not compute."""
        value = self.graph.value(child)
        has_let = value is not child and self.is_root(value)
        return child if has_let else self.new.get(id(value), value)

    def call(self, last: Any, members: dict[int, Any]) -> Call:
        """The call of a primitive function that computes `last` from what its members use."""
        params: dict[int, Var] = {}
        arguments: list[Any] = []
        made: dict[int, Any] = {}
        for key, expr in members.items():
            parts = []
            for child in CHILDREN[type(expr)](expr):
                value = self.graph.value(child)
                if id(value) in made:
                    parts.append(made[id(value)])
                elif type(child) is Op or (type(value) is Constant and not value.data.ndim):
                    parts.append(value)
                else:
                    if id(value) not in params:
                        type_ = value.checked_type if value.has_type else None
                        params[id(value)] = _noted(Var(f"p{len(params)}", type_), value)
                        arguments.append(self.argument(child))
                    parts.append(params[id(value)])
            made[key] = _rebuilt(expr, tuple(parts))
        function = Function(tuple(params.values()), made[id(last)], attrs=PRIMITIVE)
        return _noted(Call(function, tuple(arguments)), last)


def _source(expr: Any) -> Any:
    """What a view, or a field of a tuple, has the bytes of; None for other expressions."""
    if type(expr) is TupleGetItem:
        return expr.tuple_value
    return expr.args[0] if is_view(expr) else None


def _rebuilt(expr: Any, below: tuple[Any, ...]) -> Any:
    """An expression with other children, which has the same type."""
    if all(a is b for a, b in zip(below, CHILDREN[type(expr)](expr), strict=True)):
        return expr
    return _noted(REBUILD[type(expr)](expr, below), expr)


def _noted(made: Any, like: Any) -> Any:
    """`made` with the type and the place of `like`."""
    if isinstance(made, Expr):
        copy_notes(like, made)
        if like.has_type:
            set_type(made, like.checked_type)
    return made
