"""`TaskRequest`: a task as another process can make it; and where the operators of a user come from.

An operator that `costmodel.register` made is known to the process that ran the decorator. `origins` describes
the modules of its templates as plain JSON, and `define` executes such a description: a module is imported by
its name where that is possible, otherwise its text is executed, as that of a script. The text of a notebook,
which has no file, is put together from the source of the template and of all that it uses.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from symtable import SymbolTable, symtable
from types import ModuleType
from typing import Any

from compiler import ops
from compiler.ops.operator import Operator
from costmodel.task import Task

# the name of a script's module in the worker: the part for `__main__` does not run
_SCRIPT = "__espalier_main__"

_defined: set[str] = set()


class OriginError(ValueError):
    """A template cannot be sent to another process; the message names what stands in the way."""


@dataclass(frozen=True)
class TaskRequest:
    """A task as another process can make it.

    Parameters
    ----------
    key : str
        The task as text.
    named : dict
        Plain JSON: ``operator``, ``shape``, ``target``, and ``origins``, see `costmodel.measure.origin`.
    """

    key: str
    named: dict[str, Any]

    @classmethod
    def of(cls, task: Task) -> TaskRequest:
        """The request of a task."""
        named = {
            "operator": task.operator.name,
            "shape": task.shape,
            "target": task.target,
            "origins": origins(task.operator),
        }
        return cls(task.key, named)


def origins(operator: Operator) -> list[dict[str, str]]:
    """Return the modules that register an operator, each once; none for a built-in operator.

    Returns
    -------
    list of dict
        ``module``, its name; ``file``, empty for a notebook; ``text``, its source; and ``digest`` of them.

    Raises
    ------
    OriginError
        If a template of a notebook uses a value that has no source.
    """
    if any(o is operator or o.name == operator.name for o in ops.OPERATORS):
        return []
    found: dict[str, dict[str, str]] = {}
    for template in operator.schedules.values():
        origin = _origin(inspect.unwrap(template))
        found[origin["digest"]] = origin
    return list(found.values())


def _origin(template: Callable[..., Any]) -> dict[str, str]:
    name = getattr(template, "__module__", None) or "__main__"
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if name == "__main__" and spec is not None:
        name = spec.name  # python -m package.module
    code = getattr(template, "__code__", None)
    file = Path(code.co_filename) if code is not None else Path(inspect.getfile(type(template)))
    if file.is_file():
        described = {"module": name, "file": str(file.resolve()), "text": file.read_text(encoding="utf-8")}
    else:
        described = {"module": name, "file": "", "text": "\n".join(_Sources(template).found)}
    return {**described, "digest": hashlib.sha256(repr(described).encode()).hexdigest()}


def define(origin: dict[str, str]) -> None:
    """Register the operators of a description of `origins`, unless this process did so before."""
    if origin["digest"] in _defined:
        return
    name = origin["module"]
    if name == "__main__" or not _import(name, origin["file"]):
        module = ModuleType(_SCRIPT if name == "__main__" else name)
        file = origin["file"] or "<notebook>"
        module.__file__ = file
        sys.modules[module.__name__] = module
        exec(compile(origin["text"], file, "exec"), module.__dict__)
    _defined.add(origin["digest"])


def _import(name: str, file: str) -> bool:
    """Import a module; return whether there is one of this name, and it is this file if that is here."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(f"{error.name}."):
            raise  # its package imports a module that is missing
        return False
    except ValueError:  # a module without a specification
        return False
    if spec is None or (file and Path(file).is_file() and not _same(spec.origin, file)):
        return False
    import_module(name)
    return True


def _same(origin: str | None, file: str) -> bool:
    return origin is not None and Path(origin).exists() and Path(origin).samefile(file)


class _Sources:
    """The definitions that a function of a notebook needs, in the order in which they must run."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.found: list[str] = []
        self._name = getattr(function, "__qualname__", repr(function))
        self._done: set[str] = set()
        self._add_definition(function)

    def _add_definition(self, value: Any) -> None:
        """Add the source of a function or class, after those of the names in it."""
        try:
            text = textwrap.dedent(inspect.getsource(value))
            table = symtable(text, "<template>", "exec")
        except (OSError, TypeError, SyntaxError) as error:
            raise self._error(f"{value!r}, whose source cannot be found") from error
        closed = getattr(getattr(value, "__code__", None), "co_freevars", ())
        if closed:
            raise self._error(f"{', '.join(map(repr, closed))} of an enclosing function")
        names = getattr(inspect.unwrap(value), "__globals__", None) or vars(sys.modules[value.__module__])
        for name in _names(table):
            if name in names and name not in self._done:
                self._done.add(name)
                if names[name] is not value:
                    self._add_global(name, names[name])
        self.found.append(text)

    def _add_global(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            self.found.append(f"import {value.__name__} as {name}")
            return
        module, qualified = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        if module == "__main__" and (inspect.isfunction(value) or inspect.isclass(value)):
            self._add_definition(value)
            if value.__name__ != name:
                self.found.append(f"{name} = {value.__name__}")
        elif isinstance(module, str) and qualified.isidentifier() and _exports(module, qualified, value):
            self.found.append(f"from {module} import {qualified} as {name}")
        elif _is_plain(value):
            self.found.append(f"{name} = {value!r}")
        else:
            raise self._error(f"the variable {name!r} of type {type(value).__name__}")

    def _error(self, what: str) -> OriginError:
        return OriginError(
            f"the template {self._name!r} of a notebook uses {what}: it cannot be sent to the process that "
            "measures. Compute it inside of the template, or write the template in a module"
        )


def _names(table: SymbolTable) -> Iterator[str]:
    """The names that a source reads from outside of its functions, without those of Python.

    A variable of a function is none of them, whatever the notebook has under its name.
    """
    for symbol in table.get_symbols():
        outside = symbol.is_global() or table.get_type() == "module"
        if symbol.is_referenced() and outside and not hasattr(builtins, symbol.get_name()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _names(inner)


def _exports(module: str, name: str, value: Any) -> bool:
    return getattr(sys.modules.get(module), name, None) is value


def _is_plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
