"""What a compiled program needs to run: modules, arrays, the thread pool, and timing."""

from compiler.runtime.array import empty
from compiler.runtime.bound import Bindable, Bound
from compiler.runtime.compiled import ModuleFileError
from compiler.runtime.module import Module
from compiler.runtime.threads import num_threads, set_num_threads
from compiler.runtime.timing import Timing

__all__ = [
    "Bindable",
    "Bound",
    "Module",
    "ModuleFileError",
    "Timing",
    "empty",
    "num_threads",
    "set_num_threads",
]
