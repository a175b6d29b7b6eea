"""Types of the attributes of `Params` for editors: the text of ``boost/params/record.pyi``.

``python -m boost.params.stub`` writes the file from the table, and a test compares.
"""

from __future__ import annotations

import keyword
from pathlib import Path

from boost.atomic import write_text
from boost.params.param import Param
from boost.params.table import TABLE

PATH = Path(__file__).with_name("record.pyi")
HEAD = '''\
"""Types of the attributes of `Params`, written by `python -m boost.params.stub`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

Given = Mapping[str, Any] | Iterable[tuple[str, Any]]

class Params(Mapping[str, Any]):
    def __init__(self, params: Given | None = None) -> None: ...
    def replace(self, **changes: Any) -> Params: ...
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
'''
TAIL = """
def resolve(params: Given | None, *, strict: bool = False) -> Params: ...
def as_dict(params: Given | None) -> dict[str, Any]: ...
def largest_step(params: Params) -> float: ...
def seed_of(params: Params) -> int: ...
"""


def stub() -> str:
    """Return the text of the file."""
    lines = []
    for p in TABLE:
        for name in (p.name, *p.aliases):
            if not keyword.iskeyword(name):
                lines.append(f"    @property\n    def {name}(self) -> {_annotation(p)}: ...\n")
    return HEAD + "".join(lines) + TAIL


def _annotation(p: Param) -> str:
    if p.parse is not None:
        text = p.parse.__annotations__["return"]
    elif p.kind is list:
        text = "tuple[str, ...]"
    elif p.choices and p.name != "objective":
        choices = ", ".join(f'"{choice}"' for choice in p.choices)
        text = f"Literal[{choices}]"
    else:
        text = p.kind.__name__
    return f"{text} | None" if p.optional else text


if __name__ == "__main__":
    write_text(PATH, stub())
