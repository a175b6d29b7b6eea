"""A `PrimFunc` after all passes as the text of an LLVM module.

The module exports ``void NAME(ptr args, ptr workspace)``: `args` points to slots of eight bytes, one with the
pointer of each parameter, followed by one with the value of each dynamic extent; `workspace` to
`Program.workspace_bytes` bytes of scratch memory for the call. It loads the slots and calls an inner function
with one parameter for each slot: LLVM accepts ``noalias``, the guarantee that no other pointer reaches the
same bytes, on parameters only. The body of a parallel loop is another such function, called by the thread
pool.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from compiler.backend.llvm.conversion import HALF_FUNCTIONS
from compiler.backend.llvm.expression import Expressions
from compiler.backend.llvm.hints import LoopHints
from compiler.backend.llvm.index import wide_literal
from compiler.backend.llvm.machine import KIND, Machine
from compiler.backend.llvm.mathematics.products import group_sizes, product_group
from compiler.backend.llvm.memory import (
    interleaved,
    is_strided,
    load_together,
    store_in,
    strided_loads,
    strided_stores,
)
from compiler.backend.llvm.transfer import loops
from compiler.backend.llvm.writer import (
    ALIGNMENT,
    NO_LEVEL,
    Frame,
    Pointer,
    Wide,
    called,
    clean,
    launched,
    ranged,
)
from compiler.ir.dtype import bits_of, is_integer
from compiler.ir.expr import Buffer, Call, Var
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.operators import INTRINSICS
from compiler.ir.recursion import Recursive, counted
from compiler.ir.semantics.access import writes
from compiler.ir.stmt import (
    THREAD_TAGS,
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Prefetch,
    Seq,
    Stmt,
    Store,
    Token,
    unnested,
)

# symbol of the thread pool in compiled code
LAUNCH = "espalier_parallel_launch"
# limits of the stack memory of one buffer, and of all buffers of a function
STACK_BUFFER_BYTES = 64 * 1024
STACK_BYTES = 512 * 1024
# statements of one function of a long program
PART = 64

# functions that LLVM may insert calls of, so an entry must not have such a name
_C_LIBRARY = {"memcpy", "memmove", "memset", "memcmp", "aligned_alloc", "free", LAUNCH}
_MATHEMATICS = (*INTRINSICS, "roundeven")
_C_LIBRARY |= {name + suffix for name in _MATHEMATICS for suffix in ("", "f")}
# reasons for which a loop or statement cannot be compiled for a CPU, and remedies
_THREADS = "a CPU has no blocks of threads: use parallel and vectorize instead of bind, or build for a GPU"
_LATER = "; a pass must have turned it into plain loops before code is generated"


@dataclass(frozen=True, slots=True)
class Program:
    """LLVM text, and the facts that are needed to load and call it.

    Attributes
    ----------
    text : str
        The module.
    entry : str
        The symbol that it exports.
    workspace_bytes : int
        Bytes of scratch memory that a call needs.
    stored : frozenset of int
        Positions of the parameters that are written to.
    is_parallel : bool
        Whether it calls the thread pool.
    calls : tuple of Call
        The calls of C functions and of LLVM's intrinsics.
    """

    text: str
    entry: str
    workspace_bytes: int
    stored: frozenset[int]
    is_parallel: bool
    calls: tuple[Call, ...]


def generate(func: PrimFunc, machine: Machine) -> Program:
    """The LLVM program of `func`.

    Parameters
    ----------
    func : PrimFunc
        A function after all passes: one index per access, no vectorized loops.
    machine : Machine
        What it is compiled for.

    Raises
    ------
    ValueError
        For a node that a pass should have removed, a name that is not an identifier, or a variable or buffer
        that is not bound.
    """
    return _Generator(func, machine).program()


class _Generator(Recursive):
    def __init__(self, func: PrimFunc, machine: Machine) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", func.name):
            raise ValueError(f"a function is named by an identifier, not {func.name!r}")
        self.func = func
        self.machine = machine
        self.entry = f"{func.name}.entry" if func.name in _C_LIBRARY else func.name
        self.functions: list[str] = []
        self.frame = Frame()
        self.frame.preamble.features = frozenset(machine.needs or ())
        written = writes(func.body)
        self.frame.preamble.constant = frozenset(b for b in func.params if b not in written)
        self.expressions = Expressions(self.frame)
        self.hints = LoopHints(func.body)
        # whether loops without vectors are functions of their own
        self.divides = self.hints.has_vectors(func.body)
        self.stored: set[Buffer] = set()
        self.workspace: list[tuple[Buffer, int]] = []
        self.workspace_bytes = 0
        self.parallel_loops = 0
        self.runs_in_parallel = False
        self.group_sizes = group_sizes(machine.hardware)
        # the values of a group of stores that are written together
        self.values: list[tuple[str, str]] | None = None

    def program(self) -> Program:
        func, frame = self.func, self.frame
        for buffer in func.params:
            if buffer in frame.pointers:
                raise ValueError(f"the buffer {buffer} is a parameter twice")
            frame.pointers[buffer] = Pointer(
                frame.fresh(clean(buffer.name)), _itemsize(buffer), _min_bytes(buffer)
            )
        for size in func.sizes:
            low, high = size.bounds or (0, 0)
            value = wide_literal(low) if low == high else Wide(frame.argument(clean(size.name)), low, high)
            frame.bind(size, value)
        sizes = {size: value for size, value in frame.variables.items() if not value.is_literal}
        self._whole(func.body)
        pointers = [frame.pointers[buffer] for buffer in func.params]
        pointers += [
            Pointer(self.workspace_ref(i), ALIGNMENT, b.nbytes) for i, (b, _) in enumerate(self.workspace)
        ]
        signature = [f"{pointer.attributes} {pointer.ref}" for pointer in pointers]
        signature += [f"{ranged(value)} {value.ref}" for value in sizes.values()]
        inner = f"@{func.name}.compute"
        self.functions.append(frame.text(f"define hidden void {inner}({', '.join(signature)})"))
        self.functions.append(self._entry(inner, sizes))
        attributes = ["nounwind", f'"target-cpu"="{self.machine.cpu}"']
        if self.machine.vector_bits == 512:  # by default LLVM uses 256-bit vectors on some of these CPUs
            attributes.append('"prefer-vector-width"="512"')
        text = "\n".join(
            [
                f"; {func.name} for {self.machine}",
                f"declare void @{LAUNCH}(ptr, ptr, i64) nounwind" if self.parallel_loops else "",
                "declare noalias ptr @aligned_alloc(i64, i64) nounwind",
                "declare void @free(ptr) nounwind",
                "",
                *self.functions,
                f"attributes #0 = {{ noinline {' '.join(attributes)} }}",
                f"attributes #1 = {{ {' '.join(attributes)} }}",
                f"attributes #2 = {{ noinline {' '.join(attributes)} }}",
                self._half_functions(),
                *frame.preamble.text(),
                "",
            ]
        )
        stored = frozenset(i for i, buffer in enumerate(func.params) if buffer in self.stored)
        calls = tuple(self.expressions.calls)
        return Program(text, self.entry, self.workspace_bytes, stored, self.parallel_loops > 0, calls)

    def _half_functions(self) -> str:
        needed = self.machine.is_x86 and "f16c" not in (self.machine.needs or ())
        return HALF_FUNCTIONS if needed and any("half" in text for text in self.functions) else ""

    def _entry(self, inner: str, sizes: dict[Var, Wide]) -> str:
        lines, arguments = [], []
        params = len(self.func.params)
        slots = [*range(params), *(params + i for i, size in enumerate(self.func.sizes) if size in sizes)]
        for i in slots:
            kind = "ptr" if i < params else "i64"
            lines.append(f"  %slot.{i} = getelementptr inbounds i64, ptr %args, i64 {i}")
            lines.append(f"  %arg.{i} = load {kind}, ptr %slot.{i}, align 8")
            arguments.append(f"{kind} %arg.{i}")
        scratch = []
        for i, (_, offset) in enumerate(self.workspace):
            lines.append(f"  %scratch.{i} = getelementptr inbounds i8, ptr %workspace, i64 {offset}")
            scratch.append(f"ptr %scratch.{i}")
        arguments[params:params] = scratch
        lines.append(f"  call void {inner}({', '.join(arguments)})")
        header = f"define void @{self.entry}(ptr noundef %args, ptr noundef %workspace) #1 {{"
        return "\n".join([header, "entry:", *lines, "  ret void", "}", ""])

    @staticmethod
    def workspace_ref(position: int) -> str:
        return f"%$workspace.{position}"

    # Statements

    def _whole(self, body: Stmt) -> None:
        """Write the body of the function: a long program as calls of functions of `PART` statements each.

        LLVM takes more than linear time for a function.
        """
        allocations, stmts = unnested(body)
        if len(stmts) <= 2 * PART or len({a.buffer for a in allocations}) < len(allocations):
            return self.statement(body)
        for allocation in allocations:
            self.frame.pointers[allocation.buffer] = self._pointer(allocation.buffer)
        for begin in range(0, len(stmts), PART):
            self._called("part", Seq(tuple(stmts[begin : begin + PART])), is_open=False)

    def _called(self, kind: str, body: Stmt, *, is_open: bool) -> None:
        """Write a statement as a function of its own, and a call of it."""
        outer, name = self.frame, f"@{self.func.name}.{kind}.{len(self.functions)}"
        inner = self.frame = self.expressions.frame = Frame(outer)
        inner.is_open = is_open
        self.statement(body)
        self.frame = self.expressions.frame = outer
        self.functions.append(called(outer, inner, name))

    @counted
    def statement(self, node: Stmt) -> None:
        """Write a statement into the frame."""
        _RULES[type(node)](self, node)

    def _sequence(self, node: Seq) -> None:
        position = end = 0
        while position < len(node.stmts):
            if position >= end:
                count, loads = strided_loads(node.stmts[position:])
                end = position + max(1, count)
                places = filter(None, map(self.expressions.place, loads))
                self.expressions.transposed = load_together(self.frame, places, self.machine.vector_bits)
            group = product_group(node.stmts, position, self.group_sizes) if self.group_sizes else None
            if group is not None and self.expressions.dot(group, self.machine.vector_bits // 32):
                self.stored.add(group[0].sums.buffer)
                position += len(group)
                continue
            run = strided_stores(node.stmts[position:]) if is_strided(node.stmts[position]) else []
            if len(run) < 2:
                self.statement(node.stmts[position])
                position += 1
            else:
                self._stores(run)
                position += len(run)

        self.expressions.transposed = {}

    def _stores(self, run: Sequence[Stmt]) -> None:
        """Adjacent stores that can be executed in any order; those that fill a range together are one."""
        places = [self.expressions.place(store_in(stmt)) for stmt in run]
        known = [place for place in places if place is not None]
        groups = interleaved(known) if len(known) == len(run) else [(at,) for at in range(len(run))]
        for group in groups:
            if len(group) == 1:
                self.statement(run[group[0]])
                continue
            self.values = []
            for position in group:
                self.statement(run[position])
            self.expressions.store_interleaved([known[position] for position in group], self.values)
            self.values = None

    def _store(self, node: Store) -> None:
        self.stored.add(node.buffer)
        if self.values is None:
            self.expressions.store(node)
        else:
            self.values.append((self.expressions.value(node.value), node.value.dtype))

    def _if(self, node: If) -> None:
        frame = self.frame
        condition = self.expressions.condition(node.condition)
        if condition in ("true", "false"):
            arm = node.then if condition == "true" else node.otherwise
            if arm is not None:
                self.statement(arm)
            return
        then, joined = frame.label("if"), frame.label("endif")
        otherwise = joined if node.otherwise is None else frame.label("else")
        frame.effect(f"br i1 {condition}, label %{then}, label %{otherwise}")
        frame.guards += 1
        for label, arm in ((then, node.then), (otherwise, node.otherwise)):
            if arm is not None:
                frame.begin(label)
                self.statement(arm)
                frame.effect(f"br label %{joined}")
        frame.guards -= 1
        frame.begin(joined)

    def _for(self, node: For) -> None:
        if node.kind not in ("serial", "parallel", "unroll"):
            what = f"the loop over {node.var.name!r} is of kind {node.kind!r}"
            raise ValueError(f"{what}; {_THREADS}" if node.kind in THREAD_TAGS else what + _LATER)
        extent = self.expressions.index(node.extent)
        if extent.high <= 0:
            return
        if extent.low == extent.high == 1:
            self._body(node, wide_literal(0))
        elif node.kind == "parallel" and not self.runs_in_parallel:
            self._parallel(node, extent)
        elif self.divides and not self.frame.is_open and self.hints.is_apart(node):
            self._called("loop", node, is_open=True)
        else:
            self.frame.is_open |= self.hints.is_open(node)
            self._loop(node, wide_literal(0), extent, extent.low > 0, self.hints.of(node, extent))

    def _loop(self, node: For, begin: Wide, end: Wide, runs: bool, hints: list[str]) -> None:
        """A loop that tests its condition at the end; with `runs`, the first iteration needs no test."""
        frame = self.frame
        head, after = frame.label(f"for_{clean(node.var.name)}"), frame.label("done")
        if runs:
            frame.effect(f"br label %{head}")
        else:
            frame.effect(
                f"br i1 {frame.emit(f'icmp slt i64 {begin.ref}, {end.ref}')}, label %{head}, label %{after}"
            )
        before = frame.block
        frame.guards += not runs
        frame.begin(head)
        counter, following = frame.fresh(clean(node.var.name)), frame.fresh("next")
        phi = frame.reserve()
        frame.open(counter)
        self._body(node, Wide(counter, begin.low, max(begin.low, end.high - 1)))
        frame.close()
        frame.guards -= not runs
        frame.lines.append(f"  {following} = add nuw nsw i64 {counter}, 1")
        again = frame.emit(f"icmp slt i64 {following}, {end.ref}")
        note = ""
        if hints:
            note = f", !llvm.loop {frame.preamble.metadata('!{!self, ' + ', '.join(hints) + '}')}"
        frame.effect(f"br i1 {again}, label %{head}, label %{after}{note}")
        phi.append(f"  {counter} = phi i64 [ {begin.ref}, %{before} ], [ {following}, %{frame.block} ]")
        frame.begin(after)

    def _body(self, node: For, counter: Wide) -> None:
        self.frame.bind(node.var, counter)
        self.statement(node.body)
        self.frame.unbind(node.var)

    def _parallel(self, node: For, extent: Wide) -> None:
        """The loop's body as a function of a range, and a launch of it over all iterations."""
        outer = self.frame
        name = f"@{self.func.name}.parallel.{self.parallel_loops}"
        self.parallel_loops += 1
        inner = self.frame = self.expressions.frame = Frame(outer)
        inner.is_open = self.hints.is_scalar(node)
        self.runs_in_parallel = True
        self._loop(
            node,
            Wide("%begin", 0, extent.high - 1),
            Wide("%end", 1, extent.high),
            True,
            self.hints.of(node, extent),
        )
        self.frame = self.expressions.frame = outer
        self.runs_in_parallel = False
        self.functions += launched(outer, inner, name, f"@{LAUNCH}", extent.ref)

    def _let(self, node: Let) -> None:
        frame = self.frame
        if is_integer(node.var.dtype) and "x" not in node.var.dtype and node.var.dtype != "uint64":
            value = self.expressions.index(node.value)
            frame.bind(node.var, value)
            known = frame.level(value.ref) != NO_LEVEL
            if not known:
                frame.open(value.ref)
            self.statement(node.body)
            if not known:
                frame.close()
            frame.unbind(node.var)
        else:
            frame.values[node.var] = self.expressions.value(node.value)
            self.statement(node.body)
            del frame.values[node.var]

    def _copy(self, node: Copy) -> None:
        self.statement(loops(node))

    def _invoke(self, node: Invoke) -> None:
        implementation = node.intrinsic.implementations.get(KIND)
        if implementation is None:
            raise ValueError(
                f"the intrinsic {node.intrinsic.name!r} has no implementation for {KIND!r}; give "
                "it one, or replace it by its description (inline_intrinsics) before code is generated"
            )
        self.statement(implementation(*node.operands))

    def _barrier(self, node: Barrier) -> None:
        raise ValueError(f"a barrier of {node.scope!r} memory: {_THREADS}")

    def _token(self, node: Token) -> None:
        raise ValueError(
            f"a token from {node.source!r} to {node.target!r}: a CPU has no pipeline stages; build for an "
            "accelerator"
        )

    # Memory

    def _prefetch(self, node: Prefetch) -> None:
        self.expressions.prefetch(node)

    def _allocate(self, node: Allocate) -> None:
        pointers = self.frame.pointers
        pointers[node.buffer] = self._pointer(node.buffer)
        self.expressions.allocated.add(node.buffer)
        self.statement(node.body)
        del pointers[node.buffer]

    def _pointer(self, buffer: Buffer) -> Pointer:
        frame = self.frame
        # the copies of an unrolled body allocate the same buffer, with disjoint lifetimes
        pointer = frame.allocated.get(buffer)
        if pointer is None:
            pointer = frame.allocated[buffer] = self._new_pointer(buffer)
        return pointer

    def _new_pointer(self, buffer: Buffer) -> Pointer:
        frame = self.frame
        fits = buffer.nbytes <= STACK_BUFFER_BYTES and frame.stack_bytes + buffer.nbytes <= STACK_BYTES
        if fits and (buffer.scope == "local" or frame.parent is not None):
            return frame.allocate(buffer)
        if frame.parent is None:
            pointer = Pointer(self.workspace_ref(len(self.workspace)), ALIGNMENT, buffer.nbytes)
            self.workspace.append((buffer, self.workspace_bytes))
            self.workspace_bytes += _rounded(buffer.nbytes)
            return pointer
        # allocated once for a range of iterations, since no iteration reads what another one stored
        register = frame.fresh(clean(buffer.name))
        size = _rounded(buffer.nbytes)
        frame.prologue.append(f"  {register} = call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {size})")
        frame.epilogue.append(f"  call void @free(ptr {register})")
        return Pointer(register, ALIGNMENT, buffer.nbytes)


def _itemsize(buffer: Buffer) -> int:
    return -(-bits_of(buffer.dtype) // 8)


def _min_bytes(buffer: Buffer) -> int:
    """The number of bytes of an argument at the lower bounds of its dynamic extents; unknown with strides."""
    if buffer.strides is not None:
        return 0
    extents = (e if isinstance(e, int) else e.bounds[0] if e.bounds else 0 for e in buffer.shape)
    return prod(extents) * bits_of(buffer.dtype) // 8


def _rounded(nbytes: int) -> int:
    return max(1, -(-nbytes // ALIGNMENT)) * ALIGNMENT


_RULES: dict[type, Callable[[_Generator, Any], None]] = {
    For: _Generator._for,
    Store: _Generator._store,
    If: _Generator._if,
    Seq: _Generator._sequence,
    Allocate: _Generator._allocate,
    Let: _Generator._let,
    Prefetch: _Generator._prefetch,
    Barrier: _Generator._barrier,
    Copy: _Generator._copy,
    Invoke: _Generator._invoke,
    Token: _Generator._token,
}
