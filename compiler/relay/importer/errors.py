"""`OnnxError`: a model that is damaged, inconsistent or not supported; `NeedsValues`: values are missing."""

from __future__ import annotations

from collections.abc import Iterable


class OnnxError(ValueError):
    """A model cannot be imported, or its inputs do not fit. The message names the nodes.

    Parameters
    ----------
    message : str
    problems : iterable of str
        All that was found, a line each.
    """

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        lines = [message, *(f"  {problem}" for problem in self.problems)]
        super().__init__("\n".join(lines))


class NeedsValues(OnnxError):
    """Shapes of the model depend on the values of some inputs, which were not given.

    Parameters
    ----------
    names : iterable of str
        The inputs of the model, in its order.
    problems : iterable of str
        What depends on them.
    """

    def __init__(self, names: Iterable[str], problems: Iterable[str]) -> None:
        self.names = tuple(names)
        given = ", ".join(f"{name!r}: array" for name in self.names)
        super().__init__(f"shapes depend on values that are not given; pass values={{{given}}}", problems)


class Needed(Exception):
    """A converter needs the value of an expression that is no constant, to decide a shape.

    Parameters
    ----------
    expr : Expr
    what : str
        What is decided by it.
    """

    def __init__(self, expr: object, what: str) -> None:
        self.expr = expr
        self.what = what
        super().__init__(what)


class Unsupported(Exception):
    """A node uses what the importer has no conversion for: an operator, an attribute, a type."""
