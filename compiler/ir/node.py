"""Nodes of the IR, whose children, rebuilding and comparison follow from their fields.

A node is a frozen, slotted dataclass that derives from `Node`. The type of a field determines its role:

- a child, where the type is a node, ``Node | None``, or ``tuple[Node, ...]``. Children are visited in the
  order of the fields, which is the order of evaluation;
- an attribute, where it is anything else, or the field has the metadata `ATTRIBUTE`: a rewrite keeps it;
- a binding, where the field has the metadata `BINDS`: the variable or buffer that the node defines for its
  last child.

A class may define a static method ``rebuilt`` with the parameters of its constructor. A rewrite calls it, in
place of the constructor, to make the node with other children.

The functions of a class are generated as source code when its first node is visited, so a traversal is as
fast as code written by hand for that class.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

BINDS: Mapping[str, str] = types.MappingProxyType({"role": "binding"})
ATTRIBUTE: Mapping[str, str] = types.MappingProxyType({"role": "attribute"})


class Node:
    """Base of expressions, statements and their parts."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        CHILDREN[cls] = lambda node: schema_of(cls).children(node)
        REBUILD[cls] = lambda node, new: schema_of(cls).rebuild(node, new)
        DESCEND[cls] = lambda rewrite, node: schema_of(cls).descend(rewrite, node)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """For pickles and copies: a list of all nodes below, since these would recur into each other."""
        below = CHILDREN[type(self)](self)
        return (_restored, (_listed(self),)) if below else super().__reduce_ex__(protocol)


# The generated functions, by class. They are looked up for every node visited: plain dicts are fastest.

CHILDREN: dict[type, Callable[[Any], tuple[Any, ...]]] = {}
"""Class -> the children of a node, in the order of evaluation."""

REBUILD: dict[type, Callable[[Any, tuple[Any, ...]], Any]] = {}
"""Class -> a node with other children, as many as it has."""

DESCEND: dict[type, Callable[[Callable[[Any], Any], Any], Any]] = {}
"""Class -> a node with rewritten children, or the same object where no child changes."""


def _listed(root: Node) -> list[Any]:
    """The nodes in and below `root`, children first.

    A node with children is its class and its fields, where a child is its position in the list; a node
    without children is itself.
    """
    found: list[Any] = []
    position: dict[int, int] = {}
    pending: list[tuple[Node, bool]] = [(root, False)]
    while pending:
        node, complete = pending.pop()
        if id(node) in position:
            continue
        below = CHILDREN[type(node)](node)
        if below and not complete:
            pending.append((node, True))
            pending += [(child, False) for child in below]
            continue
        position[id(node)] = len(found)
        found.append(_fields(node, position) if below else node)
    return found


def _fields(node: Node, position: Mapping[int, int]) -> tuple[Any, ...]:
    values: list[Any] = [type(node)]
    for part in schema_of(type(node)).fields:
        value = getattr(node, part.name)
        if part.role == "children":
            value = tuple(position[id(child)] for child in value)
        elif part.role in _CHILD and value is not None:
            value = position[id(value)]
        values.append(value)
    return tuple(values)


def _restored(nodes: list[Any]) -> Node:
    """The last of the nodes that `_listed` lists."""
    made: list[Any] = []
    for node in nodes:
        if isinstance(node, tuple):
            kind, *values = node
            for at, part in enumerate(schema_of(kind).fields):
                if part.role == "children":
                    values[at] = tuple(made[child] for child in values[at])
                elif part.role in _CHILD and values[at] is not None:
                    values[at] = made[values[at]]
            node = kind(*values)
        made.append(node)
    return made[-1]


@dataclass(frozen=True, slots=True)
class NodeField:
    """A field of a node.

    Attributes
    ----------
    name : str
    role : str
        ``"child"``, ``"optional"`` (a child or None), ``"children"`` (a tuple), ``"binding"`` or
        ``"attribute"``.
    """

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class NodeSchema:
    """The fields of a class of nodes, and the functions that are generated from them.

    Attributes
    ----------
    fields : tuple of NodeField
        In the order of their declaration.
    children : callable
        ``(node) -> tuple`` of the children, in the order of evaluation.
    rebuild : callable
        ``(node, children) -> node``: a node with other children, as many as it has.
    descend : callable
        ``(rewrite, node) -> node``: `rewrite` applied to each child; `node` itself where no child changes.
    """

    fields: tuple[NodeField, ...]
    children: Callable[[Any], tuple[Any, ...]]
    rebuild: Callable[[Any, tuple[Any, ...]], Any]
    descend: Callable[[Callable[[Any], Any], Any], Any]


_SCHEMAS: dict[type, NodeSchema] = {}


def schema_of(cls: type) -> NodeSchema:
    """The schema of a class of nodes, generated at its first use.

    Raises
    ------
    TypeError
        If `cls` is not a dataclass that derives from `Node`.
    """
    known = _SCHEMAS.get(cls)
    if known is None:
        known = _SCHEMAS[cls] = _derived(cls)
        CHILDREN[cls], REBUILD[cls], DESCEND[cls] = known.children, known.rebuild, known.descend
    return known


def is_node_class(cls: type) -> bool:
    """Whether `cls` is a class of nodes: a dataclass that derives from `Node`."""
    return issubclass(cls, Node) and "__dataclass_fields__" in cls.__dict__


def _derived(cls: type) -> NodeSchema:
    if not is_node_class(cls):
        raise TypeError(f"{cls.__name__} cannot be visited: a node is a dataclass that derives from Node")
    hints = get_type_hints(cls)
    parts = tuple(NodeField(f.name, f.metadata.get("role") or _role(hints[f.name])) for f in fields(cls))
    names: dict[str, Any] = {"make": getattr(cls, "rebuilt", cls), "each": _each}
    exec(_source(parts), names)  # the text contains names of fields and nothing else
    return NodeSchema(parts, names["children"], names["rebuild"], names["descend"])


def _is_node(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Node)


def _role(hint: Any) -> str:
    """The role of a field of the type `hint`: child, optional child, children or attribute."""
    if _is_node(hint):
        return "child"
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        return "children" if len(inner) == 2 and inner[1] is ... and _is_node(inner[0]) else "attribute"
    if get_origin(hint) in (Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        return "optional" if any(map(_is_node, inner)) else "attribute"
    return "attribute"


def _each(rewrite: Callable[[Any], Any], old: tuple[Any, ...]) -> tuple[Any, ...]:
    """A tuple of children rewritten; the same object where none changes."""
    if len(old) == 1:  # most accesses have one index
        new = rewrite(old[0])
        return old if new is old[0] else (new,)
    changed = tuple([rewrite(child) for child in old])
    for a, b in zip(changed, old, strict=True):
        if a is not b:
            return changed
    return old


def _source(parts: tuple[NodeField, ...]) -> str:
    """The text of the functions ``children``, ``rebuild`` and ``descend`` of a class."""
    below = [part for part in parts if part.role in _CHILD]
    if len(below) == 1 and below[0].role == "children":
        listed = f"n.{below[0].name}"
    else:
        listed = f"({''.join(_CHILD[part.role].listed.format(f'n.{part.name}') for part in below)})"
    lines = ["def children(n):", f"    return {listed}"]

    taken, at = {}, "0"
    for part in below:
        kind = _CHILD[part.role]
        taken[part.name] = kind.taken.format(at=at, field=f"n.{part.name}")
        at = f"{at} + {kind.count.format(field=f'n.{part.name}')}"
    made = ", ".join(taken.get(part.name, f"n.{part.name}") for part in parts)
    lines += ["def rebuild(n, c):", f"    return make({made})"]

    lines.append("def descend(rewrite, n):")
    for part in below:
        lines.append(f"    old_{part.name} = n.{part.name}")
        lines.append(f"    new_{part.name} = {_CHILD[part.role].rewritten.format(f'old_{part.name}')}")
    same = " and ".join(f"new_{part.name} is old_{part.name}" for part in below) or "True"
    made = ", ".join(("new_" if part in below else "n.") + part.name for part in parts)
    lines += [f"    if {same}:", "        return n", f"    return make({made})"]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Templates of the generated code for one kind of child.

    `listed` adds it to the tuple of all children, `taken` takes it from one, `count` is the number of
    elements that it occupies there, and `rewritten` applies ``rewrite`` to it.
    """

    listed: str
    taken: str
    count: str
    rewritten: str


_CHILD = {
    "child": _Kind("{}, ", "c[{at}]", "1", "rewrite({})"),
    "optional": _Kind(
        "*(() if {0} is None else ({0},)), ",
        "(None if {field} is None else c[{at}])",
        "({field} is not None)",
        "None if {0} is None else rewrite({0})",
    ),
    "children": _Kind("*{}, ", "c[{at}:{at} + len({field})]", "len({field})", "each(rewrite, {})"),
}
