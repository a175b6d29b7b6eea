"""`Block`: a list of let bindings under construction."""

from __future__ import annotations

from compiler.relay.language.expr import Expr, Var
from compiler.relay.language.visit import wrap_lets


class Block:
    """Bindings of lets in the order in which they are made."""

    def __init__(self) -> None:
        self.bindings: list[tuple[Var, Expr]] = []

    def let(self, value: Expr, name: str = "x") -> Var:
        """Bind a value to a new variable."""
        var = Var(name)
        self.bindings.append((var, value))
        return var

    def ending(self, result: Expr) -> Expr:
        """`result` within the lets."""
        return wrap_lets(self.bindings, result)
