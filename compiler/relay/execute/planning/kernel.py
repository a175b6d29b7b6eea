"""`source`: the programs of a primitive function, from which its kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from compiler.backend import Target, pipeline
from compiler.backend.llvm.backend import LLVM
from compiler.errors import ScheduleError
from compiler.ir.expr import Buffer
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For
from compiler.ir.visit import Rewriter
from compiler.lowering.constants import split_constants
from compiler.lowering.nest import loop_nest
from compiler.passes import run
from compiler.relay.execute.planning.code import Kernel, Operand
from compiler.relay.execute.planning.lower import Lowered

ENTRY_NAME = "kernel"

SERIAL = 1 << 18
"""Operations and bytes up to which a kernel uses one thread: to begin a parallel loop takes as long."""


@dataclass(frozen=True, slots=True)
class Source:
    """The programs of a kernel before code is generated: what can be made without LLVM.

    Parameters
    ----------
    name : str
    main : PrimFunc
        After all passes.
    operands : tuple of Operand
    prepare : PrimFunc, optional
    prepare_operands : tuple of Operand
    prepared : tuple of (shape, dtype)
    """

    name: str
    main: PrimFunc
    operands: tuple[Operand, ...]
    prepare: PrimFunc | None
    prepare_operands: tuple[Operand, ...]
    prepared: tuple[tuple[tuple[int, ...], str], ...]

    def generated(self, target: Target) -> Callable[[], Kernel]:
        """Generate the text of both programs; the result, called, has LLVM compile them.

        The latter runs without the interpreter's lock: in another thread, while the next kernel is lowered.
        """
        back_end = LLVM()
        main = back_end.generated(self.main, target.options)
        prepare = None if self.prepare is None else back_end.generated(self.prepare, target.options)

        def finish() -> Kernel:
            code = back_end.finished(self.main, main, target.options)
            filling = None
            if self.prepare is not None and prepare is not None:
                filling = back_end.finished(self.prepare, prepare, target.options, once=True)
            return Kernel(self.name, code, self.operands, filling, self.prepare_operands, self.prepared)

        return finish


def in_place(lowered: Lowered, candidates: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The first pair of an input and an output for which the output may be computed in the input's memory.

    Parameters
    ----------
    lowered : Lowered
    candidates : sequence of (int, int)
        Numbers of values: inputs from 0, outputs behind them.
    """
    for pair in candidates:
        pairs = _parameters_of(lowered, pair)
        if pairs is None:
            continue
        try:
            loop_nest(lowered.program.schedule, lowered.program.parameters, ENTRY_NAME, inplace=pairs)
        except ScheduleError:
            continue
        return pair
    return None


def _parameters_of(lowered: Lowered, pair: tuple[int, int]) -> dict[Any, Any] | None:
    parameters = lowered.program.parameters
    given = [p for p, at in zip(parameters, lowered.operands, strict=True) if at == pair[0]]
    stored = [p for p, at in zip(parameters, lowered.operands, strict=True) if at == pair[1]]
    return {stored[0]: given[0]} if len(given) == len(stored) == 1 else None


def source(
    name: str,
    lowered: Lowered,
    target: Target,
    constants: Collection[int] = (),
    inplace: tuple[int, int] | None = None,
) -> Source:
    """The programs of a primitive function, after all passes.

    Parameters
    ----------
    name : str
    lowered : Lowered
    target : Target
    constants : collection of int
        Inputs that are the same in every call: root stages that depend on them alone, as the packing of
        weights, become a program that runs once.
    inplace : (int, int), optional
        An input, and the output that is computed in its memory.
    """
    pairs = {} if inplace is None else _parameters_of(lowered, inplace)
    nest = loop_nest(lowered.program.schedule, lowered.program.parameters, ENTRY_NAME, inplace=pairs)
    if lowered.flops + sum(buffer.nbytes for buffer in nest.params) <= SERIAL:
        nest = nest.with_body(_Serial()(nest.body))
    taken = set(pairs or ())
    kept = [at for p, at in zip(lowered.program.parameters, lowered.operands, strict=True) if p not in taken]
    value = dict(zip(nest.params, kept, strict=True))
    known = [buffer for buffer, at in value.items() if at in constants]
    passes = pipeline(target.kind)
    if not known:
        operands = tuple(Operand("value", value[b]) for b in nest.params)
        return Source(name, run(nest, passes), operands, None, (), ())
    prepare, main = split_constants(nest, known)
    filled = [b for b in prepare.params if b not in value]
    number = {b: i for i, b in enumerate(filled)}

    def operand(buffer: Buffer) -> Operand:
        return Operand("value", value[buffer]) if buffer in value else Operand("prepared", number[buffer])

    shapes = tuple((cast("tuple[int, ...]", b.shape), b.dtype) for b in filled)
    return Source(
        name,
        run(main, passes),
        tuple(map(operand, main.params)),
        run(prepare, passes) if filled else None,
        tuple(map(operand, prepare.params)) if filled else (),
        shapes,
    )


class _Serial(Rewriter):
    """Makes parallel loops serial."""

    def _for(self, node: For) -> For:
        inner = self.descend(node)
        if inner.kind != "parallel":
            return inner
        return For(inner.var, inner.extent, "serial", inner.body, inner.pragmas)

    rules = {For: _for}
