"""A function as blocks of steps: which activation evaluates a shared node, and when.

A node belongs to the innermost block (the body of a function, a branch, a case) that contains all its uses,
and is evaluated there once, in the order in which a traversal first completes it. That is the order in which
A-normal form writes it down, so both forms of a program mean the same, effects included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Constructor,
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
    Var,
    pattern_vars,
)
from compiler.relay.language.op import Op
from compiler.relay.language.visit import post_order


class Step(IntEnum):
    """What a step does; each step is a tuple that begins with it and with the slot of the result."""

    OPERATOR = 0
    TUPLE = 1
    FIELD = 2
    CONSTRUCT = 3
    NEW = 4
    READ = 5
    WRITE = 6  # so far the steps that enter no block
    CLOSURE = 7
    CALL = 8
    IF = 9
    MATCH = 10


@dataclass(eq=False, slots=True)
class Block:
    """Steps that are executed one after another; ``result`` is the slot of the value.

    Parameters
    ----------
    code : Code
        The function to whose activation the block belongs.
    parent : Block or None
        The block that contains it.
    """

    code: Code
    parent: Block | None
    depth: int
    steps: list[tuple[Any, ...]] = field(default_factory=list)
    result: int = 0


@dataclass(eq=False, slots=True)
class Code:
    """A function that is ready to be evaluated. An activation is a list of slots.

    Attributes
    ----------
    function : Function
    body : Block
    template : list
        The slots of an activation, those of constants filled in.
    params : list of int
        Slots of the parameters.
    captured : list of int
        Slots of the values that a closure brings.
    outer : list of int
        Slots of these values in the activation that makes the closure.
    """

    function: Any
    body: Any = None
    template: list[Any] = field(default_factory=list)
    params: list[int] = field(default_factory=list)
    captured: list[int] = field(default_factory=list)
    outer: list[int] = field(default_factory=list)
    slots: dict[Any, int] = field(default_factory=dict)
    """A variable, or the ``id`` of a node, that the function makes or captures -> its slot."""

    def fresh(self, key: Any, value: Any = None) -> int:
        """A new slot, filled with `value` in the template."""
        slot = self.slots[key] = len(self.template)
        self.template.append(value)
        return slot


def compiled(
    function: Function,
    global_value: Callable[[GlobalVar], Any],
    operator: Callable[[Call], Callable[..., Any]],
) -> Code:
    """The code of a function without free variables, and of all functions in it. Nothing recurs.

    Parameters
    ----------
    function : Function
    global_value : callable
        The value of a function of the module.
    operator : callable
        ``operator(call)``: what computes the result of a call of an operator from the values of its
        arguments.

    Raises
    ------
    ValueError
        If a variable is not bound.
    """
    return _Compiler(global_value, operator).compile(function)


class _Compiler:
    def __init__(
        self, global_value: Callable[[GlobalVar], Any], operator: Callable[[Call], Callable[..., Any]]
    ) -> None:
        self.global_value = global_value
        self.operator = operator
        self.scope: dict[int, Block] = {}
        self.blocks: dict[tuple[int, int], Block] = {}
        self.results: list[tuple[Block, Any]] = []
        self.codes: dict[int, Code] = {}
        self.values: dict[Var, Any] = {}
        self.homes: dict[Var, Block] = {}

    def compile(self, function: Function) -> Code:
        nodes = post_order(function)
        self.scope[id(function)] = Block(Code(None), None, 0)
        for node in reversed(nodes):
            self.place(node, self.scope[id(node)])
        for node in nodes[:-1]:
            emit = _EMIT.get(type(node))
            if emit is not None:
                scope = self.scope[id(node)]
                scope.steps.append(emit(self, node, scope, self.slot(node, scope)))
        for block, result in self.results:
            block.result = self.slot(result, block)
        return self.codes[id(function)]

    # blocks

    def place(self, node: Any, scope: Block) -> None:
        """Put the children of a node into blocks; all uses of the node have been placed."""
        kind = type(node)
        if kind is Function:
            code = self.codes[id(node)] = Code(node)
            code.body = self.open(node, 0, node.body, code, scope)
            for param in node.params:
                self.homes[param] = code.body
                code.params.append(code.fresh(param))
        elif kind is If:
            self.put(node.condition, scope)
            self.open(node, 0, node.then, scope.code, scope)
            self.open(node, 1, node.otherwise, scope.code, scope)
        elif kind is Clause:
            block = self.open(node, 0, node.body, scope.code, scope)
            for var in pattern_vars(node.pattern):
                self.homes[var] = block
                scope.code.fresh(var)
        else:
            if kind is Let:
                self.values[node.var] = node.value
            for child in CHILDREN[kind](node):
                self.put(child, scope)

    def open(self, node: Any, at: int, result: Any, code: Code, scope: Block) -> Block:
        block = self.blocks[id(node), at] = Block(code, scope, scope.depth + 1)
        self.results.append((block, result))
        self.put(result, block)
        return block

    def put(self, node: Any, block: Block) -> None:
        """Use a node in a block: it belongs to the innermost block that contains all its uses."""
        other = self.scope.setdefault(id(node), block)
        if other is block:
            return
        while other is not block:
            if other.depth >= block.depth:
                assert other.parent is not None
                other = other.parent
            else:
                assert block.parent is not None
                block = block.parent
        self.scope[id(node)] = block

    # slots

    def slot(self, node: Any, block: Block) -> int:
        """The slot that holds the value of a node, in the activation to which a block belongs."""
        while True:
            if type(node) is Let:
                node = node.body
            elif type(node) is Var and node in self.values:
                node = self.values[node]
            else:
                break
        code = block.code
        kind = type(node)
        if kind is Var:
            if node not in self.homes:
                raise ValueError(f"the variable %{node.name} is not bound")
            return self.captured(node, self.homes[node].code, code)
        key = id(node)
        if kind in _FIXED:
            found = code.slots.get(key)
            if found is None:
                value = self.global_value(node) if kind is GlobalVar else node
                found = code.fresh(key, node.data if kind is Constant else value)
            return found
        return self.captured(key, self.scope[key].code, code)

    def captured(self, key: Any, home: Code, code: Code) -> int:
        """The slot, in the activation of `code`, of a value of that of `home`, the same or an outer one."""
        found = code.slots.get(key)
        if found is not None:
            return found
        if code is home:
            return code.fresh(key)
        chain = [code]
        while key not in chain[-1].slots and chain[-1] is not home:
            chain.append(self.scope[id(chain[-1].function)].code)
        slot = chain[-1].slots.get(key)
        if slot is None:
            slot = chain[-1].fresh(key)
        for inner in reversed(chain[:-1]):
            inner.outer.append(slot)
            slot = inner.fresh(key)
            inner.captured.append(slot)
        return slot

    # steps

    def slots(self, nodes: Sequence[Any], block: Block) -> tuple[int, ...]:
        return tuple([self.slot(node, block) for node in nodes])

    def call(self, node: Call, block: Block, slot: int) -> tuple[Any, ...]:
        args = self.slots(node.args, block)
        if type(node.function) is Op:
            return _OPERATOR, slot, self.operator(node), args, node
        if type(node.function) is Constructor:
            return _CONSTRUCT, slot, node.function, args
        return _CALL, slot, self.slot(node.function, block), args, node

    def if_(self, node: If, block: Block, slot: int) -> tuple[Any, ...]:
        condition = self.slot(node.condition, block)
        return _IF, slot, condition, self.blocks[id(node), 0], self.blocks[id(node), 1]

    def match(self, node: Match, block: Block, slot: int) -> tuple[Any, ...]:
        cases = [(self.pattern(c.pattern, block.code), self.blocks[id(c), 0]) for c in node.clauses]
        return _MATCH, slot, self.slot(node.data, block), cases, node

    def pattern(self, pattern: Any, code: Code) -> Any:
        """None for everything, a slot for a variable, or (tag, parts); the tag of a tuple is -1."""
        if isinstance(pattern, PatternVar):
            return code.slots[pattern.var]
        if isinstance(pattern, PatternConstructor):
            return pattern.constructor.tag, [self.pattern(p, code) for p in pattern.patterns]
        if isinstance(pattern, PatternTuple):
            return -1, [self.pattern(p, code) for p in pattern.patterns]
        return None


_OPERATOR, _TUPLE, _FIELD, _CONSTRUCT, _NEW, _READ, _WRITE, _CLOSURE, _CALL, _IF, _MATCH = map(int, Step)

_FIXED = (Constant, GlobalVar, Op, Constructor)

_EMIT: dict[type, Callable[[_Compiler, Any, Block, int], tuple[Any, ...]]] = {
    Call: _Compiler.call,
    If: _Compiler.if_,
    Match: _Compiler.match,
    Function: lambda c, node, block, slot: (_CLOSURE, slot, c.codes[id(node)]),
    Tuple: lambda c, node, block, slot: (_TUPLE, slot, c.slots(node.fields, block)),
    TupleGetItem: lambda c, node, block, slot: (_FIELD, slot, c.slot(node.tuple_value, block), node.index),
    RefCreate: lambda c, node, block, slot: (_NEW, slot, c.slot(node.value, block)),
    RefRead: lambda c, node, block, slot: (_READ, slot, c.slot(node.ref, block)),
    RefWrite: lambda c, node, block, slot: (_WRITE, slot, c.slot(node.ref, block), c.slot(node.value, block)),
}
