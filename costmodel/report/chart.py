"""`Chart`: a small diagram as SVG, to be part of an HTML page."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

# distinguishable without colour vision (Okabe and Ito, Color Universal Design, 2008)
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
GREY = "#888"
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 40
LINE = 17


def escaped(value: Any) -> str:
    """Return a value as text of an HTML page or SVG, where nothing of it is markup."""
    # records may hold what UTF-8 cannot encode, and controls that no page may hold
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    shown = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return html.escape(shown, quote=True)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers, about `count` of them, from `low` to `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 5) if rough <= m * power), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def bar(share: float, width: int = 160) -> str:
    """Return a horizontal bar of a share of the width, 0 to 1."""
    filled = _number(width * min(max(share, 0.0), 1.0))
    return (
        f'<svg class="bar" width="{width}" height="10" aria-hidden="true">'
        f'<rect width="{filled}" height="10" fill="{COLORS[0]}"/></svg>'
    )


class Chart:
    """A diagram with two axes.

    Parameters
    ----------
    title : str
        What it shows, for readers who do not see it.
    x, y : (str, float, float)
        Label, lower and upper end of each axis.
    width, height : int
        In pixels, without the legend.
    """

    def __init__(
        self,
        title: str,
        x: tuple[str, float, float],
        y: tuple[str, float, float],
        *,
        width: int = 860,
        height: int = 300,
    ) -> None:
        self.title = title
        self.width = width
        self.height = height
        self.x_label, self.x_low, self.x_high = _wide(x)
        self.y_label, self.y_low, self.y_high = _wide(y)
        self._marks: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def _x(self, value: float) -> str:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return _number(LEFT + share * (self.width - LEFT - RIGHT))

    def _y(self, value: float) -> str:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return _number(self.height - BOTTOM - share * (self.height - TOP - BOTTOM))

    def line(
        self,
        points: Sequence[tuple[float, float]],
        color: str,
        name: str = "",
        *,
        steps: bool = False,
        dashed: bool = False,
    ) -> None:
        """Draw a line through points, as stairs if `steps`, with a name in the legend."""
        path = ""
        for n, (x, y) in enumerate(points):
            if not n:
                path = f"M{self._x(x)} {self._y(y)}"
            elif steps:
                path += f"H{self._x(x)}V{self._y(y)}"
            else:
                path += f"L{self._x(x)} {self._y(y)}"
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._marks.append(f'<path d="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        if name:
            self._legend.append((name, f'<path d="M0 6H18" stroke="{color}" stroke-width="2"{dash}/>'))

    def points(
        self, points: Iterable[tuple[float, float]], color: str, name: str = "", *, cross: bool = False
    ) -> None:
        """Draw points as dots or crosses, with a name in the legend."""
        shape = _cross if cross else _dot
        self._marks.append("".join(shape(self._x(x), self._y(y), color) for x, y in points))
        if name:
            self._legend.append((name, shape("9", "6", color)))

    def svg(self) -> str:
        """Return the diagram."""
        right, bottom = self.width - RIGHT, self.height - BOTTOM
        parts = []
        for value in ticks(self.y_low, self.y_high):
            y = self._y(value)
            parts.append(f'<path d="M{LEFT} {y}H{right}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y}" dy="4" text-anchor="end">{_tick(value)}</text>')
        for value in ticks(self.x_low, self.x_high, max(self.width // 100, 3)):
            x = self._x(value)
            parts.append(f'<path d="M{x} {bottom}v4" stroke="{GREY}"/>')
            parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{_tick(value)}</text>')
        parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="{GREY}"/>')
        middle = (LEFT + right) // 2
        parts.append(
            f'<text x="{middle}" y="{self.height - 6}" text-anchor="middle">{escaped(self.x_label)}</text>'
        )
        centre = (TOP + bottom) // 2
        parts.append(
            f'<text transform="translate(12 {centre}) rotate(-90)" text-anchor="middle">'
            f"{escaped(self.y_label)}</text>"
        )
        parts += self._marks
        for n, (name, mark) in enumerate(self._legend):
            parts.append(
                f'<g transform="translate({LEFT} {self.height + 4 + n * LINE})">{mark}'
                f'<text x="24" y="10">{escaped(name)}</text></g>'
            )
        height = self.height + LINE * len(self._legend) + (8 if self._legend else 0)
        return (
            f'<svg viewBox="0 0 {self.width} {height}" width="{self.width}" height="{height}" role="img">'
            f"<title>{escaped(self.title)}</title>{''.join(parts)}</svg>"
        )


def _wide(axis: tuple[str, float, float]) -> tuple[str, float, float]:
    """An axis whose ends differ."""
    label, low, high = axis
    if high > low:
        return label, low, high
    around = abs(low) * 0.1 or 1.0
    return label, low - around, low + around


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _tick(value: float) -> str:
    return f"{value:.6g}" if abs(value) > 1e-12 else "0"


def _dot(x: str, y: str, color: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="3" fill="{color}" fill-opacity="0.55"/>'


def _cross(x: str, y: str, color: str) -> str:
    return f'<path d="M{x} {y}m-3.5 -3.5l7 7m-7 0l7 -7" stroke="{color}" stroke-width="1.5"/>'
