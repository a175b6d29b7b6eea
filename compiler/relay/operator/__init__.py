"""The rows of all operators."""

from compiler.relay.language.op import register
from compiler.relay.operator import (
    arithmetic,
    creation,
    elementwise,
    indexing,
    network,
    order,
    rearrange,
    reduction,
    shape,
    slicing,
)

for _family in (
    elementwise,
    arithmetic,
    reduction,
    shape,
    slicing,
    rearrange,
    indexing,
    creation,
    order,
    network,
):
    register(_family.ROWS)
