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
# The most classes and base scores that are listed.
LISTED = 8


def show_model(path: Path, console: Console, *, top: int, tree: int, drawing: Path | None) -> None:
    """Print the report on a model file, and draw one of its trees into an SVG file.

    Parameters
    ----------
    path : Path
    console : Console
    top : int
        How many features to list.
    tree : int
        The index of the tree to print and to draw.
    drawing : Path or None
        The SVG file; None for no drawing.

    Raises
    ------
    ModelError
        For a file that is not a model.
    TableError
        For a missing file, a tree that does not exist, and a drawing without the extension ".svg".
    """
    if drawing is not None:
        check_extension(drawing, (".svg",))
    model = TableModel.load(path)
    booster = model.booster
    trees = booster.forest.trees
    if trees and tree >= trees:
        raise TableError(f"the model has the trees 0 to {trees - 1}, not {tree}")
    for name, value in summary(model).items():
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)
    if not trees:
        return
    if booster.get_score():
        console.print(importance_table(model, top))
    console.print(f"tree {tree}:", highlight=False)
    text = booster.get_dump(with_stats=True)[tree]
    console.print(text.rstrip(), highlight=False, markup=False, soft_wrap=True)
    if drawing is not None:
        import boost

        boost.plot_tree(booster, tree_idx=tree).save(drawing)
        console.print(f"drawing: {drawing}", highlight=False, markup=False, soft_wrap=True)


def summary(model: TableModel) -> dict[str, str]:
    """Return the properties of a model by name, in the order of the report."""
    booster = model.booster
    forest = booster.forest
    kinds = [t == "c" for t in booster.feature_types or ["q"] * booster.num_features()]
    lines = {
        "objective": booster.objective.name,
        "rounds": f"{forest.rounds}, {forest.trees} trees, {_leaves(model)} leaves",
        "features": f"{booster.num_features()}, of which {sum(kinds)} categorical",
    }
    if model.target is not None:
        lines["target"] = f"{model.target} ({model.task})"
    if model.classes:
        more = f" and {len(model.classes) - LISTED} more" if len(model.classes) > LISTED else ""
        lines["classes"] = ", ".join(map(str, model.classes[:LISTED])) + more
    lines["base score"] = ", ".join(f"{v:.6g}" for v in booster.base_score[:LISTED])
    if booster.model.best_iteration is not None:
        lines["best round"] = str(booster.model.best_iteration)
    if model.has_intervals:
        from boost.model.interval import interval_of

        lines["intervals"] = f"coverage {interval_of(booster.model)['coverage']:g}"
    return lines


def _leaves(model: TableModel) -> int:
    forest = model.booster.forest
    return sum(int((forest[t].left < 0).sum()) for t in range(forest.trees))


def importance_table(model: TableModel, top: int) -> Table:
    """Return the features of the largest total gain, with all kinds of importance."""
    from rich.table import Table

    scores = {kind: model.booster.get_score(importance_type=kind) for kind in KINDS}
    order = sorted(scores[KINDS[0]], key=lambda name: (-scores[KINDS[0]][name], name))
    table = Table(title=f"{min(top, len(order))} of {len(order)} used features, by total gain")
    table.add_column("feature", overflow="fold")
    for kind in KINDS:
        table.add_column(kind.replace("_", " "), justify="right")
    for name in order[:top]:
        table.add_row(name, *(f"{scores[kind][name]:.5g}" for kind in KINDS))
    return table
