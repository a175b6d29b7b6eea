"""Trees in words, with the names of columns and categories, and what a margin is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boost.forest.tree import NO_NODE, Tree
from boost.show.names import Names, branches, right_categories, threshold

if TYPE_CHECKING:
    from boost.model.model import Model

# Where space is limited: most categories of a condition that are named, most and fewest letters of a name.
MOST_CATEGORIES, MOST_LETTERS, FEWEST_LETTERS = 4, 30, 6
# Width of the columns of numbers: cover, gain of the split, value of the leaf.
COVER, GAIN, VALUE = 7, 10, 13
# A narrower page has no column of gains, and an even narrower one none of covers.
WIDE, MEDIUM = 64, 48
# Lines to a child that has a sibling below it and to the last one, and those beside the nodes below these.
LINES = ("├─ ", "└─ ", "│  ", "   ")
ASCII_LINES = ("+- ", "`- ", "|  ", "   ")

# What the margin of an objective is; {target} is the name of the label, with "of" before it.
MARGINS = {
    "reg:squarederror": "mean{target}",
    "reg:squaredlogerror": "prediction{target}",
    "reg:pseudohubererror": "centre{target}",
    "reg:absoluteerror": "median{target}",
    "reg:logistic": "log odds{target}",
    "binary:logistic": "log odds{target}",
    "binary:logitraw": "log odds{target}",
    "binary:hinge": "score{target}",
    "count:poisson": "log of the mean{target}",
    "reg:gamma": "log of the mean{target}",
    "reg:tweedie": "log of the mean{target}",
    "survival:cox": "log hazard ratio",
    "survival:aft": "log of the time{target}",
}


def margin_words(
    model: Model, output: int = 0, *, target: str | None = None, classes: Sequence[object] | None = None
) -> str:
    """Return what the margin of an output is, such as "log odds of yes" or "mean of price".

    Parameters
    ----------
    model : Model
    output : int
    target : str, optional
        The name of the label.
    classes : sequence, optional
        The names of the classes.
    """
    name, params = model.objective.name, model.params
    outputs = model.forest.n_outputs
    of_target = f" of {target}" if target else ""
    if name.startswith("multi:"):
        return f"log score of {class_name(classes, output)}"
    if name.startswith("rank:"):
        return "ranking score"
    if name == "reg:normal":
        return f"{'log of the deviation' if output else 'mean'}{of_target}"
    for parameter, word in (("quantile_alpha", "quantile"), ("expectile_alpha", "expectile")):
        if name == f"reg:{word}error":
            levels = np.atleast_1d(params[parameter])
            return f"{word} {levels[output % len(levels)]:g}{of_target}"
    if name.startswith("binary:logi") and classes is not None and isinstance(classes[-1], str):
        of_target = f" of {target} = {classes[1]}" if target else f" of {classes[1]}"
    words = MARGINS.get(name, "margin").format(target=of_target)
    return f"{words}, output {output}" if outputs > 1 else words


def class_name(classes: Sequence[object] | None, k: int) -> str:
    """Return the name of a class; "class 3" for a number and for an unknown name."""
    name = k if classes is None else classes[k]
    return name if isinstance(name, str) else f"class {name}"


@dataclass(frozen=True)
class Page:
    """How much of a tree is written, and how wide.

    Attributes
    ----------
    width : int, optional
        Columns of the terminal; without it, all names are written in full.
    depth : int, optional
        The deepest level that is written; all by default.
    ascii : bool
        Whether the lines are drawn with ASCII characters.
    """

    width: int | None = None
    depth: int | None = None
    ascii: bool = False


@dataclass(frozen=True)
class Row:
    """A node of a tree in words.

    Attributes
    ----------
    n : int
        The node.
    lines : str
        The lines before it, which lead to its parent.
    condition : str
        What leads to it from its parent.
    is_cut : bool
        Whether the nodes below it are left out.
    """

    n: int
    lines: str
    condition: str
    is_cut: bool


def condition(names: Names, tree: Tree, n: int, yes: bool, width: int | None = None) -> str:
    """Return the condition of one side of a split, such as "age is below 6.5 or missing".

    Parameters
    ----------
    names : Names
    tree : Tree
    n : int
        The node.
    yes : bool
        Whether the side is that of the child "yes": values below the threshold, or the listed categories.
    width : int, optional
        The most characters; the categories that have no place are counted.
    """
    f = int(tree.feature[n])
    kind = names.types[f]
    name = names.names[f] if width is None else shorten(names.names[f], MOST_LETTERS)
    codes = right_categories(tree, n)
    goes_right = yes == bool(codes.size)
    missing = "" if goes_right == bool(tree.default_left[n]) else " or missing"
    if codes.size:
        room = None if width is None else max(width - len(name) - len(missing), 1)
        return f"{name} {_set(names, f, codes.tolist(), yes, room)}{missing}"
    if kind == "i" and 0 < float(tree.condition[n]) <= 1:
        return f"{name} is {'false' if yes else 'true'}{missing}"
    limit = threshold(tree, n, kind) if width is None or kind == "int" else f"{float(tree.condition[n]):.5g}"
    return f"{name} is {f'below {limit}' if yes else f'{limit} or more'}{missing}"


def _set(names: Names, f: int, listed: Sequence[int], yes: bool, room: int | None) -> str:
    """Return which categories are on one side; the smaller side is named, the other one has the others."""
    dictionary = names.categories.get(f, ())
    others = [c for c in range(len(dictionary)) if c not in set(listed)]
    if not others:  # no dictionary, or all of its categories: others are unknown
        prefix = "is" if yes else "is not"
        return f"{prefix} {_join([names.category(f, c) for c in listed], room)}"
    smaller = listed if len(listed) <= len(others) else others
    side = listed if yes else others
    if side is smaller or len(side) < MOST_CATEGORIES or room is None:
        return f"is {_join([names.category(f, c) for c in side], room)}"
    return f"is one of the {len(side)} others"


def _join(words: Sequence[str], room: int | None) -> str:
    """Return words joined by commas and "or"; as many as there is room for, and the number of the rest."""
    if room is None:
        return _listed(words)
    short = [shorten(word, MOST_LETTERS) for word in words[:MOST_CATEGORIES]]
    for shown in range(len(short), 0, -1):
        rest = [f"{len(words) - shown} more"] if shown < len(words) else []
        text = _listed([*short[:shown], *rest])
        if len(text) <= room - len(" is "):
            return text
    excess = len(text) - (room - len(" is "))
    return _listed([shorten(short[0], max(len(short[0]) - excess, FEWEST_LETTERS)), *rest])


def _listed(parts: Sequence[str]) -> str:
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def tree_rows(tree: Tree, names: Names, page: Page = Page()) -> list[Row]:
    """Return a row for each node down to the depth of the page, each before its children."""
    down, last, beside, blank = ASCII_LINES if page.ascii else LINES
    numbers = sum(_columns(page.width))
    rows = []
    stack: list[tuple[int, int, str, str, str]] = [(0, 0, "", "", "all rows")]
    while stack:
        n, depth, before, sign, text = stack.pop()
        is_leaf = tree.left[n] == NO_NODE
        is_cut = not is_leaf and page.depth is not None and depth >= page.depth
        rows.append(Row(n, before + sign, text, is_cut))
        if is_leaf or is_cut:
            continue
        inner = before + (beside if sign == down else blank if sign else "")
        room = None if page.width is None else max(page.width - numbers - len(inner) - len(down), 12)
        yes, no, _ = branches(tree, n, "q")
        sides = [
            (child, condition(names, tree, n, answer, room)) for child, answer in ((yes, True), (no, False))
        ]
        codes = right_categories(tree, n).size
        if codes > len(names.categories.get(int(tree.feature[n]), ())) - codes > 0:
            sides.reverse()  # the smaller set, which is named, comes first
        for (child, words), branch in zip(sides[::-1], (last, down), strict=True):
            stack.append((child, depth + 1, inner, branch, words))
    return rows


def _columns(width: int | None) -> tuple[int, int, int]:
    """Return the widths of the columns of cover, gain and value; 0 for one that a narrow page leaves out."""
    if width is None or width >= WIDE:
        return COVER, GAIN, VALUE
    return (COVER if width >= MEDIUM else 0), 0, VALUE


def page_lines(tree: Tree, names: Names, page: Page) -> list[str]:
    """Return a tree as lines that fit the page: conditions on the left, and columns of numbers on the right.

    The columns: cover, the share of the sum of the hessians; the gain of the split below; and the value of a
    leaf, or the number of leaves that the page leaves out.
    """
    cover, gain, value = _columns(page.width)
    whole = float(tree.hessian[0])
    cells = [("", "cover", "gain", "leaf")]
    for row in tree_rows(tree, names, page):
        is_leaf = tree.left[row.n] == NO_NODE
        share = 100.0 * float(tree.hessian[row.n]) / whole if whole > 0 else 0.0
        end = (
            f"({below(tree, row.n)[1]} leaves)" if row.is_cut else leaf_words(tree, row.n) if is_leaf else ""
        )
        cells.append(
            (
                row.lines + row.condition,
                f"{share:.0f} %" if share >= 0.95 or share == 0 else f"{share:.1f} %",
                "" if is_leaf else short_number(float(tree.gain[row.n])),
                end if page.width is None else shorten(end, value - 2),
            )
        )
    longest = max(len(text) for text, *_ in cells)
    left = longest if page.width is None else min(longest, page.width - cover - gain - value)
    return [
        (
            shorten(text, left).ljust(left)
            + (first.rjust(cover) if cover else "")
            + (second.rjust(gain) if gain else "")
            + third.rjust(value)
        ).rstrip()
        for text, first, second, third in cells
    ]


def tree_words(tree: Tree, names: Names, with_stats: bool) -> str:
    """Return a whole tree in words, a line for each node, with its cover and gain if `with_stats` is true."""
    lines = []
    for row in tree_rows(tree, names):
        is_leaf = tree.left[row.n] == NO_NODE
        gain = "" if is_leaf else f", gain {float(tree.gain[row.n]):.6g}"
        stats = f" (cover {float(tree.hessian[row.n]):.6g}{gain})" if with_stats else ""
        value = f": {leaf_words(tree, row.n)}" if is_leaf else ""
        lines.append(f"{row.lines}{row.condition}{value}{stats}\n")
    return "".join(lines)


def leaf_words(tree: Tree, n: int) -> str:
    """Return what a leaf adds to the margin, with its sign; for a vector leaf, to each output."""
    values = tree.vectors[n] if tree.vectors.size else tree.condition[n : n + 1]
    return ", ".join(f"{float(value):+.4g}" for value in values)


def depth_of(tree: Tree) -> int:
    """Return the depth of the deepest leaf."""
    return len(level_sizes(tree)) - 1


def level_sizes(tree: Tree) -> list[int]:
    """Return the number of nodes of each level."""
    sizes, level = [], [0]
    while level:
        sizes.append(len(level))
        level = [int(c) for n in level if tree.left[n] != NO_NODE for c in (tree.left[n], tree.right[n])]
    return sizes


def fitting_depth(tree: Tree, lines: int) -> int:
    """Return the largest depth at which a tree is written in so many lines; at least 1."""
    totals = np.cumsum(level_sizes(tree))
    return max(1, int(np.searchsorted(totals, lines, side="right")) - 1)


def below(tree: Tree, n: int) -> tuple[int, int]:
    """Return the number of the nodes below a node, and how many of them are leaves."""
    count, leaves, stack = -1, 0, [n]
    while stack:
        at = stack.pop()
        count += 1
        if tree.left[at] == NO_NODE:
            leaves += 1
        else:
            stack += [int(tree.left[at]), int(tree.right[at])]
    return count, leaves


def shorten(text: str, width: int) -> str:
    """Return a text of at most so many characters; the end of a longer one is an ellipsis."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def short_number(value: float) -> str:
    """Return a number in few characters, with a minus sign: 950, 1.2k, 3M, 0.25."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.4g}"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1e15:
            text = f"{value / size:.4g}{letter}"
            break
    return text.replace("-", "\N{MINUS SIGN}")
