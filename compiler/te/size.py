"""Sizes: dimensions that a call brings, and the shapes that are made of them and of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.ir.dtype import INDEX, PACKED_TYPES, bits_of
from compiler.ir.expr import Expr, Var
from compiler.ir.visit import walk
from compiler.te.axis import Extent, Shape

SIZE_BOUNDS = (1, 1 << 24)
"""What a size may be unless told. An index is an int32, so several sizes of one tensor need narrower ones."""


def size_var(name: str = "n", bounds: tuple[int, int] = SIZE_BOUNDS) -> Var:
    """A dimension that each call brings with the shapes of its arrays.

    Parameters
    ----------
    name : str
    bounds : (int, int)
        The least and the greatest value. Memory for tensors between is laid out for the greatest.

    Raises
    ------
    ValueError
        If `bounds` are not two whole numbers with ``1 <= least <= greatest``.
    """
    low, high = bounds
    if int(low) != low or int(high) != high or not 1 <= low <= high:
        raise ValueError(
            f"size {name!r} has the bounds {bounds!r}; two whole numbers, 1 <= least <= greatest, are needed"
        )
    return Var(name, INDEX, (int(low), int(high)))


def var(name: str = "n", bounds: tuple[int, int] = SIZE_BOUNDS) -> Var:
    """Another name of `size_var`, which TVM's tutorials use."""
    return size_var(name, bounds)


def checked_extent(value: Any, where: str) -> Extent:
    """`value`, if it is a whole number or an expression of sizes; `where` it is given is told if not.

    Raises
    ------
    ValueError
    """
    if isinstance(value, Expr):
        strangers = [n for n in walk(value) if type(n) is Var and n.bounds is None]
        if strangers:
            raise ValueError(f"{where}: {strangers[0].name!r} is no size; make one with te.size_var")
        return value
    try:
        whole = int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {value!r} is no whole number, and no size") from None
    if whole != value:
        raise ValueError(f"{where}: {value!r} is no whole number")
    return whole


def checked_shape(shape: Sequence[int | Var], name: str) -> Shape:
    """`shape`, if it is made of positive whole numbers and sizes.

    Raises
    ------
    ValueError
        If it is not; names the dimension.
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
                "a positive whole number is needed, or a size of te.size_var"
            )
        dims.append(whole)
    return tuple(dims)


def filled_bytes(shape: Shape, dtype: str, name: str) -> Shape:
    """`shape`, if the elements of an array of it fill their bytes.

    Raises
    ------
    ValueError
        If a packed type leaves a byte that is not full.
    """
    if dtype in PACKED_TYPES:
        each = 8 // bits_of(dtype)
        if not shape or isinstance(shape[-1], Var) or shape[-1] % each:
            raise ValueError(
                f"{name!r} is {dtype} of shape {list(shape)}: {each} share a byte, so the last extent "
                f"must be a multiple of {each}"
            )
    return shape
