"""The rows of all operators."""

from compiler.relay.language.op import register
from compiler.relay.operator import (
    arithmetic,
    conversion,
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
    conversion,
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
