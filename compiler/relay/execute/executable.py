"""`Executable`: a compiled data-flow program, which is called with arrays."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from compiler.backend.llvm.host.dispatch import address_of
from compiler.backend.llvm.host.sequence import Sequence as CallSequence
from compiler.backend.llvm.machine import Machine
from compiler.relay.execute.planning.memory import MemoryPlan
from compiler.relay.execute.planning.nested import Nested, flat, tensor_types
from compiler.relay.execute.planning.plan import Place, Plan, Planned
from compiler.relay.execute.profile import Profile
from compiler.relay.execute.storage import Parts, Record, plan_record, write
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.runtime.array import as_aligned, empty, numpy_dtype
from compiler.suggest import unknown


class Executable:
    """A compiled program: kernels that are called in order on one planned arena.

    ``exe(*arrays)`` returns an array, or nested tuples of them. Several threads may call; their calls run one
    after another, each with the threads of `compiler.runtime.set_num_threads`.

    Parameters
    ----------
    plan : Plan

    Raises
    ------
    ValueError
        If the target's code cannot run in this process.
    """

    def __init__(self, plan: Plan) -> None:
        self._data = plan
        self._lock = threading.Lock()
        if missing := Machine.parse(plan.target).missing():
            raise ValueError(f"the program was built for {plan.target}, which cannot run here: {missing}")
        types = [type_ for _, type_ in plan.parameters]
        self._plain: list[tuple[Any, Any]] | None = None
        if all(isinstance(type_, TensorType) for type_ in types):
            self._plain = [(t.dims, numpy_dtype(str(t.dtype))) for t in types if isinstance(t, TensorType)]
        self._run = _Runner(plan)

    @property
    def parameters(self) -> tuple[tuple[str, Type], ...]:
        """Names and types of the parameters, in order."""
        return self._data.parameters

    @property
    def result_type(self) -> Type:
        """The type of the result."""
        return self._data.result_type

    @property
    def target(self) -> str:
        """What it was compiled for."""
        return self._data.target

    @property
    def plan(self) -> MemoryPlan:
        """The memory of a call: what its arena has, against what all tensors would take."""
        return self._data.memory

    @property
    def calls(self) -> tuple[Planned, ...]:
        """The calls of kernels in the order of execution."""
        return self._data.calls

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program to one file that `compiler.relay.execute.load.load` reads without compiling.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        parts = Parts()
        write(path, self.record(parts), parts)

    def record(self, parts: Parts) -> Record:
        """The program as plain data, see `compiler.relay.execute.storage`."""
        return plan_record(self._data, parts)

    def __call__(self, *arrays: Any) -> Any:
        """Run the program.

        Parameters
        ----------
        *arrays : ndarray, or nested tuples of them
            One for each parameter, with its dtype and shape.

        Returns
        -------
        ndarray, or nested tuples of them
            New arrays.

        Raises
        ------
        ValueError
            If an argument is missing, or its dtype, rank or shape is wrong; names it.
        """
        given = self._checked(arrays)
        with self._lock:
            return self._run(given)

    def run(self, inputs: Mapping[str, Any]) -> Any:
        """Run the program with arguments by the names of its parameters; else as a call.

        Raises
        ------
        ValueError
            For a name that is unknown or missing; as for a call.
        """
        return self(*named_arguments([name for name, _ in self._data.parameters], inputs))

    def profile(self, *arrays: Any, repeat: int = 10) -> Profile:
        """Measure the time of each call of a kernel.

        Parameters
        ----------
        *arrays
            As for a call.
        repeat : int
            Runs; the median of each kernel's times is reported. One run before them is not timed.

        Returns
        -------
        Profile
            Prints as a table; `Profile.save_trace` writes a file that Perfetto opens.

        Raises
        ------
        ValueError
            As for a call; if `repeat` is not positive.
        """
        if repeat < 1:
            raise ValueError(f"repeat is {repeat}; at least 1 is needed")
        given = self._checked(arrays)
        with self._lock:
            self._run(given)
            runs = [self._run.timed(given) for _ in range(repeat)]
        calls = [(call.name, call.origin, call.flops, call.nbytes) for call in self._data.calls]
        return Profile.of(calls, runs)

    def _checked(self, arrays: Sequence[Any]) -> Sequence[np.ndarray]:
        parameters = self._data.parameters
        if self._plain is not None and len(arrays) == len(self._plain):  # the common case, quickly
            for array, (shape, dtype) in zip(arrays, self._plain, strict=True):
                right = type(array) is np.ndarray and array.shape == shape and array.dtype is dtype
                if not right or not array.flags.c_contiguous:
                    break
            else:
                return arrays
        if len(arrays) != len(parameters):
            names = ", ".join(f"{name}: {type_}" for name, type_ in parameters)
            raise ValueError(f"the program takes {len(parameters)} argument(s) ({names}), not {len(arrays)}")
        found: list[np.ndarray] = []
        for (name, type_), value in zip(parameters, arrays, strict=True):
            found += checked_leaves(name, type_, value)
        return found


def named_arguments(names: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
    """Arguments in the order of parameters.

    Raises
    ------
    ValueError
        For a name that is unknown or missing.
    """
    for name in inputs:
        if name not in names:
            raise ValueError(unknown("input", name, names))
    missing = [name for name in names if name not in inputs]
    if missing:
        raise ValueError(f"the input {missing[0]!r} is missing; needed are {', '.join(map(repr, names))}")
    return [inputs[name] for name in names]


def checked_leaves(name: str, type_: Type, value: Any) -> list[np.ndarray]:
    """The arrays of an argument, C-contiguous; those of tuples in order.

    Raises
    ------
    ValueError
        If it is not of the type.
    """
    if isinstance(type_, TupleType):
        if not isinstance(value, (tuple, list)) or len(value) != len(type_.fields):
            given = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
            raise ValueError(f"the input {name!r} is {given}; a tuple of {len(type_.fields)} is needed")
        parts = enumerate(zip(type_.fields, value, strict=True))
        return [a for i, (field, part) in parts for a in checked_leaves(f"{name}.{i}", field, part)]
    assert isinstance(type_, TensorType)
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    dtype = str(type_.dtype)
    if array.dtype not in ((np.uint16, numpy_dtype(dtype)) if dtype == "bfloat16" else (dtype,)):
        raise ValueError(f"the input {name!r} has the dtype {array.dtype}; {dtype} is needed")
    if array.shape != type_.dims:
        what = "rank" if array.ndim != len(type_.dims) else "shape"
        raise ValueError(
            f"the input {name!r} has the {what} {array.ndim if what == 'rank' else array.shape}; the shape "
            f"{type_.dims} is needed"
        )
    return [array if array.flags.c_contiguous else np.ascontiguousarray(array)]


class _Runner:
    """The memory of a program, and its calls."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.arena = empty(max(plan.memory.peak, 1), "uint8")
        base = self.arena.ctypes.data
        self.arrays = [as_aligned(array) for array in plan.arrays]
        addresses = [array.ctypes.data for array in self.arrays]
        # operands in arrays of a call, which sets them: the number of the array, results behind the inputs
        self.patches: list[tuple[int, int]] = []
        count = sum(1 for _, type_ in plan.parameters for _ in tensor_types(type_))
        calls: list[tuple[int, list[int], int]] = []
        # the first and the last of some calls, or a function that evaluates
        self.segments: list[tuple[int, Any]] = []
        at = begin = 0
        for call in plan.calls:
            if call.kernel < 0:
                self.segments += [(begin, len(calls)), (-1, self._evaluation(call))]
                begin = len(calls)
                continue
            slots: list[int] = []
            for place in call.operands:
                if place.kind in ("input", "result"):
                    number = place.number + (count if place.kind == "result" else 0)
                    self.patches.append((number, at + len(slots)))
                    slots.append(0)
                else:
                    slots.append(base + place.number if place.kind == "arena" else addresses[place.number])
            at += len(slots)
            calls.append((call.kernel, slots, base + call.workspace))
        self.segments = [s for s in (*self.segments, (begin, len(calls))) if s[0] != s[1]]
        leaves: list[Place] = list(flat(plan.result))
        self.makers: list[tuple[Any, Any]] = [(nbytes, np.uint8) for nbytes in plan.results]
        for leaf in leaves:
            if leaf.kind == "result" and leaf.nbytes == plan.results[leaf.number]:
                self.makers[leaf.number] = leaf.shape, numpy_dtype(leaf.dtype)
        # whether the result is the arrays that are made for it, in order
        shapes = [("result", i, shape) for i, (shape, _) in enumerate(self.makers)]
        parts = plan.result if isinstance(plan.result, tuple) else (plan.result,)
        in_order = all(isinstance(p, Place) for p in parts)
        in_order = in_order and [(p.kind, p.number, p.shape) for p in parts] == shapes
        self.plain = in_order and isinstance(plan.result, tuple)
        self.single = in_order and not self.plain
        self.sequence = CallSequence([kernel.main for kernel in plan.kernels], calls)

    def __call__(self, given: Sequence[np.ndarray]) -> Any:
        results = self._set(given)
        for begin, end in self.segments:
            if begin >= 0:
                self.sequence.run(begin, end)
            else:
                end(given, results)
        if self.single:
            return results[0]
        return tuple(results) if self.plain else self._value(self.plan.result, given, results, set())

    def timed(self, given: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        """Run it; the times in nanoseconds at which each call begins and ends."""
        results = self._set(given)
        found: list[tuple[int, int]] = []
        for begin, end in self.segments:
            if begin >= 0:
                times = self.sequence.timed(begin, end)
                found += zip(times, times[1:], strict=False)
            else:
                start = time.monotonic_ns()
                end(given, results)
                found.append((start, time.monotonic_ns()))
        return found

    def _set(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Make the arrays of the results, and write the addresses of a call's arrays."""
        results = [np.empty(shape, dtype) for shape, dtype in self.makers]
        addresses = [*map(address_of, given), *map(address_of, results)]
        slots = self.sequence.slots
        for number, position in self.patches:
            slots[position] = addresses[number]
        return results

    def _array(self, place: Place, given: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> np.ndarray:
        """A tensor as an array on its memory."""
        if place.kind == "input":
            return given[place.number].reshape(place.shape)
        if place.kind == "array":
            return self.arrays[place.number].reshape(place.shape)
        if place.kind == "result":
            memory = results[place.number].reshape(-1).view(np.uint8)[: place.nbytes]
        else:
            memory = self.arena[place.number : place.number + place.nbytes]
        return memory.view(numpy_dtype(place.dtype)).reshape(place.shape)

    def _evaluation(self, call: Planned) -> Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], None]:
        from compiler.relay.execute.planning.evaluate import evaluator  # needs all operators

        evaluate = evaluator(call.recipe)

        def run(given: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> None:
            made = evaluate([self._array(place, given, results) for place in call.inputs])
            for place, array in zip(call.outputs, made, strict=True):
                self._array(place, given, results)[...] = array

        return run

    def _value(
        self, result: Nested, given: Sequence[np.ndarray], results: Sequence[np.ndarray], taken: set[int]
    ) -> Any:
        """The result of a call; what is an input, a constant or the same array again is copied."""
        if isinstance(result, tuple):
            return tuple(self._value(part, given, results, taken) for part in result)
        array = self._array(result, given, results)
        if result.kind == "result" and result.number not in taken:
            taken.add(result.number)
            return array
        return array.copy()
