"""Compiled programs as files: a header in JSON, and the bytes of arrays, machine code and texts behind it.

The file, all numbers little-endian::

    16 bytes   MAGIC
     4 bytes   version of the format
     8 bytes   length of the header
               header: JSON, the record of the program and the places of its parts
               zeros up to a multiple of 64 bytes, then the parts, each of which begins at such a multiple
    32 bytes   SHA-256 of everything before

The header has what linking and running the program needs besides: small native programs of the runtime, and
what LLVM says about the CPU that it was saved on. So a program that is loaded on such a CPU loads no LLVM.
The file is mapped: constants take memory only where they are read.

The checksum detects damage, not manipulation: a program is machine code. Load one only from sources whose
shared libraries you would load.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.backend.llvm.host.loader import compiled_objects, provide_objects
from compiler.backend.llvm.machine import HostFacts, Machine, fingerprint, host_facts, provide_facts
from compiler.ir.dtype import SCALAR_TYPES
from compiler.ir.expr import Buffer
from compiler.relay.execute.planning.code import Kernel, Operand
from compiler.relay.execute.planning.memory import MemoryPlan, aligned
from compiler.relay.execute.planning.nested import Nested
from compiler.relay.execute.planning.plan import Place, Plan, Planned
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.runtime.artifact import Artifact, ModuleFileError
from compiler.runtime.file import write_file

MAGIC = b"\x93espalier relay\x00"
VERSION = 1
_PREFIX = struct.Struct("<16sIQ")
_CHECKSUM_BYTES = 32

Record = dict[str, Any]
"""What a program consists of, as plain JSON; its parts are named by their numbers."""


class Parts:
    """The bytes that a record refers to by number."""

    def __init__(self, parts: Sequence[Any] = ()) -> None:
        self.parts = list(parts)

    def add(self, data: Any) -> int:
        """The number of a part: bytes, or an array."""
        self.parts.append(data)
        return len(self.parts) - 1

    def bytes(self, number: int) -> bytes:
        """A part as bytes."""
        return self.parts[number].tobytes()

    def array(self, number: int, shape: Sequence[int], dtype: str) -> np.ndarray:
        """A part as an array on its memory."""
        return self.parts[number].view(dtype).reshape(tuple(shape))


def write(path: str | os.PathLike[str], record: Record, parts: Parts) -> None:
    """Write a program's file, completely or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    pieces = [np.frombuffer(p, np.uint8) if isinstance(p, bytes) else p for p in parts.parts]
    runtime = {}
    for key, code in compiled_objects().items():
        runtime[key] = len(pieces)
        pieces.append(np.frombuffer(code, np.uint8))
    sizes = [piece.nbytes for piece in pieces]
    fields = {"program": record, "parts": sizes, "runtime": runtime, "host": _host()}
    header = json.dumps(fields, separators=(",", ":")).encode()
    start = aligned(_PREFIX.size + len(header))
    chunks: list[Any] = [_PREFIX.pack(MAGIC, VERSION, len(header)), header]
    chunks.append(bytes(start - _PREFIX.size - len(header)))
    for piece, size in zip(pieces, sizes, strict=True):
        chunks += [np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data, bytes(aligned(size) - size)]
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    write_file(path, *chunks, digest.digest())


def read(path: str | os.PathLike[str], restore: Callable[[Record, Parts], Any]) -> Any:
    """Read a file that `write` wrote; ``restore(record, parts)`` makes the result.

    Raises
    ------
    ModuleFileError
        If it is no program, is cut off or damaged, of a newer version of the format, or does not hold what
        `restore` needs.
    OSError
        If it cannot be read.
    """
    where = os.fspath(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_PREFIX.size)
        if size < _PREFIX.size + _CHECKSUM_BYTES or start[: len(MAGIC)] != MAGIC:
            raise ModuleFileError(f"{where} is not a compiled program")
        _, version, length = _PREFIX.unpack(start)
        if version > VERSION:
            raise ModuleFileError(
                f"{where} has version {version} of the format, and this is of version {VERSION}: it was "
                "saved by a newer Espalier, update this one"
            )
        if _digest(file, size - _CHECKSUM_BYTES) != file.read():
            raise ModuleFileError(f"{where} is cut off or damaged: its checksum does not match")
        # a saved program is never changed: writing another one replaces the file
        memory = np.frombuffer(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ), np.uint8)
    try:
        header = json.loads(memory[_PREFIX.size : _PREFIX.size + length].tobytes())
        at, parts = aligned(_PREFIX.size + length), []
        for part in header["parts"]:
            parts.append(memory[at : at + part])
            at += aligned(part)
        if at + _CHECKSUM_BYTES != size:
            raise ValueError("its lengths do not add up")
        _provide(header, parts)
        return restore(header["program"], Parts(parts))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, ModuleFileError):
            raise
        raise ModuleFileError(f"{where} cannot be loaded: {error}") from error


def _digest(file: Any, size: int) -> bytes:
    """The digest of the first bytes of a file, read in pieces: what is mapped and read counts as memory."""
    file.seek(0)
    digest, left = hashlib.sha256(), size
    while left and (piece := file.read(min(left, 1 << 20))):
        digest.update(piece)
        left -= len(piece)
    return digest.digest()


def _host() -> Any:
    """What LLVM says about this CPU, by its fingerprint."""
    facts = host_facts()
    options = [list(option) for option in facts.machine.options]
    return {"fingerprint": fingerprint(), "options": options, "features": sorted(facts.features)}


def _provide(header: Record, parts: Sequence[Any]) -> None:
    """Use what a file has for running its program without LLVM."""
    provide_objects({key: parts[number].tobytes() for key, number in header.get("runtime", {}).items()})
    host = header.get("host")
    if host is not None and host["fingerprint"] is not None and host["fingerprint"] == fingerprint():
        machine = Machine.from_options(dict(map(tuple, host["options"])))
        provide_facts(HostFacts(machine, frozenset(host["features"])))


# --- records --------------------------------------------------------------------------------------


def type_record(type_: Type) -> Any:
    """The record of the type of tensors and tuples; a dimension that a call brings is None."""
    if isinstance(type_, TupleType):
        return {"fields": [type_record(field) for field in type_.fields]}
    assert isinstance(type_, TensorType) and isinstance(type_.shape, tuple)
    return [[d if type(d) is int else None for d in type_.shape], type_.dtype]


def type_from(record: Any) -> Type:
    """The type of a record."""
    if isinstance(record, dict):
        return TupleType(tuple(type_from(field) for field in record["fields"]))
    shape, dtype = record
    if dtype not in SCALAR_TYPES or any(type(d) is not int or d < 0 for d in shape):
        raise ValueError(f"the type {record}")
    return TensorType(tuple(shape), dtype)


def artifact_record(artifact: Artifact, parts: Parts) -> Record:
    """The record of a compiled function; the source that it was made from is left out."""
    return {
        "kind": artifact.kind,
        "name": artifact.name,
        "params": [[b.name, list(b.shape), b.dtype] for b in artifact.params],
        "stored": sorted(artifact.stored),
        "target": artifact.target,
        "workspace": artifact.workspace_bytes,
        "code": parts.add(artifact.code),
        "details": dict(artifact.details),
    }


def artifact_from(record: Record, parts: Parts) -> Artifact:
    """The compiled function of a record."""
    params = tuple(Buffer(name, tuple(shape), dtype) for name, shape, dtype in record["params"])
    return Artifact(
        record["kind"],
        record["name"],
        params,
        frozenset(record["stored"]),
        record["target"],
        int(record["workspace"]),
        parts.bytes(record["code"]),
        "",
        record["details"],
    )


def kernel_record(kernel: Kernel, parts: Parts) -> Record:
    """The record of a kernel."""
    return {
        "name": kernel.name,
        "main": artifact_record(kernel.main, parts),
        "operands": [[o.kind, o.index] for o in kernel.operands],
        "prepare": None if kernel.prepare is None else artifact_record(kernel.prepare, parts),
        "prepare_operands": [[o.kind, o.index] for o in kernel.prepare_operands],
        "prepared": [[list(shape), dtype] for shape, dtype in kernel.prepared],
    }


def kernel_from(record: Record, parts: Parts) -> Kernel:
    """The kernel of a record."""
    prepare = record["prepare"]
    return Kernel(
        record["name"],
        artifact_from(record["main"], parts),
        tuple(Operand(kind, index) for kind, index in record["operands"]),
        None if prepare is None else artifact_from(prepare, parts),
        tuple(Operand(kind, index) for kind, index in record["prepare_operands"]),
        tuple((tuple(shape), dtype) for shape, dtype in record["prepared"]),
    )


def plan_record(plan: Plan, parts: Parts) -> Record:
    """The record of a data-flow program."""
    numbers: dict[Place, int] = {}

    def place(value: Place) -> int:
        return numbers.setdefault(value, len(numbers))

    def form(value: Nested) -> Any:
        return [form(part) for part in value] if isinstance(value, tuple) else place(value)

    calls = [
        [
            call.name,
            call.origin,
            call.kernel,
            [place(p) for p in call.operands],
            call.workspace,
            call.recipe,
            [place(p) for p in call.inputs],
            [place(p) for p in call.outputs],
            call.flops,
        ]
        for call in plan.calls
    ]
    memory = plan.memory
    return {
        "form": "flow",
        "parameters": [[name, type_record(type_)] for name, type_ in plan.parameters],
        "result_type": type_record(plan.result_type),
        "target": plan.target,
        "kernels": [kernel_record(kernel, parts) for kernel in plan.kernels],
        "arrays": [[parts.add(a), list(a.shape), _stored_dtype(a)] for a in plan.arrays],
        "calls": calls,
        "results": list(plan.results),
        "result": form(plan.result),
        "memory": [list(memory.offsets), memory.peak, memory.tensors, memory.bound],
        "places": [[p.kind, p.number, list(p.shape), p.dtype] for p in numbers],
    }


def _stored_dtype(array: np.ndarray) -> str:
    return "uint16" if array.dtype.name == "bfloat16" else array.dtype.name


def plan_from(record: Record, parts: Parts) -> Plan:
    """The data-flow program of a record.

    Raises
    ------
    ValueError
        If a place is not within the memory that it is in.
    """
    places = [Place(kind, int(n), tuple(shape), dtype) for kind, n, shape, dtype in record["places"]]
    offsets, peak, tensors, bound = record["memory"]
    parameters = tuple((name, type_from(type_)) for name, type_ in record["parameters"])
    arrays = tuple(parts.array(*array) for array in record["arrays"])
    results = tuple(map(int, record["results"]))
    for p in places:
        fits = p.nbytes >= 0 and p.number >= 0
        if p.kind == "arena":
            fits &= p.number + p.nbytes <= peak
        elif p.kind == "result":
            fits &= p.nbytes <= results[p.number]
        elif p.kind == "array":
            fits &= p.nbytes <= arrays[p.number].nbytes
        elif p.kind != "input":
            raise ValueError(f"the kind {p.kind!r} of a place")
        if not fits:
            raise ValueError(f"the place {p} is outside of its memory")

    def form(value: Any) -> Nested:
        return tuple(map(form, value)) if isinstance(value, list) else places[value]

    calls = tuple(
        Planned(
            name,
            origin,
            kernel,
            tuple(places[i] for i in operands),
            workspace,
            recipe,
            tuple(places[i] for i in inputs),
            tuple(places[i] for i in outputs),
            flops,
        )
        for name, origin, kernel, operands, workspace, recipe, inputs, outputs, flops in record["calls"]
    )
    kernels = tuple(kernel_from(kernel, parts) for kernel in record["kernels"])
    for call in calls:
        if call.kernel >= 0 and len(call.operands) != len(kernels[call.kernel].operands):
            raise ValueError(f"the call of {call.name} has {len(call.operands)} operands")
    return Plan(
        parameters,
        type_from(record["result_type"]),
        record["target"],
        kernels,
        arrays,
        calls,
        results,
        form(record["result"]),
        MemoryPlan(tuple(offsets), peak, tensors, bound),
    )
