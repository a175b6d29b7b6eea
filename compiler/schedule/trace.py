"""The trace of a schedule: the calls of primitives that made it, as plain JSON.

A step is ``{"call": name, "on": stage, "args": [...], "kwargs": {...}}``; a step on the schedule itself has
no ``"on"``. Numbers, strings, booleans, None and lists are their JSON. Stages, tensors and axes are
references: ``{"stage": "C"}``, ``{"tensor": ["C", 0]}``, ``{"axis": ["C", "i_outer"]}``; a name that is in
use gets a number, as ``"k#1"``. A tuning record can hold the steps, and another process can replay them on
the same program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from compiler.errors import ScheduleError
from compiler.suggest import unknown

Step = dict[str, Any]
Method = TypeVar("Method", bound=Callable[..., Any])


class Trace:
    """The steps of a schedule so far, and the names of the objects that they refer to.

    Attributes
    ----------
    steps : list of dict
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.recording = True
        self._named: dict[str, Any] = {}
        self._reference: dict[Hashable, dict[str, Any]] = {}

    def name(self, item: Hashable, kind: str, *path: str | int) -> str | int:
        """Assign `item` a name that is unique in its kind: the last of `path` if it is free."""
        if item in self._reference:  # an axis that two stages reduce over keeps its first name
            return self._path(self._reference[item])[-1]
        base, count = path[-1], 0
        key = self._key(kind, path)
        while key in self._named:
            count += 1
            path = (*path[:-1], f"{base}#{count}")
            key = self._key(kind, path)
        self._named[key] = item
        self._reference[item] = {kind: path[0] if len(path) == 1 else list(path)}
        return path[-1]

    def also(self, item: Hashable, named: Hashable) -> None:
        """Encode `item` as a reference to `named`; every primitive accepts either of them."""
        self._reference[item] = self._reference[named]

    @staticmethod
    def _key(kind: str, path: Sequence[str | int]) -> str:
        return "\0".join([kind, *map(str, path)])

    @staticmethod
    def _path(reference: Mapping[str, Any]) -> list[Any]:
        ((_, path),) = reference.items()
        return path if isinstance(path, list) else [path]

    def add(self, call: str, on: Hashable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Record a call of a primitive."""
        step: Step = {"call": call}
        if on in self._reference:
            step["on"] = self._reference[on]["stage"]
        step["args"] = [self.encode(value) for value in args]
        step["kwargs"] = {key: self.encode(value) for key, value in kwargs.items()}
        self.steps.append(step)

    def encode(self, value: Any) -> Any:
        """A value of a call as plain JSON."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, (list, tuple, Sequence)):
            return [self.encode(item) for item in value]
        as_json = getattr(value, "as_json", None)  # thread axes and intrinsics are not part of a program
        return self._reference[value] if as_json is None else as_json()

    def decode(self, value: Any, others: Mapping[str, Callable[[Any], Any]]) -> Any:
        """The value that `encode` turned into JSON, with references resolved in this schedule.

        Parameters
        ----------
        value : Any
        others : mapping of str to callable
            Kind of an object outside of the program -> the function that makes it from its JSON.
        """
        if isinstance(value, list):
            return [self.decode(item, others) for item in value]
        if not isinstance(value, Mapping):
            return value
        if len(value) != 1:
            raise ScheduleError(f"a trace refers to an object as {{kind: name}}, not {dict(value)!r}")
        ((kind, path),) = value.items()
        if kind in others:
            return others[kind](path)
        path = self._path(value)
        item = self._named.get(self._key(kind, path))
        if item is None:
            known = [key.replace("\0", ".") for key in self._named]
            raise ScheduleError(unknown("name in a trace", ".".join(map(str, (kind, *path))), known))
        return item


def primitive(method: Method) -> Method:
    """Decorate a method as a primitive: each call that does not raise adds a step to the trace of its object.

    Calls of primitives by a primitive add no steps. A call that raises must leave the schedule unchanged, so
    a primitive checks its arguments before it changes anything.
    """

    @functools.wraps(method)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        trace: Trace = self.trace
        if not trace.recording:
            return method(self, *args, **kwargs)
        trace.recording = False
        try:
            result = method(self, *args, **kwargs)
        finally:
            trace.recording = True
        trace.add(method.__name__, self, args, kwargs)
        return result

    recorded.is_primitive = True  # type: ignore[attr-defined]
    return cast(Method, recorded)
