"""`HostExecutable`: the machine code of a module, linked into this process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

from compiler.backend.llvm.host.dispatch import Checked, Direct
from compiler.backend.llvm.host.loader import load_object
from compiler.backend.llvm.host.pool import LAUNCH, launch_address
from compiler.backend.llvm.host.timer import timer
from compiler.runtime.array import empty
from compiler.runtime.artifact import Artifact
from compiler.runtime.signature import Signature


class HostExecutable:
    """Machine code that is called with NumPy arrays; it is freed with this object.

    Parameters
    ----------
    artifact : Artifact
    entry : str
        Symbol of ``void entry(ptr slots, ptr workspace)``.
    is_parallel : bool
        Whether the code calls the thread pool.
    externs : mapping of str to ctypes function, optional
        The C functions that it calls, by their symbols.

    Attributes
    ----------
    call : callable
        ``(*arrays) -> None``, by native code where that is possible.
    checked : Checked
        The same by way of Python.

    Raises
    ------
    ValueError
        If the code cannot be linked.
    """

    def __init__(
        self, artifact: Artifact, entry: str, is_parallel: bool, externs: Mapping[str, Any] | None = None
    ) -> None:
        imports = {LAUNCH: launch_address()} if is_parallel else {}
        self._externs = dict(externs or {})  # kept alive, as functions in Python may be
        for symbol, function in self._externs.items():
            imports[symbol] = ctypes.cast(function, ctypes.c_void_p).value or 0
        self._library = load_object(artifact.code, (entry,), imports)
        signature = Signature(artifact.name, artifact.params, artifact.stored)
        self.checked = Checked(signature, self._library.addresses[entry], artifact.workspace_bytes)
        self._direct = Direct(self.checked)
        self.call = self._direct.call

    def timed(self, *arrays: Any) -> Callable[[int], float]:
        """Seconds that a number of calls takes. One call is made at once, not timed."""
        slots, owners = self.checked.signature.bind(arrays)
        run, address = timer(), self.checked.address
        workspace = empty(self.checked.workspace_bytes, "uint8")
        run(address, slots, workspace.ctypes.data, 1)

        def seconds(calls: int) -> float:
            _ = self, owners  # the code and the arrays live as long as this function
            return run(address, slots, workspace.ctypes.data, calls) * 1e-9

        return seconds
