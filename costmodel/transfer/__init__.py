"""What was measured for other tasks, shapes and machines, as the beginning of a search."""

from __future__ import annotations

from costmodel.transfer.programs import Examples, MeasuredProgram, examples, read_programs, write_programs
from costmodel.transfer.start import (
    SHIPPED,
    load_model,
    make_model,
    programs_in,
    programs_of,
    shipped_model,
    start_model,
)
from costmodel.transfer.warm import WarmCostModel

__all__ = [
    "SHIPPED",
    "Examples",
    "MeasuredProgram",
    "WarmCostModel",
    "examples",
    "load_model",
    "make_model",
    "programs_in",
    "programs_of",
    "read_programs",
    "shipped_model",
    "start_model",
    "write_programs",
]
