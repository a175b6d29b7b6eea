"""How kernels are compiled: for the types that they meet, in few passes, and kept on disk.

Numba compiles a function for every caller and optimises it each time. Here a kernel is one of two things:

- an *entry* is called from Python. It is compiled at its first call, for the types of that call, and kept in
  Numba's cache;
- an *inner* function is called by other kernels. It is typed once for each signature, kept in the cache
  before it is optimised, and linked into its callers: LLVM inlines it into the entry, and optimises the
  whole only once.

Kernels that allocate nothing count no references: their types and code are smaller. The passes are those of
`sketch.passes`. None of this touches what Numba does for other packages.
"""

from __future__ import annotations

from sketch.uninterrupted import uninterrupted

# isort: split

import atexit
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba.core import config, sigutils, types
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from sketch.kernel_cache import KernelCache


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

    @contextmanager
    def muted(self, muted: bool) -> Iterator[None]:
        """Print nothing inside the block, if `muted`; what was set before holds again after it."""
        before = self.quiet
        self.quiet = before or muted
        try:
            yield
        finally:
            self.quiet = before

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


def _pipelines() -> tuple[Any, Any, Callable[[Callable[..., Any]], Any]]:
    """Return what compiles entries and inner functions, and what makes the cache of an inner function.

    With a version of Numba that `sketch.passes` was not tested with, this is Numba's own pipeline: the code
    computes the same, and takes several times as long to compile.
    """
    try:
        from sketch.passes import EntryPasses, InnerPasses, inner_cache
    except (ImportError, AttributeError):
        return Compiler, Compiler, lambda function: None
    return EntryPasses, InnerPasses, inner_cache


_ENTRY, _INNER, _inner_cache = _pipelines()


# All entries that were made in this process.
ENTRIES: list[Kernel] = []
# Held while a kernel is compiled for its given types: two threads may make its first call at once.
_FIRST_CALL = threading.RLock()


class Kernel(CPUDispatcher):
    """A function that is compiled for the types of its calls.

    Parameters
    ----------
    py_func : callable
    signatures : iterable of str
        The types that an entry may be called with; any, when there are none.
    inner : bool
        Whether only other kernels call it.
    options : dict
        Numba's target options.
    """

    def __init__(
        self, py_func: Callable[..., Any], signatures: Iterable[str], inner: bool, options: dict[str, Any]
    ) -> None:
        super().__init__(py_func, targetoptions=options, pipeline_class=_INNER if inner else _ENTRY)
        self.inner = inner
        self._given = tuple(signatures)
        self._options = options
        self._as_inner: Kernel | None = None
        self._has_cache = False
        if not inner:
            ENTRIES.append(self)

    # Calls from Python

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, or load what was compiled before; Ctrl-C does not break it off."""
        if global_compiler_lock.is_locked():  # by this thread, in a compilation
            return self._compile(sig)
        return uninterrupted(self._compile, sig)

    def _compile(self, sig: Any) -> Any:
        if not self._has_cache:
            self._has_cache = True
            if not self.inner:
                self._cache = KernelCache(self.py_func, NOTICE.begin)
            elif (cache := _inner_cache(self.py_func)) is not None:
                self._cache = cache
        if self.inner:
            return super().compile(sig)
        misses = sum(self._cache_misses.values())
        begin = time.perf_counter()
        entry = super().compile(sig)
        if sum(self._cache_misses.values()) > misses:
            NOTICE.add(time.perf_counter() - begin)
        return entry

    def add_overload(self, cres: Any) -> None:
        """Register what was compiled, for calls from Python unless only kernels call it."""
        if self.inner:
            self.overloads[tuple(cres.signature.args)] = cres
        else:
            super().add_overload(cres)

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        if self.inner:
            raise TypeError(f"{self.__name__} can be called by other kernels only: make an entry of it")
        if not self._given:
            return super()._compile_for_args(*args, **kws)
        found = tuple(self.typeof_pyval(a) for a in args)
        for signature in self._given:
            wanted, _ = sigutils.normalize_signature(signature)
            if len(wanted) == len(found) and all(map(self._accepts, wanted, found)):
                with _FIRST_CALL:
                    existing = self.overloads.get(tuple(wanted))
                    entry = existing.entry_point if existing else self.compile(tuple(wanted))
                    if len(self.overloads) == len(self._given):
                        self.disable_compile()  # the dispatcher converts from now on
                return entry
        raise TypeError(f"{self.__name__} has no kernel for ({', '.join(map(str, found))})")

    def _accepts(self, given: Any, passed: Any) -> bool:
        return self.typingctx.can_convert(passed, given) is not None

    def export(self, sig: Any, folder: Path, level: str) -> None:
        """Compile for a signature, without running it, and write the machine code into a library."""
        self.compile(sig)
        self._cache.save_in_library(sig, self.overloads[tuple(sig)], folder, level)

    # Calls from other kernels

    def _callee(self) -> Kernel:
        if self.inner:
            return self
        if self._as_inner is None:
            self._as_inner = Kernel(self.py_func, (), True, _inner_options(self._options))
        return self._as_inner

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Type a call. While loops are typed, a number may still be a literal: no copy is made for that."""
        args = tuple(types.unliteral(a) for a in args)
        if self.inner:
            return super().get_call_template(args, kws)
        return self._callee().get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """Return what lowering finds a callee's code by."""
        return super().get_overload(sig) if self.inner else self._callee().get_overload(sig)


class _Choice(Kernel):
    """A function that other kernels call, and that stands for one of several kernels."""

    def __init__(self, select: Callable[..., Kernel]) -> None:
        super().__init__(select, (), True, {"nopython": True})
        self._select = select

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self._select(*args).get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self._select(*sig).get_overload(sig)


def by_type(select: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function for kernels that is chosen by the types of its arguments, before it is compiled.

    Only the kernel that `select` returns is compiled: a branch that these types never take costs nothing.

    Parameters
    ----------
    select : callable
        Takes Numba's types of the arguments, and returns the kernel to call in its place.
    """
    return _Choice(select)


def field_type(record: Any, *path: str) -> Any:
    """Return the type of a field of a NamedTuple, or of a field of a field, from Numba's type of it."""
    for field in path:
        record = record.types[record.fields.index(field)]
    return record


def is_none(kind: Any) -> bool:
    """Whether Numba's type of a value is that of None."""
    return bool(kind == types.none)


def _inner_options(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "no_cpython_wrapper": True}


def kernel(
    *signatures: str,
    lazy: bool = False,
    inline: str = "never",
    allocates: bool = True,
    fastmath: set[str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a kernel of a function, without the interpreter lock.

    With signatures it is an entry that is compiled, at its first call with such types, for exactly these.
    `lazy` makes an entry of any types. With neither, only other kernels call it.

    Division by zero gives infinity or NaN, as in NumPy: a test before each division would keep loops from
    being vectorised.

    Parameters
    ----------
    signatures : str
    lazy : bool
    inline : "never" or "always"
        Whether LLVM must inline an inner function; it decides for itself by default.
    allocates : bool
        Whether the function, or one that it calls, makes arrays. Without, no references are counted.
    fastmath : set of str, optional
        LLVM's flags for floating point that hold in it, and in the inner functions that it calls first.
    """
    inner = not (signatures or lazy)
    options: dict[str, Any] = {
        "nopython": True,
        "nogil": True,
        "error_model": "numpy",
        "no_cfunc_wrapper": True,
        "_nrt": allocates,
    }
    if inline == "always":
        options["forceinline"] = True
    if fastmath:
        options["fastmath"] = fastmath

    def make(function: Callable[..., Any]) -> Callable[..., Any]:
        if config.DISABLE_JIT:
            return function
        if inner:
            return Kernel(function, (), True, _inner_options(options))
        return Kernel(function, signatures, False, options)

    return make
