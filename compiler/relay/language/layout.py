"""`Layout`: the order of a tensor's axes as text, ``"NCHW16c"``: indices, shapes and NumPy both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

_AXIS = re.compile(r"([A-Z])|(\d+)([a-z])")


@dataclass(frozen=True, slots=True)
class Layout:
    """Axes by letter, outermost first.

    A capital is an axis; where the text also has the small letter with a number, as ``"NCHW16c"``, the axis
    is divided into blocks of that number: the capital counts the blocks, the small letter the elements
    of one.

    Parameters
    ----------
    text : str
    axes : tuple of (str, int)
        Capital, and for the inner axis of blocks their size, else 0.
    """

    text: str
    axes: tuple[tuple[str, int], ...]

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Layout:
        """The layout of a text.

        Raises
        ------
        ValueError
            If the text is no layout.
        """
        found = _AXIS.findall(text)
        axes = tuple((plain, 0) if plain else (small.upper(), int(size)) for plain, size, small in found)
        outer = [name for name, size in axes if not size]
        inner = [name for name, size in axes if size]
        written = "".join(plain or size + small for plain, size, small in found)
        if (
            not text
            or written != text
            or len({*outer}) != len(outer)
            or not {*inner} <= {*outer}
            or len({*inner}) != len(inner)
            or any(size < 1 for name, size in axes if name in inner and size)
        ):
            raise ValueError(
                f"the layout {text!r} is not a word of different capitals, with blocks as in 'NCHW16c'"
            )
        return Layout(text, axes)

    @property
    def names(self) -> str:
        """The capitals, outermost first."""
        return "".join(name for name, block in self.axes if not block)

    @property
    def blocks(self) -> dict[str, int]:
        """Capital -> size of a block, of the axes that are divided."""
        return {name: block for name, block in self.axes if block}

    @property
    def rank(self) -> int:
        """Number of axes of a stored tensor."""
        return len(self.axes)

    def position(self, name: str) -> int:
        """The stored axis of a capital."""
        return self.axes.index((name, 0))

    def dims(self, shape: Sequence[Any]) -> dict[str, Any]:
        """Capital -> dimension of the whole axis, from the shape of a stored tensor; `ANY` stays `ANY`.

        Raises
        ------
        ValueError
            If the rank is another one, or a block has another size.
        """
        if len(shape) != len(self.axes):
            raise ValueError(f"a tensor of layout {self.text} has {len(self.axes)} axes, not {len(shape)}")
        blocks = self.blocks
        found: dict[str, Any] = {}
        for (name, block), dim in zip(self.axes, shape, strict=True):
            if block and type(dim) is int and dim != block:
                raise ValueError(f"blocks of the layout {self.text} have {block} elements, not {dim}")
            if not block:
                found[name] = dim * blocks.get(name, 1) if type(dim) is int else dim
        return found

    def shape(self, dims: Mapping[str, Any]) -> tuple[Any, ...]:
        """The shape of a stored tensor whose whole axes have `dims`.

        Raises
        ------
        ValueError
            If a block does not divide its axis.
        """
        blocks = self.blocks
        for name, block in blocks.items():
            if type(dims[name]) is int and dims[name] % block:
                raise ValueError(
                    f"the axis {name} has {dims[name]} elements, no multiple of {self.text}'s block"
                )
        return tuple(
            block or (dims[name] // blocks.get(name, 1) if type(dims[name]) is int else dims[name])
            for name, block in self.axes
        )

    def index(self, at: Mapping[str, Any]) -> tuple[Any, ...]:
        """The stored index of an element, from its index on each whole axis."""
        blocks = self.blocks
        return tuple(
            at[name] % block if block else at[name] // blocks[name] if name in blocks else at[name]
            for name, block in self.axes
        )

    def at(self, index: Sequence[Any]) -> dict[str, Any]:
        """The index on each whole axis, from a stored index: the inverse of `index`."""
        blocks = self.blocks
        outer = {n: i for (n, b), i in zip(self.axes, index, strict=True) if not b}
        inner = {n: i for (n, b), i in zip(self.axes, index, strict=True) if b}
        return {n: i * blocks[n] + inner[n] if n in blocks else i for n, i in outer.items()}

    def unpacked(self, array: np.ndarray, names: str) -> np.ndarray:
        """A stored array with its whole axes in the order of `names`."""
        order, shape = [], []
        dims = self.dims(array.shape)
        for name in names:
            order.append(self.axes.index((name, 0)))
            if name in self.blocks:
                order.append(next(i for i, (n, b) in enumerate(self.axes) if n == name and b))
            shape.append(dims[name])
        return array.transpose(order).reshape(shape)

    def packed(self, array: np.ndarray, names: str) -> np.ndarray:
        """An array whose axes are `names`, stored in this layout."""
        blocks = self.blocks
        split: list[int] = []
        place: dict[tuple[str, int], int] = {}
        for name, extent in zip(names, array.shape, strict=True):
            place[name, 0] = len(split)
            block = blocks.get(name)
            if block is None:
                split.append(extent)
                continue
            place[name, block] = len(split) + 1
            split += [extent // block, block]
        return np.ascontiguousarray(array.reshape(split).transpose([place[axis] for axis in self.axes]))
