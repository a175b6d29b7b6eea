"""`DeviceExecutable`: the host part of a program that runs on a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from compiler.ir.expr import Buffer, Const, Expr, Var
from compiler.ir.semantics.evaluate import Evaluator
from compiler.passes.split_device import DeviceFunction, HostProgram, HostStep, Launch, Repeat
from compiler.runtime.device import Device, DeviceArray
from compiler.runtime.signature import Signature


class Launcher(Protocol):
    """Runs device functions: the interface that a back end implements."""

    def launch(
        self,
        function: DeviceFunction,
        addresses: Sequence[int],
        scalars: Sequence[int],
        extents: Mapping[str, int],
    ) -> None:
        """Launch a device function, to run after the earlier launches have ended.

        Parameters
        ----------
        function : DeviceFunction
        addresses : sequence of int
            Of its buffers, in the device's main memory.
        scalars : sequence of int
        extents : mapping of str to int
            Thread tag -> number of threads, at least 1.
        """
        ...

    def synchronize(self) -> None:
        """Wait until all launches have ended."""
        ...


class DeviceExecutable:
    """A program whose host part allocates, copies and launches.

    Arrays of the device are used in place. A NumPy array is copied to the device before the launches,
    and back after them if it is written to.

    Parameters
    ----------
    name : str
        The function's name, for messages.
    program : HostProgram
    device : Device
    launcher : Launcher
    """

    def __init__(self, name: str, program: HostProgram, device: Device, launcher: Launcher) -> None:
        self.program, self.device, self.launcher = program, device, launcher
        self._signature = Signature(name, program.params, program.stored, device)

    def call(self, *arrays: Any) -> None:
        """Run the program on one array for each parameter."""
        views, sizes = self._signature.check(arrays)
        values: dict[Var, int] = dict(zip(self._signature.sizes, sizes, strict=True))
        on_device = [self._on_device(view.owner) for view in views]
        addresses = {b: array.address for b, array in zip(self.program.params, on_device, strict=True)}
        self._run(self.program.steps, addresses, values)
        copied = [i for i, view in enumerate(views) if view.owner is not on_device[i]]
        if copied:  # the copies on the device live until its work has ended
            self.launcher.synchronize()
        for i in copied:
            if i in self.program.stored:
                on_device[i].copy_to(views[i].owner)

    def timed(self, *arrays: Any) -> Callable[[int], float]:
        """Seconds of a number of calls, copies included. One call is made at once, not timed."""
        self.call(*arrays)
        self.launcher.synchronize()

        def seconds(calls: int) -> float:
            start = time.perf_counter()
            for _ in range(calls):
                self.call(*arrays)
            self.launcher.synchronize()
            return time.perf_counter() - start

        return seconds

    def _on_device(self, array: DeviceArray | np.ndarray) -> DeviceArray:
        return array if isinstance(array, DeviceArray) else self.device.array(array)

    def _run(self, steps: Sequence[HostStep], addresses: dict[Buffer, int], values: dict[Var, int]) -> None:
        for step in steps:
            if isinstance(step, Launch):
                self._launch(step.function, addresses, values)
            elif isinstance(step, Repeat):
                for i in range(_value(step.extent, values)):
                    self._run(step.steps, addresses, {**values, step.var: i})
            else:
                nbytes = step.buffer.nbytes
                address = self.device.allocate(nbytes)
                try:
                    self._run(step.steps, {**addresses, step.buffer: address}, values)
                    self.launcher.synchronize()
                finally:
                    self.device.free(address, nbytes)

    def _launch(self, function: DeviceFunction, addresses: dict[Buffer, int], values: dict[Var, int]) -> None:
        extents = {tag: _value(extent, values) for tag, extent in function.extents}
        if all(extent > 0 for extent in extents.values()):
            self.launcher.launch(
                function,
                [addresses[buffer] for buffer in function.params],
                [values[var] for var in function.scalars],
                extents,
            )


def _value(expr: Expr, values: Mapping[Var, int]) -> int:
    """The value of an integer expression of scalars."""
    if isinstance(expr, Const):
        return int(expr.value)
    evaluator = Evaluator({})
    evaluator.cells |= {var: [value] for var, value in values.items()}
    return int(evaluator.expr(expr)())
