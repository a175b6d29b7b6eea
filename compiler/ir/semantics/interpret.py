"""The interpreter, which defines the language: it runs a function on NumPy arrays, in the order of its text.

The meaning of a node, where NumPy, Python and hardware differ:

- Integers wrap around in their type. ``//`` and ``%`` round to minus infinity; both are 0 for a divisor of
  0. ``>>`` of a signed type is arithmetic. A shift by a negative count, or by at least the number of bits of
  the type, shifts all bits out: it gives 0, or -1 for ``>>`` of a negative number
  (`compiler.ir.operators`). No operation on numbers is undefined, and none raises.
- Floats follow IEEE 754, are rounded to their type after each operation, and never raise. ``round`` rounds
  halves to even. An operation on bfloat16 is one on float32, then rounded (`compiler.ir.semantics.bfloat16`).
- ``min(a, b)`` is ``b if b < a or b is NaN else a`` and ``max(a, b)`` is ``b if b > a or b is NaN else a``:
  the result is NaN where either is NaN, as NumPy's, and `a` where the two are equal, as Python's.
- A cast of a float to an integer rounds to zero; a value out of range becomes the nearest value of the
  type, and NaN becomes zero. A cast of an integer to a narrower one keeps the low bits. A cast to bool is
  ``!= 0``.
- ``and``, ``or`` and ``select`` evaluate all operands. Only ``if_then_else``, in each lane separately, and
  ``if`` do not evaluate the arm that they do not choose.
- The value of a store is evaluated before any lane is stored; if several lanes store to the same element,
  the last lane wins. A copy reads all of its source before it writes. An intrinsic reads all operands before
  it runs, and writes its results after it has run.
- An index out of bounds, negative indices included, raises `IndexError`, and so does a row-major position
  that is not less than the number of elements. The index of a prefetch is evaluated, but may be out of
  bounds.
- The iterations of a loop run in order, whatever its kind. The exception is a loop bound to ``threadIdx``
  with a barrier inside: each iteration runs to its next barrier before any continues behind it. It is an
  error if an iteration ends, or reaches another barrier, while others wait.
- For each pair of stages there is a count of tokens. A push increments it, a pop decrements it, and a pop
  at zero is an error.
- An element of an allocated buffer that was not stored since the allocation was entered is NaN in floats,
  ``0xAB`` in each byte of integers, and True in bools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from compiler.ir.dtype import PACKED_TYPES, bits_of, is_float
from compiler.ir.expr import Buffer, Var, upper_bound
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.recursion import LEVELS, on_new_stack
from compiler.ir.semantics.bfloat16 import truncated
from compiler.ir.semantics.evaluate import Evaluator, Value, out_of_bounds
from compiler.ir.semantics.foreign import Externs
from compiler.ir.semantics.view import memory_of
from compiler.ir.stmt import Allocate, Barrier, Copy, For, If, Let, Prefetch, Region, Seq, Stmt, Store, Token
from compiler.ir.visit import contains_barrier

Run = Callable[[], None]
Steps = Callable[[], Iterator[Barrier]]
"""Runs a statement and yields each barrier on the way."""


def interpret(func: PrimFunc, *arrays: np.ndarray, externs: Externs | None = None) -> None:
    """Run `func` in place on one array per parameter.

    Parameters
    ----------
    func : PrimFunc
        Any function, before or after any pass.
    *arrays : ndarray
        Of the dtypes and shapes of the parameters; their shapes determine the dynamic extents. The array of
        a packed type has dtype uint8, and its last axis counts bytes; that of bfloat16 has the dtype of this
        name, of the package ml_dtypes, or uint16. Arrays that the function accesses by
        row-major position must be C-contiguous; others may have any strides.
    externs : mapping or ctypes.CDLL, optional
        The C functions that the program calls, and meanings of intrinsics, by name.

    Raises
    ------
    ValueError
        If the arrays do not fit the parameters, or the function has an unknown operation, a pop without a
        push, padding that is negative or does not add up to the extents, or threads that do not all reach the
        same barrier.
    IndexError
        If an index is out of bounds; the message names the buffer, the index and the shape.
    """
    if len(arrays) != len(func.params):
        raise ValueError(f"{func.name} takes {len(func.params)} array(s), not {len(arrays)}")
    program = _Program({}, {}, externs)
    sizes: dict[Var, tuple[int, Buffer]] = {}
    arrays = tuple(map(_pairs, arrays))
    for buffer, array in zip(func.params, arrays, strict=True):
        shape = _checked_shape(func, buffer, array, sizes)
        bits = array.view(np.uint16) if buffer.dtype == "bfloat16" else array
        program.arrays[buffer] = _unpacked(array, buffer.dtype, shape) if _packed(buffer) else bits
        if buffer.strides is not None:
            program.arrays[buffer], program.starts[buffer] = memory_of(func.name, buffer, bits, sizes)
    program.cells |= {size: [value] for size, (value, _) in sizes.items()}
    run = program.stmt(func.body)
    for buffer, array in zip(func.params, arrays, strict=True):
        if buffer in program.stored and not array.flags.writeable:
            raise ValueError(
                f"{func.name}, argument {buffer!r}: the function stores to it, but the array is read-only"
            )
    try:
        with np.errstate(all="ignore"):
            run()
    finally:
        for buffer, array in zip(func.params, arrays, strict=True):
            if _packed(buffer) and buffer in program.stored:
                array[...] = _packed_bytes(program.arrays[buffer], buffer.dtype).reshape(array.shape)


def _checked_shape(
    func: PrimFunc, buffer: Buffer, array: np.ndarray, sizes: dict[Var, tuple[int, Buffer]]
) -> tuple[int, ...]:
    """The shape of an argument in elements; adds the dynamic extents that it determines to `sizes`."""
    where = f"{func.name}, argument {buffer!r}"
    dtype = "uint8" if _packed(buffer) else buffer.dtype
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{where}: expected a NumPy array, not {type(array).__name__}")
    if str(array.dtype) != dtype and not (dtype == "bfloat16" and array.dtype == np.uint16):
        raise ValueError(f"{where}: expected dtype {dtype}, not {array.dtype}")
    shape = array.shape
    if _packed(buffer) and shape:
        shape = (*shape[:-1], shape[-1] * 8 // bits_of(buffer.dtype))
    fixed = zip(buffer.shape, shape, strict=False)
    if len(shape) != len(buffer.shape) or any(n != m for n, m in fixed if isinstance(n, int)):
        wanted = f"{buffer.shape}" + (" in elements" if _packed(buffer) else "")
        raise ValueError(f"{where}: expected shape {wanted}, not {shape}")
    for size, extent in zip(buffer.shape, shape, strict=True):
        if isinstance(size, Var):
            low, high = size.bounds or (0, -1)
            known, first = sizes.setdefault(size, (extent, buffer))
            if not low <= extent <= high:
                raise ValueError(f"{where}: {size.name} is {extent}, but must be in {low} .. {high}")
            if known != extent:
                raise ValueError(f"{where}: {size.name} is {extent}, but {known} in {first!r}")
    return shape


class _Program(Evaluator):
    """Turns each statement, once, into a closure that runs it."""

    def __init__(
        self,
        arrays: dict[Buffer, np.ndarray],
        tokens: dict[tuple[str, str], int],
        externs: Externs | None = None,
    ) -> None:
        super().__init__(arrays, externs)
        self.tokens = tokens  # pair of stages -> tokens pushed and not popped
        self.stored: set[Buffer] = set()

    def stmt(self, stmt: Stmt) -> Run:
        level = self.level
        if level == LEVELS:
            return partial(on_new_stack, self.deeper(self.stmt, stmt))
        rule = self.stmt_rules.get(type(stmt))
        if rule is None:
            raise ValueError(f"a statement cannot be a {type(stmt).__name__}")
        self.level = level + 1
        run = rule(self, stmt)
        self.level = level
        return run

    def _for(self, loop: For) -> Run:
        if loop.kind.startswith("threadIdx") and contains_barrier(loop.body):
            steps = self._threads(loop)

            def run_all() -> None:
                for _ in steps():
                    pass

            return run_all
        extent, cell = self.expr(loop.extent), [0]
        self.cells[loop.var] = cell
        body = self.stmt(loop.body)
        del self.cells[loop.var]

        def run() -> None:
            for cell[0] in range(extent()):  # the loop counts in the cell that the variable reads
                body()

        return run

    def _store(self, store: Store) -> Run:
        self.stored.add(store.buffer)
        array = self.array(store.buffer, store.indices)
        address, value = self.address(store.buffer, store.indices), self.expr(store.value)
        if store.buffer.dtype == "bfloat16":
            number, value = value, lambda: truncated(number())

        def run() -> None:
            where = address()
            array[where] = value()

        return run

    def _if(self, branch: If) -> Run:
        condition, then = self.expr(branch.condition), self.stmt(branch.then)
        otherwise = None if branch.otherwise is None else self.stmt(branch.otherwise)

        def run() -> None:
            if condition():
                then()
            elif otherwise is not None:
                otherwise()

        return run

    def _seq(self, seq: Seq) -> Run:
        stmts = tuple(map(self.stmt, seq.stmts))

        def run() -> None:
            for stmt in stmts:
                stmt()

        return run

    def _allocate(self, allocate: Allocate) -> Run:
        array, unset = _memory(allocate.buffer)
        self.arrays[allocate.buffer] = array
        body = self.stmt(allocate.body)
        del self.arrays[allocate.buffer]

        def run() -> None:
            array[...] = unset
            body()

        return run

    def _let(self, let: Let) -> Run:
        value, cell = self.expr(let.value), [None]
        self.cells[let.var] = cell
        body = self.stmt(let.body)
        del self.cells[let.var]

        def run() -> None:
            cell[0] = value()
            body()

        return run

    def _prefetch(self, prefetch: Prefetch) -> Run:
        self.array(prefetch.buffer, prefetch.indices)
        indices = tuple(map(self.expr, prefetch.indices))

        def run() -> None:
            for index in indices:
                index()

        return run

    def _barrier(self, barrier: Barrier) -> Run:
        raise ValueError(f'barrier("{barrier.scope}") is outside of the loops that are bound to threadIdx')

    def _copy(self, copy: Copy) -> Run:
        self.stored.add(copy.target.buffer)
        target, source = self.region(copy.target), self.region(copy.source)
        into, out_of = self.flat(copy.target.buffer), self.flat(copy.source.buffer)
        before, after = (tuple(map(self.expr, margin)) for margin in (copy.before, copy.after))
        fill, wanted = self.expr(copy.fill), copy.target.extents
        margin = (lambda: truncated(fill())) if copy.target.buffer.dtype == "bfloat16" else fill

        def run() -> None:
            margins = [(f(), g()) for f, g in zip(before, after, strict=True)]
            extents = [b + n + a for (b, a), n in zip(margins, copy.source.extents, strict=True)]
            if any(min(b, a) < 0 for b, a in margins) or tuple(extents) != wanted:
                raise ValueError(
                    f"a copy to {copy.target.buffer.name} of {wanted} elements from {copy.source.extents} "
                    f"has margins {margins} (before and after)"
                )
            values = np.full(wanted, margin(), into.dtype)
            inner = tuple(slice(b, b + n) for (b, _), n in zip(margins, copy.source.extents, strict=True))
            values[inner] = out_of[source()]
            into[target()] = values

        return run

    def region(self, region: Region) -> Callable[[], np.ndarray]:
        """A closure that returns the row-major positions of a region; raises where one is out of bounds."""
        buffer, array = region.buffer, self.flat(region.buffer)
        shape = self.arrays[buffer].shape
        offset, strides = self.expr(region.offset), tuple(map(self.expr, region.strides))
        steps = np.ix_(*map(np.arange, region.extents))

        def positions() -> np.ndarray:
            where = np.full(region.extents, offset(), np.int64)
            for step, stride in zip(steps, strides, strict=True):
                where += step * stride()
            outside = where[(where < 0) | (where >= array.size)]
            return where if not outside.size else out_of_bounds(buffer, shape, (outside[0],))

        return positions

    def _invoke(self, invoke: Invoke) -> Run:
        func = invoke.intrinsic.description
        inputs = {buffer: _memory(buffer)[0] for buffer in func.params}
        inside = _Program(dict(inputs), self.tokens, self.externs)
        body = inside.stmt(func.body)
        operands = [
            (self.flat(region.buffer), self.region(region), inputs[buffer], buffer in inside.stored)
            for region, buffer in zip(invoke.operands, func.params, strict=True)
        ]
        self.stored |= {
            region.buffer
            for region, buffer in zip(invoke.operands, func.params, strict=True)
            if buffer in inside.stored
        }

        def run() -> None:
            where = [positions() for _, positions, _, _ in operands]
            for at, (array, _, operand, _) in zip(where, operands, strict=True):
                operand[...] = array[at]
            body()
            for at, (array, _, operand, stored) in zip(where, operands, strict=True):
                if stored:
                    array[at] = operand

        return run

    def _token(self, token: Token) -> Run:
        stages, tokens = (token.source, token.target), self.tokens

        def run() -> None:
            tokens[stages] = tokens.get(stages, 0) + (1 if token.action == "push" else -1)
            if tokens[stages] < 0:
                raise ValueError(f'pop("{token.source}", "{token.target}") without a push')

        return run

    stmt_rules: dict[type, Callable[[Any, Any], Run]] = {
        For: _for,
        Store: _store,
        If: _if,
        Seq: _seq,
        Allocate: _allocate,
        Let: _let,
        Prefetch: _prefetch,
        Barrier: _barrier,
        Copy: _copy,
        Invoke: _invoke,
        Token: _token,
    }

    # Statements with a barrier inside, in the iterations of a loop over threads. The iterations share the
    # cells of variables and the memory of allocations, so each restores its values when it continues.

    def steps(self, stmt: Stmt) -> Steps:
        """A closure that runs a statement from barrier to barrier."""
        if contains_barrier(stmt):
            return self.step_rules[type(stmt)](self, stmt)
        run = self.stmt(stmt)

        def once() -> Iterator[Barrier]:
            run()
            yield from ()

        return once

    def counted(self, loop: For) -> tuple[Callable[[], Value], Callable[[int], Iterator[Barrier]]]:
        """The extent of a loop, and the steps of one of its iterations."""
        extent, cell = self.expr(loop.extent), [0]
        self.cells[loop.var] = cell
        body = self.steps(loop.body)
        del self.cells[loop.var]

        def iteration(value: int) -> Iterator[Barrier]:
            cell[0] = value
            for barrier in body():
                yield barrier
                cell[0] = value

        return extent, iteration

    def _threads(self, loop: For) -> Steps:
        extent, iteration = self.counted(loop)

        def run() -> Iterator[Barrier]:
            threads = [iteration(value) for value in range(extent())]
            while threads:
                reached = [next(thread, None) for thread in threads]
                if any(barrier is not reached[0] for barrier in reached):
                    at = sum(barrier is not None for barrier in reached)
                    raise ValueError(
                        f"the {len(threads)} threads of {loop.var.name} ({loop.kind}) do not meet at one "
                        f"barrier: {at} wait at a barrier, and {len(threads) - at} have ended"
                    )
                if reached[0] is None:
                    return
                yield reached[0]

        return run

    def _for_steps(self, loop: For) -> Steps:
        if loop.kind.startswith("threadIdx"):
            return self._threads(loop)
        extent, iteration = self.counted(loop)

        def run() -> Iterator[Barrier]:
            for value in range(extent()):
                yield from iteration(value)

        return run

    def _if_steps(self, branch: If) -> Steps:
        condition, then = self.expr(branch.condition), self.steps(branch.then)
        otherwise = self.steps(Seq(()) if branch.otherwise is None else branch.otherwise)
        return lambda: then() if condition() else otherwise()

    def _seq_steps(self, seq: Seq) -> Steps:
        stmts = tuple(map(self.steps, seq.stmts))

        def run() -> Iterator[Barrier]:
            for stmt in stmts:
                yield from stmt()

        return run

    def _allocate_steps(self, allocate: Allocate) -> Steps:
        array, unset = _memory(allocate.buffer)
        self.arrays[allocate.buffer] = array
        body = self.steps(allocate.body)
        del self.arrays[allocate.buffer]

        def run() -> Iterator[Barrier]:
            array[...] = unset
            for barrier in body():
                saved = array.copy()
                yield barrier
                array[...] = saved

        return run

    def _let_steps(self, let: Let) -> Steps:
        value, cell = self.expr(let.value), [None]
        self.cells[let.var] = cell
        body = self.steps(let.body)
        del self.cells[let.var]

        def run() -> Iterator[Barrier]:
            saved = cell[0] = value()
            for barrier in body():
                yield barrier
                cell[0] = saved

        return run

    step_rules: dict[type, Callable[[Any, Any], Steps]] = {
        For: _for_steps,
        If: _if_steps,
        Seq: _seq_steps,
        Allocate: _allocate_steps,
        Let: _let_steps,
        Barrier: lambda self, barrier: lambda: iter((barrier,)),
    }


def _pairs(array: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs of floats along another axis; any other array itself."""
    if not isinstance(array, np.ndarray) or array.dtype not in (np.complex64, np.complex128):
        return array
    return array[..., np.newaxis].view(array.real.dtype)


def _packed(buffer: Buffer) -> bool:
    return buffer.dtype in PACKED_TYPES


def _memory(buffer: Buffer) -> tuple[np.ndarray, Any]:
    """An array for an allocated buffer, and its elements before anything is stored."""
    shape = tuple(map(upper_bound, buffer.shape))
    if buffer.dtype == "bfloat16":
        return np.empty(shape, np.uint16), truncated(np.nan)
    if is_float(buffer.dtype) or buffer.dtype == "bool":
        array = np.empty(shape, buffer.dtype)
        return array, np.nan if is_float(buffer.dtype) else True
    if _packed(buffer):
        unset = np.full(buffer.nbytes, 0xAB, np.uint8)
        array = _unpacked(unset, buffer.dtype, shape)
        return array, array.copy()
    array = np.empty(shape, buffer.dtype)
    return array, np.frombuffer(b"\xab" * array.itemsize, buffer.dtype)[0]


def _unpacked(array: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The elements in packed bytes, each as an int8 or uint8."""
    bits = bits_of(dtype)
    fields = (array.reshape(-1, 1) >> np.arange(0, 8, bits, dtype=np.uint8)) & np.uint8((1 << bits) - 1)
    values = fields.reshape(-1)[: int(np.prod(shape))].reshape(shape)
    if dtype.startswith("u"):
        return values
    sign = np.int8(1 << bits - 1)
    return np.asarray((values.astype(np.int8) ^ sign) - sign)


def _packed_bytes(array: np.ndarray, dtype: str) -> np.ndarray:
    """The bytes into which elements of a packed type are packed."""
    bits = bits_of(dtype)
    fields = (array.astype(np.uint8) & np.uint8((1 << bits) - 1)).reshape(-1, 8 // bits)
    return np.bitwise_or.reduce(fields << np.arange(0, 8, bits, dtype=np.uint8), axis=1, dtype=np.uint8)
