"""Samples of an image at the places of a grid as primitive operators, for derivatives by both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from compiler.relay.gradient.numbers import Numbers, chosen, function
from compiler.relay.language.expr import Call, Constant, Expr, TupleGetItem
from compiler.relay.language.op import op
from compiler.relay.operator.network.image import Arithmetic
from compiler.relay.operator.network.vision import coordinate, tap_offsets, tap_pixel, tap_weight

_PROGRAM = Arithmetic(
    floor=function("floor"),
    round=function("round"),
    abs=function("abs"),
    minimum=function("minimum"),
    maximum=function("maximum"),
    where=chosen,
    trunc=function("trunc"),
)


def sampled(call: Call, given: Sequence[Expr]) -> Expr:
    """What ``image.grid_sample`` computes.

    Parameters
    ----------
    call : Call
        Types of its arguments are inferred.
    given : sequence of Expr
        The image and the grid.

    Raises
    ------
    ValueError
        If an extent is not known.
    """
    x, grid = given
    types: list[Any] = [arg.checked_type for arg in call.args]
    shape, places = types[0].shape, types[1].shape
    if any(type(extent) is not int for extent in (*shape, *places)):
        raise ValueError(
            f"the derivative of image.grid_sample needs the extents of {types[0]} and {types[1]}"
        )
    attrs, count, outs = call.attrs, len(shape) - 2, places[1:-1]
    images, channels, sizes = shape[0], shape[1], shape[2:]
    dtype, inner = str(types[0].dtype), str(types[1].dtype)
    parts = op("split")(grid, indices_or_sections=count, axis=-1)
    flat = (images, prod(outs))
    at = [
        coordinate(
            _PROGRAM,
            attrs,
            Numbers(op("reshape")(TupleGetItem(parts, count - 1 - d), newshape=flat), inner),
            size,
        )
        for d, size in enumerate(sizes)
    ]
    rows = op("reshape")(
        op("transpose")(x, axes=(0, *range(2, count + 2), 1)), newshape=(images * prod(sizes), channels)
    )
    first = Constant(np.arange(images, dtype="int64")[:, None] * prod(sizes))
    total: Any = None
    for offsets in product(tap_offsets(attrs), repeat=count):
        scale: Any = 1.0
        index: Expr = first
        for d, (place, offset, size) in enumerate(zip(at, offsets, sizes, strict=True)):
            scale = tap_weight(_PROGRAM, attrs, place, float(offset), size) * scale
            pixel = op("cast")(tap_pixel(_PROGRAM, attrs, place, float(offset), size).expr, dtype="int64")
            step = Constant(np.array(prod(sizes[d + 1 :]), "int64"))
            index = op("add")(index, op("multiply")(pixel, step))
        weight = scale.expr if inner == dtype else op("cast")(scale.expr, dtype=dtype)
        term = op("multiply")(op("take")(rows, index, axis=0), op("expand_dims")(weight, axis=-1))
        total = term if total is None else op("add")(total, term)
    turned = op("transpose")(total, axes=(0, 2, 1))
    return op("reshape")(turned, newshape=(images, channels, *outs))
