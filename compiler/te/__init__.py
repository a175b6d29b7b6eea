"""The tensor-expression language: what a program computes, not how or in which order."""

from typing import TYPE_CHECKING

from compiler.deferred import defer
from compiler.te import language
from compiler.te.language import *  # noqa: F403  # `language.__all__` lists its names once

# This is the only file that names higher packages, since users of TVM write `te.create_schedule` and
# `te.decl_tensor_intrin`. It imports them at their first use: their modules import `compiler.te.tensor` and
# the like, and so this file.
if TYPE_CHECKING:
    from compiler.lowering.tensor_intrinsic import decl_tensor_intrin
    from compiler.schedule import Schedule, create_schedule

defer(
    __name__,
    {
        "compiler.lowering.tensor_intrinsic": "decl_tensor_intrin",
        "compiler.schedule": "Schedule create_schedule",
    },
)

__all__ = ["Schedule", "create_schedule", "decl_tensor_intrin"]
__all__ += language.__all__
