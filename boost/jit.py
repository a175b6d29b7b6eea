"""How kernels are compiled: cached on disk, without the interpreter lock, for the signatures they name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numba
import numba.core.event as numba_event
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

# Two neighbouring float64 additions become one 128-bit one: twice the speed of a histogram update.
numba.config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]


class _CompileNotice(numba_event.Listener):
    """Say once that kernels are being compiled; a kernel that comes from the cache causes no such event."""

    said = False

    def on_start(self, event: numba_event.Event) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if not self.said and module.startswith(("boost.", "sketch.")):
            self.said = True
            print("boost: compiling kernels, once on this machine (up to half a minute)", file=sys.stderr)

    def on_end(self, event: numba_event.Event) -> None:
        pass


NOTICE = _CompileNotice()
numba_event.register("numba:compile", NOTICE)


def kernel(
    *signatures: str, lazy: bool = False, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for exactly these signatures, when its module is imported.

    With no signature, the function is only ever called from other kernels, and is compiled into them; or it
    is `lazy`: compiled, and cached, for the types of its first call, because most users never make it.
    Division by zero gives infinity or NaN, as in NumPy: a test before each division would keep loops from
    being vectorised.
    """
    if lazy:
        return numba.njit(cache=True, nogil=True, error_model="numpy", **options)
    if not signatures:
        return numba.njit(nogil=True, error_model="numpy", **options)
    return numba.njit(list(signatures), cache=True, nogil=True, error_model="numpy", **options)


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of one element of a C-ordered array, by its flat index, before it is needed.

    The index may lie outside of the array: a hint for an address that is not there has no effect.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(start, [args[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, word, word, word])
        name = "llvm.prefetch.p0"
        hint = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(hint, [address, word(0), word(3), word(1)])  # to read, to be kept, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


prefetch: Any = intrinsic(_prefetch)


def _lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the number of the lowest bit that is set in a uint64 above zero, as int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


lowest_bit: Any = intrinsic(_lowest_bit)
