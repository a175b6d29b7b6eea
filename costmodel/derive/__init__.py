"""Schedules and their search spaces derived from a computation alone, without a template."""

from costmodel.derive.rules import derive, derived

__all__ = ["derive", "derived"]
