"""The tensor-expression language: what a program computes, not how or in which order."""

from compiler.te import language
from compiler.te.language import *  # noqa: F403  # `language.__all__` lists its names once

# This is the only file that imports from higher packages, since users of TVM write `te.create_schedule` and
# `te.decl_tensor_intrin`. The modules of those packages do not import this file, but `compiler.te.tensor` and
# the like, which import neither schedules nor lowering.
from compiler.schedule import Schedule, create_schedule  # isort: skip
from compiler.lowering.tensor_intrinsic import decl_tensor_intrin  # isort: skip

__all__ = ["Schedule", "create_schedule", "decl_tensor_intrin"]
__all__ += language.__all__
