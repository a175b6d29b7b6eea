"""The command that cross-validates a model of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.table import TableOptions, described, figure, table_options
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    from rich.table import Table

    from boost.tables.crossval import FoldScores


@click.command()
@table_options
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option(
    "--rounds", type=click.IntRange(min=1), help="Exactly so many rounds.  [default: found by early stopping]"
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A file for the predictions of all rows, each by the model that was trained without its fold.",
)
@clean_errors
def cv(folds: int, rounds: int | None, output: Path | None, **options: Any) -> None:
    """Cross-validate: score each fold of a table by a model of the other rows.

    Each model is trained as `espalier train` does it. Classes, and observed events, have the same shares in
    all folds; the rows of a --group stay together. Prints the scores of the folds, their means with standard
    errors, and those of constant predictions. Ctrl-C ends after the fold that is trained.
    """
    from boost.tables.crossval import cross_validate
    from boost.tables.file import check_extension, write_table
    from boost.tables.model import TableModel
    from boost.tables.progress import TrainingProgress

    given = TableOptions.of(options)
    if output is not None:
        check_extension(output)
    examples, review = given.read()
    params = TableModel.training_params(
        examples.target, coverage=given.coverage, seed=given.seed, **given.parameters()
    )
    click.echo(described(examples, review.dates))
    with TrainingProgress(new_console(stderr=True), rounds) as progress:

        def after_fold(done: int) -> bool:
            progress.begin(f"fold {done + 1} of {folds}")
            return progress.interrupted

        progress.begin(f"fold 1 of {folds}")
        found = cross_validate(
            examples,
            params,
            folds=folds,
            seed=given.seed,
            settings={"preset": given.preset, "rounds": rounds, "dates": review.dates},
            coverage=given.coverage,
            observer=progress,
            after_fold=after_fold,
        )
    new_console().print(_fold_table(found))
    if progress.interrupted:
        click.echo(f"interrupted: {len(found.scores)} of {folds} folds", err=True)
    if output is not None and found.predictions is not None:
        write_table(output, found.predictions)
        click.echo(f"{len(found.predictions):,} predictions: {output}")
    if progress.interrupted:
        sys.exit(INTERRUPTED)


def _fold_table(found: FoldScores) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("fold", "rows", "rounds", *found.names):
        table.add_column(name, justify="left" if name == "fold" else "right")
    for k, scores in enumerate(found.scores):
        values = [figure(scores[name]) for name in found.names]
        table.add_row(str(k + 1), f"{found.rows[k]:,}", str(found.rounds[k]), *values)
    several = len(found.scores) > 1
    table.add_section()
    table.add_row("mean", "", "", *(figure(found.mean(name)) for name in found.names))
    if several:
        table.add_row("standard error", "", "", *(figure(found.error(name)) for name in found.names))
    table.add_row("constant prediction", "", "", *(figure(found.mean(name, True)) for name in found.names))
    return table
