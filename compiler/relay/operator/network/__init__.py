"""Rows of neural networks: products, convolutions, pooling, normalization, activations, images, sequences."""

from compiler.relay.operator.network import (
    activation,
    attention,
    convolution,
    image,
    normalization,
    pooling,
    product,
    regions,
    scaling,
)

ROWS = tuple(
    row
    for family in (activation, attention, convolution, image, normalization, pooling, product, regions, scaling)
    for row in family.ROWS
)
