"""Schedules: loop order, memory and parallelism of a tensor expression; never what it computes."""

from compiler.errors import ScheduleError
from compiler.schedule.schedule import Schedule, create_schedule
from compiler.schedule.stage import Stage

__all__ = ["Schedule", "ScheduleError", "Stage", "create_schedule"]
