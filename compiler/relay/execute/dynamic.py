"""`DynamicExecutable`: a program with dimensions that each call brings, compiled for each shape."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from compiler.relay.execute.executable import named_arguments
from compiler.relay.execute.settings import Settings
from compiler.relay.execute.storage import Parts, Record, type_record, write
from compiler.relay.language.expr import Function, Var, set_type
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.language.visit import substitute
from compiler.relay.notation.printer import as_text

SHAPES = 16
"""Programs that are kept, one for each combination of shapes; the least recently used one is dropped."""


def is_dynamic(type_: Type) -> bool:
    """Whether a dimension of a tensor in a type is brought by each call."""
    if isinstance(type_, TupleType):
        return any(map(is_dynamic, type_.fields))
    return isinstance(type_, TensorType) and not type_.concrete


def specialized(module: IRModule, types: Mapping[str, Type]) -> IRModule:
    """The module whose ``main`` has parameters of other types, by name."""
    main = module.main
    params = []
    for param in main.params:
        made = Var(param.name, types.get(param.name, param.annotation))
        if made.annotation is not None:
            set_type(made, made.annotation)
        params.append(made)
    body = substitute(main.body, dict(zip(main.params, params, strict=True)))
    return module.with_functions({MAIN: Function(tuple(params), body, None, main.type_params, main.attrs)})


class DynamicExecutable:
    """A program that is compiled when arguments of new shapes occur.

    Parameters
    ----------
    module : IRModule
        Types are inferred.
    settings : Settings
    compile_ : callable
        ``compile_(module, settings)`` makes the executable of a module whose ``main`` has parameters of known
        shape.
    programs : mapping, optional
        Programs that are compiled already, by the types of the parameters.
    """

    def __init__(
        self,
        module: IRModule,
        settings: Settings,
        compile_: Callable[[IRModule, Settings], Any],
        programs: Mapping[Any, Any] | None = None,
    ) -> None:
        self.target = str(settings.target)
        self.settings = settings
        self.module = module
        self.parameters = tuple((p.name, p.checked_type) for p in module.main.params)
        self.result_type: Type = module.main.body.checked_type
        self._compile = compile_
        self._lock = threading.Lock()
        self._programs: OrderedDict[Any, Any] = OrderedDict(programs or {})

    def __call__(self, *arguments: Any) -> Any:
        """Run the program; compile it first, if the shapes of the arguments are new.

        Parameters and errors are those of `Executable.__call__`. Dimensions that are not known before may
        have any extent.
        """
        return self.specialized(*arguments)(*arguments)

    def run(self, inputs: Mapping[str, Any]) -> Any:
        """Run the program with arguments by the names of its parameters.

        Raises
        ------
        ValueError
            For a name that is unknown or missing; as for a call.
        """
        return self(*named_arguments([name for name, _ in self.parameters], inputs))

    def profile(self, *arguments: Any, repeat: int = 10) -> Any:
        """Measure the time of each call of a kernel, see `Executable.profile`."""
        return self.specialized(*arguments).profile(*arguments, repeat=repeat)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program, with those that are compiled for shapes so far, to one file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        parts = Parts()
        write(path, self.record(parts), parts)

    def record(self, parts: Parts) -> Record:
        """The program as plain data, see `compiler.relay.execute.storage`."""
        with self._lock:
            programs = list(self._programs.items())
        return {
            "form": "dynamic",
            "text": parts.add(as_text(self.module).encode()),
            "target": self.target,
            "level": self.settings.level,
            "without": list(self.settings.without),
            "programs": [[[type_record(t) for t in types], p.record(parts)] for types, p in programs],
        }

    def specialized(self, *arguments: Any) -> Any:
        """The executable for arguments of these shapes."""
        if len(arguments) != len(self.parameters):
            names = ", ".join(f"{name}: {type_}" for name, type_ in self.parameters)
            raise ValueError(
                f"the program takes {len(self.parameters)} argument(s) ({names}), not {len(arguments)}"
            )
        types = {
            name: _fixed(name, type_, value)
            for (name, type_), value in zip(self.parameters, arguments, strict=True)
            if is_dynamic(type_)
        }
        key = tuple(types.values())
        with self._lock:
            program = self._programs.get(key)
            if program is None:
                program = self._programs[key] = self._compile(specialized(self.module, types), self.settings)
                if len(self._programs) > SHAPES:
                    self._programs.popitem(last=False)
            else:
                self._programs.move_to_end(key)
        return program


def _fixed(name: str, type_: Type, value: Any) -> Type:
    """The type of an argument, which must be one of `type_`.

    Raises
    ------
    ValueError
        If its rank or a known dimension is another one.
    """
    if isinstance(type_, TupleType):
        if not isinstance(value, (tuple, list)) or len(value) != len(type_.fields):
            raise ValueError(f"the input {name!r}: a tuple of {len(type_.fields)} is needed")
        parts = enumerate(zip(type_.fields, value, strict=True))
        return TupleType(tuple(_fixed(f"{name}.{i}", field, part) for i, (field, part) in parts))
    if not isinstance(type_, TensorType) or not isinstance(type_.shape, tuple):
        return type_
    shape = np.shape(value)
    fits = len(shape) == len(type_.shape) and all(
        type(d) is not int or d == e for d, e in zip(type_.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"the input {name!r} has the shape {shape}; {type_} is needed")
    return TensorType(shape, type_.dtype)
