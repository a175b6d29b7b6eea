"""Object code and small LLVM programs in the memory of this process.

Object files for x86-64 are linked by `compiler.backend.llvm.host.linker`, so that running a program that was
compiled before loads no LLVM; others by LLVM.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import threading
from collections.abc import Mapping
from typing import Any

from compiler.backend.llvm.host.linker import Linked, Unlinkable, is_supported

_lock = threading.Lock()
_numbers = itertools.count()
_jit: Any = None
_objects: dict[str, bytes] = {}


class Library:
    """Code in memory, which is freed with this object.

    Parameters
    ----------
    owner : object
        The code is freed with it.
    addresses : mapping of str to int
        Of the exported names.
    """

    def __init__(self, owner: Any, addresses: Mapping[str, int]) -> None:
        self._owner = owner
        self.addresses = dict(addresses)

    def keep(self) -> None:
        """Never free the code: threads may still run it while the interpreter shuts down."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._owner))


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
    if is_supported():
        try:
            linked = Linked(code, imports)
            return Library(linked, {name: linked.symbols[name] for name in symbols})
        except Unlinkable:
            pass
        except KeyError as error:
            raise ValueError(f"the compiled code cannot be linked: it does not define {error}") from error
    return _linked_by_llvm(code, symbols, imports)


def load_text(text: str, symbols: tuple[str, ...]) -> Library:
    """Compile and link LLVM text for this machine.

    Raises
    ------
    ValueError
        If LLVM rejects it.
    """
    return load_object(object_of(text), symbols, {})


def object_of(text: str) -> bytes:
    """The object file of LLVM text, for any CPU of this machine's architecture; compiled once.

    Raises
    ------
    ValueError
        If LLVM rejects it.
    """
    key = hashlib.sha256(text.encode()).hexdigest()
    with _lock:
        if key not in _objects:
            import llvmlite.binding as llvm

            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            machine = llvm.Target.from_default_triple().create_target_machine(
                opt=2, reloc="pic", codemodel="default"
            )
            header = f'target datalayout = "{machine.target_data}"\ntarget triple = "{machine.triple}"\n'
            try:
                module = llvm.parse_assembly(header + text, llvm.create_context())
                _objects[key] = machine.emit_object(module)
            except RuntimeError as error:
                raise ValueError(f"LLVM rejects a program: {error}") from error
        return _objects[key]


def compiled_objects() -> dict[str, bytes]:
    """What `object_of` made in this process, by the digest of its text."""
    with _lock:
        return dict(_objects)


def provide_objects(objects: Mapping[str, bytes]) -> None:
    """Add what `compiled_objects` returned in another process on a machine of this architecture."""
    with _lock:
        for key, code in objects.items():
            _objects.setdefault(key, code)


def _linked_by_llvm(code: bytes, symbols: tuple[str, ...], imports: Mapping[str, int]) -> Library:
    import llvmlite.binding as llvm

    builder = llvm.JITLibraryBuilder().add_object_img(code)
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
    return Library(tracker, {name: tracker[name] for name in symbols})


def _engine() -> Any:
    """LLVM's linker of this process. It is never closed: threads may run its code at exit."""
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
