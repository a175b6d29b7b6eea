"""Espalier's tensor-program compiler: tensor expressions, schedules, loop nests, machine code.

``te expression -> Schedule -> loop nest (PrimFunc) -> passes -> Module -> call``
"""

from compiler import runtime, te
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.verify import VerifyError, verify
from compiler.lower import build, lower
from compiler.schedule import Schedule, ScheduleError, create_schedule
from compiler.schedule.nest import loop_nest
from compiler.target import Target, load_module

__all__ = [
    "Buffer",
    "PrimFunc",
    "Schedule",
    "ScheduleError",
    "Target",
    "VerifyError",
    "build",
    "create_schedule",
    "load_module",
    "loop_nest",
    "lower",
    "runtime",
    "te",
    "verify",
]
