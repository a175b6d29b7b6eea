"""Espalier's tensor-program compiler: tensor expressions, schedules, loop nests, machine code.

``te expression -> Schedule -> loop nest (PrimFunc) -> passes -> Module -> call``
"""

from compiler import runtime, te
from compiler.backend import Target, device, load_module
from compiler.driver import build, lower
from compiler.errors import ScheduleWarning
from compiler.ir.expr import Buffer
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.verify import VerifyError, verify
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError, create_schedule

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
