"""`Frame`: the text of one LLVM function while it is being written.

The text is written directly because it takes about a tenth of the time that a tree of
instruction objects does, and a search compiles thousands of programs.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from typing import NamedTuple

import numpy as np

from compiler.ir.expr import Const, Var, is_float, lanes_of, scalar_of
from compiler.ir.function import Buffer

_SCALARS = {"bool": "i1", "int8": "i8", "uint8": "i8", "int16": "i16", "uint16": "i16", "int32": "i32"}
_SCALARS |= {"uint32": "i32", "int64": "i64", "uint64": "i64"}
_SCALARS |= {"float16": "half", "float32": "float", "float64": "double"}

# alignment of buffers that this package allocates: a cache line, and the widest vector
ALIGNMENT = 64


class Wide(NamedTuple):
    """A 64-bit integer in the text, with the bounds that it is known to keep."""

    ref: str
    low: int
    high: int

    @property
    def is_literal(self) -> bool:
        return self.low == self.high


class Place(NamedTuple):
    """The pointer of a buffer, and what is known of it; `nbytes` is the least that it has."""

    ref: str
    alignment: int
    nbytes: int

    @property
    def attributes(self) -> str:
        """How the pointer is declared as a parameter: nothing else reaches these bytes."""
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
    """What the functions of a module share: declarations and metadata, each once."""

    def __init__(self) -> None:
        self.declarations: dict[str, None] = {}
        self._numbers: dict[str, str] = {}
        self._lines: list[str] = []

    def metadata(self, text: str) -> str:
        """The number of a metadata node. ``!self`` stands for the node, which is then distinct."""
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


class Frame:
    """One LLVM function: its lines, and where its variables and buffers are.

    A variable or buffer of the enclosing function becomes a parameter at its first use (`captured`).

    Parameters
    ----------
    parent : Frame or None
        The function around this one, for the body of a parallel loop.
    """

    def __init__(self, parent: Frame | None = None) -> None:
        self.parent = parent
        self.preamble: Preamble = Preamble() if parent is None else parent.preamble
        self.lines: list[str] = []
        self.prologue: list[str] = []
        self.epilogue: list[str] = []
        self.block = "entry"
        self.variables: dict[Var, Wide] = {}
        # what `Let` names and is not an index: floats, bools and vectors
        self.values: dict[Var, str] = {}
        self.places: dict[Buffer, Place] = {}
        self.owned: dict[Buffer, Place] = {}
        self.captured_variables: list[Var] = []
        self.captured_values: list[Var] = []
        self.captured_buffers: list[Buffer] = []
        self.stack_bytes = 0
        self._count = 0

    def fresh(self, hint: str = "") -> str:
        """A register that is not used yet."""
        self._count += 1
        return f"%{hint}.{self._count}"

    def emit(self, text: str) -> str:
        """Write an instruction; its result's register is returned."""
        self._count += 1
        register = f"%.{self._count}"
        self.lines.append(f"  {register} = {text}")
        return register

    def effect(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def declare(self, text: str) -> None:
        """Have the module declare a function."""
        self.preamble.declarations[text] = None

    def label(self, hint: str) -> str:
        """A name for a block that is begun later."""
        self._count += 1
        return f"{hint}.{self._count}"

    def begin(self, label: str) -> None:
        """Begin a block; what was written before must have branched."""
        self.lines.append(f"{label}:")
        self.block = label

    def reserve(self) -> int:
        """A line to be filled in later."""
        self.lines.append("")
        return len(self.lines) - 1

    def allocate(self, buffer: Buffer) -> Place:
        """A place on this function's stack."""
        register = self.fresh(clean(buffer.name))
        element = memory_type(buffer.dtype)
        self.prologue.append(f"  {register} = alloca [{buffer.size} x {element}], align {ALIGNMENT}")
        self.stack_bytes += buffer.nbytes
        return Place(register, ALIGNMENT, buffer.nbytes)

    def variable(self, var: Var) -> Wide:
        """The value of a variable.

        Raises
        ------
        ValueError
            If nothing binds it.
        """
        found = self.variables.get(var)
        if found is None:
            if self.parent is None:
                raise ValueError(f"the variable {var.name!r} is used outside the loop or let that binds it")
            outer = self.parent.variable(var)
            if outer.is_literal:
                return outer
            found = self.variables[var] = Wide(self.fresh(clean(var.name)), outer.low, outer.high)
            self.captured_variables.append(var)
        return found

    def value(self, var: Var) -> str | None:
        """The value that `Let` gave a name, or None for a variable of other kinds."""
        found = self.values.get(var)
        if found is None and self.parent is not None:
            outer = self.parent.value(var)
            if outer is None or outer[0] != "%":
                return outer
            found = self.values[var] = self.fresh(clean(var.name))
            self.captured_values.append(var)
        return found

    def place(self, buffer: Buffer) -> Place:
        """Where a buffer is.

        Raises
        ------
        ValueError
            If it is neither a parameter nor allocated here.
        """
        found = self.places.get(buffer)
        if found is None:
            if self.parent is None:
                raise ValueError(f"the buffer {buffer} is neither a parameter nor allocated around its use")
            outer = self.parent.place(buffer)
            found = self.places[buffer] = outer._replace(ref=self.fresh(clean(buffer.name)))
            self.captured_buffers.append(buffer)
        return found

    def text(self, header: str) -> str:
        """The whole function under its `header`."""
        return "\n".join([f"{header} {{", "entry:", *self.body(), "  ret void", "}", ""])

    def body(self) -> list[str]:
        """The lines of the function between its label and its return."""
        return [*self.prologue, *self.lines, *self.epilogue]


def clean(name: str) -> str:
    """A name for people as a part of an LLVM name."""
    return re.sub(r"^(?=\d)|[^A-Za-z0-9_]", "_", name)
