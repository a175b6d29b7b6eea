"""The notice that kernels are being compiled, once in a process."""

from __future__ import annotations

import atexit
import sys


class CompileNotice:
    """Say on stderr, once in a process, that kernels are compiled, and at its end how many and how long.

    A kernel that comes from the cache is not compiled, and not counted.

    Attributes
    ----------
    quiet : bool
        Whether to print nothing.
    count : int
        Number of kernels that were compiled.
    seconds : float
        Of wall time, which that took.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.count = 0
        self.seconds = 0.0
        self._begun = False

    def begin(self) -> None:
        """Announce the first kernel."""
        if self._begun or self.quiet:
            return
        self._begun = True
        print("espalier: compiling kernels for this machine, once", file=sys.stderr, flush=True)
        atexit.register(self._end)

    def add(self, seconds: float) -> None:
        """Count a kernel."""
        self.count += 1
        self.seconds += seconds

    def _end(self) -> None:
        kernels = "1 kernel" if self.count == 1 else f"{self.count} kernels"
        print(f"espalier: compiled {kernels} in {self.seconds:.1f} s", file=sys.stderr)


NOTICE = CompileNotice()
