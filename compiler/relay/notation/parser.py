"""The parser: from Relay's text, version 0.0.5, to programs. `compiler.relay.notation` describes the syntax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from compiler.ir.recursion import counted
from compiler.relay.language.attributes import NO_ATTRS, Attrs
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
    PatternWildcard,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    TypeData,
    Var,
    span_of,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import OPS, Op, op
from compiler.relay.language.types import GlobalTypeVar, TypeVar
from compiler.relay.notation.lexer import Lexer, ParseError, Token
from compiler.relay.notation.literals import SECTION, SUFFIXES, metadata_constants, number
from compiler.relay.notation.printer import VERSION
from compiler.relay.notation.type_parser import TypeParser
from compiler.relay.notation.type_text import RESERVED
from compiler.suggest import unknown

VERSIONS = ("0.0.4", VERSION)

_DTYPES = {suffix: dtype for dtype, suffix in SUFFIXES.items()}

_INFIX: tuple[Mapping[str, str], ...] = (
    {
        "<": "less",
        ">": "greater",
        "<=": "less_equal",
        ">=": "greater_equal",
        "==": "equal",
        "!=": "not_equal",
    },
    {"+": "add", "-": "subtract"},
    {"*": "multiply", "/": "divide"},
)
"""Infix operators, those that bind least first."""

_REFERENCES: Mapping[str, tuple[type, int]] = {
    "ref": (RefCreate, 1),
    "ref_read": (RefRead, 1),
    "ref_write": (RefWrite, 2),
}

_WORDS = {"if", "else", "match", "match?", "fn", "let", "def", "type", "extern", "free_var", "meta"}
_WORDS |= {"True", "False", *_REFERENCES}


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
        If the text is no program; the message has the form ``source:line:column: message``. Types are not checked:
        see `compiler.relay.infer_type`.
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


class _Parser(TypeParser):
    def __init__(self, text: str, module: IRModule, source: str) -> None:
        super().__init__(Lexer(text, source), module.types)
        self.module = module
        self.vars: dict[str, Any] = {}
        """The expressions that the names of local variables, and of graph bindings, stand for."""
        self.constructors: dict[str, Constructor] = {
            c.name: c for data in module.types.values() for c in data.constructors
        }
        self.functions: dict[GlobalVar, Function] = {}
        self.named: list[tuple[Token, GlobalVar]] = []
        self.constants: list[Constant] | None = None

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
        self.check_globals({*self.module.functions, *self.functions})
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
            if token.text in self.constructors or token.text in OPS or token.text in _WORDS:
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
        names = set(known)
        for token, name in self.named:
            if name not in names:
                self.fail(unknown("function", f"@{name.name}", [f"@{g.name}" for g in names]), token)

    # blocks

    def scoped(self, end: str) -> Expr:
        """A block up to `end`, which is taken; the names that it defines end with it."""
        outer = dict(self.vars)
        found = self.block()
        self.expect(end)
        self.vars = outer
        return found

    def block(self) -> Expr:
        """Lets and graph bindings, and the value after them."""
        bindings: list[tuple[Token, Var, Expr]] = []
        while True:
            token = self.token
            if self.takes("let"):
                var = self.var()
                self.expect("=")
                if self.sees("fn"):  # it may call itself
                    self.vars[var.name] = var
                value = self.expression()
                self.vars[var.name] = var
                self.expect(";")
                bindings.append((token, var, value))
            elif token.kind == "graph" and self.sees("=", 1):
                self.at += 2
                value = self.expression()
                self.expect(";")
                self.vars[f"%{token.text}"] = value
            else:
                value = self.expression()
                if not self.takes(";;"):
                    break
                bindings.append((token, Var("_"), value))
        for token, var, bound in reversed(bindings):
            value = self.placed(Let(var, bound, value), token)
        return value

    def placed(self, expr: Any, token: Token) -> Any:
        """An expression that notes where it is from."""
        return expr.with_span(self.lexer.span(token))

    def var(self) -> Var:
        token = self.expect_kind("local", "a variable, as %x")
        annotation = self.type() if self.takes(":") else None
        return self.placed(Var(token.text, annotation), token)

    # expressions

    @counted
    def expression(self, level: int = 0) -> Expr:
        """An expression of infix operators that bind at least as much as those of a level."""
        self.enter()
        found = self.operands(level) if level < len(_INFIX) else self.prefix()
        self.nested -= 1
        return found

    def operands(self, level: int) -> Expr:
        found = self.prefix() if level + 1 == len(_INFIX) else self.operands(level + 1)
        while self.token.kind == "symbol" and self.token.text in _INFIX[level]:
            token = self.next()
            other = self.prefix() if level + 1 == len(_INFIX) else self.operands(level + 1)
            found = self.operation(token, _INFIX[level][token.text], found, other)
        return found

    def operation(self, token: Token, name: str, *args: Expr) -> Expr:
        return self.placed(self.checked(token, lambda: op(name)(*args)), token)

    def prefix(self) -> Expr:
        signs = []
        while self.sees("-") and not self.negative_number():
            signs.append(self.next())
        found = self.postfix()
        for token in reversed(signs):
            found = self.operation(token, "negative", found)
        return found

    def negative_number(self) -> bool:
        """Whether a sign and a number are next to each other."""
        after = self.tokens[self.at + 1]
        here = self.token
        return after.kind == "number" and (after.line, after.column) == (here.line, here.column + 1)

    def postfix(self) -> Expr:
        token = self.token
        found = self.primary()
        while True:
            if self.sees("(") or self.sees("["):
                types: tuple[Any, ...] = ()
                if self.takes("["):
                    types = tuple(self.listed("]", self.type))
                    if not self.sees("("):
                        self.fail(f"expected the arguments of a call; found {self.found()}")
                found = self.call(token, found, types)
            elif self.takes("."):
                for index in self.indices():
                    found = self.placed(TupleGetItem(found, index), token)
            elif type(found) is Constructor and not found.inputs and not self.takes_function(token):
                found = self.placed(Call(found, ()), token)
            else:
                return found

    def takes_function(self, token: Token) -> bool:
        """Whether a constructor without inputs is itself meant: ``&Nil``."""
        return token.text == "&"

    def indices(self) -> list[int]:
        """The index of a field, or two: ``0.1`` after a point is one token."""
        token = self.expect_kind("number", "the index of a field")
        parts = token.text.split(".")
        if not all(part.isdigit() for part in parts):
            self.fail(f"expected the index of a field; found {token.text!r}", token)
        return [self.checked(token, lambda part=part: int(part)) for part in parts]  # type: ignore[misc]

    def call(self, token: Token, function: Expr, types: tuple[Any, ...]) -> Expr:
        self.expect("(")
        args: list[Expr] = []
        attributes: dict[str, Any] = {}

        def part() -> None:
            if self.token.kind == "name" and self.sees("=", 1):
                at = self.token
                name, value = self.attribute()
                if name in attributes:
                    self.fail(f"the attribute {name} is given twice", at)
                attributes[name] = value
            elif attributes:
                self.fail("an argument follows the attributes")
            else:
                args.append(self.expression())

        list(self.listed(")", part))
        if type(function) is Op:
            made = self.checked(token, lambda: function(*args, **attributes))
            if types:
                made = Call(function, made.args, made.attrs, types)
        else:
            made = Call(function, tuple(args), Attrs(attributes) if attributes else NO_ATTRS, types)
        return self.placed(made, token)

    def primary(self) -> Expr:
        token = self.token
        if token.kind == "number" or (self.sees("-") and self.negative_number()):
            return self.number()
        if token.kind in ("local", "graph"):
            return self.variable()
        if token.kind == "global":
            self.at += 1
            name = GlobalVar(token.text)
            self.named.append((token, name))
            return self.placed(name, token)
        if token.kind == "name":
            return self.word()
        if self.takes("("):
            return self.parenthesized(token)
        if self.takes("["):
            return self.tensor(token)
        if self.takes("&"):
            name_token = self.expect_kind("name", "a constructor")
            return self.constructor_of(name_token)
        if token.kind == "string":
            self.fail("a string is the value of an attribute, and no expression")
        return self.fail(f"expected an expression; found {self.found()}")

    def variable(self) -> Expr:
        token = self.next()
        name = f"%{token.text}" if token.kind == "graph" else token.text
        found = self.vars.get(name)
        if found is None:
            known = [n if n.startswith("%") else f"%{n}" for n in self.vars]
            self.fail(unknown("variable", f"%{token.text}", known), token)
        return found

    def number(self) -> Expr:
        token = self.token
        sign = "-" if self.takes("-") else ""
        token_text = self.next().text
        for suffix in sorted(_DTYPES, key=len, reverse=True):
            if suffix and token_text.endswith(suffix):
                break
        digits = token_text.removesuffix(suffix)
        dtype = _DTYPES[suffix]
        if not suffix and not digits.isdigit():
            self.fail(f"{token_text!r} has no element type: write {token_text}f or {token_text}f64", token)
        if not digits.isdigit() and not dtype.startswith(("float", "bfloat")):
            self.fail(f"{token_text!r} is no {dtype}", token)
        return self.placed(self.checked(token, lambda: number(sign + digits, dtype)), token)

    def parenthesized(self, token: Token) -> Expr:
        if self.takes(")"):
            return self.placed(Tuple(()), token)
        outer = dict(self.vars)
        first = self.block()
        self.vars = outer
        if self.takes(")"):
            return first
        self.expect(",")
        return self.placed(Tuple((first, *self.listed(")", self.expression))), token)

    def tensor(self, token: Token) -> Expr:
        """A tensor of its elements along the first axis."""
        elements = tuple(self.listed("]", self.expression))
        if not elements:
            self.fail("a tensor in brackets has no elements; an empty one is in the metadata", token)
        if not all(type(e) is Constant for e in elements):
            return self.operation(token, "stack", self.placed(Tuple(elements), token))
        constants: Any = elements
        if len({(c.dtype, c.data.shape) for c in constants}) > 1:
            self.fail("the elements differ in type or shape", token)
        made = Constant(np.stack([c.data for c in constants]), constants[0].dtype)
        return self.placed(made, token)

    def word(self) -> Expr:
        token = self.next()
        word = token.text
        if word in ("True", "False"):
            return self.placed(Constant(np.asarray(word == "True")), token)
        if word == "if":
            return self.conditional(token)
        if word in ("match", "match?"):
            return self.match(token)
        if word == "fn":
            return self.function(token)
        if word == "meta":
            return self.metadata(token)
        if word in _REFERENCES:
            kind, count = _REFERENCES[word]
            self.expect("(")
            args = list(self.listed(")", self.expression))
            if len(args) != count:
                self.fail(f"{word} takes {count} arguments, not {len(args)}", token)
            return self.placed(kind(*args), token)
        if word in OPS:
            return OPS[word]
        if word in _WORDS:
            self.at -= 1
            self.fail(f"expected an expression; found {self.found()}", token)
        return self.constructor_of(token)

    def constructor_of(self, token: Token) -> Constructor:
        found = self.constructors.get(token.text)
        if found is None:
            kind = "constructor" if token.text[:1].isupper() else "operator"
            known = self.constructors if kind == "constructor" else OPS
            return self.fail(unknown(kind, token.text, known), token)
        return found

    def metadata(self, token: Token) -> Expr:
        self.expect("[")
        self.expect(SECTION)
        self.expect("]")
        self.expect("[")
        at = self.natural("the number of a constant")
        self.expect("]")
        if self.constants is None:
            self.fail("the text has no metadata: print it with `as_text`, which writes all constants", token)
        elif at >= len(self.constants):
            self.fail(f"the metadata has {len(self.constants)} constants, not one of the number {at}", token)
        else:
            return self.constants[at]
        raise AssertionError

    def conditional(self, token: Token) -> Expr:
        self.expect("(")
        condition = self.scoped(")")
        self.expect("{")
        then = self.scoped("}")
        self.expect("else")
        self.expect("{")
        return self.placed(If(condition, then, self.scoped("}")), token)

    def match(self, token: Token) -> Expr:
        self.expect("(")
        data = self.scoped(")")
        self.expect("{")
        clauses = tuple(self.listed("}", self.clause))
        return self.placed(Match(data, clauses, token.text == "match"), token)

    def clause(self) -> Clause:
        outer = dict(self.vars)
        pattern = self.pattern()
        self.expect("=>")
        self.expect("{")
        body = self.scoped("}")
        self.vars = outer
        return Clause(pattern, body)

    @counted
    def pattern(self) -> Any:
        """``_``, a variable, a constructor with patterns, or a tuple of patterns."""
        self.enter()
        found = self.pattern_form()
        self.nested -= 1
        return found

    def pattern_form(self) -> Any:
        if self.takes("_"):
            return PatternWildcard()
        if self.token.kind == "local":
            var = self.var()
            self.vars[var.name] = var
            return PatternVar(var)
        if self.token.kind == "name":
            constructor = self.constructor_of(self.next())
            inner = tuple(self.listed(")", self.pattern)) if self.takes("(") else ()
            return PatternConstructor(constructor, inner)
        if not self.takes("("):
            return self.fail(f"expected a pattern; found {self.found()}")
        patterns: list[Any] = []
        while not self.takes(")"):
            patterns.append(self.pattern())
            if not self.takes(","):
                self.expect(")")
                return patterns[0] if len(patterns) == 1 else PatternTuple(tuple(patterns))
        return PatternTuple(tuple(patterns))

    def function(self, token: Token) -> Function:
        """The type parameters, parameters, result type and body of a function."""
        outer, outer_types = dict(self.vars), dict(self.type_vars)
        type_params = self.type_params()
        self.expect("(")
        params: list[Var] = []
        attributes: dict[str, Any] = {}

        def part() -> None:
            if self.token.kind == "name":
                attributes.update([self.attribute()])
                return
            at = self.token
            params.append(self.var())
            if sum(p.name == at.text for p in params) > 1:
                self.fail(f"there is a parameter %{at.text} already", at)

        list(self.listed(")", part))
        result = self.type() if self.takes("->") else None
        self.expect("{")
        self.vars.update((p.name, p) for p in params)
        body = self.scoped("}")
        self.vars, self.type_vars = outer, outer_types
        attrs = Attrs(attributes) if attributes else NO_ATTRS
        return self.placed(Function(tuple(params), body, result, type_params, attrs), token)


__all__ = ["ParseError", "parse", "parse_expr"]
