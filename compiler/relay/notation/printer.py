"""`as_text`: programs as Relay's text, version 0.0.5; it parses back to an equal program.

An expression that another one uses is named ``%0``, ``%1``, ... in the innermost block that contains all its
uses: the graph form. Lets stay lets. So the text of a deep graph is flat, and nothing here recurs over
expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.language.attributes import REQUIRED, Attrs
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    If,
    Let,
    Match,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    TypeData,
    Var,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.types import IncompleteType, Type
from compiler.relay.language.visit import bound_vars, free_vars, post_order
from compiler.relay.notation.literals import (
    SECTION,
    attribute_text,
    literal,
    metadata_text,
    name_text,
)
from compiler.relay.notation.type_text import TypeNames, tuple_text, type_params_text, type_text, unused

VERSION = "0.0.5"

HEADER = f'#[version = "{VERSION}"]\n'

_ATOMS = (Var, GlobalVar, Constant, Op, Constructor)

_NESTED = 3
"""Levels of tuples and fields that are written where they are used."""


def as_text(program: IRModule | Expr, *, metadata: bool = True, types: bool = False) -> str:
    """The text of a program.

    Parameters
    ----------
    program : IRModule or Expr
    metadata : bool
        Whether to write large constants, in a section at the end. Without them the text of a model is short,
        and cannot be parsed.
    types : bool
        Whether to write the inferred types, as comments.

    Returns
    -------
    str
        `compiler.relay.parse` and `compiler.relay.parse_expr` read it.
    """
    printer = _Printer(types)
    lines = printer.module(program) if isinstance(program, IRModule) else printer.program(program)
    text = HEADER + "\n".join(lines) + "\n"
    if printer.constants and metadata:
        text += "\n" + metadata_text(printer.constants)
    elif printer.constants:
        text += f"\n// {len(printer.constants)} constants are left out\n"
    return text


@dataclass(eq=False, slots=True)
class _Block:
    parent: _Block | None
    depth: int
    lines: list[str] = field(default_factory=list)


class _Printer:
    def __init__(self, types: bool) -> None:
        self.types = types
        self.constants: list[Constant] = []
        self.places: dict[int, int] = {}
        self.type_names = TypeNames()

    def module(self, module: IRModule) -> list[str]:
        """The lines of a module."""
        names = [t.name for t in module.types]
        names += [c.name for data in module.types.values() for c in data.constructors]
        lines: list[str] = []
        annotations = [a for f in module.functions.values() for a in _annotations(f).values()]
        for data in module.types.values():
            self.type_names = TypeNames(names)
            lines += ["", *self.data_type(data)]
        for name, function in module.functions.items():
            self.type_names = _type_names(annotations, names)
            body = _Body(self, function)
            lines += ["", *body.definition(name)]
        return lines[1:]

    def program(self, expr: Expr) -> list[str]:
        """The lines of an expression."""
        self.type_names = _type_names(_annotations(expr).values(), ())
        return _Body(self, expr).program()

    def data_type(self, data: TypeData) -> list[str]:
        """The lines of the definition of a data type."""
        head = data.name.name + type_params_text(data.type_vars, self.type_names)
        if not data.constructors:
            return [f"extern type {head};"]
        cases = []
        for c in data.constructors:
            inputs = ", ".join(type_text(t, self.type_names) for t in c.inputs)
            cases.append(f"  {c.name}({inputs})," if c.inputs else f"  {c.name},")
        return [f"type {head} {{", *cases, "}"]

    def type(self, type_: Any) -> str:
        """The text of a type."""
        return type_text(type_, self.type_names)

    def constant(self, node: Constant) -> str:
        """A constant: a literal, or its place in the metadata."""
        text = literal(node)
        if text is not None:
            return text
        at = self.places.get(id(node))
        if at is None:
            at = self.places[id(node)] = len(self.constants)
            self.constants.append(node)
        return f"meta[{SECTION}][{at}]"


class _Body:
    """The text of one function or expression."""

    def __init__(self, printer: _Printer, root: Expr) -> None:
        self.printer = printer
        self.root = root
        self.nodes = post_order(root)
        self.uses: dict[int, int] = {}
        self.bare: set[int] = set()
        """Nodes that are written where they are used once: results of blocks and values of lets."""
        self.scope: dict[int, _Block] = {}
        self.blocks: dict[tuple[int, int], _Block] = {}
        self.results: dict[int, list[tuple[_Block, Any]]] = {}
        self.text: dict[int, str] = {}
        self.nesting: dict[int, int] = {}
        self.names: dict[Var, str] = {}
        self.free = free_vars(root)
        self.count = 0
        self._names()
        self._place()

    def _names(self) -> None:
        """Give every variable a name of its own."""
        taken: set[str] = set()
        own = self.root.params if type(self.root) is Function else ()
        for var in [*own, *self.free, *(v for node in self.nodes for v in bound_vars(node))]:
            if var not in self.names:
                self.names[var] = unused(var.name, taken)
                taken.add(self.names[var])

    def _place(self) -> None:
        """Find the block of each node: the innermost one that contains all its uses."""
        for node in self.nodes:
            for child in CHILDREN[type(node)](node):
                self.uses[id(child)] = self.uses.get(id(child), 0) + 1
        self.top = _Block(None, 0)
        self.uses[id(self.root)] = self.uses.get(id(self.root), 0) + 1
        self.scope[id(self.root)] = self.top
        tails = {id(self.root)}
        for node in reversed(self.nodes):
            kind = type(node)
            if kind in _ATOMS:
                continue
            here = self.scope[id(node)]
            below = CHILDREN[kind](node)
            if kind is Let:
                if id(node) not in tails or self.uses[id(node)] > 1:
                    here = self._opened(node, 0, here)
                self.scope[id(node.value)] = _common(self.scope.get(id(node.value)), here)
                self.scope[id(node.body)] = _common(self.scope.get(id(node.body)), here)
                self.bare.add(id(node.value))
                self.bare.add(id(node.body))
                tails.add(id(node.body))
                self.blocks[id(node), 1] = here
                continue
            for at, child in enumerate(below):
                inside = here
                if kind is Function or kind is Clause or (kind is If and at):
                    inside = self._opened(node, at, here)
                    tails.add(id(child))
                    self.bare.add(id(child))
                self.scope[id(child)] = _common(self.scope.get(id(child)), inside)

    def _opened(self, node: Any, at: int, parent: _Block) -> _Block:
        block = self.blocks[id(node), at] = _Block(parent, parent.depth + 1)
        return block

    # lines

    def definition(self, name: GlobalVar) -> list[str]:
        """The lines of a function of a module."""
        assert isinstance(self.root, Function)
        self._emit()
        return self._function(self.root, f"def {name_text('@', name.name)}")

    def program(self) -> list[str]:
        """The lines of an expression; free variables are declared first."""
        self.bare.add(id(self.root))
        self._emit()
        declared = [f"free_var {self._var(v)};" for v in self.free]
        return [*declared, *self._result(self.root, self.top)]

    def _emit(self) -> None:
        """Write every node into its block, in the order in which a traversal completes them."""
        seen: set[int] = set()
        pending: list[tuple[Any, int]] = [(self.root, 0)]
        while pending:
            node, stage = pending.pop()
            if stage == 0:
                if id(node) in seen:
                    continue
                seen.add(id(node))
                if type(node) in _ATOMS:
                    self.text[id(node)] = self._atom(node)
                elif type(node) is Let:
                    pending += [(node, 2), (node.body, 0), (node, 1), (node.value, 0)]
                else:
                    pending.append((node, 2))
                    pending += [(child, 0) for child in reversed(CHILDREN[type(node)](node))]
            elif stage == 1:
                block = self.blocks[id(node), 1]
                value = self._whole(node.value)
                block.lines += _statement(f"let {self._var(node.var)} = ", value)
            elif type(node) is not Clause and node is not self.root:
                self._complete(node)

    def _complete(self, node: Any) -> None:
        """Note how a node is written where it is used."""
        block = self.scope[id(node)]
        if type(node) is Let:
            if (id(node), 0) not in self.blocks:  # the end of its block
                return
        elif self.uses[id(node)] == 1:
            if id(node) in self.bare:
                return
            if type(node) in (Tuple, TupleGetItem):
                level = 1 + max((self.nesting.get(id(c), 0) for c in CHILDREN[type(node)](node)), default=0)
                if level <= _NESTED:
                    self.nesting[id(node)] = level
                    self.text[id(node)] = self._lines(node)[0]
                    return
        name = f"%{self.count}"
        self.count += 1
        block.lines += _statement(f"{name} = ", self._lines(node))
        self.text[id(node)] = name

    def _whole(self, node: Any) -> list[str]:
        """A node written where it is used, or its name."""
        text = self.text.get(id(node))
        return [text] if text is not None else self._lines(node)

    def _result(self, node: Any, block: _Block) -> list[str]:
        """The lines of a block that ends with `node`."""
        while type(node) is Let and (id(node), 0) not in self.blocks:
            node = node.body
        return [*block.lines, *self._whole(node)]

    def _lines(self, node: Any) -> list[str]:
        lines = _WRITE[type(node)](self, node)
        if self.printer.types and isinstance(node, Expr) and node.has_type:
            lines[-1] += f" /* ty={self.printer.type(node.checked_type)} */"
        return lines

    def _atom(self, node: Any) -> str:
        if type(node) is Var:
            return name_text("%", self.names[node])
        if type(node) is GlobalVar:
            return name_text("@", node.name)
        if type(node) is Constant:
            return self.printer.constant(node)
        if type(node) is Constructor and not node.inputs:
            return f"&{node.name}"
        return str(node.name)

    def _var(self, var: Var) -> str:
        annotation = "" if var.annotation is None else f": {self.printer.type(var.annotation)}"
        return name_text("%", self.names[var]) + annotation

    def _braced(self, head: str, node: Any, block: _Block, tail: str = "}") -> list[str]:
        return [head + "{", *(f"  {line}" for line in self._result(node, block)), tail]

    def _function(self, node: Function, head: str = "fn ") -> list[str]:
        params = [self._var(p) for p in node.params] + _attributes(node.attrs)
        head += f"{type_params_text(node.type_params, self.printer.type_names)}({', '.join(params)})"
        if node.result is not None:
            head += f" -> {self.printer.type(node.result)}"
        return self._braced(f"{head} ", node.body, self.blocks[id(node), 0])

    def _call(self, node: Call) -> list[str]:
        function = node.function
        args = [self.text[id(a)] for a in node.args]
        if type(function) is Op:
            defaults = {a.name: a.default for a in function.attributes}
            args += _attributes(node.attrs, defaults)
        else:
            args += _attributes(node.attrs)
        called = self.text[id(function)].removeprefix("&")
        if type(function) is Constructor and not (args or node.type_args or function.inputs):
            return [called]
        types = f"[{', '.join(map(self.printer.type, node.type_args))}]" if node.type_args else ""
        return [f"{called}{types}({', '.join(args)})"]

    def _if(self, node: If) -> list[str]:
        head = f"if ({self.text[id(node.condition)]}) "
        lines = self._braced(head, node.then, self.blocks[id(node), 1], "} else {")
        lines += [f"  {line}" for line in self._result(node.otherwise, self.blocks[id(node), 2])]
        return [*lines, "}"]

    def _match(self, node: Match) -> list[str]:
        lines = [f"match{'' if node.complete else '?'} ({self.text[id(node.data)]}) {{"]
        for clause in node.clauses:
            head = f"{self._pattern(clause.pattern)} => "
            case = self._braced(head, clause.body, self.blocks[id(clause), 0], "},")
            lines += [f"  {line}" for line in case]
        return [*lines, "}"]

    def _pattern(self, pattern: Any) -> str:
        if isinstance(pattern, PatternVar):
            return self._var(pattern.var)
        if isinstance(pattern, PatternTuple):
            return tuple_text([self._pattern(p) for p in pattern.patterns])
        if isinstance(pattern, PatternConstructor):
            inner = ", ".join(self._pattern(p) for p in pattern.patterns)
            return f"{pattern.constructor.name}({inner})" if inner else pattern.constructor.name
        return "_"

    def _let(self, node: Let) -> list[str]:
        inner = self._result(node.body, self.blocks[id(node), 0])
        return ["(", *(f"  {line}" for line in inner), ")"]

    def _named(self, name: str, *operands: Any) -> list[str]:
        return [f"{name}({', '.join(self.text[id(o)] for o in operands)})"]


_WRITE: dict[type, Callable[[_Body, Any], list[str]]] = {
    Call: _Body._call,
    Function: _Body._function,
    If: _Body._if,
    Match: _Body._match,
    Let: _Body._let,
    Tuple: lambda b, n: [tuple_text([b.text[id(f)] for f in n.fields])],
    TupleGetItem: lambda b, n: [f"{_projected(n.tuple_value, b.text[id(n.tuple_value)])}.{n.index}"],
    RefCreate: lambda b, n: b._named("ref", n.value),
    RefRead: lambda b, n: b._named("ref_read", n.ref),
    RefWrite: lambda b, n: b._named("ref_write", n.ref, n.value),
}


def _projected(node: Any, text: str) -> str:
    """What a field is taken of; a number is put in parentheses."""
    return f"({text})" if type(node) is Constant else text


def _common(a: _Block | None, b: _Block) -> _Block:
    """The innermost block that contains two."""
    if a is None:
        return b
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        assert a.parent is not None
        a = a.parent
    return b


def _statement(head: str, lines: Sequence[str]) -> list[str]:
    first, *rest = lines
    return [*_closed([head + first, *rest])]


def _closed(lines: list[str]) -> list[str]:
    lines[-1] += ";"
    return lines


def _attributes(attrs: Attrs, defaults: Any = None) -> list[str]:
    """The attributes of a call that are not the default."""
    texts = []
    for name, value in attrs.items():
        default = REQUIRED if defaults is None else defaults.get(name, REQUIRED)
        if default is REQUIRED or Attrs({name: default}) != Attrs({name: value}):
            texts.append(f"{name}={attribute_text(value)}")
    return texts


def _annotations(root: Any) -> dict[Any, Any]:
    """All types that a program writes: a variable, or the place in a node -> its type."""
    found: dict[Any, Any] = {}
    for node in post_order(root):
        kind = type(node)
        if kind is Var:
            found[node] = node.annotation
        elif kind is Call:
            found.update(((id(node), at), type_) for at, type_ in enumerate(node.type_args))
        else:
            found.update((var, var.annotation) for var in bound_vars(node))
            if kind is Function:
                found[id(node)] = node.result
    return found


def _type_names(annotations: Iterable[Any], taken: Iterable[str]) -> TypeNames:
    """Names for types; a hole that occurs twice has one, ``_0``."""
    names = TypeNames(taken)
    seen: set[Any] = set()
    for root in annotations:
        for hole in _holes(root):
            if hole in seen:
                names.names.setdefault(hole, f"_{len(names.names)}")
            seen.add(hole)
    return names


def _holes(type_: Any) -> Iterable[IncompleteType]:
    pending: list[Any] = [type_]
    while pending:
        part = pending.pop()
        if isinstance(part, IncompleteType):
            yield part
        elif isinstance(part, tuple):
            pending += part
        elif isinstance(part, Type):
            pending += [getattr(part, f.name) for f in fields(part) if f.name != "attributes"]  # type: ignore[arg-type]


def _short_text(expr: Expr) -> str:
    return "\n".join(_Printer(False).program(expr))


Expr.text = _short_text
IRModule.text = lambda module: as_text(module, metadata=False)
