"""`Frame`: the text of one LLVM function while it is being written.

The text is written directly because it takes about a tenth of the time that a tree of
instruction objects does, and a search compiles thousands of programs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from compiler.ir.dtype import is_float, lanes_of, scalar_of
from compiler.ir.expr import Buffer, Const, Expr, Var
from compiler.ir.semantics.bfloat16 import bits_of_number

_SCALARS = {"bool": "i1", "int8": "i8", "uint8": "i8", "int16": "i16", "uint16": "i16", "int32": "i32"}
_SCALARS |= {"uint32": "i32", "int64": "i64", "uint64": "i64"}
_SCALARS |= {"float16": "half", "bfloat16": "i16", "float32": "float", "float64": "double"}

# alignment of buffers that this package allocates: a cache line, and the widest vector
ALIGNMENT = 64
NO_LEVEL = 1 << 30
"""The level of a value that is not computed at the beginning of a level, such as a loaded value."""


class Wide(NamedTuple):
    """A 64-bit integer in the text, and bounds of its value."""

    ref: str
    low: int
    high: int

    @property
    def is_literal(self) -> bool:
        """Whether the bounds are equal, so that `ref` is a literal."""
        return self.low == self.high


class Index(NamedTuple):
    """An index as a varying part and a constant offset, for which an address has a field."""

    varying: Wide
    offset: int = 0


class Pointer(NamedTuple):
    """The pointer to a buffer, its alignment, and the least number of bytes behind it."""

    ref: str
    alignment: int
    nbytes: int

    @property
    def attributes(self) -> str:
        """Its declaration as a parameter: no other pointer reaches these bytes."""
        extent = f" dereferenceable({self.nbytes})" if self.nbytes else ""
        return f"ptr noalias nonnull noundef align {self.alignment}{extent}"


@cache
def llvm_type(dtype: str) -> str:
    """The type of a value of `dtype` in a register."""
    scalar, lanes = _SCALARS[scalar_of(dtype)], lanes_of(dtype)
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


@cache
def memory_type(dtype: str) -> str:
    """The type of a value of `dtype` in memory, where a bool fills a byte."""
    scalar, lanes = _SCALARS[scalar_of(dtype)], lanes_of(dtype)
    scalar = "i8" if scalar == "i1" else scalar
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


@cache
def mangled(dtype: str) -> str:
    """`dtype` as the name of an overloaded intrinsic spells it."""
    scalar, lanes = _SCALARS[scalar_of(dtype)], lanes_of(dtype)
    scalar = {"half": "f16", "float": "f32", "double": "f64"}.get(scalar, scalar)
    return scalar if lanes == 1 else f"v{lanes}{scalar}"


def literal(node: Const) -> str:
    """A scalar literal in LLVM's spelling."""
    if node.dtype == "bool":
        return "true" if node.value else "false"
    if node.dtype == "bfloat16":
        return str(int(bits_of_number(float(node.value))))
    if not is_float(node.dtype):
        return str(int(node.value))
    with np.errstate(over="ignore"):  # a literal beyond the type's range is infinite there
        rounded = float(np.dtype(node.dtype).type(node.value))
    # LLVM spells every float type by the bits of the double of the same value
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"


def splat_literal(dtype: str, text: str) -> str:
    """A literal repeated in every lane of the vector type `dtype`."""
    return f"splat ({llvm_type(scalar_of(dtype))} {text})"


class Preamble:
    """Declarations and metadata that the functions of a module share, each written once.

    Attributes
    ----------
    features : frozenset of str
        Features of the CPU on which code may depend.
    constant : frozenset of Buffer
        Parameters that the program does not write to.
    """

    def __init__(self) -> None:
        self.features: frozenset[str] = frozenset()
        self.constant: frozenset[Buffer] = frozenset()
        self.declarations: dict[str, None] = {}
        self._numbers: dict[str, str] = {}
        self._lines: list[str] = []

    def metadata(self, text: str) -> str:
        """The number of a metadata node. In `text`, ``!self`` refers to the node, which is then distinct."""
        known = self._numbers.get(text)
        if known is None:
            known = f"!{len(self._lines)}"
            if "!self" in text:
                self._lines.append(f"{known} = distinct {text.replace('!self', known)}")
                return known
            self._numbers[text] = known
            self._lines.append(f"{known} = {text}")
        return known

    def text(self) -> list[str]:
        """The lines of the module."""
        return [*self.declarations, *self._lines]


class Level:
    """The body of a function, of a loop or of a `Let`, and the instructions at its beginning."""

    def __init__(self, register: str, lines: list[str], guards: int = 0) -> None:
        self.register = register  # the value that the level defines
        self.guards = guards  # the conditions around it
        self.lines = lines
        self.known: dict[str, str] = {}  # instruction -> its register


class Frame:
    """One LLVM function: its lines, and the registers of its variables and buffers.

    Its attributes are the group ``#0``, or ``#2`` if `is_open`: LLVM has to transform its loops.

    A variable or buffer of the enclosing function becomes a parameter at its first use (`captured`).

    Arithmetic on loop variables is written once, at the beginning of the outermost loop where its operands
    are defined (`invariant`), and a block repeats no computation and no load (`once`, `read`). LLVM would
    hoist and merge the same instructions, but that would take most of its time.

    Parameters
    ----------
    parent : Frame or None
        The function around this one, for the body of a parallel loop.
    """

    def __init__(self, parent: Frame | None = None) -> None:
        self.parent = parent
        self.preamble: Preamble = Preamble() if parent is None else parent.preamble
        self.lines: list[str | list[str]] = []
        self.prologue: list[str] = []
        self.epilogue: list[str] = []
        self.block = "entry"
        self.variables: dict[Var, Wide] = {}
        # values of `Let` that are no indices: floats, bools and vectors
        self.values: dict[Var, str] = {}
        self.pointers: dict[Buffer, Pointer] = {}
        self.allocated: dict[Buffer, Pointer] = {}
        self.captured_variables: list[Var] = []
        self.captured_values: list[Var] = []
        self.captured_buffers: list[Buffer] = []
        # arithmetic that is written already, by the identity of its node, while its variables are bound
        self.numbers: dict[int, tuple[Expr, Wide]] = {}
        self.indices: dict[int, tuple[Expr, Index | None]] = {}
        self.stack_bytes = 0
        self.is_open = False
        self.guards = 0  # the conditions around the statement that is being written
        self._count = 0
        self._levels = [Level("", self.prologue)]
        self._level_of: dict[str, int] = {}  # of registers that are defined at the beginning of a level
        self._computed: dict[str, str] = {}  # in the block that is being written
        self._read: dict[Buffer, dict[str, str]] = {}

    def fresh(self, hint: str = "") -> str:
        """A register that is not used yet."""
        self._count += 1
        return f"%{hint}.{self._count}"

    def argument(self, hint: str) -> str:
        """A new register for a parameter, which is defined when the function begins."""
        register = self.fresh(hint)
        self._level_of[register] = 0
        return register

    def emit(self, text: str) -> str:
        """Write an instruction; its result's register is returned."""
        self._count += 1
        register = f"%.{self._count}"
        self.lines.append(f"  {register} = {text}")
        return register

    def invariant(self, text: str, *operands: str) -> str:
        """Write arithmetic on `operands`, registers or literals, at the outermost level that defines all.

        It may be executed there although the program would not have executed it, so `text` may not trap.
        """
        level = self.level(*operands)
        if level == NO_LEVEL:
            return self.once(text)
        at = self._levels[level]
        register = at.known.get(text)
        if register is None:
            self._count += 1
            register = at.known[text] = f"%.{self._count}"
            at.lines.append(f"  {register} = {text}")
            self._level_of[register] = level
        return register

    def is_constant(self, buffer: Buffer, index: str) -> bool:
        """Whether a load at an index can be executed, with the same result, where the index is defined."""
        level = self.level(index)
        known = buffer in self.preamble.constant and level < len(self._levels) - 1
        return known and self._levels[level].guards == self.guards

    def level(self, *operands: str) -> int:
        """The innermost level that defines one of `operands` at its beginning, or `NO_LEVEL`."""
        innermost = 0
        for ref in operands:
            if ref[0] == "%":
                level = self._level_of.get(ref, NO_LEVEL)
                if level > innermost:
                    innermost = level
        return innermost

    def once(self, text: str) -> str:
        """Write an instruction without side effects, unless this block has it already."""
        register = self._computed.get(text)
        if register is None:
            register = self._computed[text] = self.emit(text)
        return register

    def read(self, text: str, buffer: Buffer) -> str:
        """Write a load from `buffer`, unless this block has it already and has not written there since."""
        known = self._read.setdefault(buffer, {})
        register = known.get(text)
        if register is None:
            register = known[text] = self.emit(text)
        return register

    def write(self, text: str, buffer: Buffer) -> None:
        """Write an instruction that changes `buffer` and has no result."""
        self.lines.append(f"  {text}")
        self._read.pop(buffer, None)

    def effect(self, text: str) -> None:
        """Write an instruction without a result, which may change all memory."""
        self.lines.append(f"  {text}")
        self._read.clear()

    def open(self, register: str) -> None:
        """Begin a level, in which `register` is defined, until `close`."""
        self._level_of[register] = len(self._levels)
        self._levels.append(Level(register, self.reserve(), self.guards))

    def close(self) -> None:
        """End the innermost level."""
        del self._level_of[self._levels.pop().register]

    def declare(self, text: str) -> None:
        """Declare a function in the module."""
        self.preamble.declarations[text] = None

    def label(self, hint: str) -> str:
        """A name for a block that is begun later."""
        self._count += 1
        return f"{hint}.{self._count}"

    def begin(self, label: str) -> None:
        """Begin a block; the one before must end with a branch."""
        self.lines.append(f"{label}:")
        self.block = label
        self._computed.clear()
        self._read.clear()

    def rarely(self, condition: str, lanes: int, kind: str, value: str, write: Callable[[], str]) -> str:
        """`value`, or the result of `write` in the lanes where the condition holds, which is rare.

        Both are of the type `kind`, with as many lanes as the condition.
        """
        any_lane, test = condition, "i1"
        if lanes > 1:
            test = f"<{lanes} x i1>"
            any_lane = self.emit(f"call i1 @llvm.vector.reduce.or.v{lanes}i1({test} {condition})")
        there, joined, before = self.label("rare"), self.label("join"), self.block
        weights = self.preamble.metadata('!{!"branch_weights", i32 1, i32 1000}')
        self.effect(f"br i1 {any_lane}, label %{there}, label %{joined}, !prof {weights}")
        self.begin(there)
        chosen = self.emit(f"select {test} {condition}, {kind} {write()}, {kind} {value}")
        arms = f"[ {value}, %{before} ], [ {chosen}, %{self.block} ]"
        self.effect(f"br label %{joined}")
        self.begin(joined)
        return self.emit(f"phi {kind} {arms}")

    def reserve(self) -> list[str]:
        """A list of lines at this position, to be filled in later."""
        lines: list[str] = []
        self.lines.append(lines)
        return lines

    def allocate(self, buffer: Buffer) -> Pointer:
        """A buffer on this function's stack."""
        register = self.fresh(clean(buffer.name))
        element = memory_type(buffer.dtype)
        self.prologue.append(f"  {register} = alloca [{buffer.size} x {element}], align {ALIGNMENT}")
        self.stack_bytes += buffer.nbytes
        return Pointer(register, ALIGNMENT, buffer.nbytes)

    def bind(self, var: Var, value: Wide) -> None:
        """Set the value of `var`, until `unbind`."""
        self.variables[var] = value

    def unbind(self, var: Var) -> None:
        """Remove the value that `bind` set."""
        del self.variables[var]
        self.numbers.clear()
        self.indices.clear()

    def variable(self, var: Var) -> Wide:
        """The value of a variable.

        Raises
        ------
        ValueError
            If nothing binds it.
        """
        value = self.variables.get(var)
        if value is None:
            if self.parent is None:
                raise ValueError(f"the variable {var.name!r} is used outside the loop or let that binds it")
            outer = self.parent.variable(var)
            if outer.is_literal:
                return outer
            value = self.variables[var] = Wide(self.argument(clean(var.name)), outer.low, outer.high)
            self.captured_variables.append(var)
        return value

    def value(self, var: Var) -> str | None:
        """The value that `Let` gave a variable, or None for loop variables and indices."""
        register = self.values.get(var)
        if register is None and self.parent is not None:
            outer = self.parent.value(var)
            if outer is None or outer[0] != "%":
                return outer
            register = self.values[var] = self.fresh(clean(var.name))
            self.captured_values.append(var)
        return register

    def pointer(self, buffer: Buffer) -> Pointer:
        """The pointer to a buffer.

        Raises
        ------
        ValueError
            If it is neither a parameter nor allocated here.
        """
        pointer = self.pointers.get(buffer)
        if pointer is None:
            if self.parent is None:
                raise ValueError(f"the buffer {buffer} is neither a parameter nor allocated around its use")
            outer = self.parent.pointer(buffer)
            pointer = self.pointers[buffer] = outer._replace(ref=self.fresh(clean(buffer.name)))
            self.captured_buffers.append(buffer)
        return pointer

    def text(self, header: str) -> str:
        """The whole function under its `header`, which has no attributes yet."""
        return "\n".join(
            [f"{header} #{2 if self.is_open else 0} {{", "entry:", *self.body(), "  ret void", "}", ""]
        )

    def body(self) -> list[str]:
        """The lines of the function between its label and its return."""
        lines = list(self.prologue)
        for part in self.lines:
            lines += [part] if isinstance(part, str) else part
        return lines + self.epilogue


def clean(name: str) -> str:
    """A readable name of at most 40 of the characters that an LLVM name may have."""
    return re.sub(r"^(?=\d)|[^A-Za-z0-9_]", "_", name[:40])


Captured = tuple[str, str | None, Pointer | Wide | str]


def captured(outer: Frame, inner: Frame) -> list[Captured]:
    """What a function uses of the one around it: the type, the value there, and the parameter here."""
    captured: list[Captured] = []
    captured += [("ptr", outer.pointer(b).ref, inner.pointers[b]) for b in inner.captured_buffers]
    captured += [("i64", outer.variable(v).ref, inner.variables[v]) for v in inner.captured_variables]
    captured += [(llvm_type(v.dtype), outer.value(v), inner.values[v]) for v in inner.captured_values]
    return captured


def parameter(kind: str, there: Pointer | Wide | str) -> str:
    """The declaration of a parameter for a captured value."""
    if isinstance(there, Pointer):
        return f"{there.attributes} {there.ref}"
    return f"{ranged(there)} {there.ref}" if isinstance(there, Wide) else f"{kind} {there}"


def called(outer: Frame, inner: Frame, name: str) -> str:
    """The text of a function; the one around it calls it, with what it uses of that one."""
    shared = captured(outer, inner)
    parameters = ", ".join(parameter(kind, there) for kind, _, there in shared)
    outer.effect(f"call void {name}({', '.join(f'{kind} {here}' for kind, here, _ in shared)})")
    return inner.text(f"define hidden void {name}({parameters})")


def launched(outer: Frame, inner: Frame, name: str, launch: str, extent: str) -> tuple[str, str]:
    """The texts of the body of a parallel loop, a function of a range, and of what the thread pool calls.

    The function around it has the pool call the latter for `extent` iterations, with a closure.
    """
    shared = captured(outer, inner)
    parameters = ["i64 %begin", "i64 %end", *(parameter(kind, there) for kind, _, there in shared)]
    struct = f"{{ {', '.join(kind for kind, _, _ in shared) or 'i8'} }}"
    closure = outer.fresh("closure")
    outer.prologue.append(f"  {closure} = alloca {struct}")
    lines, arguments = [], ["i64 %begin", "i64 %end"]
    for i, (kind, here, _) in enumerate(shared):
        slot = outer.emit(f"getelementptr inbounds {struct}, ptr {closure}, i32 0, i32 {i}")
        outer.effect(f"store {kind} {here}, ptr {slot}")
        lines.append(f"  %slot.{i} = getelementptr inbounds {struct}, ptr %closure, i32 0, i32 {i}")
        lines.append(f"  %field.{i} = load {kind}, ptr %slot.{i}")
        arguments.append(f"{kind} %field.{i}")
    lines.append(f"  call void {name}.body({', '.join(arguments)})")
    outer.effect(f"call void {launch}(ptr {name}, ptr {closure}, i64 {extent})")
    header = f"define hidden void {name}(i64 %begin, i64 %end, ptr %closure) #1 {{"
    body = inner.text(f"define hidden void {name}.body({', '.join(parameters)})")
    return body, "\n".join([header, "entry:", *lines, "  ret void", "}", ""])


def ranged(value: Wide) -> str:
    """The type of a 64-bit parameter, with the range of its values."""
    return (
        f"i64 noundef range(i64 {value.low}, {value.high + 1})" if value.high < 2**63 - 1 else "i64 noundef"
    )
