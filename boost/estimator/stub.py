"""The text of ``named.pyi``: signatures of the estimators for editors, which do not run the program.

The constructors are made from the table of parameters at run time. ``python -m boost.estimator.stub`` writes
the same signatures to the file, and a test compares them.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from boost.atomic import write_text
from boost.estimator import named
from boost.estimator.constructor import MANY, quoted
from boost.params import TABLE

PATH = Path(__file__).parent / "named.pyi"


def stub() -> str:
    """Return the text of the file."""
    lines = ['"""Signatures for editors, written by `python -m boost.estimator.stub`."""', ""]
    lines += ["from collections.abc import Callable, Sequence", "from typing import Any, Literal", ""]
    public = {name: getattr(named, name) for name in named.__all__}
    kinds = [kind for name, kind in public.items() if kind.__name__ == name]
    bases: dict[str, set[str]] = {}
    for base in (base for kind in kinds for base in kind.__bases__ if base not in kinds):
        bases.setdefault(base.__module__, set()).add(base.__name__)
    lines += [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(bases.items())]
    lines += ["", "__all__ = [", *(f"    {quoted(name)}," for name in sorted(public)), "]"]
    for p in TABLE:
        if len(p.choices) >= MANY:
            lines += ["", f"{p.name.capitalize()} = Literal["]
            lines += [f"    {quoted(choice)}," for choice in p.choices] + ["]"]
    for kind in kinds:
        lines += ["", f"class {kind.__name__}({', '.join(base.__name__ for base in kind.__bases__)}):"]
        lines += ["    def __init__(", "        self,", "        *,"]
        for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
            lines.append(f"        {name}: {parameter.annotation} = {quoted(parameter.default)},")
        lines.append("    ) -> None: ...")
    lines += ["", *(f"{name} = {kind.__name__}" for name, kind in public.items() if kind.__name__ != name)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_text(PATH, stub())
