"""Object code and small LLVM programs in the memory of this process."""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Mapping
from typing import Any

_lock = threading.Lock()
_numbers = itertools.count()
_jit: Any = None


class Library:
    """Code in memory, which is freed with this object.

    Parameters
    ----------
    tracker : llvmlite.binding.ResourceTracker
        LLVM frees the code with it.
    symbols : tuple of str
        The exported names.
    """

    def __init__(self, tracker: Any, symbols: tuple[str, ...]) -> None:
        self._tracker = tracker
        self.addresses = {name: tracker[name] for name in symbols}

    def keep(self) -> None:
        """Never free the code: threads may still run it while the interpreter shuts down."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._tracker))


def load_object(code: bytes, symbols: tuple[str, ...], imports: Mapping[str, int]) -> Library:
    """Link an object file into this process.

    Parameters
    ----------
    code : bytes
        The object file, for this machine.
    symbols : tuple of str
        Exported names whose addresses are returned.
    imports : mapping of str to int
        Addresses of names that the code imports; other names are looked up in the process.

    Raises
    ------
    ValueError
        If the code cannot be linked.
    """
    import llvmlite.binding as llvm

    return _link(llvm.JITLibraryBuilder().add_object_img(code), symbols, imports)


def load_text(text: str, symbols: tuple[str, ...]) -> Library:
    """Compile and link LLVM text for this machine.

    Raises
    ------
    ValueError
        If LLVM rejects it.
    """
    import llvmlite.binding as llvm

    return _link(llvm.JITLibraryBuilder().add_ir(text), symbols, {})


def _link(builder: Any, symbols: tuple[str, ...], imports: Mapping[str, int]) -> Library:
    for symbol in symbols:
        builder.export_symbol(symbol)
    for symbol, address in imports.items():
        builder.import_symbol(symbol, address)
    builder.add_current_process()
    jit = _engine()
    try:
        tracker = builder.link(jit, f"espalier.{next(_numbers)}")
    except RuntimeError as error:
        raise ValueError(f"the compiled code cannot be linked: {error}") from error
    return Library(tracker, symbols)


def _engine() -> Any:
    """The just-in-time linker of this process. It is never closed: threads may run its code at exit."""
    global _jit
    with _lock:
        if _jit is None:
            import llvmlite.binding as llvm

            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            if not hasattr(ctypes.CDLL(None), "expf"):  # the mathematics that LLVM calls
                ctypes.CDLL("libm.so.6", mode=ctypes.RTLD_GLOBAL)
            jit = llvm.create_lljit_compiler(use_jit_link=True)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(jit))
            _jit = jit
        return _jit
