"""The documentation of the parameters, made from the table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from boost.params.param import Param
from boost.params.table import TABLE


def describe(
    names: str = "train", changed: Mapping[str, Any] | None = None, rows: Iterable[Param] = TABLE
) -> str:
    """Return the table as the body of a numpydoc section "Parameters".

    Parameters
    ----------
    names : {"train", "estimator"}
        Which names to print.
    changed : mapping, optional
        Defaults that differ from those of the table, by printed name.
    rows : iterable of Param
        What to print.
    """
    lines = []
    for p in rows:
        name = p.name if names == "train" else p.estimator
        if name is None:
            continue
        default = (changed or {}).get(name, p.default)
        lines.append(f"{name} : {p.allowed}, default {default!r}")
        text = p.doc + (f" For {join_names(p.only)} only." if p.only else "")
        text += f" Also {', '.join(p.aliases)}." if names == "train" and p.aliases else ""
        lines.extend(textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)


def join_names(names: Sequence[str]) -> str:
    """Return ``"a, b and c"``."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
