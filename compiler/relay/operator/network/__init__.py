"""Rows of neural networks: products, convolutions, pooling, normalization, activations, images, sequences."""

from compiler.relay.operator.network import (
    activation,
    attention,
    convolution,
    image,
    losses,
    normalization,
    pooling,
    product,
    quantized,
    recurrence,
    regions,
    scaling,
    vision,
)

_FAMILIES = (
    activation,
    attention,
    convolution,
    image,
    losses,
    normalization,
    pooling,
    product,
    quantized,
    recurrence,
    regions,
    scaling,
    vision,
)
ROWS = tuple(row for family in _FAMILIES for row in family.ROWS)
