"""The back ends by the kind of target that they generate code for, each imported at its first use."""

from __future__ import annotations

from importlib import import_module

from compiler.backend.protocol import Backend, TargetError
from compiler.passes import Pass
from compiler.runtime.device import Device
from compiler.suggest import unknown

# kind -> the module whose `BACKEND` it is
_MODULES = {"llvm": "compiler.backend.llvm.backend"}
# other spellings of a kind
ALIASES = {"host": "llvm"}
# planned kinds -> what is missing
PLANNED = {
    "cuda": "code for CUDA is not generated yet",
    "opencl": "code for OpenCL is not generated yet",
    "vta": "code for the VTA accelerator is not generated yet",
}

_loaded: dict[str, Backend] = {}


def kinds() -> tuple[str, ...]:
    """The kinds of targets that have a back end."""
    return tuple(dict.fromkeys((*_MODULES, *_loaded)))


def backend(kind: str) -> Backend:
    """The back end of a kind of target.

    Parameters
    ----------
    kind : str
        One of `kinds`, or another spelling of it in `ALIASES`.

    Raises
    ------
    TargetError
        For an unknown kind, and for one that is planned.
    """
    kind = ALIASES.get(kind, kind)
    generator = _loaded.get(kind)
    if generator is None:
        if kind in PLANNED:
            raise TargetError(
                f"the target {kind!r} is not supported: {PLANNED[kind]}; for a CPU the target is 'llvm'"
            )
        if kind not in _MODULES:
            raise TargetError(unknown("target kind", kind, (*kinds(), *ALIASES)))
        generator = _loaded[kind] = import_module(_MODULES[kind]).BACKEND
    return generator


def register(new: Backend) -> None:
    """Add a back end, or replace the one of its kind."""
    _loaded[new.kind] = new


def pipeline(kind: str = "llvm") -> tuple[Pass, ...]:
    """The passes of `compiler.lower`, in order, for a kind of target."""
    return backend(kind).passes


def device(name: str) -> Device:
    """A device of this machine.

    Parameters
    ----------
    name : str
        Kind and index, as ``"toy:0"``; the index is 0 by default.

    Raises
    ------
    ValueError
        For an unknown kind, an index that is not a number, or a device that is not there.
    """
    kind, _, index = name.partition(":")
    if index and not index.isdecimal():
        raise ValueError(f"a device is named like 'toy:0', not {name!r}")
    return backend(kind).device(int(index or 0))
