"""Host and device parts of a program: loops bound to threads run on a device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.errors import ScheduleError
from compiler.ir.expr import Buffer, Expr, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.access import accesses, mentions, writes
from compiler.ir.stmt import THREAD_TAGS, Allocate, For, Let, Seq, Stmt
from compiler.ir.text import print_expr, print_stmt
from compiler.ir.visit import substitute, walk


@dataclass(frozen=True, slots=True)
class DeviceFunction:
    """A function that a device runs once in each thread.

    Attributes
    ----------
    name : str
    params : tuple of Buffer
        Buffers in the device's main memory.
    scalars : tuple of Var
        Values of the host: dynamic extents, and variables of loops around the launch.
    extents : tuple of (str, Expr)
        Thread tag -> the number of its threads, which depends on `scalars` alone. Tags that are not there
        have one thread.
    body : Stmt
        Includes the loops over threads. Between two consecutive ones, the threads of a block are
        synchronized.
    """

    name: str
    params: tuple[Buffer, ...]
    scalars: tuple[Var, ...]
    extents: tuple[tuple[str, Expr], ...]
    body: Stmt

    def __str__(self) -> str:
        return str(PrimFunc(self.name, self.params, self.body))

    @property
    def shared_bytes(self) -> int:
        """Bytes of memory that the threads of a block share."""
        return sum(
            n.buffer.nbytes for n in walk(self.body) if type(n) is Allocate and n.buffer.scope == "shared"
        )


@dataclass(frozen=True, slots=True)
class Launch:
    """A step of the host: launch a device function, after the launches before it have ended."""

    function: DeviceFunction


@dataclass(frozen=True, slots=True)
class Temporary:
    """A step of the host: allocate a buffer in the device's main memory while `steps` run."""

    buffer: Buffer
    steps: tuple[HostStep, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A step of the host: run `steps` for each value of a loop variable."""

    var: Var
    extent: Expr
    steps: tuple[HostStep, ...]


HostStep = Launch | Temporary | Repeat


@dataclass(frozen=True, slots=True)
class HostProgram:
    """The host part of a program: the steps of a call.

    Attributes
    ----------
    params : tuple of Buffer
        Arrays of the call, in the device's main memory.
    steps : tuple of HostStep
        In order.
    stored : frozenset of int
        Positions of the parameters that the device writes to.
    """

    params: tuple[Buffer, ...]
    steps: tuple[HostStep, ...]
    stored: frozenset[int]

    @property
    def functions(self) -> tuple[DeviceFunction, ...]:
        """The device functions in the order of their first launch."""
        return tuple(launch.function for launch in _launches(self.steps))

    @property
    def temporary_bytes(self) -> int:
        """Bytes of the device's main memory that a call needs beside its arrays, at peak."""
        return _temporary_bytes(self.steps)


def split_device(func: PrimFunc) -> HostProgram:
    """Split a program into device functions, and the steps of the host that launch them.

    ::

        def main(A: float32[64], C: float32[64]):
            t = allocate(float32[64], "global")      Temporary(t):
            for bx in bind(2, "blockIdx.x"):             Launch(main_0): params (A, t),
                for tx in bind(32, "threadIdx.x"):           extents blockIdx.x = 2, threadIdx.x = 32
                    t[bx * 32 + tx] = ...         ->
            for bx in bind(64, "blockIdx.x"):            Launch(main_1): params (C, t),
                C[bx] = t[63 - bx]                           extents blockIdx.x = 64

    A device function is an outermost loop over blocks or threads, with the allocations of shared and local
    memory directly around it. The host runs serial loops and allocations of global memory outside of it.

    Parameters
    ----------
    func : PrimFunc
        After the passes of a back end.

    Raises
    ------
    ScheduleError
        If a statement is outside of all loops over threads, a loop around them is parallel, a device function
        allocates global memory, or the extent of a loop over threads is not known at the launch.
    """
    split = _Split(func)
    steps = split.steps(func.body)
    written = writes(func.body)
    stored = frozenset(i for i, buffer in enumerate(func.params) if buffer in written)
    return HostProgram(func.params, steps, stored)


class _Split:
    def __init__(self, func: PrimFunc) -> None:
        self.name = func.name
        self.buffers: list[Buffer] = list(func.params)  # in the device's main memory, outermost first
        self.scalars: list[Var] = list(func.sizes)
        self.count = 0

    def steps(self, stmt: Stmt) -> tuple[HostStep, ...]:
        if isinstance(stmt, Seq):
            return tuple(step for part in stmt.stmts for step in self.steps(part))
        if isinstance(stmt, Let) and not any(accesses(stmt.value)):
            return self.steps(substitute(stmt.body, {stmt.var: stmt.value}))
        if isinstance(stmt, Allocate) and stmt.buffer.scope == "global":
            self.buffers.append(stmt.buffer)
            steps = self.steps(stmt.body)
            self.buffers.pop()
            return (Temporary(stmt.buffer, steps),)
        if _thread_loop(stmt) is not None:
            return (Launch(self.function(stmt)),)
        if isinstance(stmt, For) and stmt.kind in ("serial", "unroll") and not any(accesses(stmt.extent)):
            self.scalars.append(stmt.var)
            steps = self.steps(stmt.body)
            self.scalars.pop()
            return (Repeat(stmt.var, stmt.extent, steps),)
        line = print_stmt(stmt).splitlines()[0]
        if isinstance(stmt, For) and any(accesses(stmt.extent)):
            raise ScheduleError(
                f"`{line}`: the host must know the extent of a loop around launches, and cannot read it from "
                "the device's memory"
            )
        if isinstance(stmt, For):
            raise ScheduleError(
                f"`{line}`: the loop over {stmt.var.name!r} is of kind {stmt.kind!r} outside of the loops "
                "over threads; a device runs only loops bound to blockIdx or threadIdx in parallel: bind it"
            )
        raise ScheduleError(
            f"`{line}` is outside of all loops that are bound to blockIdx or threadIdx; a device runs only "
            "statements inside of them: bind a loop of its stage"
        )

    def function(self, body: Stmt) -> DeviceFunction:
        for node in walk(body):
            if type(node) is Allocate and node.buffer.scope == "global":
                raise ScheduleError(
                    f"{node.buffer} is allocated in global memory inside of a loop over blocks or threads; "
                    "compute its stage at the root, or set its scope to shared or local"
                )
        extents: dict[str, Expr] = {}
        inner = {n.var for n in walk(body) if isinstance(n, (For, Let))}
        for loop in walk(body):
            if type(loop) is not For or loop.kind not in THREAD_TAGS:
                continue
            text = print_expr(loop.extent)
            known = extents.setdefault(loop.kind, loop.extent)
            if known != loop.extent:
                raise ScheduleError(
                    f"two loops of one launch are bound to {loop.kind} with the extents {print_expr(known)} "
                    f"and {text}; split them so that both have as many iterations"
                )
            if any(accesses(loop.extent)) or mentions(loop.extent, inner):
                raise ScheduleError(
                    f"the loop over {loop.var.name!r} is bound to {loop.kind}, and its extent {text} is not "
                    "known at the launch"
                )
        touched = {access.buffer for access in accesses(body)}
        used = {node for node in walk(body) if type(node) is Var}
        params = tuple(buffer for buffer in self.buffers if buffer in touched)
        used |= {size for buffer in params for size in buffer.sizes}
        name = f"{self.name}_{self.count}"
        self.count += 1
        scalars = tuple(var for var in self.scalars if var in used)
        return DeviceFunction(name, params, scalars, tuple(extents.items()), body)


def _thread_loop(stmt: Stmt) -> For | None:
    """The loop over threads that a statement is, below its allocations of shared and local memory."""
    while isinstance(stmt, Allocate) and stmt.buffer.scope != "global":
        stmt = stmt.body
    return stmt if isinstance(stmt, For) and stmt.kind in THREAD_TAGS else None


def _launches(steps: Iterable[HostStep]) -> Iterator[Launch]:
    for step in steps:
        if isinstance(step, Launch):
            yield step
        else:
            yield from _launches(step.steps)


def _temporary_bytes(steps: Iterable[HostStep]) -> int:
    peak = 0
    for step in steps:
        if not isinstance(step, Launch):
            nbytes = step.buffer.nbytes if isinstance(step, Temporary) else 0
            peak = max(peak, nbytes + _temporary_bytes(step.steps))
    return peak
