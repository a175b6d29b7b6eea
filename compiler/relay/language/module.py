"""`IRModule`: functions and data types by name, immutable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import ClassVar

from compiler.relay.language.expr import Constructor, Expr, Function, GlobalVar, TypeData
from compiler.relay.language.types import PRINTER, GlobalTypeVar
from compiler.suggest import unknown

MAIN = GlobalVar("main")


@dataclass(frozen=True, eq=False)
class IRModule:
    """Functions and data types by name. A change makes another module.

    Parameters
    ----------
    functions : mapping of GlobalVar to Function
        In the order of the text.
    types : mapping of GlobalTypeVar to TypeData
    """

    functions: Mapping[GlobalVar, Function] = field(default_factory=dict)
    types: Mapping[GlobalTypeVar, TypeData] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "functions", MappingProxyType(dict(self.functions)))
        object.__setattr__(self, "types", MappingProxyType(dict(self.types)))

    @staticmethod
    def from_expr(expr: Expr, module: IRModule | None = None) -> IRModule:
        """A module whose ``main`` is `expr`, a function or the body of one without parameters."""
        main = expr if isinstance(expr, Function) else Function((), expr)
        return (module or IRModule()).with_functions({MAIN: main})

    @property
    def main(self) -> Function:
        """The function ``main``."""
        return self[MAIN]

    def __getitem__(self, name: GlobalVar | str) -> Function:
        key = GlobalVar(name) if isinstance(name, str) else name
        if key not in self.functions:
            raise ValueError(unknown("function", key.name, [g.name for g in self.functions]))
        return self.functions[key]

    def __contains__(self, name: GlobalVar | str) -> bool:
        return (GlobalVar(name) if isinstance(name, str) else name) in self.functions

    text: ClassVar[Callable[[IRModule], str] | None] = None
    """What ``str(module)`` returns; `compiler.relay.notation.printer`, which imports this module, sets it."""

    def __str__(self) -> str:
        if IRModule.text is None:
            import_module(PRINTER)
        return object.__repr__(self) if IRModule.text is None else IRModule.text(self)

    def with_functions(self, functions: Mapping[GlobalVar, Function]) -> IRModule:
        """The module with functions added or replaced; the same module, if nothing changes."""
        if all(self.functions.get(name) is f for name, f in functions.items()):
            return self
        return IRModule({**self.functions, **functions}, self.types)

    def without(self, names: set[GlobalVar]) -> IRModule:
        """The module without some functions."""
        kept = {name: f for name, f in self.functions.items() if name not in names}
        return self if len(kept) == len(self.functions) else IRModule(kept, self.types)

    def with_type(self, data: TypeData) -> IRModule:
        """The module with a data type added or replaced."""
        return IRModule(self.functions, {**self.types, data.name: data})

    def type_data(self, name: GlobalTypeVar) -> TypeData:
        """The definition of a data type.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        if name not in self.types:
            raise ValueError(unknown("data type", name.name, [t.name for t in self.types]))
        return self.types[name]

    def constructor(self, name: str) -> Constructor:
        """The constructor of a name.

        Raises
        ------
        ValueError
            If there is none.
        """
        known = {c.name: c for data in self.types.values() for c in data.constructors}
        if name not in known:
            raise ValueError(unknown("constructor", name, known))
        return known[name]
