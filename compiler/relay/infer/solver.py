"""The solver of type relations: a work list of those whose types are better known than before.

Relay (arXiv 1810.00952), section 3.3. A relation is a hyperedge between types; the solver ends when all hold,
when one fails, or when nothing changes any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compiler.relay.infer.unify import Unification, is_closed, variables
from compiler.relay.language.attributes import NO_ATTRS
from compiler.relay.language.op import op
from compiler.relay.language.types import (
    FuncType,
    IncompleteType,
    TypeConstraint,
    TypeVar,
    substitute_type,
)


class TypeInferenceError(ValueError):
    """A program has no type, or not enough is said to find it; the message names the expression."""


@dataclass(eq=False, slots=True)
class Relation:
    """A relation between types that is not known to hold yet.

    Parameters
    ----------
    rule : callable
        ``rule(types, attrs, solver) -> bool``, see `compiler.relay.language.op.Relation`.
    types : tuple of Type
        Of the arguments and the result.
    attrs : Attrs
    name : str
        Of the operator; empty for a relation of the language itself.
    origin : Expr
        The expression that requires it.
    """

    rule: Callable[..., bool]
    types: tuple[Any, ...]
    attrs: Any
    name: str
    origin: Any
    number: int = 0
    general: bool = False
    """Whether it belongs to a generalised definition, so that each instance requires it."""
    queued: bool = False


@dataclass(eq=False, slots=True)
class Group:
    """What definitions that call each other leave open, and what they require of it."""

    holes: list[IncompleteType]
    relations: list[Relation]
    level: int
    instances: list[dict[Any, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Scheme:
    """The type of a generalised definition. At the end it has a type without holes, ``final``."""

    type: Any
    group: Group
    final: Any = None


class Solver(Unification):
    """Unification, with the relations that wait for holes."""

    def __init__(self) -> None:
        super().__init__()
        self.unsolved: dict[Relation, None] = {}
        self.waiting: dict[IncompleteType, list[Relation]] = {}
        self.queue: deque[Relation] = deque()
        self.schemes: list[Scheme] = []
        self.groups: list[Group] = []
        self.count = 0
        """Number of relations that have been left open."""
        self.origin: Any = None
        """The expression that is inferred now."""

    # relations

    def relate(self, rule: Callable[..., bool], types: tuple[Any, ...], attrs: Any, name: str) -> None:
        """Require a relation. It is evaluated at once; if it is left open, again when more is known."""
        types = tuple(map(self.resolve, types))
        origin = self.origin
        if not self._evaluated(rule, types, attrs, name, origin):
            self.count += 1
            self._wait(Relation(rule, types, attrs, name, origin, self.count))

    def require(self, constraint: TypeConstraint) -> None:
        """Require the relation that a quantified function names."""
        rule = op(constraint.relation).relation
        self.relate(rule, constraint.arguments, constraint.attributes or NO_ATTRS, constraint.relation)

    def _evaluated(self, rule: Any, types: tuple[Any, ...], attrs: Any, name: str, origin: Any) -> bool:
        try:
            return rule(types, attrs, self)
        except TypeInferenceError:
            raise
        except ValueError as error:
            given = ", ".join(str(self.resolve(t)) for t in types[:-1])
            called = f"{name}({given}): " if name else ""
            raise TypeInferenceError(f"{place(origin)}: {called}{error}") from None

    def _wait(self, relation: Relation) -> None:
        self.unsolved[relation] = None
        for hole in {v for v in variables(relation.types) if type(v) is IncompleteType}:
            found = self.find(hole)
            if type(found) is IncompleteType:
                self.waiting.setdefault(found, []).append(relation)
            else:  # the relation has itself found a part
                self._wake(relation)

    def _wake(self, relation: Relation) -> None:
        if not relation.queued and relation in self.unsolved:
            relation.queued = True
            self.queue.append(relation)

    def rebound(self, hole: IncompleteType) -> None:
        """Evaluate again what waits for a hole."""
        for relation in self.waiting.pop(hole, ()):
            self._wake(relation)

    def solve(self) -> None:
        """Evaluate relations until nothing changes."""
        while self.queue:
            relation = self.queue.popleft()
            relation.queued = False
            if relation not in self.unsolved:
                continue
            del self.unsolved[relation]
            if relation.general:
                continue
            relation.types = tuple(map(self.resolve, relation.types))
            if not self._evaluated(
                relation.rule, relation.types, relation.attrs, relation.name, relation.origin
            ):
                relation.types = tuple(map(self.resolve, relation.types))
                self._wait(relation)

    # generalisation

    def generalized(self, types: list[Any], since: int, shared: Callable[[], set[Any]]) -> list[Any]:
        """The types of definitions that call each other: schemes, where they leave something open.

        Parameters
        ----------
        types : list of Type
        since : int
            `count` before the definitions.
        shared : callable
            Returns the holes that others refer to.
        """
        types = [self.resolve(t) for t in types]
        relations = [r for r in self.unsolved if r.number > since]
        if not relations and all(self.is_ground(t) or is_closed(t) for t in types):
            return types
        for relation in relations:
            relation.types = tuple(map(self.resolve, relation.types))
        kept = shared()
        own: dict[Any, None] = {}
        for part in variables((*types, *(r.types for r in relations))):
            if type(part) is IncompleteType and self.level.get(part, 0) > self.depth and part not in kept:
                own[part] = None
        relations = [r for r in relations if any(v in own for v in variables(r.types))]
        if not own:
            return types
        for relation in relations:
            relation.general = True
            del self.unsolved[relation]
        group = Group(list(own), relations, self.depth)
        self.groups.append(group)
        schemes = [Scheme(t, group) for t in types]
        self.schemes += schemes
        return list(schemes)

    def instance(self, type_: Any) -> Any:
        """The type of a use: a scheme with new holes, and with its relations; any other type as it is."""
        if type(type_) is not Scheme:
            return type_
        group = type_.group
        mapping: dict[Any, Any] = {hole: self.hole(hole.kind) for hole in group.holes}
        group.instances.append(mapping)
        for relation in group.relations:
            types = tuple(substitute_type(t, mapping) for t in map(self.resolve, relation.types))
            self.relate(relation.rule, types, relation.attrs, relation.name)
        return substitute_type(self.resolve(type_.type), mapping)

    def settle(self) -> None:
        """Decide what each generalised definition is.

        If all its uses agree on one type, it is of that type, so that what is in it has one too. Otherwise it
        is quantified over what it leaves open. Definitions are used by later ones only, so the last one is
        first.
        """
        for group in reversed(self.groups):
            agreed = self._agreed(group)
            if agreed is None:
                self._quantify(group)
                continue
            for relation in group.relations:
                relation.general = False
                self.unsolved[relation] = None
                self._wake(relation)
            for hole, found in agreed.items():
                for mapping in ({hole: hole}, *group.instances):
                    self.unify(mapping[hole], found)
            self.solve()
        for scheme in self.schemes:
            scheme.final = scheme.final or self.resolve(scheme.type)

    def _agreed(self, group: Group) -> dict[Any, Any] | None:
        """What each hole is in all uses; None if they differ. A use that says nothing about a hole agrees."""
        agreed: dict[Any, Any] = {}
        for hole in group.holes:
            found = [self.resolve(mapping[hole]) for mapping in group.instances]
            said = [f for f in found if type(f) is not IncompleteType]
            if not said or any(other != said[0] for other in said[1:]):
                return None
            for part in variables(said[0]):
                if type(part) is IncompleteType or self.level.get(part, 0) > group.level:
                    return None
            agreed[hole] = said[0]
        return agreed

    def _quantify(self, group: Group) -> None:
        if group.relations and not group.instances:
            raise TypeInferenceError(self.undetermined(group.relations[0]))
        names = iter(_names())
        mapping: dict[Any, Any] = {}
        for hole in group.holes:
            mapping[hole] = TypeVar(next(names), hole.kind)
            self.level[mapping[hole]] = group.level + 1
        constraints = []
        for relation in group.relations:
            if not relation.name:
                raise TypeInferenceError(self.undetermined(relation))
            arguments = substitute_type(tuple(map(self.resolve, relation.types)), mapping)
            constraints.append(TypeConstraint(relation.name, arguments, relation.attrs or None))
        for scheme in self.schemes:
            if scheme.group is group:
                scheme.final = _quantified(
                    substitute_type(self.resolve(scheme.type), mapping), constraints, mapping
                )
        for hole, var in mapping.items():
            self.bound[hole] = var

    def undetermined(self, relation: Relation) -> str:
        """The message for a relation whose types are not known well enough."""
        types = [str(self.resolve(t)) for t in relation.types]
        what = f"{relation.name}({', '.join(types[:-1])})" if relation.name else types[0]
        return (
            f"{place(relation.origin)}: the type of {what} cannot be determined; annotate the variables "
            "that it depends on"
        )


def _quantified(type_: Any, constraints: Iterable[TypeConstraint], mapping: Mapping[Any, TypeVar]) -> Any:
    required = tuple(constraints)
    used = set(variables((type_, required)))
    params = tuple(v for v in mapping.values() if v in used)
    assert isinstance(type_, FuncType)
    return FuncType(
        type_.params, type_.result, (*type_.type_params, *params), (*type_.constraints, *required)
    )


def _names() -> Iterable[str]:
    at = 0
    while True:
        yield chr(ord("a") + at % 26) + (str(at // 26) if at >= 26 else "")
        at += 1


def place(expr: Any) -> str:
    """Where an expression is from and what it is, for messages."""
    span = getattr(expr, "span", None)
    what = _what(expr)
    return f"{span}: {what}" if span is not None else what


def _what(expr: Any) -> str:
    kind = type(expr).__name__
    name = getattr(expr, "name", None)
    if kind == "Var":
        return f"the variable %{name}"
    if kind == "GlobalVar":
        return f"the function @{name}"
    if kind == "Call":
        inner = expr.function
        return f"the call of {_what(inner).removeprefix('the operator ').removeprefix('the constructor ')}"
    if kind in ("Op", "Constructor"):
        return f"the {'operator' if kind == 'Op' else 'constructor'} {name}"
    if kind == "Let":
        return f"the binding of %{expr.var.name}"
    if kind == "Function" and expr.params:
        return f"the function of {', '.join('%' + p.name for p in expr.params)}"
    return {
        "If": "the conditional",
        "TupleGetItem": "the field of a tuple",
        "RefCreate": "the new reference",
        "RefRead": "the read of a reference",
        "RefWrite": "the write of a reference",
        "Match": "the match",
        "NoneType": "the program",
    }.get(kind, f"the {kind.lower()}")
