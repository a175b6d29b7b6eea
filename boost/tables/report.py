"""The report on a model file: a summary, the importance of the features, and one tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boost.errors import TableError
from boost.tables.file import check_extension
from boost.tables.model import TableModel

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

KINDS = "total_gain", "gain", "weight", "cover"
# The most classes, base scores and categories that are listed.
LISTED = 8
# Lines of the screen that the tree leaves free, and the least lines of a tree.
HEADING, FEWEST_LINES = 5, 16


def show_model(
    model: TableModel, console: Console, *, top: int, tree: int, depth: int | None, drawing: Path | None
) -> None:
    """Print the report on a model, and draw one of its trees into an SVG file.

    Parameters
    ----------
    model : TableModel
    console : Console
    top : int
        How many features to list.
    tree : int
        The index of the tree to print and to draw.
    depth : int or None
        The deepest level of the tree to print; None for as many as the screen has lines for.
    drawing : Path or None
        The SVG file; None for no drawing.

    Raises
    ------
    TableError
        For a tree that does not exist, and a drawing without the extension ".svg".
    """
    if drawing is not None:
        check_extension(drawing, (".svg",))
    booster = model.booster
    trees = booster.forest.trees
    if trees and tree >= trees:
        raise TableError(f"the model has the trees 0 to {trees - 1}, not {tree}")
    print_summary(model, console)
    if not trees:
        return
    if booster.get_score():
        console.print(importance_table(model, top))
    for line in tree_lines(model, tree, depth, console):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if drawing is not None:
        import boost

        boost.plot_tree(booster, tree_idx=tree).save(drawing)
        console.print(f"drawing: {drawing}", highlight=False, markup=False, soft_wrap=True)


def print_summary(model: TableModel, console: Console, *, with_trees: bool = True) -> None:
    """Print the properties of a model and its columns; without the trees, which compiled ones do not show."""
    for name, value in {**summary(model, with_trees), **category_lines(model, console.width)}.items():
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)


def summary(model: TableModel, with_trees: bool = True) -> dict[str, str]:
    """Return the properties of a model by name, in the order of the report."""
    booster = model.booster
    kinds = [t == "c" for t in booster.feature_types or ["q"] * booster.num_features()]
    lines = {"objective": booster.objective.name}
    if with_trees:
        forest = booster.forest
        lines["rounds"] = f"{forest.rounds}, {forest.trees} trees, {_leaves(model)} leaves"
    lines["features"] = f"{booster.num_features()}, of which {sum(kinds)} categorical"
    if model.target is not None:
        lines["target"] = f"{model.target} ({model.task})"
    if model.classes:
        lines["classes"] = _counted([str(c) for c in model.classes], min(LISTED, len(model.classes)))
    lines["base score"] = ", ".join(f"{v:.6g}" for v in booster.base_score[:LISTED])
    if booster.model.best_iteration is not None:
        lines["best round"] = str(booster.model.best_iteration)
    if model.has_intervals:
        from boost.model.interval import interval_of

        lines["intervals"] = f"coverage {interval_of(booster.model)['coverage']:g}"
    return lines


def category_lines(model: TableModel, width: int) -> dict[str, str]:
    """Return the categories of each categorical column, and the columns that are made of others.

    What a line has no place for is counted.
    """
    names = model.booster.feature_names or [f"f{i}" for i in range(model.booster.num_features())]
    lines = {}
    for f, dictionary in list(model.booster.categories.items())[:LISTED]:
        words = [str(c) for c in dictionary]
        shown = len(words)
        while shown > 1 and len(names[f]) + len(_counted(words, shown)) + 2 > width:
            shown -= 1
        lines[names[f]] = _counted(words, shown)
    for column in model.booster.model.encoding.derived:
        lines[f"made of {' and '.join(column.sources)}"] = _counted(list(column.names), LISTED)
    return lines


def _counted(words: list[str], shown: int) -> str:
    more = f" and {len(words) - shown} more" if shown < len(words) else ""
    return ", ".join(words[:shown]) + more


def tree_lines(model: TableModel, t: int, depth: int | None, console: Console) -> list[str]:
    """Return a heading and the lines of a tree in words, as wide as the console.

    Without a depth, as many levels as the console has lines for. The heading says how many leaves are left
    out.
    """
    from boost.show.names import names_of
    from boost.show.words import Page, fitting_depth, level_sizes, margin_words, page_lines

    fitted = model.booster.model
    tree, forest = fitted.forest[t], fitted.forest
    deepest = len(level_sizes(tree)) - 1
    chosen = fitting_depth(tree, max(console.height - HEADING, FEWEST_LINES)) if depth is None else depth
    leaves = int((tree.left < 0).sum())
    words = f"tree {t} of {forest.trees} (round {t // forest.round_trees}): {leaves} leaves, "
    words += f"depth {deepest}"
    if chosen < deepest:
        words += f", of which {chosen} {'is' if chosen == 1 else 'are'} shown; --depth {deepest} shows all"
    outputs = range(min(forest.n_outputs, LISTED)) if forest.vector else [forest.output(t)]
    adds = ", ".join(margin_words(fitted, k, target=model.target, classes=model.classes) for k in outputs)
    page = Page(console.width, chosen, console.options.ascii_only)
    return [words, f"a leaf adds to: {adds}", *page_lines(tree, names_of(fitted), page)]


def _leaves(model: TableModel) -> int:
    forest = model.booster.forest
    return sum(int((forest[t].left < 0).sum()) for t in range(forest.trees))


def importance_table(model: TableModel, top: int) -> Table:
    """Return the features of the largest total gain, with all kinds of importance."""
    from rich import box
    from rich.table import Table

    scores = {kind: model.booster.get_score(importance_type=kind) for kind in KINDS}
    order = sorted(scores[KINDS[0]], key=lambda name: (-scores[KINDS[0]][name], name))
    title = f"{min(top, len(order))} of {len(order)} used features, by total gain"
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("feature", overflow="fold")
    for kind in KINDS:
        table.add_column(kind.replace("_", " "), justify="right")
    for name in order[:top]:
        table.add_row(name, *(f"{scores[kind][name]:.5g}" for kind in KINDS))
    return table
