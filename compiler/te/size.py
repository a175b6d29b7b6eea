"""Dynamic extents, whose values the arrays of each call determine, and checks of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.ir.dtype import PACKED_TYPES, bits_of, index_type
from compiler.ir.expr import Expr, Var
from compiler.ir.visit import walk
from compiler.te.axis import Extent, Shape

SIZE_BOUNDS = (1, 1 << 24)
"""The default bounds. A tensor inside of the program that has several dynamic extents needs narrower ones."""


def size_var(name: str = "n", bounds: tuple[int, int] = SIZE_BOUNDS) -> Var:
    """A dynamic extent: a dimension that each call determines by the shapes of its arrays.

    Parameters
    ----------
    name : str
    bounds : (int, int)
        The smallest and the largest value. Memory of intermediate tensors is allocated for the largest.

    Raises
    ------
    ValueError
        If `bounds` are not two integers with ``1 <= smallest <= largest``.
    """
    low, high = bounds
    if int(low) != low or int(high) != high or not 1 <= low <= high:
        raise ValueError(
            f"dynamic extent {name!r} has the bounds {bounds!r}; "
            "give two integers with 1 <= smallest <= largest"
        )
    return Var(name, index_type(int(high)), (int(low), int(high)))


def var(name: str = "n", bounds: tuple[int, int] = SIZE_BOUNDS) -> Var:
    """A dynamic extent, as `size_var`; TVM's tutorials use this name."""
    return size_var(name, bounds)


def checked_extent(value: Any, where: str) -> Extent:
    """`value` if it is an integer or an expression of dynamic extents.

    Raises
    ------
    ValueError
        If it is anything else; the message begins with `where`.
    """
    if isinstance(value, Expr):
        others = [n for n in walk(value) if type(n) is Var and n.bounds is None]
        if others:
            raise ValueError(
                f"{where}: {others[0].name!r} is not a dynamic extent; make one with te.size_var"
            )
        return value
    try:
        whole = int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {value!r} is neither an integer nor a dynamic extent") from None
    if whole != value:
        raise ValueError(f"{where}: {value!r} is not an integer")
    return whole


def checked_shape(shape: Sequence[int | Var], name: str) -> Shape:
    """`shape` if it consists of positive integers and dynamic extents.

    Raises
    ------
    ValueError
        If it does not; the message names the dimension.
    """
    dims: list[int | Var] = []
    for position, extent in enumerate(shape):
        if isinstance(extent, Var) and extent.bounds is not None:
            dims.append(extent)
            continue
        try:
            whole = int(extent)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            whole = 0
        if whole < 1 or whole != extent:
            raise ValueError(
                f"dimension {position} of {name!r} is {extent!r}; "
                "it must be a positive integer, or a dynamic extent of te.size_var"
            )
        dims.append(whole)
    return tuple(dims)


def filled_bytes(shape: Shape, dtype: str, name: str) -> Shape:
    """`shape` if the rows of an array of `dtype` fill whole bytes.

    Raises
    ------
    ValueError
        If the last extent of a packed type does not fill its last byte.
    """
    if dtype in PACKED_TYPES:
        each = 8 // bits_of(dtype)
        if not shape or isinstance(shape[-1], Var) or shape[-1] % each:
            raise ValueError(
                f"{name!r} is {dtype} of shape {list(shape)}: {each} share a byte, so the last extent "
                f"must be a multiple of {each}"
            )
    return shape
