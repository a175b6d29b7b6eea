"""`Module`: a compiled function that arrays are passed to."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from compiler.runtime import timing
from compiler.runtime.array import empty
from compiler.runtime.compiled import Compiled
from compiler.runtime.dispatch import Checked, Direct
from compiler.runtime.loader import load_object
from compiler.runtime.signature import Signature
from compiler.runtime.threads import launch_address
from compiler.runtime.timing import Timing
from compiler.suggest import unknown


class Module:
    """A compiled function.

    Call it with one array per parameter, in the order of `params`. Nothing is copied: outputs are
    written in place. Several threads may call at once, and the interpreter's lock is released meanwhile.
    The machine code is freed with the module.

    Parameters
    ----------
    compiled : Compiled
    missing : str
        Why this machine cannot run the code, or nothing.
    assembly : callable, optional
        Makes the text of ``source("asm")``.

    Attributes
    ----------
    name : str
    params : tuple of Buffer
    target : str
        What it was built for.
    workspace_bytes : int
        Scratch memory of one call.
    object_code : bytes
        The object file.

    Raises
    ------
    ValueError
        If the code cannot be linked.
    """

    def __init__(
        self, compiled: Compiled, missing: str = "", assembly: Callable[[], str] | None = None
    ) -> None:
        self.name, self.params, self.target = compiled.name, compiled.params, compiled.target
        self.object_code, self.workspace_bytes = compiled.code, compiled.workspace_bytes
        self._compiled = compiled
        self._sources = {"llvm": lambda: compiled.text} | ({"asm": assembly} if assembly else {})
        self._missing = missing
        self._signature = Signature(compiled.name, compiled.params, compiled.stored)
        self._call: Callable[..., None] = self._refuse
        if not missing:
            imports = {"espalier_parallel_launch": launch_address()} if compiled.is_parallel else {}
            self._library = load_object(compiled.code, (compiled.entry,), imports)
            address = self._library.addresses[compiled.entry]
            self._checked = Checked(self._signature, address, compiled.workspace_bytes)
            self._direct = Direct(self._checked)
            self._call = self._direct.call

    def __repr__(self) -> str:
        return f"Module({self.name!r}, {', '.join(map(str, self.params))}, target={self.target!r})"

    def __call__(self, *arrays: Any) -> None:
        """Run the function.

        Parameters
        ----------
        *arrays : ndarray or other
            One per parameter, with its dtype and shape, C-contiguous, on the CPU; outputs writable and apart
            from all other arguments. Arrays of other libraries are taken by DLPack. The extents that a
            parameter leaves open must agree between the arguments and lie within their bounds. A packed type
            is an array of bytes: see `compiler.runtime.empty`.

        Raises
        ------
        ValueError
            Naming the argument and what would be right, before any memory is touched; or if the module
            was built for another machine.
        """
        self._call(*arrays)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module to a file that `compiler.load_module` reads, in this process or another.

        The file is written whole or not at all. It holds machine code: trust it as you would trust a shared
        library.

        Parameters
        ----------
        path : str or path
            Its folder must exist; a file that is there is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._compiled.save(path)

    def source(self, kind: str = "llvm") -> str:
        """A stage of the compilation.

        Parameters
        ----------
        kind : str
            ``"llvm"``, as it was generated, before LLVM's passes; or ``"asm"``, the machine code.

        Raises
        ------
        ValueError
            For another kind.
        """
        if kind not in self._sources:
            raise ValueError(unknown("source of a module", kind, self._sources))
        return self._sources[kind]()

    def time_evaluator(
        self, number: int = 1, repeat: int = 3, min_repeat_ms: float = 0
    ) -> Callable[..., Timing]:
        """A function that takes this module's arrays and measures its calls.

        Parameters
        ----------
        number : int
            Calls per repeat. It grows until a repeat lasts `min_repeat_ms`.
        repeat : int
            Measurements.
        min_repeat_ms : float
            Least duration of a repeat in milliseconds.

        Returns
        -------
        callable
            ``(*arrays) -> Timing``. One call goes before, untimed.

        Raises
        ------
        ValueError
            If a setting is out of range.
        """
        timing.check(number, repeat, min_repeat_ms)

        def evaluate(*arrays: Any) -> Timing:
            if self._missing:
                self._refuse()
            slots, _owners = self._signature.bind(arrays)
            run, address = timing.timer(), self._checked.address
            workspace = empty(self.workspace_bytes, "uint8")
            run(address, slots, workspace.ctypes.data, 1)
            return timing.measure(
                lambda calls: run(address, slots, workspace.ctypes.data, calls) * 1e-9,
                number,
                repeat,
                min_repeat_ms,
            )

        return evaluate

    def _refuse(self, *arrays: Any) -> None:
        raise ValueError(
            f"{self.name} was built for {self.target}, which this machine cannot run: {self._missing}"
        )
