"""Back ends: what a program is compiled for, and the code generators, one folder for each kind of target."""

from typing import TYPE_CHECKING

from compiler.deferred import defer

if TYPE_CHECKING:
    from compiler.backend.build import build, load_module
    from compiler.backend.protocol import Backend, Hardware, Options, TargetError
    from compiler.backend.registry import device, pipeline, register
    from compiler.backend.target import Target

defer(
    __name__,
    {
        "compiler.backend.build": "build load_module",
        "compiler.backend.protocol": "Backend Hardware Options TargetError",
        "compiler.backend.registry": "device pipeline register",
        "compiler.backend.target": "Target",
    },
)

__all__ = [
    "Backend",
    "Hardware",
    "Options",
    "Target",
    "TargetError",
    "build",
    "device",
    "load_module",
    "pipeline",
    "register",
]
