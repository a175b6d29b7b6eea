"""`Compiled`: a task under one configuration, compiled; `Program`: the same together with its arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import compiler
from compiler.ir.expr import Buffer, upper_bound
from compiler.runtime import Module, empty
from costmodel.task import Task


@dataclass(frozen=True)
class Compiled:
    """A compiled program without its arrays: another process can load it.

    The stages that depend on the operator's constants alone, such as the packing of weights, are a module of
    their own, which fills buffers for the other one.

    Parameters
    ----------
    main : Module
        The program.
    main_slots : tuple of int
        For each parameter of `main`, the position of the argument in the call of the schedule; positions
        after the last argument number the filled buffers.
    prepare : Module, optional
        Fills buffers from constants.
    prepare_slots : tuple of int
        The same for its parameters.
    """

    main: Module
    main_slots: tuple[int, ...]
    prepare: Module | None = None
    prepare_slots: tuple[int, ...] = ()

    @classmethod
    def of(cls, task: Task, schedule: Any, args: Sequence[Any]) -> Compiled:
        """Compile a schedule and its argument tensors, as `Task.instantiate` returns them.

        Raises
        ------
        ValueError
            If the program cannot be compiled.
        """
        fixed = [t for t in args if t.name in task.operator.constants]
        if not fixed:
            return cls(compiler.build(schedule, args, target=task.target), tuple(range(len(args))))
        built = compiler.build(schedule, args, target=task.target, constants=fixed)
        places: dict[Buffer, int] = {}
        for buffer in (*built.params, *built.prepare.params):
            places.setdefault(buffer, len(places))

        def slots(module: Module) -> tuple[int, ...]:
            return tuple(places[b] for b in module.params)

        return cls(built.main, slots(built.main), built.prepare, slots(built.prepare))

    def save(self, path: str) -> dict[str, Any]:
        """Write the modules to files whose names begin with `path`; return what `load` takes, plain JSON."""
        self.main.save(path)
        if self.prepare is not None:
            self.prepare.save(f"{path}.prepare")
        return {
            "path": path,
            "main_slots": self.main_slots,
            "prepare_slots": None if self.prepare is None else self.prepare_slots,
        }

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Compiled:
        """Load what `save` wrote, and remove the files."""
        path, main_slots = saved["path"], tuple(saved["main_slots"])
        try:
            main = compiler.load_module(path)
            if saved["prepare_slots"] is None:
                return cls(main, main_slots)
            prepare = compiler.load_module(f"{path}.prepare")
            return cls(main, main_slots, prepare, tuple(saved["prepare_slots"]))
        finally:
            remove(saved)


def remove(saved: dict[str, Any]) -> None:
    """Remove the files of a saved program, those that are there."""
    for path in (saved["path"], f"{saved['path']}.prepare"):
        if os.path.exists(path):
            os.unlink(path)


class Program:
    """A compiled program that is called without arguments, on the arrays that it was made with.

    What depends on the operator's constants alone runs here, once.

    Parameters
    ----------
    compiled : Compiled
    arrays : sequence of ndarray
        One for each input of the operator.
    outputs : sequence of ndarray
        Arrays that the program writes its results to.
    """

    def __init__(
        self, compiled: Compiled, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
    ) -> None:
        places = [*arrays, *outputs]
        if compiled.prepare is not None:
            given = len(places)
            filled = {
                slot: empty(tuple(upper_bound(extent) for extent in buffer.shape), buffer.dtype)
                for slot, buffer in zip(compiled.prepare_slots, compiled.prepare.params, strict=True)
                if slot >= given
            }
            places += [filled[slot] for slot in sorted(filled)]
            compiled.prepare(*(places[slot] for slot in compiled.prepare_slots))
        self.module = compiled.main
        self.arrays = [places[slot] for slot in compiled.main_slots]

    def __call__(self) -> None:
        self.module(*self.arrays)

    def timed(self) -> Callable[[int], float]:
        """Return a function from a number of calls to their seconds; see `compiler.runtime.Module.timed`."""
        return self.module.timed(*self.arrays)
