"""A back end for tests: a device with separate memories that interprets the loop IR.

``toy -memory=4096 -shared=256 -threads=64`` is a device with that many bytes of main and of shared memory and
at most that many threads in a block. Its code is the program's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from compiler.backend import Hardware, Options, TargetError
from compiler.backend.memories import check_memories
from compiler.ir.expr import Const, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.simplify.simplify import simplify
from compiler.ir.stmt import Let
from compiler.ir.text import parse_function
from compiler.passes import Pass
from compiler.passes.flatten import flatten
from compiler.passes.remove_no_op import remove_no_op
from compiler.passes.split_device import DeviceFunction, split_device
from compiler.passes.thread_sync import thread_sync
from compiler.runtime import Artifact, Device, DeviceError, Module
from compiler.runtime.artifact import field
from compiler.runtime.launch import DeviceExecutable

DEFAULTS = {"-memory": 4096, "-shared": 256, "-threads": 64}
DEVICES = 2
BASE = 0x1000  # the address of the first byte of a device's memory


class ToyMemory:
    """A memory separate from all NumPy arrays, with first-fit allocation."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.bytes = np.full(nbytes, 0xEE, np.uint8)
        self.pieces: dict[int, int] = {}  # address -> length

    def allocate(self, nbytes: int) -> int:
        start = BASE
        for address, length in sorted(self.pieces.items()):
            if address - start >= nbytes:
                break
            start = address + length
        if start + nbytes > BASE + self.nbytes:
            raise DeviceError(f"no piece of {nbytes} bytes is free")
        self.pieces[start] = max(1, nbytes)
        return start

    def free(self, address: int) -> None:
        del self.pieces[address]

    def view(self, address: int, nbytes: int) -> np.ndarray:
        return self.bytes[address - BASE : address - BASE + nbytes]

    def write(self, address: int, data: np.ndarray) -> None:
        self.view(address, data.nbytes)[:] = data.reshape(-1).view(np.uint8)

    def read(self, address: int, out: np.ndarray) -> None:
        out[...] = self.view(address, out.nbytes).view(out.dtype).reshape(out.shape)


class ToyLauncher:
    """Interprets device functions on the memory of a device, and records the launches."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.launched: list[tuple[str, dict[str, int]]] = []

    def launch(
        self,
        function: DeviceFunction,
        addresses: Sequence[int],
        scalars: Sequence[int],
        extents: Mapping[str, int],
    ) -> None:
        self.launched.append((function.name, dict(extents)))
        values = dict(zip(function.scalars, scalars, strict=True))
        in_shapes = {size for buffer in function.params for size in buffer.sizes}
        body, arrays = function.body, []
        for var, value in values.items():
            if var not in in_shapes:
                body = Let(var, Const(value, var.dtype), body)
        for buffer, address in zip(function.params, addresses, strict=True):
            shape = [values[extent] if isinstance(extent, Var) else extent for extent in buffer.shape]
            dtype = np.dtype(buffer.dtype)
            nbytes = int(np.prod(shape)) * dtype.itemsize
            arrays.append(self.device.memory.view(address, nbytes).view(dtype).reshape(shape))  # type: ignore[attr-defined]
        interpret(PrimFunc(function.name, function.params, body), *arrays)

    def synchronize(self) -> None:
        pass


@lru_cache
def device(index: int, nbytes: int = DEFAULTS["-memory"]) -> Device:
    """The device of an index and a memory size."""
    return Device("toy", index, ToyMemory(nbytes))


class Toy:
    """A back end that interprets programs on a device with a memory of its own."""

    kind = "toy"
    option_names = tuple(DEFAULTS)
    passes: tuple[Pass, ...] = (flatten, simplify, thread_sync, remove_no_op)

    def complete(self, given: Mapping[str, str]) -> Options:
        for name, value in given.items():
            if not value.isdecimal():
                raise TargetError(f"{name}={value} is not a number of bytes or threads")
        return tuple((name, given.get(name, str(default))) for name, default in DEFAULTS.items())

    def hardware(self, options: Options) -> Hardware:
        sizes = {name: int(value) for name, value in options}
        memories = {"global": sizes["-memory"], "shared": sizes["-shared"], "local": None}
        return Hardware(threads=sizes["-threads"], memories=memories)

    def missing(self, options: Options) -> str:
        return ""

    def device(self, index: int) -> Device:
        if index >= DEVICES:
            raise ValueError(f"there is no toy:{index}; this machine has {DEVICES}")
        return device(index)

    def compile(self, func: PrimFunc, options: Options) -> Artifact:
        hardware = self.hardware(options)
        target = " ".join([self.kind, *(f"{name}={value}" for name, value in options)])
        program = split_device(func)
        for function in program.functions:
            check_memories(function.body, hardware, target)
            threads = [extent for tag, extent in function.extents if tag.startswith("threadIdx")]
            if all(isinstance(extent, Const) for extent in threads):
                count = int(np.prod([extent.value for extent in threads]))  # type: ignore[attr-defined]
                if count > hardware.threads:
                    raise TargetError(
                        f"{function.name} has {count} threads in a block, and {target} has {hardware.threads}"
                    )
        return Artifact(
            kind=self.kind,
            name=func.name,
            params=func.params,
            stored=program.stored,
            target=target,
            workspace_bytes=program.temporary_bytes,
            code=str(func).encode(),
            text="\n\n".join(map(str, program.functions)),
            details={"device": 0},
        )

    def load(self, artifact: Artifact, externs: object = None) -> Module:
        program = split_device(parse_function(artifact.code.decode()))
        on = self.device(field(artifact.details, "device", int))
        executable = DeviceExecutable(artifact.name, program, on, ToyLauncher(on))
        sources = {"toy": lambda: artifact.text, "program": artifact.code.decode}
        return Module(artifact, executable, "", sources)
