"""`compile_program`: a data-flow program to a `Plan`: kernels, memory, and calls in order."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from compiler.backend import Target
from compiler.relay.execute.planning.code import Kernel, nbytes
from compiler.relay.execute.planning.evaluate import recipe
from compiler.relay.execute.planning.kernel import in_place, source
from compiler.relay.execute.planning.lower import Lowered, lower, structure, title
from compiler.relay.execute.planning.memory import Block, plan_memory
from compiler.relay.execute.planning.nested import flat, nested
from compiler.relay.execute.planning.plan import Place, Plan, Planned
from compiler.relay.execute.planning.program import Program, Step
from compiler.relay.language.expr import Function
from compiler.runtime.array import empty

Progress = Callable[[int, int, str], None]
"""``progress(done, total, name)`` after each kernel."""

COMPILING = 1
"""Threads that run LLVM. One: its interface in Python admits one caller at a time, while others lower."""


class Kernels:
    """The kernels of a program, each compiled once for all calls of the same structure.

    Parameters
    ----------
    target : Target
    progress : callable, optional
    ready : sequence of Kernel, optional
        The kernels in the order in which they are needed, if they are compiled already.
    """

    def __init__(
        self, target: Target, progress: Progress | None = None, ready: Sequence[Kernel] | None = None
    ) -> None:
        self.target, self.progress, self.ready = target, progress, ready
        self.lowered: dict[Any, Lowered] = {}
        self.places: dict[Any, tuple[int, int] | None] = {}
        self.numbers: dict[Any, int] = {}
        self.pending: list[Future[Kernel]] = []
        self.pool = ThreadPoolExecutor(COMPILING, "espalier-compile")

    def lower(self, step: Step, key: Any) -> Lowered:
        """The program of a step, whose structure is `key`."""
        if key not in self.lowered:
            self.lowered[key] = lower(step.function, self.target)
        return self.lowered[key]

    def flops(self, function: Function) -> int:
        """The arithmetic operations of a function that was lowered; 0 for others."""
        lowered = self.lowered.get(structure(function))
        return 0 if lowered is None else lowered.flops

    def in_place(
        self, step: Step, key: Any, candidates: tuple[tuple[int, int], ...]
    ) -> tuple[int, int] | None:
        """The pair of an input and an output that may share memory, if there is one."""
        if not candidates:
            return None
        if (key, candidates) not in self.places:
            self.places[key, candidates] = in_place(self.lower(step, key), candidates)
        return self.places[key, candidates]

    def number(self, step: Step, key: Any, constants: frozenset[int], inplace: tuple[int, int] | None) -> int:
        """The number of a kernel; it is compiled, unless it is already."""
        which = (key, constants, inplace)
        if which not in self.numbers:
            self.numbers[which] = len(self.numbers)
            if self.ready is None:
                lowered = self.lower(step, key)
                made = source(title(step.function), lowered, self.target, constants, inplace)
                self.pending.append(self.pool.submit(made.generated(self.target)))
        return self.numbers[which]

    def finish(self) -> tuple[Kernel, ...]:
        """All kernels, when they are compiled."""
        if self.ready is not None:
            if len(self.ready) != len(self.numbers):
                raise ValueError(f"{len(self.numbers)} kernels are needed, not {len(self.ready)}")
            return tuple(self.ready)
        kernels = []
        try:
            for number, future in enumerate(self.pending):
                kernels.append(future.result())
                if self.progress is not None:
                    self.progress(number + 1, len(self.pending), kernels[-1].name)
        finally:
            self.pool.shutdown(cancel_futures=True)
        return tuple(kernels)


def compile_program(program: Program, target: Target, progress: Progress | None = None) -> Plan:
    """Compile a data-flow program and plan its memory.

    Parameters
    ----------
    program : Program
    target : Target
    progress : callable, optional
        Called as ``progress(done, total, name)`` after each kernel.
    """
    return _Compilation(program, target, progress).plan()


class _Compilation:
    def __init__(self, program: Program, target: Target, progress: Progress | None) -> None:
        self.program, self.target = program, target
        self.kernels = Kernels(target, progress)
        self.roots = [program.root(value) for value in range(len(program.values))]
        steps = program.steps
        self.last: dict[int, int] = {}
        for number, step in enumerate(steps):
            for value in step.inputs:
                self.last[self.roots[value]] = number
        self.results = [self.roots[value] for value in flat(program.result)]
        for root in self.results:
            self.last[root] = len(steps)
        # root of a computed tensor -> the one whose memory it has
        self.storage: dict[int, int] = {}

    def plan(self) -> Plan:
        program = self.program
        chosen: list[tuple[int, frozenset[int]]] = []
        for number, step in enumerate(program.steps):
            for value in step.outputs:
                self.storage[value] = value
            chosen.append(self._chosen(number, step) if step.coded else (-1, frozenset()))
        kernels = self.kernels.finish()
        return self._planned(kernels, chosen)

    def _chosen(self, number: int, step: Step) -> tuple[int, frozenset[int]]:
        key = structure(step.function)
        constant = frozenset(
            at for at, value in enumerate(step.inputs) if self.program.values[value].kind == "constant"
        )
        inplace = self.kernels.in_place(step, key, tuple(self._dying(number, step)))
        if inplace is not None:
            given, made = inplace[0], step.outputs[inplace[1] - len(step.inputs)]
            self.storage[made] = self.storage[self.roots[step.inputs[given]]]
        return self.kernels.number(step, key, constant, inplace), constant

    def _dying(self, number: int, step: Step) -> Iterable[tuple[int, int]]:
        """Pairs of an input that nothing reads afterwards and an output of the same bytes."""
        roots = [self.roots[value] for value in step.inputs]
        stored = [self.storage.get(root) for root in roots]
        for at, root in enumerate(roots):
            value = self.program.values[root]
            if value.kind != "computed" or self.last[root] != number or stored.count(stored[at]) > 1:
                continue
            type_ = self.program.values[step.inputs[at]].type
            for out, made in enumerate(step.outputs):
                its = self.program.values[made].type
                if (its.dtype, its.dims) == (type_.dtype, type_.dims):
                    yield at, len(roots) + out

    # --- after compilation ---

    def _planned(self, kernels: tuple[Kernel, ...], chosen: list[tuple[int, frozenset[int]]]) -> Plan:
        program, steps = self.program, self.program.steps
        result_of: dict[int, int] = {}  # storage -> the number of the returned array that it is in
        sizes: list[int] = []
        for root in self.results:
            its = self.storage.get(root)
            if its is not None and its not in result_of:
                result_of[its] = len(sizes)
                sizes.append(self._bytes(its))
        blocks: dict[int, Block] = {}
        for number, step in enumerate(steps):
            for value in step.outputs:
                its = self.storage[value]
                last = max(self.last.get(value, number), number)
                old = blocks.get(its, Block(self._bytes(its), number, last))
                blocks[its] = Block(max(old.nbytes, self._bytes(value)), old.first, max(old.last, last))
        for its in result_of:
            blocks.pop(its, None)
        owners = list(blocks)
        scratch = {
            number: Block(kernels[kernel].main.workspace_bytes, number, number)
            for number, (kernel, _) in enumerate(chosen)
            if kernel >= 0 and kernels[kernel].main.workspace_bytes
        }
        computed = [v for step in steps for v in step.outputs]
        total = sum(self._bytes(v) for v in computed) + sum(block.nbytes for block in scratch.values())
        total -= sum(sizes)
        memory = plan_memory([*blocks.values(), *scratch.values()], total)
        offsets = dict(zip(owners, memory.offsets, strict=False))
        workspaces = dict(zip(scratch, memory.offsets[len(owners) :], strict=True))
        arrays = _Arrays(program)

        def place(value: int) -> Place:
            its = program.values[value]
            shape, dtype, root = its.type.dims, str(its.type.dtype), program.values[self.roots[value]]
            if root.kind == "input":
                return Place("input", root.number, shape, dtype)
            if root.kind == "constant":
                return Place("array", arrays.constant(root.number), shape, dtype)
            storage = self.storage[self.roots[value]]
            if storage in result_of:
                return Place("result", result_of[storage], shape, dtype)
            return Place("arena", offsets[storage], shape, dtype)

        calls = []
        for number, (step, (kernel, constant)) in enumerate(zip(steps, chosen, strict=True)):
            operands: tuple[Place, ...] = ()
            values = (*step.inputs, *step.outputs)
            if kernel >= 0:
                code = kernels[kernel]
                given = {at: program.constants[self._constant(step.inputs[at])] for at in constant}
                prepared = arrays.prepared(kernel, code, given)
                operands = tuple(
                    prepared[o.index] if o.kind == "prepared" else place(values[o.index])
                    for o in code.operands
                )
            used = [v for v in step.inputs if kernel < 0 or program.values[self.roots[v]].kind != "constant"]
            calls.append(
                Planned(
                    title(step.function),
                    step.origin,
                    kernel,
                    operands,
                    workspaces.get(number, 0),
                    recipe(step.function) if kernel < 0 else None,
                    tuple(map(place, used)),
                    tuple(map(place, step.outputs)),
                    self.kernels.flops(step.function),
                )
            )
        leaves = iter([place(value) for value in flat(program.result)])
        result = nested(program.result_type, leaves)
        # what runs once has run, and the texts are as large as the weights of a small model
        stripped = tuple(
            replace(
                kernel, main=replace(kernel.main, text=""), prepare=None, prepare_operands=(), prepared=()
            )
            for kernel in kernels
        )
        return Plan(
            program.parameters,
            program.result_type,
            str(self.target),
            stripped,
            tuple(arrays.arrays),
            tuple(calls),
            tuple(sizes),
            result,
            memory,
        )

    def _constant(self, value: int) -> int:
        return self.program.values[self.roots[value]].number

    def _bytes(self, value: int) -> int:
        type_ = self.program.values[value].type
        return nbytes(type_.dims, str(type_.dtype))


class _Arrays:
    """The constants that a plan uses, and what kernels prepare from constants, each once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.arrays: list[np.ndarray] = []
        self.numbers: dict[Any, int] = {}
        self.places: dict[Any, list[Place]] = {}

    def constant(self, number: int) -> int:
        """The position of a constant of the program."""
        return self._added(("constant", id(self.program.constants[number])), self.program.constants[number])

    def prepared(self, kernel: int, code: Kernel, given: dict[int, np.ndarray]) -> list[Place]:
        """The buffers that a kernel prepares from constants."""
        key = (kernel, *(id(array) for _, array in sorted(given.items())))
        if key not in self.places:
            made = code.prepared_arrays(given)
            for array in given.values():
                if (mapped := _file_of(array)) is not None and hasattr(mmap, "MADV_DONTNEED"):
                    mapped.madvise(mmap.MADV_DONTNEED)  # it is seldom read again, and then from the file
            self.places[key] = [
                Place("array", self._added((*key, i), array), shape, dtype)
                for i, (array, (shape, dtype)) in enumerate(zip(made, code.prepared, strict=True))
            ]
        return self.places[key]

    def _added(self, key: Any, array: np.ndarray) -> int:
        if key not in self.numbers:
            self.numbers[key] = len(self.arrays)
            self.arrays.append(_owned(array))
        return self.numbers[key]


def _owned(array: np.ndarray) -> np.ndarray:
    """The array; a copy, if its memory is a file's, which may be changed while the program is used."""
    if _file_of(array) is None:
        return array
    copy = empty(array.shape, "uint16" if array.dtype.name == "bfloat16" else array.dtype.name)
    copy[...] = array
    return copy


def _file_of(array: np.ndarray) -> mmap.mmap | None:
    """The mapped file whose memory an array is on."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base.obj if isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap) else None
