"""The parser of expressions: blocks, infix operators, calls, literals, functions, conditionals, matches."""

from __future__ import annotations

from collections.abc import Mapping
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
    Var,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import OPS, Op, op
from compiler.relay.notation.lexer import Lexer, Token
from compiler.relay.notation.literals import SECTION, SUFFIXES, number
from compiler.relay.notation.type_parser import TypeParser
from compiler.suggest import unknown

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

WORDS = {"if", "else", "match", "match?", "fn", "let", "def", "type", "extern", "free_var", "meta"}
WORDS |= {"True", "False", *_REFERENCES}


class ExpressionParser(TypeParser):
    """Reads expressions of a text, which may name what a module defines."""

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
        found: Expr | None = self.vars.get(name)
        if found is None:
            known = [n if n.startswith("%") else f"%{n}" for n in self.vars]
            return self.fail(unknown("variable", f"%{token.text}", known), token)
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
        if word in WORDS:
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
