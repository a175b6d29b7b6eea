"""The parser of programs. `compiler.relay.notation` describes the syntax of Relay's text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compiler.relay.language.expr import (
    Constructor,
    Expr,
    GlobalVar,
    TypeData,
    span_of,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import OPS
from compiler.relay.language.types import GlobalTypeVar, TypeVar
from compiler.relay.notation.expression_parser import WORDS, ExpressionParser
from compiler.relay.notation.lexer import Token
from compiler.relay.notation.literals import metadata_constants
from compiler.relay.notation.printer import VERSION
from compiler.relay.notation.type_text import RESERVED
from compiler.suggest import unknown

VERSIONS = ("0.0.4", VERSION)


def parse(text: str, module: IRModule | None = None, source: str = "text") -> IRModule:
    """The module that a text defines.

    Parameters
    ----------
    text : str
        Definitions of functions and data types; or one expression, which becomes ``main``.
    module : IRModule, optional
        Definitions to which those of the text are added, for example `compiler.relay.prelude`.
    source : str
        A name of the text, for messages and the places of expressions.

    Raises
    ------
    ParseError
        If the text is no program; the message has the form ``source:line:column: message``. Types are not
        checked: see `compiler.relay.infer_type`.
    """
    parser = _Parser(text, module or IRModule(), source)
    return parser.guarded(parser.whole)


def parse_expr(text: str, module: IRModule | None = None, source: str = "text") -> Expr:
    """The expression that a text is.

    Parameters
    ----------
    text : str
        Variables that are free in it are declared first: ``free_var %x: float32;``.
    module, source
        See `parse`; the expression may name functions and data types of the module.

    Raises
    ------
    ParseError
        See `parse`.
    """
    parser = _Parser(text, module or IRModule(), source)
    return parser.guarded(parser.only_expression)


class _Parser(ExpressionParser):
    def guarded(self, parse: Any) -> Any:
        """Parse, and refuse what needs more stack than there is."""
        try:
            self.header()
            return parse()
        except (RecursionError, MemoryError):
            return self.fail("the text is nested too deeply")

    # programs

    def header(self) -> None:
        if self.tokens[-2:-1] and self.tokens[-2].kind == "metadata":
            section = self.tokens.pop(-2)
            self.constants = self.checked(section, lambda: metadata_constants(section.text))
        if self.token.kind == "version":
            token = self.next()
            if token.text not in VERSIONS:
                self.fail(f"the version is {token.text!r}; {' and '.join(VERSIONS)} can be read", token)

    def whole(self) -> IRModule:
        if not any(self.sees(word) for word in ("def", "type", "extern")) and self.token.kind != "end":
            return IRModule.from_expr(self.only_expression(), self.module)
        start = self.at
        self.each_definition(types_only=True, define=self.declared_type)
        self.at = start
        self.each_definition(types_only=True, define=self.type_definition)
        self.at = start
        self.each_definition(types_only=False, define=self.type_definition)
        self.check_globals([*self.module.functions, *self.functions])
        return IRModule({**self.module.functions, **self.functions}, self.data_types)

    def each_definition(self, types_only: bool, define: Any) -> None:
        """Call `define` at each data type; in the last pass skip these, and define the functions."""
        while self.token.kind != "end":
            if self.sees("def"):
                self.skip() if types_only else self.definition()
            elif self.sees("type") or self.sees("extern"):
                define() if types_only else self.skip()
            else:
                self.fail(f"expected a definition (def, type or extern type); found {self.found()}")

    def skip(self) -> None:
        """Take the tokens of a definition."""
        start, depth = self.next(), 0
        while True:
            token = self.next()
            if token.kind == "end":
                self.fail("the definition does not end", start)
            if token.kind == "symbol":
                depth += {"{": 1, "}": -1}.get(token.text, 0)
                if (depth == 0 and token.text == "}") or (start.text == "extern" and token.text == ";"):
                    return

    def type_head(self) -> tuple[Token, tuple[TypeVar, ...], bool]:
        extern = self.takes("extern")
        self.expect("type")
        name = self.expect_kind("name", "the name of a data type")
        self.type_vars = {}
        return name, self.type_params(), extern

    def declared_type(self) -> None:
        """Note the name and the parameters of a data type, and skip the rest."""
        start = self.at
        name, type_vars, _ = self.type_head()
        key = GlobalTypeVar(name.text)
        if key in self.data_types:
            self.fail(f"there is a data type {name.text!r} already", name)
        if name.text in RESERVED or name.text.startswith("_") or "." in name.text:
            self.fail(f"{name.text!r} cannot be the name of a data type", name)
        self.data_types[key] = TypeData(key, type_vars)
        self.at = start
        self.skip()

    def type_definition(self) -> None:
        name, _, extern = self.type_head()
        data = self.data_types[GlobalTypeVar(name.text)]
        self.type_vars = {v.name: v for v in data.type_vars}
        if extern:
            self.expect(";")
            return
        self.expect("{")
        constructors: list[Constructor] = []
        for token, inputs in self.listed("}", self.constructor):
            if token.text in self.constructors or token.text in OPS or token.text in WORDS:
                self.fail(f"the name {token.text!r} of the constructor is taken", token)
            made = Constructor(token.text, inputs, data.name, len(constructors))
            constructors.append(made)
            self.constructors[token.text] = made
        self.data_types[data.name] = TypeData(data.name, data.type_vars, tuple(constructors))
        self.type_vars = {}

    def constructor(self) -> tuple[Token, tuple[Any, ...]]:
        name = self.expect_kind("name", "the name of a constructor")
        if name.text.startswith("_") or "." in name.text:
            self.fail(f"{name.text!r} cannot be the name of a constructor", name)
        return name, tuple(self.listed(")", self.type)) if self.takes("(") else ()

    def definition(self) -> None:
        start = self.expect("def")
        token = self.expect_kind("global", "the name of a function, as @main")
        name = GlobalVar(token.text)
        if name in self.functions or name in self.module.functions:
            self.fail(f"there is a function @{token.text} already", token)
        self.functions[name] = self.function(start)

    def only_expression(self) -> Expr:
        while self.takes("free_var"):
            var = self.var()
            if span_of(var) is not None and var.name in self.vars:
                self.fail(f"there is a variable %{var.name} already")
            self.vars[var.name] = var
            self.expect(";")
        expr = self.block()
        if self.token.kind != "end":
            self.fail(f"expected the end of the text; found {self.found()}")
        self.check_globals(self.module.functions)
        return expr

    def check_globals(self, known: Iterable[GlobalVar]) -> None:
        names = dict.fromkeys(known)
        for token, name in self.named:
            if name not in names:
                self.fail(unknown("function", f"@{name.name}", [f"@{g.name}" for g in names]), token)
