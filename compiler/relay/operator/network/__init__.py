"""Rows of neural networks: products, convolutions, pooling, normalization, activations, images, sequences."""

from compiler.relay.operator.network import (
    activation,
    attention,
    convolution,
    image,
    normalization,
    pooling,
    product,
    quantized,
    recurrence,
    regions,
    scaling,
)

_FAMILIES = (
    activation,
    attention,
    convolution,
    image,
    normalization,
    pooling,
    product,
    quantized,
    recurrence,
    regions,
    scaling,
)
ROWS = tuple(row for family in _FAMILIES for row in family.ROWS)
