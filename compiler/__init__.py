"""Espalier's tensor-program compiler: tensor expressions, schedules, loop nests, machine code.

``te expression -> Schedule -> loop nest (PrimFunc) -> passes -> Module -> call``
"""

from typing import TYPE_CHECKING

from compiler import runtime
from compiler.deferred import defer

if TYPE_CHECKING:
    from compiler import te
    from compiler.backend import Target, device, load_module
    from compiler.driver import build, lower
    from compiler.errors import ScheduleWarning
    from compiler.ir.expr import Buffer
    from compiler.ir.function import PrimFunc
    from compiler.ir.semantics.verify import VerifyError, verify
    from compiler.lowering.nest import loop_nest
    from compiler.schedule import Schedule, ScheduleError, create_schedule

defer(
    __name__,
    {
        "compiler.backend": "Target device load_module",
        "compiler.driver": "build lower",
        "compiler.errors": "ScheduleWarning",
        "compiler.ir.expr": "Buffer",
        "compiler.ir.function": "PrimFunc",
        "compiler.ir.semantics.verify": "VerifyError verify",
        "compiler.lowering.nest": "loop_nest",
        "compiler.schedule": "Schedule ScheduleError create_schedule",
    },
)

__all__ = [
    "Buffer",
    "PrimFunc",
    "Schedule",
    "ScheduleError",
    "ScheduleWarning",
    "Target",
    "VerifyError",
    "build",
    "create_schedule",
    "device",
    "load_module",
    "loop_nest",
    "lower",
    "runtime",
    "te",
    "verify",
]
