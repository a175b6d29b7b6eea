"""Trees as text, JSON and DOT in XGBoost's formats, and as a table."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import nearest
from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree

if TYPE_CHECKING:
    from boost.model.model import Model

FORMATS = ("text", "json", "dot")
# Colours of the edges of a DOT graph: along which missing values go, and the others.
MISSING, OTHER = "#0000FF", "#FF0000"


class Names:
    """The names of the features, and their types, which define how splits are printed.

    Parameters
    ----------
    names, types : sequences of str, or None
        Without names, features are called f0, f1, ...
    features : int
    """

    def __init__(self, names: Sequence[str] | None, types: Sequence[str] | None, features: int) -> None:
        self.names = list(names) if names else [f"f{i}" for i in range(features)]
        self.types = list(types) if types else ["q"] * features

    @classmethod
    def of_file(cls, path: Any, features: int) -> Names:
        """Read XGBoost's feature map: a line for each feature with its number, its name and its type.

        Raises
        ------
        ValueError
            For a line of any other form, and for features without a line.
        """
        entries: dict[int, tuple[str, str]] = {}
        with open(os.path.expanduser(os.fspath(path)), encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                parts = line.split()
                if len(parts) == 3 and parts[0].isdigit() and parts[2] in ("i", "q", "int", "float", "c"):
                    entries[int(parts[0])] = parts[1], parts[2]
                elif parts:
                    raise ValueError(
                        f"line {number} of the feature map must be a number, a name and one of i, q, int, "
                        f"float and c, got {line.rstrip()!r}"
                    )
        absent = [f for f in range(features) if f not in entries]
        if absent:
            raise ValueError(f"the feature map has no line for feature {absent[0]}")
        return cls(
            [entries[f][0] for f in range(features)], [entries[f][1] for f in range(features)], features
        )


def names_of(model: Model, fmap: Any = "") -> Names:
    """Return the names of a model's features, or those of a feature map, if one is given."""
    if fmap is None or fmap == "":
        return Names(model.feature_names, model.feature_types, model.n_features)
    return Names.of_file(fmap, model.n_features)


def number(value: Any) -> str:
    """Return a float32 as XGBoost prints it: with nine digits, which identify it."""
    return f"{float(value):.9g}"


def leaf_text(tree: Tree, n: int) -> str:
    """Return the value of a leaf, or its values in brackets."""
    if tree.vectors.size:
        return f"[{', '.join(number(v) for v in tree.vectors[n])}]"
    return number(tree.condition[n])


def right_categories(tree: Tree, n: int) -> NDArray[np.int32]:
    """Return the categories that go right at a node; empty for a numerical split."""
    if not tree.categories.size:
        return tree.categories
    return tree.categories[tree.category_starts[n] : tree.category_starts[n + 1]]


def threshold(tree: Tree, n: int, kind: str) -> str:
    """Return the condition of a node; rounded up for a feature of integers, where that is equivalent."""
    condition = float(tree.condition[n])
    return str(math.ceil(condition)) if kind == "int" and math.isfinite(condition) else number(condition)


def traverse(tree: Tree) -> Iterator[tuple[int, int]]:
    """Yield nodes with their depths, each before its children, left before right."""
    stack = [(0, 0)]
    while stack:
        n, depth = stack.pop()
        yield n, depth
        if tree.left[n] != NO_NODE:
            stack += [(int(tree.right[n]), depth + 1), (int(tree.left[n]), depth + 1)]


def branches(tree: Tree, n: int, kind: str) -> tuple[int, int, int]:
    """Return the children "yes", "no" and "missing" of a split, in XGBoost's sense.

    The listed categories of a categorical split are "yes", and go right; for an indicator, "yes" means that
    it is present.
    """
    left, right = int(tree.left[n]), int(tree.right[n])
    missing = left if tree.default_left[n] else right
    if right_categories(tree, n).size:
        return right, left, missing
    if kind == "i":
        return (right if tree.default_left[n] else left), missing, missing
    return left, right, missing


def dump(forest: Forest, names: Names, with_stats: bool, form: str) -> list[str]:
    """Return each tree as a string; `form` is "text", "json" or "dot".

    Raises
    ------
    ValueError
        For an unknown format.
    """
    writers = dict(zip(FORMATS, (_text, _json, dot), strict=True))
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
    """

    graph: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    leaf: Mapping[str, Any] = field(default_factory=dict)
    missing: str = MISSING
    other: str = OTHER


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
            split = f"{name}:{{{','.join(map(str, codes))}}}"
        elif names.types[tree.feature[n]] == "i":
            split = name
        parts.append(f'\n    {n} [ label="{split}{stats}"{of_split} ]\n')
        for child, answer in ((tree.left[n], not codes.size), (tree.right[n], bool(codes.size))):
            missing = (child == tree.left[n]) == bool(tree.default_left[n])
            label = ("yes" if answer else "no") + (", missing" if missing else "")
            colour = style.missing if missing else style.other
            parts.append(f'    {n} -> {child} [label="{label}" color="{colour}"]\n')
    return "".join(parts) + "}"


def tree_columns(
    forest: Forest, names: Names, categories: Mapping[int, Sequence[Any]]
) -> dict[str, list[Any] | NDArray]:
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
                dictionary = categories.get(f, ())
                row["Category"] = [
                    str(dictionary[c]) if c < len(dictionary) else str(c) for c in codes
                ] or None
                if not codes.size:
                    row["Split"] = (
                        float(threshold(tree, n, kind)) if kind == "int" else float(tree.condition[n])
                    )
                row |= {"Feature": names.names[f], "Gain": float(tree.gain[n])}
            for name, value in row.items():
                columns[name].append(value)
    return dict(columns)
