"""A drawing of a tree: boxes for its nodes and lines to their children, as SVG or on Matplotlib axes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from boost.atomic import write_text
from boost.forest.tree import NO_NODE, Tree
from boost.show.layout import tidy
from boost.show.names import Names, right_categories
from boost.show.words import MOST_CATEGORIES, MOST_LETTERS, below, shorten

# Sizes in pixels: font, width of a letter, height of a line, padding of a box; gaps between boxes and between
# levels, and the outer margin.
FONT, LETTER, LINE, PADDING = 12, 6.7, 16, 8
GAP, LEVEL_GAP, MARGIN = 18, 54, 12
YES, NO = "#2f6fb0", "#c0504d"


@dataclass(frozen=True)
class Box:
    """The box of a node.

    Attributes
    ----------
    x, y, width, height : float
        The centre of the box, and its size, in pixels; y increases downwards.
    lines : tuple of str
    fill : str
        A colour.
    leaf : bool
    """

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    fill: str
    leaf: bool


@dataclass(frozen=True)
class Edge:
    """A line from a node to one of its children."""

    start: tuple[float, float]
    end: tuple[float, float]
    label: str
    colour: str
    thickness: float


class TreeDrawing:
    """A drawing of one tree, which a notebook displays and `save` writes.

    Blue lines lead to the child "yes" of a split, red lines to the child "no"; the thickness of a line shows
    the share of the parent's rows that take it, by their hessians. The colour of a leaf shows its value:
    orange for positive values, blue for negative ones.

    Parameters
    ----------
    tree : Tree
    names : Names
    with_stats : bool
        Whether boxes show the gain and the sum of the hessians.
    rankdir : {"TB", "LR"}
        Whether the root is at the top or on the left.
    max_depth : int, optional
        Draw no node below this depth; the number of omitted nodes is shown.

    Attributes
    ----------
    width, height : float
    boxes : list of Box
    edges : list of Edge
    """

    def __init__(
        self,
        tree: Tree,
        names: Names,
        *,
        with_stats: bool = False,
        rankdir: str = "TB",
        max_depth: int | None = None,
    ) -> None:
        if rankdir not in ("TB", "LR"):
            raise ValueError(f"rankdir must be 'TB' or 'LR', got {rankdir!r}")
        if max_depth is not None and (
            isinstance(max_depth, bool) or int(max_depth) != max_depth or max_depth < 0
        ):
            raise ValueError(f"max_depth must be an integer of at least 0, got {max_depth!r}")
        self._tree, self._names, self._stats = tree, names, with_stats
        nodes, depth, left, right = _visible(tree, max_depth)
        texts = [self._lines(n, left[k] < 0) for k, n in enumerate(nodes)]
        widths = [LETTER * max(map(len, lines)) + 2 * PADDING for lines in texts]
        height = max(LINE * len(lines) for lines in texts) + 2 * PADDING
        upright = rankdir == "TB"
        across = tidy(left, right, widths if upright else [height] * len(nodes), GAP)
        step = LEVEL_GAP + (height if upright else max(widths))
        along = np.array(depth) * step + (height if upright else max(widths)) / 2.0
        x, y = (across, along) if upright else (along, across)
        x, y = x + MARGIN, y + MARGIN
        largest = max((abs(_mean(tree, n)) for n in nodes if tree.left[n] == NO_NODE), default=0.0)
        self.boxes = [
            Box(
                float(x[k]),
                float(y[k]),
                widths[k],
                LINE * len(texts[k]) + 2 * PADDING,
                tuple(texts[k]),
                _tint(_mean(tree, n), largest) if tree.left[n] == NO_NODE else "#ffffff",
                left[k] < 0,
            )
            for k, n in enumerate(nodes)
        ]
        self.edges = [
            self._edge(nodes[k], nodes[child], self.boxes[k], self.boxes[child], upright)
            for k in range(len(nodes))
            if left[k] >= 0
            for child in (left[k], right[k])
        ]
        self.width = max(b.x + b.width / 2.0 for b in self.boxes) + MARGIN
        self.height = max(b.y + b.height / 2.0 for b in self.boxes) + MARGIN

    def _lines(self, n: int, end: bool) -> list[str]:
        tree, names = self._tree, self._names
        stats = [f"cover = {tree.hessian[n]:.5g}"] if self._stats else []
        if tree.left[n] == NO_NODE:
            values = tree.vectors[n] if tree.vectors.size else tree.condition[n : n + 1]
            return [_short(", ".join(f"{value:.5g}" for value in values)), *stats]
        f = int(tree.feature[n])
        codes = right_categories(tree, n)
        if codes.size:
            shown = [_short(names.category(f, c)) for c in codes[:MOST_CATEGORIES].tolist()]
            if codes.size > MOST_CATEGORIES:
                shown.append(f"{codes.size - MOST_CATEGORIES} more")
            split = [_short(names.names[f]), f"in {{{', '.join(shown)}}}"]
        else:
            split = [f"{_short(names.names[f])} < {tree.condition[n]:.6g}"]
        stats = [f"gain = {tree.gain[n]:.5g}", *stats] if self._stats else []
        more = [f"… {below(tree, n)[0]} more nodes"] if end else []
        return split + stats + more

    def _edge(self, n: int, child: int, start: Box, end: Box, upright: bool) -> Edge:
        tree = self._tree
        goes_right = child == tree.right[n]
        yes = goes_right == bool(right_categories(tree, n).size)
        missing = goes_right != bool(tree.default_left[n])
        whole = float(tree.hessian[n])
        share = min(max(float(tree.hessian[child]) / whole, 0.0), 1.0) if whole > 0 else 0.0
        ends = (
            ((start.x, start.y + start.height / 2.0), (end.x, end.y - end.height / 2.0))
            if upright
            else ((start.x + start.width / 2.0, start.y), (end.x - end.width / 2.0, end.y))
        )
        label = ("yes" if yes else "no") + (", missing" if missing else "")
        return Edge(*ends, label, YES if yes else NO, 1.0 + 3.0 * share)

    @property
    def svg(self) -> str:
        """The drawing as SVG."""
        wide, high = f"{self.width:.0f}", f"{self.height:.0f}"
        size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="{FONT}">',
            f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
        ]
        for edge in self.edges:
            (x1, y1), (x2, y2) = edge.start, edge.end
            parts.append(
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{edge.colour}" '
                f'stroke-width="{edge.thickness:.1f}" stroke-opacity="0.6"/>'
                f'<text x="{(x1 + x2) / 2.0:.1f}" y="{(y1 + y2) / 2.0:.1f}" text-anchor="middle" '
                f'fill="{edge.colour}" font-size="{FONT - 2}" stroke="#ffffff" stroke-width="3" '
                f'paint-order="stroke">{edge.label}</text>'
            )
        for box in self.boxes:
            parts.append(
                f'<rect x="{box.x - box.width / 2.0:.1f}" y="{box.y - box.height / 2.0:.1f}" '
                f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{8 if box.leaf else 3}" '
                f'fill="{box.fill}" stroke="#555555"/>'
            )
            top = box.y - LINE * len(box.lines) / 2.0
            for place, line in enumerate(box.lines):
                parts.append(
                    f'<text x="{box.x:.1f}" y="{top + LINE * place + 12:.1f}" text-anchor="middle" '
                    f'fill="#222222">{escape(line)}</text>'
                )
        return "\n".join(parts) + "\n</svg>\n"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.boxes)} nodes, {self.width:.0f} x {self.height:.0f})"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: Any) -> None:
        """Write the drawing as an SVG file, atomically.

        Raises
        ------
        ValueError
            For a name that does not end in ".svg".
        """
        name = os.path.expanduser(os.fspath(path))
        if not str(name).endswith(".svg"):
            raise ValueError(f"a tree is saved as SVG: give a name that ends in '.svg', got {str(name)!r}")
        write_text(name, self.svg)

    def draw(self, ax: Any) -> Any:
        """Draw on Matplotlib axes, and return them."""
        for edge in self.edges:
            (x1, y1), (x2, y2) = edge.start, edge.end
            ax.plot([x1, x2], [y1, y2], color=edge.colour, linewidth=edge.thickness, alpha=0.6, zorder=1)
            ax.text(
                (x1 + x2) / 2.0,
                (y1 + y2) / 2.0,
                edge.label,
                color=edge.colour,
                ha="center",
                va="center",
                fontsize="x-small",
                zorder=2,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        for box in self.boxes:
            ax.text(
                box.x,
                box.y,
                "\n".join(box.lines).replace("$", r"\$"),
                ha="center",
                va="center",
                fontsize="small",
                zorder=3,
                bbox={"facecolor": box.fill, "edgecolor": "#555555", "boxstyle": "round"},
            )
        ax.set_xlim(0, self.width)
        ax.set_ylim(self.height, 0)
        ax.axis("off")
        return ax


def _visible(tree: Tree, max_depth: int | None) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return the drawn nodes, their depths, and their children as positions among them."""
    nodes, depth, left, right = [0], [0], [-1], [-1]
    k = 0
    while k < len(nodes):
        n = nodes[k]
        if tree.left[n] != NO_NODE and (max_depth is None or depth[k] < max_depth):
            left[k], right[k] = len(nodes), len(nodes) + 1
            nodes += [int(tree.left[n]), int(tree.right[n])]
            depth += [depth[k] + 1] * 2
            left += [-1, -1]
            right += [-1, -1]
        k += 1
    return nodes, depth, left, right


def _short(text: str) -> str:
    return shorten(text, MOST_LETTERS)


def _mean(tree: Tree, n: int) -> float:
    return float(tree.vectors[n].mean()) if tree.vectors.size else float(tree.condition[n])


def _tint(value: float, largest: float) -> str:
    """Return a colour between white for zero and the full colour for the largest absolute value."""
    share = min(abs(value) / largest, 1.0) if largest > 0 else 0.0
    colour = (253, 174, 97) if value > 0 else (116, 173, 209)
    return "#" + "".join(f"{round(255 + share * (c - 255)):02x}" for c in colour)
