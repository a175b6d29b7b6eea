"""`Module`: a compiled function that NumPy arrays are passed to."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from compiler.ir.function import Buffer
from compiler.runtime import timing
from compiler.runtime.loader import load_object
from compiler.runtime.threads import launch_address
from compiler.runtime.timing import Timing
from compiler.suggest import unknown

_ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_ALIGNMENT = 64


class Module:
    """A compiled function.

    Call it with one NumPy array per parameter, in the order of `params`. Nothing is copied: outputs are
    written in place. Several threads may call at once, and the interpreter's lock is released meanwhile.
    The machine code is freed with the module.

    Parameters
    ----------
    name : str
        The function's name.
    params : tuple of Buffer
        What the arrays must be.
    code : bytes
        An object file, for the machine that it was built for.
    entry : str
        Symbol of ``void entry(ptr args, ptr workspace)``.
    stored : frozenset of int
        Positions of the parameters that are written to.
    workspace_bytes : int
        Scratch memory of one call.
    is_parallel : bool
        Whether the code calls the thread pool.
    built_for : str
        The target.
    runs_here : bool
        Whether the code can be loaded in this process.
    sources : mapping of str to callable
        What `source` can show.

    Raises
    ------
    ValueError
        If the code cannot be linked.
    """

    def __init__(
        self,
        name: str,
        params: tuple[Buffer, ...],
        code: bytes,
        *,
        entry: str,
        stored: frozenset[int],
        workspace_bytes: int,
        is_parallel: bool,
        built_for: str,
        runs_here: bool,
        sources: Mapping[str, Callable[[], str]],
    ) -> None:
        self.name = name
        self.params = tuple(params)
        self.object_code = code
        self.target = built_for
        self.workspace_bytes = workspace_bytes
        self._sources = dict(sources)
        self._stored = stored
        self._layout = [
            (np.dtype(buffer.dtype), buffer.shape, i in stored) for i, buffer in enumerate(self.params)
        ]
        self._arguments = ctypes.c_void_p * max(1, len(self.params))
        # workspaces that no call uses; list.pop and list.append are atomic
        self._workspaces: list[tuple[Any, int]] = []
        self._entry: Any = None
        if runs_here:
            imports = {"espalier_parallel_launch": launch_address()} if is_parallel else {}
            self._library = load_object(code, (entry,), imports)
            self._address = self._library.addresses[entry]
            self._entry = _ENTRY(self._address)

    def __repr__(self) -> str:
        return f"Module({self.name!r}, {', '.join(map(str, self.params))}, target={self.target!r})"

    def __call__(self, *arrays: np.ndarray) -> None:
        """Run the function.

        Parameters
        ----------
        *arrays : ndarray
            One per parameter, with its dtype and shape, C-contiguous; outputs writable and apart from
            all other arguments.

        Raises
        ------
        ValueError
            Naming the argument and what would be right, before any memory is touched; or if the module
            was built for another machine.
        """
        arguments = self._checked(arrays)
        workspace = self._take_workspace()
        try:
            self._entry(arguments, workspace[1])
        finally:
            self._workspaces.append(workspace)

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

        def evaluate(*arrays: np.ndarray) -> Timing:
            arguments = self._checked(arrays)
            run = timing.timer()
            workspace = self._take_workspace()
            try:
                self._entry(arguments, workspace[1])
                return timing.measure(
                    lambda calls: run(self._address, arguments, workspace[1], calls) * 1e-9,
                    number,
                    repeat,
                    min_repeat_ms,
                )
            finally:
                self._workspaces.append(workspace)

        return evaluate

    def _checked(self, arrays: tuple[np.ndarray, ...]) -> ctypes.Array:
        """The pointers of arrays that are all as they should be."""
        layout = self._layout
        if self._entry is None or len(arrays) != len(layout):
            raise self._refusal(arrays)
        pointers = []
        for array, (dtype, shape, written) in zip(arrays, layout, strict=True):
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
                raise self._refusal(arrays)
            flags = array.flags
            if not (flags.carray if written else flags.c_contiguous and flags.aligned):
                raise self._refusal(arrays)
            pointers.append(array.ctypes.data)
        for i in self._stored:
            start = pointers[i]
            end = start + self.params[i].nbytes
            for j, other in enumerate(pointers):
                if i != j and start < other + self.params[j].nbytes and other < end:
                    raise self._refusal(arrays, overlap=(i, j))
        return self._arguments(*pointers)

    def _refusal(self, arrays: tuple[Any, ...], overlap: tuple[int, int] | None = None) -> ValueError:
        """What is wrong with a call, in words."""
        if self._entry is None:
            return ValueError(f"{self.name} was built for {self.target}, which this machine cannot run")
        expected = ", ".join(map(str, self.params))
        if len(arrays) != len(self.params):
            return ValueError(
                f"{self.name} takes {len(self.params)} array(s) ({expected}), not {len(arrays)}"
            )
        if overlap is not None:
            output, other = (self.params[i].name for i in overlap)
            return ValueError(
                f"{self.name}: the output {output!r} shares memory with the argument {other!r}; "
                "pass an array of its own"
            )
        for i, (array, buffer, (dtype, shape, written)) in enumerate(
            zip(arrays, self.params, self._layout, strict=True)
        ):
            where = f"{self.name}: argument {i + 1}, {buffer.name!r},"
            if not isinstance(array, np.ndarray):
                return ValueError(f"{where} must be a NumPy array {buffer}, not {type(array).__name__}")
            if array.dtype != dtype:
                return ValueError(
                    f"{where} has dtype {array.dtype}; {dtype} is needed (array.astype({str(dtype)!r}))"
                )
            if array.shape != shape:
                return ValueError(f"{where} has shape {array.shape}; {shape} is needed")
            if not array.flags.c_contiguous:
                return ValueError(f"{where} is not C-contiguous; numpy.ascontiguousarray makes it so")
            if not array.flags.aligned:
                return ValueError(f"{where} is not aligned to its elements; a copy of it is")
            if written and not array.flags.writeable:
                return ValueError(f"{where} is written to, but the array is read-only")
        raise AssertionError("a call was refused without a reason")

    def _take_workspace(self) -> tuple[Any, int]:
        """Scratch memory that no other call uses: its owner and its aligned address."""
        try:
            return self._workspaces.pop()
        except IndexError:
            if not self.workspace_bytes:
                return None, 0
            memory = np.empty(self.workspace_bytes + _ALIGNMENT, np.uint8)
            return memory, -(-memory.ctypes.data // _ALIGNMENT) * _ALIGNMENT
