"""The kernel compiler of `sketch.jit` for boost, and the machine instructions that Numba has no names for."""

from __future__ import annotations

from sketch.jit import NOTICE, by_type, field_type, is_none, kernel

# isort: split

from pathlib import Path
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from sketch.kernel_cache import stamp_sources, use_library

__all__ = ["NOTICE", "by_type", "field_type", "is_none", "kernel", "lowest_bit", "prefetch"]

# Kernels, and what they are made of, are in the lower folders: an edit above them recompiles nothing.
KERNEL_SOURCES = (
    *("errors.py", "config.py", "atomic.py", "jit.py", "threads.py"),
    *("params", "data", "forest", "objective", "metric", "grow"),
)
stamp_sources("boost", Path(__file__).parent, KERNEL_SOURCES)
# Machine code that a wheel came with, see `boost.kernel_library`.
use_library(Path(__file__).parent / "machine_code")


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
