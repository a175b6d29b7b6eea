"""`Module`: a compiled function, which is called with arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from compiler.runtime import timing
from compiler.runtime.artifact import Artifact
from compiler.runtime.timing import Timing
from compiler.suggest import unknown


class Executable(Protocol):
    """The code of a module, loaded by its back end and ready to run here."""

    @property
    def call(self) -> Callable[..., None]:
        """``(*arrays) -> None``: check the arrays, then run the code on them."""
        ...

    def timed(self, *arrays: Any) -> Callable[[int], float]:
        """Return a function that maps a number of calls to the seconds that they take.

        One call is made first, which is not timed.
        """
        ...


class Module:
    """A compiled function.

    Call it with one array per parameter, in the order of `params`. Outputs are written in place. Several
    threads may call at once; a module for a CPU copies nothing and releases the interpreter's lock during
    the call. The code is freed with the module.

    Parameters
    ----------
    artifact : Artifact
    executable : Executable or None
        The loaded code, or None where it cannot run here.
    missing : str
        Why this machine cannot run the code, or empty.
    sources : mapping of str to callable
        Name of a stage of the compilation -> a function that returns its text. The first one is the default.

    Attributes
    ----------
    name : str
    params : tuple of Buffer
    target : str
        What it was built for.
    workspace_bytes : int
        Scratch memory of one call.
    object_code : bytes
        The compiled code: on a CPU, the object file.
    missing : str
    """

    def __init__(
        self,
        artifact: Artifact,
        executable: Executable | None,
        missing: str,
        sources: Mapping[str, Callable[[], str]],
    ) -> None:
        self.name, self.params, self.target = artifact.name, artifact.params, artifact.target
        self.object_code, self.workspace_bytes = artifact.code, artifact.workspace_bytes
        self.missing = missing
        self._artifact = artifact
        self._executable = executable
        self._sources = dict(sources)
        self._call: Callable[..., None] = self._refuse if executable is None else executable.call

    def __repr__(self) -> str:
        return f"Module({self.name!r}, {', '.join(map(str, self.params))}, target={self.target!r})"

    def __call__(self, *arrays: Any) -> None:
        """Run the function.

        Parameters
        ----------
        *arrays : ndarray or other
            One per parameter, with its dtype and shape, C-contiguous; outputs writable, and overlapping no
            other argument. A module for a CPU takes NumPy arrays, and arrays of other libraries on the CPU
            by DLPack; a module for a device takes arrays of that device, and copies NumPy arrays to it and
            back. Dynamic extents must agree between the arguments and lie within their bounds. A packed
            type is an array of bytes: see `compiler.runtime.empty`.

        Raises
        ------
        ValueError
            If an argument is wrong; names it and what would be right, and has read or written no array. Or if
            the module was built for another machine.
        """
        self._call(*arrays)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module to a file that `compiler.load_module` reads, in this process or another.

        The file is written completely or not at all. It holds machine code: trust it as you would trust a
        shared library.

        Parameters
        ----------
        path : str or path
            Its folder must exist; an existing file is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._artifact.save(path)

    def source(self, kind: str | None = None) -> str:
        """The text of a stage of the compilation.

        Parameters
        ----------
        kind : str, optional
            On a CPU ``"llvm"``, the default: the program before LLVM's passes; or ``"asm"``, the machine
            code.

        Raises
        ------
        ValueError
            For another kind.
        """
        if kind is None:
            kind = next(iter(self._sources))
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
            Shortest duration of a repeat in milliseconds.

        Returns
        -------
        callable
            ``(*arrays) -> Timing``. One call is made first, which is not timed.

        Raises
        ------
        ValueError
            If a setting is out of range.
        """
        timing.check(number, repeat, min_repeat_ms)

        def evaluate(*arrays: Any) -> Timing:
            return timing.measure(self.timed(*arrays), number, repeat, min_repeat_ms)

        return evaluate

    def timed(self, *arrays: Any) -> Callable[[int], float]:
        """A function from a number of calls on these arrays to the seconds that they take.

        One call is made at once, which is not timed. Parameters and errors are those of `__call__`.
        """
        if self._executable is None:
            self._refuse()
        return self._executable.timed(*arrays)

    def _refuse(self, *arrays: Any) -> NoReturn:
        raise ValueError(
            f"{self.name} was built for {self.target}, which this machine cannot run: {self.missing}"
        )
