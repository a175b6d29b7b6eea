"""Schedules and their search spaces derived from a computation alone, without a template."""

from compiler.ops.derive.rules import derive, derived, with_schedule

__all__ = ["derive", "derived", "with_schedule"]
