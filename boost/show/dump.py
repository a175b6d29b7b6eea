"""Trees as text, JSON and DOT in XGBoost's formats, in words, and as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from boost.errors import nearest
from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree
from boost.show.names import Names, branches, number, right_categories, threshold, traverse
from boost.show.words import tree_words

FORMATS = ("text", "json", "dot", "words")
# Colours of the edges of a DOT graph: along which missing values go, and the others.
MISSING, OTHER = "#0000FF", "#FF0000"


def leaf_text(tree: Tree, n: int) -> str:
    """Return the value of a leaf, or its values in brackets."""
    if tree.vectors.size:
        return f"[{', '.join(number(v) for v in tree.vectors[n])}]"
    return number(tree.condition[n])


def dump(forest: Forest, names: Names, with_stats: bool, form: str) -> list[str]:
    """Return each tree as a string; `form` is "text", "json", "dot" or "words".

    Raises
    ------
    ValueError
        For an unknown format.
    """
    writers = dict(zip(FORMATS, (_text, _json, dot, tree_words), strict=True))
    if form not in writers:
        raise ValueError(f"dump_format must be one of {FORMATS}, got {form!r}{nearest(form, FORMATS)}")
    return [writers[form](forest[t], names, with_stats) for t in range(forest.trees)]


def _text(tree: Tree, names: Names, with_stats: bool) -> str:
    lines = []
    for n, depth in traverse(tree):
        indent = "\t" * depth
        if tree.left[n] == NO_NODE:
            stats = f",cover={number(tree.hessian[n])}" if with_stats else ""
            lines.append(f"{indent}{n}:leaf={leaf_text(tree, n)}{stats}")
            continue
        name, kind = names.names[tree.feature[n]], names.types[tree.feature[n]]
        yes, no, missing = branches(tree, n, kind)
        stats = f",gain={number(tree.gain[n])},cover={number(tree.hessian[n])}" if with_stats else ""
        codes = right_categories(tree, n)
        if codes.size:
            split = f"{name}:{{{','.join(map(str, codes))}}}"
        elif kind == "i":
            # XGBoost does not indent these lines, and programs that parse them rely on it.
            lines.append(f"{n}:[{name}] yes={yes},no={no}{stats}")
            continue
        else:
            split = f"{name}<{threshold(tree, n, kind)}"
        lines.append(f"{indent}{n}:[{split}] yes={yes},no={no},missing={missing}{stats}")
    return "".join(f"{line}\n" for line in lines)


def _json(tree: Tree, names: Names, with_stats: bool) -> str:
    parts: list[str] = []
    stack: list[tuple[int, int] | str] = [(0, 0)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        n, depth = item
        indent = "  " * (depth + 1)
        if tree.left[n] == NO_NODE:
            stats = f', "cover": {number(tree.hessian[n])}' if with_stats else ""
            parts.append(f'{indent}{{ "nodeid": {n}, "leaf": {leaf_text(tree, n)} {stats and stats + " "}}}')
            continue
        kind = names.types[tree.feature[n]]
        yes, no, missing = branches(tree, n, kind)
        codes = right_categories(tree, n)
        condition = f', "split_condition": [{", ".join(map(str, codes))}]' if codes.size else ""
        absent = f', "missing": {missing}'
        if not codes.size and kind == "i":
            absent = ""
        elif not codes.size:
            condition = f', "split_condition": {threshold(tree, n, kind)}'
        name = json.dumps(names.names[tree.feature[n]], ensure_ascii=False)
        stats = f'"gain": {number(tree.gain[n])}, "cover": {number(tree.hessian[n])}, ' if with_stats else ""
        parts.append(
            f'{indent}{{ "nodeid": {n}, "depth": {depth}, "split": {name}{condition}, "yes": {yes}, '
            f'"no": {no}{absent} , {stats}"children": [\n'
        )
        left, right = (int(tree.left[n]), depth + 1), (int(tree.right[n]), depth + 1)
        stack += [f"\n{indent}]}}", right, ", \n", left]
    return "".join(parts)


@dataclass(frozen=True)
class DotStyle:
    """How a graph is drawn: attributes of Graphviz by name, and colours of the edges.

    Attributes
    ----------
    graph, split, leaf : mapping
        Attributes of the graph, of the nodes of splits, and of leaves.
    missing, other : str
        The colour of an edge that missing values take, and of the other one.
    by_name : bool
        Whether categories have their names; XGBoost prints codes.
    """

    graph: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    leaf: Mapping[str, Any] = field(default_factory=dict)
    missing: str = MISSING
    other: str = OTHER
    by_name: bool = False


def _escaped(text: Any) -> str:
    return str(text).replace("\\", "\\\\").replace('"', '\\"')


def dot(tree: Tree, names: Names, with_stats: bool, style: DotStyle = DotStyle()) -> str:
    """Return a tree in the language of Graphviz."""
    of_split, of_leaf = (
        "".join(f' {key}="{_escaped(value)}"' for key, value in given.items())
        for given in (style.split, style.leaf)
    )
    parts = ["digraph {\n    graph [ rankdir=TB ]\n"]
    parts += [f'    graph [ {key}="{_escaped(value)}" ]\n' for key, value in style.graph.items()]
    for n, _ in traverse(tree):
        stats = f"\ncover={number(tree.hessian[n])}" if with_stats else ""
        if tree.left[n] == NO_NODE:
            parts.append(f'\n    {n} [ label="leaf={leaf_text(tree, n)}{stats}"{of_leaf} ]\n')
            continue
        stats = f"\ngain={number(tree.gain[n])}{stats}" if with_stats else ""
        name = _escaped(names.names[tree.feature[n]])
        codes = right_categories(tree, n)
        split = f"{name}<{number(tree.condition[n])}"
        if codes.size:
            f = int(tree.feature[n])
            shown = [names.category(f, c) if style.by_name else str(c) for c in codes.tolist()]
            split = f"{name}:{{{_escaped(','.join(shown))}}}"
        elif names.types[tree.feature[n]] == "i":
            split = name
        parts.append(f'\n    {n} [ label="{split}{stats}"{of_split} ]\n')
        for child, answer in ((tree.left[n], not codes.size), (tree.right[n], bool(codes.size))):
            missing = (child == tree.left[n]) == bool(tree.default_left[n])
            label = ("yes" if answer else "no") + (", missing" if missing else "")
            colour = style.missing if missing else style.other
            parts.append(f'    {n} -> {child} [label="{label}" color="{colour}"]\n')
    return "".join(parts) + "}"


def tree_columns(forest: Forest, names: Names) -> dict[str, list[Any] | NDArray]:
    """Return the nodes of all trees as the columns of `boost.Booster.trees_to_dataframe`."""
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("Tree", "Node", "ID", "Feature", "Split", "Yes", "No", "Missing", "Gain", "Cover")
    }
    columns["Category"] = []
    for t in range(forest.trees):
        tree = forest[t]
        for n in sorted(n for n, _ in traverse(tree)):
            row: dict[str, Any] = dict.fromkeys(columns, math.nan)
            row |= {"Tree": t, "Node": n, "ID": f"{t}-{n}", "Cover": float(tree.hessian[n])}
            if tree.left[n] == NO_NODE:
                value = tree.vectors[n].tolist() if tree.vectors.size else float(tree.condition[n])
                row |= {"Feature": "Leaf", "Gain": value}
            else:
                f = int(tree.feature[n])
                kind = names.types[f]
                ends = (f"{t}-{child}" for child in branches(tree, n, kind))
                row |= dict(zip(("Yes", "No", "Missing"), ends, strict=True))
                codes = right_categories(tree, n)
                row["Category"] = [names.category(f, c) for c in codes.tolist()] or None
                if not codes.size:
                    row["Split"] = (
                        float(threshold(tree, n, kind)) if kind == "int" else float(tree.condition[n])
                    )
                row |= {"Feature": names.names[f], "Gain": float(tree.gain[n])}
            for name, value in row.items():
                columns[name].append(value)
    return dict(columns)
