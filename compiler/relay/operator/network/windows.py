"""Windows that move over an image: their number, their elements, and the padding that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.relay.language.attributes import Attrs
from compiler.relay.language.expr import Expr
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY

Array = np.ndarray
SPATIAL = {1: "W", 2: "HW", 3: "DHW"}
"""Number of spatial axes -> their letters in a layout."""


def spread(values: Sequence[int], count: int, what: str) -> tuple[int, ...]:
    """One number for each of `count` axes, where one may stand for all.

    Raises
    ------
    ValueError
        If there are neither one nor `count` of them.
    """
    if len(values) not in (1, count):
        raise ValueError(f"{what} has {len(values)} numbers; 1 or {count} are needed")
    return tuple(values) * count if len(values) == 1 else tuple(values)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows that move along the spatial axes of an image: one number for each of them.

    Parameters
    ----------
    kernel, strides, before, after, dilation : tuple of int
        Elements of a window, steps, padding at the begin and at the end, distance of a window's elements.
    """

    kernel: tuple[Any, ...]
    strides: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, attrs: Attrs, kernel: Sequence[Any]) -> Windows:
        """The windows that the attributes of a call describe.

        Raises
        ------
        ValueError
            If an attribute does not fit the number of axes, or is not positive.
        """
        count, pad = len(kernel), attrs.padding
        if len(pad) not in (1, count, 2 * count):
            raise ValueError(f"padding has {len(pad)} numbers; 1, {count} or {2 * count} are needed")
        pad = tuple(pad) * (2 * count // len(pad)) if len(pad) != 2 * count else tuple(pad)
        strides = spread(attrs.strides, count, "strides")
        dilation = spread(attrs.dilation, count, "dilation")
        if min((*strides, *dilation), default=1) < 1 or min(pad, default=0) < 0:
            raise ValueError(
                f"strides {strides} and dilation {dilation} must be positive, padding {pad} not negative"
            )
        return cls(tuple(kernel), strides, pad[:count], pad[count:], dilation)

    def span(self, axis: int) -> Any:
        """Elements from the first to the last one of a window."""
        size = self.kernel[axis]
        return self.dilation[axis] * (size - 1) + 1 if type(size) is int else ANY

    def output(self, axis: int, size: Any, *, ceil: bool = False) -> Any:
        """The number of windows along an axis of `size` elements.

        With `ceil`, also the last one that begins inside of the image or of the padding before it, even if it
        ends outside.

        Raises
        ------
        ValueError
            If a window is larger than the padded axis.
        """
        span, step = self.span(axis), self.strides[axis]
        if type(size) is not int or type(span) is not int:
            return ANY
        room = size + self.before[axis] + self.after[axis] - span
        if room < 0 and not (ceil and room + step > 0):
            raise ValueError(
                f"the window spans {span} elements, but axis {axis} has {size} and padding of "
                f"{self.before[axis]} and {self.after[axis]}"
            )
        count = (room + step - 1) // step + 1 if ceil else room // step + 1
        if ceil and (count - 1) * step >= size + self.before[axis]:
            count -= 1
        return max(count, 1)

    def outputs(self, sizes: Sequence[Any], *, ceil: bool = False) -> tuple[Any, ...]:
        """The number of windows along each axis."""
        return tuple(self.output(axis, size, ceil=ceil) for axis, size in enumerate(sizes))

    def views(self, x: Array, counts: Sequence[int], fill: Any = 0) -> Array:
        """The windows of an image, as a view: shape ``(N, C, *kernel, *counts)``.

        Parameters
        ----------
        x : ndarray of shape (N, C, *sizes)
        counts : sequence of int
            Windows along each axis; the image is padded with `fill` as far as they reach.
        """
        margins = [(0, 0), (0, 0)]
        for axis, (size, count) in enumerate(zip(x.shape[2:], counts, strict=True)):
            reach = (count - 1) * self.strides[axis] + self.span(axis)
            margins.append((self.before[axis], max(reach - self.before[axis] - size, 0)))
        if any(pair != (0, 0) for pair in margins):
            x = np.pad(x, margins, constant_values=fill)
        steps = x.strides[2:]
        return np.lib.stride_tricks.as_strided(
            x,
            (*x.shape[:2], *self.kernel, *counts),
            (
                *x.strides[:2],
                *(s * d for s, d in zip(steps, self.dilation, strict=True)),
                *(s * d for s, d in zip(steps, self.strides, strict=True)),
            ),
            writeable=False,
        )

    def element(self, axis: int, window: Any, tap: Any) -> Any:
        """The index of an image along an axis, of an element of a window."""
        return window * self.strides[axis] + tap * self.dilation[axis] - self.before[axis]

    def inside(self, axis: int, at: Any, size: int, count: int) -> list[Any]:
        """The conditions that an index of `element` is inside of the image, where they are not certain."""
        conditions = [at >= 0] if self.before[axis] else []
        last = (count - 1) * self.strides[axis] + self.span(axis) - 1 - self.before[axis]
        return conditions + ([at < size] if last >= size else [])


def in_layout(x: Expr, source: str, target: str) -> Expr:
    """`x` in another layout."""
    return x if source == target else op("layout_transform")(x, src_layout=source, dst_layout=target)
