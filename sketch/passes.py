"""The passes that compile kernels, in place of Numba's, and the code of functions that only kernels call.

The passes that kernels have no use for (objects, parfors, rewrites of array expressions, literal arguments)
are left out. An inner function is typed and lowered once, kept in the cache as LLVM bitcode that is not
optimised, and linked into each entry that calls it: a later entry, of this process or of another one, neither
types nor lowers it again.

This file rests on the internals of the versions of Numba that it was tested with. `sketch.jit` does without
it where the installed version is another one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding as ll
import numba
from numba import _dynfunc
from numba.core import types
from numba.core.caching import CompileResultCacheImpl
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags, compile_result
from numba.core.compiler_machinery import register_pass
from numba.core.environment import Environment
from numba.core.targetconfig import ConfigStack
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

from sketch.kernel_cache import KernelCache

TESTED = ("0.66", "0.67", "0.68")
if ".".join(numba.__version__.split(".")[:2]) not in TESTED:
    raise ImportError(f"these passes were not tested with Numba {numba.__version__}")

# Stands in the names of inner functions in place of a number that counts the functions of a process: in every
# process they have the same name, and LLVM keeps one copy where it links several.
INNER = "inner"
# How that shows in a mangled name.
INNER_TAG = "B6vinner"


class Library(JITCodeLibrary):
    """The code of one kernel. That of an inner function is neither optimised nor turned into machine code."""

    def __init__(self, codegen: Any, name: str, inner: bool) -> None:
        super().__init__(codegen, name)
        self._inner = inner

    def unoptimised(self) -> bytes:
        """Return the bitcode of an inner function, and of what it calls."""
        module = self._get_module_for_linking().clone()
        for function in module.functions:
            # Numba's names of its own functions tell them apart within a process only: those of another
            # process must not be taken for them.
            if (
                not function.is_declaration
                and function.name.startswith("_ZN")
                and INNER_TAG not in function.name
            ):
                function.linkage = "internal"
        return bytes(module.as_bitcode())

    @classmethod
    def of_bitcode(cls, codegen: Any, name: str, bitcode: bytes) -> Library:
        """Return the library of an inner function from its bitcode."""
        library = cls(codegen, name, True)
        library._final_module = library._shared_module = ll.parse_bitcode(bitcode)
        library._finalized = True
        return library

    def add_llvm_module(self, ll_module: Any) -> None:
        self._final_module.link_in(ll_module)

    def add_ir_module(self, ir_module: Any) -> None:
        self._raise_if_finalized()
        self.add_llvm_module(ll.parse_assembly(str(ir_module)))

    def _optimize_final_module(self) -> None:
        if self._inner:
            return
        self._final_module.data_layout = self._codegen._data_layout
        # Neighbouring float64 additions become one of 128 bits: twice the speed of a histogram update.
        manager, builder = self._codegen._module_pass_manager(slp_vectorize=True)
        manager.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        if self._inner:
            self._finalize_dynamic_globals()
            self._finalized = True
        else:
            super()._finalize_final_module()


@register_pass(mutates_CFG=True, analysis_only=False)
class _InnerLowering(NativeLowering):
    """Lower an inner function, and register it with the library that its callers link."""

    _name = "kernel_inner_lowering"

    def run_pass(self, state: Any) -> bool:
        super().run_pass(state)
        lowered = state["cr"]
        handle = _handle(lowered.fndesc, lowered.env, state.library)
        state.targetctx.insert_user_function(handle, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=handle)
        return True


def _handle(description: Any, environment: Any, library: Library) -> Any:
    """Return the object by which callers find the code; its address is null: Python cannot call it."""
    return _dynfunc.make_function(
        description.lookup_module(),
        description.qualname,
        "an inner function",
        0,
        environment,
        (library,),
    )


class _InnerStore(CompileResultCacheImpl):
    """What is kept of an inner function: its signature, its description and its bitcode."""

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        return f"inner-{super().get_filename_base(fullname, abiflags)}"

    def check_cachable(self, result: Any) -> bool:
        return not (result.library.has_dynamic_globals or result.reload_init)

    def reduce(self, result: Any) -> Any:
        description = result.fndesc
        description.typemap = description.calltypes = None
        return result.signature, description, result.library.name, result.library.unoptimised()

    def rebuild(self, target_context: Any, kept: Any) -> Any:
        signature, description, name, bitcode = kept
        library = Library.of_bitcode(target_context.codegen(), name, bitcode)
        environment = Environment.from_fndesc(description)
        return compile_result(
            typing_context=target_context.typing_context,
            target_context=target_context,
            entry_point=_handle(description, environment, library),
            signature=signature,
            objectmode=False,
            library=library,
            fndesc=description,
            environment=environment,
        )


class InnerCache(KernelCache):
    """The cache of an inner function: by the types of its arguments, and the flags that a caller hands on."""

    _impl_class = _InnerStore

    def _load_from_library(self, sig: Any, target_context: Any) -> Any:
        return None  # a library has entries, whose code contains that of inner functions

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        flags = ConfigStack.top_or_none()
        return *super()._index_key(sig, codegen), str(flags.fastmath) if flags else ""


def inner_cache(function: Callable[..., Any]) -> InnerCache | None:
    """Return the cache of an inner function, None for one that is not alone in bearing its name."""
    return None if "<locals>" in function.__qualname__ else InnerCache(function)


class _Flags(Flags):
    """Options that do not change any more, one object for each set: Numba compares them at every call."""

    _known: list[_Flags] = []

    @classmethod
    def of(cls, flags: Flags) -> _Flags:
        """Return the object that stands for these options."""
        mine = cls(flags)
        for known in cls._known:
            if Flags.__eq__(known, mine):
                return known
        cls._known.append(mine)
        return mine

    def copy(self) -> _Flags:
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or bool(super().__eq__(other))

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return super().__hash__()


class _Typing:
    """Numba's typing context, which remembers how calls of built-in functions are typed.

    The type of ``a + b`` for two types is the same in every kernel, and takes Numba a search over all
    implementations of addition.
    """

    _known: dict[Any, Any] = {}

    def __init__(self, context: Any, flags: Any) -> None:
        self._context, self._options = context, (bool(flags.nrt), str(flags.fastmath))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        if isinstance(func, types.Dispatcher) or kws:
            return self._context.resolve_function_type(func, args, kws)
        key = (func, tuple(args), self._options)
        signature = self._known.get(key)
        if signature is None:
            signature = self._context.resolve_function_type(func, args, kws)
            if signature is not None:
                self._known[key] = signature
        return signature


class EntryPasses(CompilerBase):
    """The passes of a kernel."""

    inner = False

    def __init__(
        self,
        typingctx: Any,
        targetctx: Any,
        library: Any,
        args: Any,
        return_type: Any,
        flags: Any,
        locals: Any,
    ) -> None:
        flags.no_compile = self.inner
        super().__init__(typingctx, targetctx, library, args, return_type, _Flags.of(flags), locals)
        self.state.typingctx = _Typing(typingctx, flags)

    def _compile_core(self) -> Any:
        """Run the passes, without the checks and the timing between them that Numba's manager makes."""
        state = self.state
        if self.inner and "<locals>" not in state.func_id.func_qualname:
            state.func_id.unique_id = INNER
        state.library = Library(state.targetctx.codegen(), state.func_id.func_qualname, self.inner)
        state.library.enable_object_caching()
        steps = [
            TranslateByteCode,
            FixupArgs,
            IRProcessing,
            GenericRewrites,
            ReconstructSSA,
            NopythonTypeInference,
            PreLowerStripPhis,
            # It marks where variables end: only for the sake of their references.
            *([IRLegalization] if state.flags.nrt else []),
            _InnerLowering if self.inner else NativeLowering,
            NoPythonBackend,
        ]
        with ConfigStack().enter(state.flags):
            for step in steps:
                step().run_pass(state)
        state.pipeline = None
        return state.cr


class InnerPasses(EntryPasses):
    inner = True
