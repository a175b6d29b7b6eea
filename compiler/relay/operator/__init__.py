"""The rows of all operators."""

from compiler.relay.language.op import register
from compiler.relay.operator import arithmetic, elementwise, network, order, reduction, shape

for _family in (elementwise, arithmetic, reduction, shape, order, network):
    register(_family.ROWS)
