"""Programs with control flow, recursion, closures, references and data, compiled ahead of time.

Each function becomes a function of Python in which variables are its local variables, a branch is an ``if``,
a match tests tags, and a call of itself in tail position is a loop; what it computes are calls of compiled
primitive functions. The order of evaluation is that of the interpreter, whose blocks
(`compiler.relay.interpret.blocks`) this is written from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.relay.interpret.blocks import Block, Code, Step, compiled
from compiler.relay.interpret.values import ConstructorValue, RefValue
from compiler.relay.language.attributes import checked_attrs
from compiler.relay.language.expr import Call, Constructor, Function, GlobalVar
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op, evaluated

INDENT = 90
"""Levels of indentation up to which Python's parser can read a function."""


class TooDeep(Exception):
    """A function has more nested branches than Python's parser can read."""


def compile_functions(
    module: IRModule, function: Function, operator: Callable[[Call], Any]
) -> Callable[..., Any]:
    """The function of Python that computes `function`.

    Parameters
    ----------
    module : IRModule
        The functions that it names.
    function : Function
        Without free variables.
    operator : callable
        ``operator(call)``: what computes a call of an operator: a callable, or an `Inline`.

    Raises
    ------
    TooDeep
        If branches are nested too deeply.
    """
    return _Writer(module, operator).function(function)


class Inline:
    """A computation that is written into the code that uses it.

    Parameters
    ----------
    lines : callable
        ``lines(result, arguments, name) -> list of str``: statements that set the variable `result`, given
        the names of the arguments; ``name(value)`` is the name of a value that they refer to.
    """

    def __init__(self, lines: Callable[[str, Sequence[str], Callable[[Any], str]], list[str]]) -> None:
        self.lines = lines


class _Global:
    """Stands for a function of the module in the slots of a function."""

    def __init__(self, name: GlobalVar) -> None:
        self.name = name


class _Writer:
    def __init__(self, module: IRModule, operator: Callable[[Call], Any]) -> None:
        self.module, self.operator = module, operator
        self.namespace: dict[str, Any] = {"Data": ConstructorValue, "Ref": RefValue, "no_case": _no_case}
        self.names: dict[int, str] = {}
        self.kept: list[Any] = []  # what `names` has the ids of
        self.globals: dict[GlobalVar, str] = {}
        self.text: list[str] = []
        self.factories = 0

    def function(self, function: Function) -> Callable[..., Any]:
        code = compiled(function, _Global, self.operator)
        self._definition("main_function", code, None)
        pending = list(self.globals)
        while pending:
            for name in pending:
                code = compiled(self.module[name], _Global, self.operator)
                self._definition(self.globals[name], code, name)
            pending = [g for g in self.globals if self.globals[g] not in self._written]
        exec(compile("\n".join(self.text), "<relay program>", "exec"), self.namespace)  # our own code
        return self.namespace["main_function"]

    @property
    def _written(self) -> set[str]:
        return {line.split("(")[0][4:] for line in self.text if line.startswith("def ")}

    def name(self, value: Any) -> str:
        """The name of a value in the code."""
        if id(value) not in self.names:
            self.names[id(value)] = f"v{len(self.names)}"
            self.kept.append(value)
            self.namespace[self.names[id(value)]] = value
        return self.names[id(value)]

    def _definition(self, name: str, code: Code, itself: GlobalVar | None) -> None:
        """Write a function of the module."""
        body = _Body(self, code, itself, None, 1)
        lines = body.lines()
        self.text += [f"def {name}({', '.join(f's{p}' for p in code.params)}):", *lines]

    def factory(self, code: Code, itself: int | None) -> tuple[str, list[int]]:
        """Write the function that makes a closure; its name, and the places of captured values it takes."""
        self.factories += 1
        name = f"make_{self.factories}"
        body = _Body(self, code, None, itself, 2)
        lines = body.lines()
        taken = [place for place, slot in enumerate(code.captured) if slot != itself]
        parameters = ", ".join(f"s{code.captured[place]}" for place in taken)
        self.text += [
            f"def {name}({parameters}):",
            f" def closure({', '.join(f's{p}' for p in code.params)}):",
            *lines,
            *([f" s{itself} = closure"] if itself is not None else []),
            " return closure",
        ]
        return name, taken


class _Body:
    """The statements of one function."""

    def __init__(
        self, writer: _Writer, code: Code, name: GlobalVar | None, itself: int | None, level: int
    ) -> None:
        self.writer, self.code, self.global_name, self.itself, self.level = writer, code, name, itself, level
        self.loops = False
        self.params = set(code.params)

    def lines(self) -> list[str]:
        found = self.block(self.code.body, self.level + 1, None)
        head = " " * self.level
        if self.loops:
            return [f"{head}while True:", *found]
        return [line[1:] for line in found]

    def slot(self, slot: int) -> str:
        """The variable of a slot, or the name of the constant that is in it."""
        value = self.code.template[slot]
        if type(value) is _Global:
            return self.writer.globals.setdefault(value.name, f"function_{len(self.writer.globals)}")
        if value is None:
            return f"s{slot}"
        if isinstance(value, (Op, Constructor)):
            value = _as_function(value)
        return self.writer.name(value)

    def block(self, block: Block, level: int, result: int | None) -> list[str]:
        """The statements of a block; its value is returned, or put into the slot `result`."""
        if level > INDENT:
            raise TooDeep
        lines: list[str] = []
        head = " " * level
        steps = block.steps
        for at, step in enumerate(steps):
            last = at == len(steps) - 1 and block.result == step[1]
            if last and step[0] in (Step.IF, Step.MATCH, Step.CALL):
                lines += self.enter(step, level, result if result is not None else None, True)
                return lines
            if step[0] in (Step.IF, Step.MATCH, Step.CALL):
                lines += self.enter(step, level, step[1], False)
            else:
                lines += [head + line for line in self.plain(step)]
        value = self.slot(block.result)
        if result is None:
            lines.append(f"{head}return {value}")
        elif f"s{result}" != value:
            lines.append(f"{head}s{result} = {value}")
        return lines or [f"{head}pass"]

    def enter(self, step: Any, level: int, result: int | None, last: bool) -> list[str]:
        """The statements of a call, a branch or a match, whose value is returned where `result` is None."""
        head = " " * level
        if step[0] == Step.CALL:
            return [head + line for line in self.call(step, result)]
        if step[0] == Step.IF:
            return [
                f"{head}if {self.slot(step[2])}:",
                *self.block(step[3], level + 1, result),
                f"{head}else:",
                *self.block(step[4], level + 1, result),
            ]
        data, lines = self.slot(step[2]), []
        for number, (pattern, block) in enumerate(step[3]):
            tests: list[str] = []
            bindings: list[tuple[int, str]] = []
            _pattern(pattern, data, tests, bindings)
            word = "elif" if number else "if"
            lines.append(f"{head}{word} {' and '.join(tests) or 'True'}:")
            lines += [f"{head} s{slot} = {path}" for slot, path in bindings]
            lines += self.block(block, level + 1, result)
        return [*lines, f"{head}else:", f"{head} no_case({data}, {self.writer.name(step[4])})"]

    def call(self, step: Any, result: int | None) -> list[str]:
        callee, arguments = step[2], [self.slot(s) for s in step[3]]
        value = self.code.template[callee]
        its = type(value) is _Global and value.name == self.global_name and self.global_name is not None
        if result is None and (its or (self.itself is not None and callee == self.itself)):
            self.loops = True
            if not arguments:
                return ["continue"]
            targets = ", ".join(f"s{p}" for p in self.code.params)
            return [f"{targets} = {', '.join(arguments)}", "continue"]
        text = f"{self.slot(callee)}({', '.join(arguments)})"
        return [f"return {text}" if result is None else f"s{result} = {text}"]

    def plain(self, step: Any) -> list[str]:
        """The statements of a step that enters no block."""
        kind, result = step[0], f"s{step[1]}"
        if kind == Step.OPERATOR:
            arguments = [self.slot(s) for s in step[3]]
            if isinstance(step[2], Inline):
                return step[2].lines(result, arguments, self.writer.name)
            return [f"{result} = {self.writer.name(step[2])}({', '.join(arguments)})"]
        if kind == Step.TUPLE:
            return [f"{result} = ({''.join(self.slot(s) + ', ' for s in step[2])})"]
        if kind == Step.FIELD:
            return [f"{result} = {self.slot(step[2])}[{step[3]}]"]
        if kind == Step.CONSTRUCT:
            fields = "".join(self.slot(s) + ", " for s in step[3])
            return [f"{result} = Data({self.writer.name(step[2])}, ({fields}))"]
        if kind == Step.NEW:
            return [f"{result} = Ref({self.slot(step[2])})"]
        if kind == Step.READ:
            return [f"{result} = {self.slot(step[2])}.value"]
        if kind == Step.WRITE:
            return [f"{self.slot(step[2])}.value = {self.slot(step[3])}", f"{result} = ()"]
        assert kind == Step.CLOSURE
        code = step[2]
        own = [inner for inner, outer in zip(code.captured, code.outer, strict=True) if outer == step[1]]
        name, taken = self.writer.factory(code, own[0] if own else None)
        return [f"{result} = {name}({', '.join(self.slot(code.outer[place]) for place in taken)})"]


def _pattern(pattern: Any, path: str, tests: list[str], bindings: list[tuple[int, str]]) -> None:
    if pattern is None:
        return
    if type(pattern) is int:
        bindings.append((pattern, path))
        return
    tag, inner = pattern
    if tag >= 0:
        tests.append(f"{path}.constructor.tag == {tag}")
    for number, part in enumerate(inner):
        _pattern(part, f"{path}[{number}]" if tag < 0 else f"{path}.fields[{number}]", tests, bindings)


def _no_case(value: Any, node: Any) -> None:
    from compiler.relay.infer.solver import place

    raise ValueError(f"{place(node)} has no case for {value!r}")


def _as_function(value: Op | Constructor) -> Callable[..., Any]:
    """An operator or a constructor that is passed as a function."""
    if isinstance(value, Constructor):
        return lambda *fields: ConstructorValue(value, fields)
    attrs = checked_attrs(value.name, value.attributes, {})
    return lambda *args: evaluated(value, attrs, args)


def contiguous(value: Any) -> Any:
    """The arrays of nested tuples, C-contiguous."""
    if isinstance(value, tuple):
        return tuple(map(contiguous, value))
    array = np.asarray(value)
    return array if array.flags.c_contiguous else np.array(array, order="C")
