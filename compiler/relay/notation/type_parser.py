"""The parser of types; base of the parser of expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from typing import TypeVar as Generic

from compiler.ir.dtype import SCALAR_TYPES
from compiler.ir.recursion import Recursive, counted
from compiler.relay.language.attributes import Attrs
from compiler.relay.language.expr import TypeData
from compiler.relay.language.op import OPS
from compiler.relay.language.types import (
    ANY,
    FuncType,
    GlobalTypeVar,
    IncompleteType,
    Kind,
    RefType,
    TensorType,
    TupleType,
    Type,
    TypeCall,
    TypeConstraint,
    TypeVar,
)
from compiler.relay.notation.lexer import Lexer, Token
from compiler.relay.notation.type_text import RESERVED
from compiler.suggest import unknown

NESTED = 10_000
"""Levels of nesting in a text; more are refused."""

KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}

Item = Generic("Item")


class TypeParser(Recursive):
    """Reads tokens one after another.

    Parameters
    ----------
    lexer : Lexer
    data_types : mapping of GlobalTypeVar to TypeData
        Those that exist; definitions of the text are added.
    """

    def __init__(self, lexer: Lexer, data_types: Mapping[GlobalTypeVar, TypeData]) -> None:
        self.lexer = lexer
        self.tokens = lexer.tokens
        self.at = 0
        self.nested = 0
        self.data_types = dict(data_types)
        self.type_vars: dict[str, TypeVar] = {}
        self.holes: dict[str, IncompleteType] = {}

    # tokens

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def next(self) -> Token:
        """Take the next token."""
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def sees(self, text: str, ahead: int = 0) -> bool:
        """Whether a token is this symbol or word."""
        token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
        return token.text == text and token.kind in ("symbol", "name")

    def takes(self, text: str) -> bool:
        """Take a symbol or word, if it is the next token."""
        found = self.sees(text)
        self.at += found
        return found

    def expect(self, text: str) -> Token:
        """Take a symbol or word that must be there."""
        if not self.sees(text):
            self.fail(f"expected {text!r}; found {self.found()}")
        return self.next()

    def expect_kind(self, kind: str, what: str) -> Token:
        """Take a token of a kind that must be there."""
        if self.token.kind != kind:
            self.fail(f"expected {what}; found {self.found()}")
        return self.next()

    def found(self) -> str:
        """The next token, for messages."""
        sigil = {"local": "%", "graph": "%", "global": "@"}.get(self.token.kind, "")
        if self.token.kind in ("end", "metadata"):
            return "the end of the text" if self.token.kind == "end" else "the metadata"
        return repr(sigil + self.token.text[:40])

    def fail(self, message: str, token: Token | None = None) -> Any:
        """Raise the error of a token, by default the next one."""
        self.lexer.fail(token or self.token, message)

    def checked(self, token: Token, make: Callable[[], Item]) -> Item:
        """What `make` returns; its ValueError becomes an error at the token."""
        try:
            return make()
        except ValueError as error:
            return self.fail(str(error), token)

    def listed(self, end: str, item: Callable[[], Any]) -> Iterator[Any]:
        """Items separated by commas up to `end`, which is taken; a comma may follow the last one."""
        while not self.takes(end):
            yield item()
            if not self.takes(","):
                self.expect(end)
                return

    # values of attributes

    def attribute(self) -> tuple[str, Any]:
        """``name=value``"""
        name = self.expect_kind("name", "the name of an attribute")
        self.expect("=")
        return name.text, self.attribute_value()

    @counted
    def attribute_value(self) -> Any:
        """None, True, False, a number, a string, or a list of values in brackets."""
        token = self.next()
        if token.kind == "string":
            return token.text
        if token.kind == "symbol" and token.text == "[":
            self.enter()
            values = tuple(self.listed("]", self.attribute_value))
            self.nested -= 1
            return values
        negative = token.kind == "symbol" and token.text == "-"
        if negative:
            token = self.next()
        if token.kind == "number":
            return self.plain_number(token, negative)
        if token.kind == "name":
            words: dict[str, Any] = {"inf": float("-inf") if negative else float("inf"), "nan": float("nan")}
            if not negative:
                words |= {"None": None, "True": True, "False": False}
            if token.text in words:
                return words[token.text]
        return self.fail(
            "expected the value of an attribute: None, True, a number, a string or a list", token
        )

    def plain_number(self, token: Token, negative: bool = False) -> int | float:
        """A number without an element type; a float has a point or an exponent, or ``f`` after it."""
        text = token.text.removesuffix("f")
        sign = "-" if negative else ""
        if text.isdigit() and text == token.text:
            return self.checked(token, lambda: int(sign + text))
        try:
            return float(sign + text)
        except ValueError:
            return self.fail(f"{token.text!r} is no number here", token)

    def enter(self) -> None:
        """Count a level of nesting."""
        self.nested += 1
        if self.nested > NESTED:
            self.fail(f"the text is nested more than {NESTED} levels deep")

    # types

    @counted
    def type(self, kind: Kind = Kind.TYPE) -> Any:
        """A type, or a shape, dimension or element type where one is needed."""
        self.enter()
        found = self._type(kind)
        self.nested -= 1
        return found

    def _type(self, kind: Kind) -> Any:
        token = self.token
        if token.kind == "name":
            return self._named(kind)
        if kind is Kind.SHAPE_VAR:
            if self.takes("?"):
                return ANY
            return self.natural("a dimension")
        if self.takes("("):
            if kind is Kind.SHAPE:
                return tuple(self.listed(")", lambda: self.type(Kind.SHAPE_VAR)))
            return self._tuple()
        return self.fail(f"expected a type of the kind {kind.value}; found {self.found()}")

    def _tuple(self) -> Any:
        if self.takes(")"):
            return TupleType(())
        first = self.type()
        if self.takes(")"):
            return first
        self.expect(",")
        return TupleType((first, *self.listed(")", self.type)))

    def natural(self, what: str) -> int:
        """A number without sign."""
        token = self.expect_kind("number", what)
        if not token.text.isdigit():
            self.fail(f"expected {what}; found {token.text!r}", token)
        return self.checked(token, lambda: int(token.text))

    def _named(self, kind: Kind) -> Any:
        token = self.next()
        name = token.text
        if name.startswith("_"):
            return self._hole(token, kind)
        var = self.type_vars.get(name)
        if var is not None:
            if var.kind is not kind:
                self.fail(f"{name} is of the kind {var.kind.value}; {kind.value} is needed here", token)
            return var
        if name in SCALAR_TYPES:
            if kind not in (Kind.TYPE, Kind.BASE_TYPE):
                self.fail(f"{name} is an element type; the kind {kind.value} is needed here", token)
            return name if kind is Kind.BASE_TYPE else TensorType((), name)
        if kind is not Kind.TYPE:
            known = [*self.type_vars, *SCALAR_TYPES]
            self.fail(unknown(f"name of the kind {kind.value}", name, known), token)
        if name == "fn":
            return self._function()
        if name in ("Tensor", "Ref"):
            self.expect("[")
            if name == "Ref":
                found: Type = RefType(self.type())
            else:
                shape = self.type(Kind.SHAPE)
                self.expect(",")
                found = TensorType(shape, self.type(Kind.BASE_TYPE))
            self.expect("]")
            return found
        return self._data_type(token)

    def _hole(self, token: Token, kind: Kind) -> IncompleteType:
        if token.text == "_":
            return IncompleteType(kind)
        found = self.holes.setdefault(token.text, IncompleteType(kind))
        if found.kind is not kind:
            self.fail(f"{token.text} is of the kind {found.kind.value}; {kind.value} is needed here", token)
        return found

    def _data_type(self, token: Token) -> TypeCall:
        data = self.data_types.get(GlobalTypeVar(token.text))
        if data is None:
            known = ["Tensor", "Ref", *SCALAR_TYPES, *self.type_vars, *(t.name for t in self.data_types)]
            return self.fail(unknown("type", token.text, known), token)
        arguments = []
        if self.takes("["):
            kinds = iter([var.kind for var in data.type_vars])
            arguments = list(self.listed("]", lambda: self.type(next(kinds, Kind.TYPE))))
        if len(arguments) != len(data.type_vars):
            self.fail(f"{token.text} has {len(data.type_vars)} arguments, not {len(arguments)}", token)
        return TypeCall(data.name, tuple(arguments))

    def _function(self) -> FuncType:
        outer = dict(self.type_vars)
        type_params = self.type_params()
        self.expect("(")
        params = tuple(self.listed(")", self.type))
        self.expect("->")
        result = self.type()
        constraints: tuple[TypeConstraint, ...] = ()
        if self.takes("where"):
            self.expect("[")
            constraints = tuple(self.listed("]", self._constraint))
        self.type_vars = outer
        return FuncType(params, result, type_params, constraints)

    def _constraint(self) -> TypeConstraint:
        token = self.expect_kind("name", "the name of an operator")
        if token.text not in OPS:
            self.fail(unknown("operator", token.text, OPS), token)
        self.expect("(")
        types: list[Any] = []
        attributes: dict[str, Any] = {}

        def part() -> None:
            if self.token.kind == "name" and self.sees("=", 1):
                attributes.update([self.attribute()])
            else:
                types.append(self.type())

        list(self.listed(")", part))
        return TypeConstraint(token.text, tuple(types), Attrs(attributes) if attributes else None)

    def type_params(self) -> tuple[TypeVar, ...]:
        """``[A, n: ShapeVar]``, if it is there. The names are then in scope."""
        if not self.takes("["):
            return ()
        return tuple(self.listed("]", self._type_param))

    def _type_param(self) -> TypeVar:
        token = self.expect_kind("name", "the name of a type parameter")
        kind = Kind.TYPE
        if token.text in RESERVED or token.text.startswith("_") or "." in token.text:
            self.fail(f"{token.text!r} cannot be the name of a type parameter", token)
        if self.takes(":"):
            named = self.expect_kind("name", "a kind")
            if named.text not in KINDS:
                self.fail(unknown("kind", named.text, KINDS), named)
            kind = KINDS[named.text]
        var = self.type_vars[token.text] = TypeVar(token.text, kind)
        return var
